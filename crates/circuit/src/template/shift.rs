//! A binding whose slots change in place: which rows that concerns.
//!
//! The slots of a registered plan may follow from a record, such as the list of those whom a user follows. One more in
//! the list concerns the rows of this one, and a bound that moves concerns the rows that it moves across. All others
//! are as before.

use std::ops::Bound;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::dependent::live_set::Moment;
use crate::plan::Slots;
use crate::store::arrangement::Bounds;
use crate::store::table::Table;
use crate::template::keys::{Keys, Part, Prefix, key_of_hash};
use crate::template::partition::Position;
use crate::template::route::{Access, Between, Edge, Member, Routing, is_comparison_of, slots_of, value_of};
use crate::template::{Evaluation, TemplateState};
use crate::value::{RoutingHash, Value, identity, routing_hash};
use crate::work::Work;

/// What changes of an access when slots change.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shift {
    /// Nothing that rows are found by.
    Nothing,
    /// The items of the list in this slot.
    Items { column: u16, slot: u16 },
    /// The ends of this interval.
    Ends(Between),
}

impl TemplateState {
    /// The rows that belong to a binding with some slots and not to one with others are among these; `None` if there is
    /// no way to tell that is better than to look at all rows of both. O(slots + answer).
    pub(crate) fn rows_between(
        &self,
        table: &Table,
        before: &Slots,
        after: &Slots,
        with: Evaluation<'_>,
        work: &mut Work,
    ) -> Option<Vec<u32>> {
        let Routing::Indexed(accesses) = &self.wiring.routing else { return None };
        let ([access], [arrangement]) = (&accesses[..], &self.wiring.arrangements[..]) else { return None };
        let mut rows = Vec::new();
        let mut find = |keys: &[u64], bounds: Option<Bounds<'_>>| {
            work.indexes_probed += keys.len() as u64;
            table.arrangements.find(*arrangement, keys, bounds, &mut rows);
        };
        match self.shift(access, before, after)? {
            Shift::Nothing => {}
            Shift::Items { slot, .. } => {
                let keys = keys_of_difference(access, value_of(before, slot), value_of(after, slot), after)?;
                find(&keys, access.between.map(|between| between.bounds(after)));
            }
            Shift::Ends(between) => {
                let count = |key, most| table.arrangements.count(*arrangement, key, Some(between.bounds(after)), most);
                let Keys::These(keys) = access.sought_rows(after, with.sets, count) else { return None };
                for edge in [between.above, between.below].into_iter().flatten() {
                    let (was, is) = (value_of(before, edge.slot), value_of(after, edge.slot));
                    if !identity::are_identical(was, is) {
                        let bounds =
                            Bounds { above: Bound::Included(was.min(is)), below: Bound::Included(was.max(is)) };
                        find(&keys, Some(bounds));
                    }
                }
            }
        }
        rows.sort_unstable();
        rows.dedup();
        Some(rows)
    }

    /// What changes of the access, if nothing else does that the condition looks at.
    fn shift(&self, access: &Access, before: &Slots, after: &Slots) -> Option<Shift> {
        // Nothing satisfies a slot that could not be computed.
        let is_computed = |slots: &Slots| slots.0.iter().all(Option::is_some);
        if before.0.len() != after.0.len() || !is_computed(before) || !is_computed(after) {
            return None;
        }
        let is_changed = |slot: &u16| !identity::are_identical(value_of(before, *slot), value_of(after, *slot));
        let changed: SmallVec<[u16; 2]> = (0..before.0.len() as u16).filter(is_changed).collect();
        if self.wiring.memberships.iter().any(|(membership, _)| changed.contains(&membership.slot)) {
            return None;
        }
        let mut shift = Shift::Nothing;
        let mut is_told = true;
        let mut conjuncts = Vec::new();
        self.wiring.filter.iter().for_each(|filter| filter.conjuncts(&mut |conjunct| conjuncts.push(conjunct)));
        for conjunct in conjuncts {
            let mut slots = Vec::new();
            slots_of(conjunct, &mut slots);
            for slot in slots.into_iter().filter(|slot| changed.contains(slot)) {
                let own = access.shift_of(slot).filter(|(column, ..)| is_comparison_of(conjunct, *column, slot));
                let own = own.map(|(_, own)| own);
                is_told &= own.is_some() && (shift == Shift::Nothing || Some(shift) == own);
                shift = own.unwrap_or(shift);
            }
        }
        is_told.then_some(shift)
    }

    /// What becomes of rows when a binding gets other slots: the positions of those that leave it, and of those that
    /// enter. O(rows).
    pub(crate) fn moves_between(
        &self,
        number: u32,
        slots: &Slots,
        rows: &[u32],
        table: &Table,
        with: Evaluation<'_>,
        work: &mut Work,
    ) -> Vec<(Position, bool)> {
        let mut moves = Vec::new();
        for row in rows {
            work.rows_examined += 1;
            let Some((binding, view)) = self.bindings.get(number).zip(table.view(*row)) else { continue };
            let columns = self.columns(view, with.library);
            let holds = |slots| self.holds(&columns, slots, Moment::Now, with);
            let (was, is) = (holds(&binding.slots), holds(slots));
            if was != is {
                moves.push((self.position(*row, view, &columns), is));
            }
        }
        moves
    }

    /// Gives a binding other slots, and moves the rows that leave and enter it. Calls `mark` with each result, row and
    /// weight. O(keys of the binding + moves), each move O(log n) where there is a window.
    pub(crate) fn shift_binding(
        &mut self,
        number: u32,
        slots: Slots,
        moves: Vec<(Position, bool)>,
        work: &mut Work,
        mut mark: impl FnMut(u32, u32, i32),
    ) {
        self.unfile(number);
        if let Some(binding) = self.bindings.get_mut(number) {
            binding.slots = slots;
        }
        self.file(number);
        let Some(binding) = self.bindings.get_mut(number) else { return };
        for (position, enters) in moves {
            let result = binding.result;
            match (binding.partition_mut(), enters) {
                (None, _) => mark(result, position.row, if enters { 1 } else { -1 }),
                (Some(partition), true) => partition.insert(position, &self.wiring.order, work, &mut mark),
                (Some(partition), false) => partition.remove(&position, &self.wiring.order, work, &mut mark),
            }
        }
    }
}

impl Access {
    /// The column that this access compares with a slot, and what it means that the slot changes.
    fn shift_of(&self, slot: u16) -> Option<(u16, Shift)> {
        if let Some(Member::Hash { column, slot: own, of_binding, .. }) = self.member
            && own == slot
            // The keys of a list are those of its items, each of which tells for itself.
            && matches!(of_binding, Part::Contained | Part::Items | Part::ItemsOrSelf)
        {
            return Some((column, Shift::Items { column, slot }));
        }
        let between = self.between?;
        let is_own = |edge: &Edge| edge.slot == slot;
        let has = between.above.iter().chain(&between.below).any(is_own);
        has.then_some((between.column, Shift::Ends(between)))
    }
}

/// The keys of the rows for which it matters that a binding has another list; `None` if these are no lists, or the keys
/// can't tell.
fn keys_of_difference(access: &Access, before: &Value, after: &Value, slots: &Slots) -> Option<SmallVec<[u64; 2]>> {
    let mut items: HashMap<u64, [SmallVec<[&Value; 1]>; 2], foldhash::fast::FixedState> = HashMap::default();
    for (side, list) in [before, after].into_iter().enumerate() {
        for item in list.as_list()? {
            let RoutingHash::Key(hash) = routing_hash(item) else { return None };
            items.entry(key_of_hash(hash)).or_default()[side].push(item);
        }
    }
    let is_same = |[was, is]: &[SmallVec<[&Value; 1]>; 2]| {
        was.len() == is.len() && was.iter().zip(is).all(|(a, b)| identity::are_identical(a, b))
    };
    let keys = items.iter().filter(|(_, sides)| !is_same(sides)).map(|(key, _)| *key);
    let prefix = Prefix::of(access.equal.iter().map(|(_, slot)| value_of(slots, *slot)))?;
    match prefix.sought(Some(Keys::of(keys.collect()))) {
        Keys::These(keys) => Some(keys),
        Keys::Wild => None,
    }
}
