//! One circuit for all queries that differ only in constants and parameters.
//!
//! The bindings of a template are an ordinary relation: registering a view inserts one, unregistering retracts it. A
//! view is the join of the template's rows with its binding, and a changed row finds the bindings it may belong to
//! through an index over the bindings, not by asking each of them.

pub(crate) mod binding;
pub(crate) mod binding_index;
pub(crate) mod column;
pub(crate) mod keys;
pub(crate) mod membership;
pub(crate) mod partition;
pub(crate) mod route;
mod shift;

use std::borrow::{Borrow, Cow};
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::collection::hash_index::Ids;
use crate::collection::id_set::IdSet;
use crate::collection::shrink::shrink_table;
use crate::collection::slab::Slab;
use crate::dependent::attachment::Attachments;
use crate::dependent::live_set::{LiveSets, Moment};
use crate::expr::library::Library;
use crate::expr::reader::NoRecords;
use crate::expr::{Expr, Scope};
use crate::plan::{OrderKey, Slots, Template};
use crate::store::table::{RowView, Table, TableId};
use crate::template::binding::Binding;
use crate::template::binding_index::{BindingIndex, BindingPlace};
use crate::template::column::Column;
use crate::template::keys::Keys;
use crate::template::membership::set_of;
use crate::template::partition::{Partition, Position};
use crate::template::route::{Membership, Routing};
use crate::value::{Value, identity};
use crate::work::Work;

/// The values of a row at a template's columns. One that can't be computed has none, which only matters where the
/// condition or the order looks at it.
pub(crate) type Columns<'a> = SmallVec<[Option<Cow<'a, Value>>; 4]>;

/// The bindings that a row belongs to, ascending.
pub(crate) type Members = SmallVec<[u32; 8]>;

/// What a row is to a template.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    members: Members,
    /// The place in the order, where the order matters and the row belongs to any binding.
    position: Option<Position>,
}

/// The change of a row that a template looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowTransition<'a> {
    pub(crate) before: Option<RowView<'a>>,
    pub(crate) after: Option<RowView<'a>>,
    /// Whether the content, and not only what depends on other rows, has changed.
    pub(crate) has_new_content: bool,
    /// More than the row may have changed: live sets have.
    pub(crate) is_forced: bool,
}

/// What a change of a row means to a template.
#[derive(Debug)]
pub(crate) enum Transition {
    /// Nothing that the template looks at has changed.
    Stay(Standing),
    Move {
        before: Standing,
        after: Standing,
    },
}

impl Transition {
    /// A row that is nothing to the template, before and after.
    pub(crate) fn nothing() -> Self {
        Transition::Stay(Standing::default())
    }
}

/// What makes templates one: the same query over the same relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TemplateKey {
    pub(crate) template: Arc<Template>,
    pub(crate) relation: TableId,
    /// Whether the results are windows, so that the order of the rows matters to the engine.
    pub(crate) is_windowed: bool,
    /// The slots that are live sets.
    pub(crate) live: Vec<u16>,
    /// The slot behind those of the plan, where bindings over derived rows have the number of their operator.
    pub(crate) operator_slot: Option<u16>,
    /// The stage of a step in which the template is worked on: behind everything that it depends on.
    pub(crate) rank: u32,
}

/// How a template works on its relation.
#[derive(Debug)]
pub(crate) struct Wiring {
    pub(crate) columns: Vec<Column>,
    pub(crate) filter: Option<Expr>,
    /// Conjuncts of the condition that test membership in live sets, each with the arrangement of its column.
    pub(crate) memberships: Vec<(Membership, u32)>,
    pub(crate) order: Vec<OrderKey>,
    pub(crate) routing: Routing,
    /// For each access of the routing, the arrangement of the relation that serves it.
    pub(crate) arrangements: Vec<u32>,
}

/// A template with its bindings.
#[derive(Debug)]
pub(crate) struct TemplateState {
    pub(crate) key: TemplateKey,
    pub(crate) wiring: Wiring,
    pub(crate) bindings: Slab<Binding>,
    by_slots: HashTable<u32>,
    indexes: Vec<BindingIndex>,
    /// Bindings whose values no index can hold; candidates of every row.
    unindexed: IdSet,
    /// The subqueries under the rows, if there are any.
    pub(crate) attachments: Option<Box<Attachments>>,
}

/// What evaluation needs besides a row and a binding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evaluation<'a> {
    pub(crate) library: &'a dyn Library,
    pub(crate) sets: &'a LiveSets,
}

/// So many bindings are fetched in advance: most changes concern few.
const FETCHED: usize = 4;

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0xb1d);

impl TemplateState {
    pub(crate) fn new(key: TemplateKey, wiring: Wiring) -> Self {
        let indexes = match &wiring.routing {
            Routing::Indexed(accesses) => accesses.iter().map(BindingIndex::of).collect(),
            Routing::Single | Routing::Unindexed => Vec::new(),
        };
        let attachments = (!key.template.children.is_empty()).then(|| Box::new(Attachments::of(&key.template)));
        TemplateState {
            key,
            wiring,
            bindings: Slab::default(),
            by_slots: HashTable::new(),
            indexes,
            unindexed: IdSet::default(),
            attachments,
        }
    }

    /// The binding with these slot values.
    pub(crate) fn find(&self, slots: &Slots) -> Option<u32> {
        let bindings = &self.bindings;
        let is_same = |number: &u32| bindings.get(*number).is_some_and(|binding| binding.slots == *slots);
        self.by_slots.find(hash(slots), is_same).copied()
    }

    /// Inserts a binding. O(keys of the binding), whatever the number of bindings.
    pub(crate) fn insert(&mut self, binding: Binding) -> u32 {
        let number = self.bindings.insert(binding);
        self.file(number);
        number
    }

    /// Retracts a binding. O(keys of the binding), whatever the number of bindings.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Binding> {
        self.unfile(number);
        self.bindings.remove(number)
    }

    fn file(&mut self, number: u32) {
        let Some(binding) = self.bindings.get(number) else { return };
        let places = self.places_of(&binding.slots);
        let slots_hash = hash(&binding.slots);
        let bindings = &self.bindings;
        let rehash = |number: &u32| bindings.get(*number).map_or(0, |binding| hash(&binding.slots));
        self.by_slots.insert_unique(slots_hash, number, rehash);
        match places {
            Some(places) => {
                for (index, place) in self.indexes.iter_mut().zip(places) {
                    index.insert(place, number);
                }
            }
            None => self.unindexed.insert(number),
        }
    }

    fn unfile(&mut self, number: u32) {
        let Some(binding) = self.bindings.get(number) else { return };
        let places = self.places_of(&binding.slots);
        if let Ok(entry) = self.by_slots.find_entry(hash(&binding.slots), |other| *other == number) {
            entry.remove();
            let bindings = &self.bindings;
            let rehash = |number: &u32| bindings.get(*number).map_or(0, |binding| hash(&binding.slots));
            shrink_table(&mut self.by_slots, rehash);
        }
        match places {
            Some(places) => {
                for (index, place) in self.indexes.iter_mut().zip(places) {
                    index.remove(place, number);
                }
            }
            None => self.unindexed.remove(number),
        }
    }

    /// How many bindings every changed row has to try, for want of an index.
    pub(crate) fn unindexed_bindings(&self) -> usize {
        match self.wiring.routing {
            Routing::Unindexed => self.bindings.len(),
            Routing::Single | Routing::Indexed(_) => self.unindexed.len(),
        }
    }

    /// The values of a row at the columns.
    pub(crate) fn columns<'a>(&'a self, view: RowView<'a>, library: &dyn Library) -> Columns<'a> {
        let mut columns = Columns::new();
        for column in &self.wiring.columns {
            columns.push(column.value(view, library));
        }
        columns
    }

    /// The place of a row in the order.
    pub(crate) fn position(&self, number: u32, view: RowView<'_>, columns: &Columns<'_>) -> Position {
        let key = |key: &OrderKey| at(columns, key.column).cloned().unwrap_or_default();
        Position { keys: self.wiring.order.iter().map(key).collect(), id: view.row.id.clone(), row: number }
    }

    /// Whether a row with these columns satisfies a binding. One whose condition can't be evaluated does not, nor one
    /// that has no place in the order.
    pub(crate) fn holds(&self, columns: &Columns<'_>, slots: &Slots, moment: Moment, with: Evaluation<'_>) -> bool {
        let holds = self.wiring.filter.as_ref().is_none_or(|filter| {
            let scope = Scope { columns, slots: &slots.0, ..Scope::default() };
            filter.test(&scope, &mut NoRecords, with.library).unwrap_or(false)
        });
        holds
            && self.wiring.order.iter().all(|key| at(columns, key.column).is_some())
            && self.wiring.memberships.iter().all(|(membership, _)| {
                let set = set_of(slots, membership.slot).and_then(|set| with.sets.get(set));
                match (at(columns, membership.column), set) {
                    (Some(value), Some(set)) => set.contains(value, moment, with.library) != membership.is_negated,
                    _ => false,
                }
            })
    }

    /// What a row is to this template, given the bindings that it may belong to. O(candidates).
    fn standing(
        &self,
        (number, view): (u32, RowView<'_>),
        columns: &Columns<'_>,
        candidates: Members,
        moment: Moment,
        with: Evaluation<'_>,
    ) -> Standing {
        let mut members = candidates;
        members.retain(|number| {
            self.bindings.get(*number).is_some_and(|binding| self.holds(columns, &binding.slots, moment, with))
        });
        let has_position = self.key.is_windowed && !members.is_empty();
        let position = has_position.then(|| self.position(number, view, columns));
        Standing { members, position }
    }

    /// What the change of a row means. O(candidates of the row as it was and as it is).
    pub(crate) fn transition(
        &self,
        number: u32,
        change: RowTransition<'_>,
        with: Evaluation<'_>,
        work: &mut Work,
    ) -> Transition {
        let RowTransition { before, after, has_new_content, is_forced } = change;
        work.rows_examined += u64::from(before.is_some()) + u64::from(after.is_some());
        let with_columns = |view| (view, self.columns(view, with.library));
        let (before, after) = (before.map(with_columns), after.map(with_columns));
        let mut seek = |columns: &Columns<'_>| self.candidates(columns, with.sets, work);
        if let (false, Some((view, was)), Some((_, is))) = (is_forced, &before, &after)
            && identity::are_identical_attempts(was, is)
        {
            return match has_new_content {
                true => Transition::Stay(self.standing((number, *view), was, seek(was), Moment::Before, with)),
                // What is new is nothing that this template looks at.
                false => Transition::nothing(),
            };
        }
        // Both sides are looked up before either is checked.
        let were = before.as_ref().map(|(_, columns)| seek(columns));
        let are = after.as_ref().map(|(_, columns)| seek(columns));
        self.fetch(were.iter().chain(&are).flatten());
        let standing = |row: Option<(RowView<'_>, Columns<'_>)>, candidates: Option<Members>, moment| {
            let (Some((view, columns)), Some(candidates)) = (row, candidates) else { return Standing::default() };
            self.standing((number, view), &columns, candidates, moment, with)
        };
        Transition::Move { before: standing(before, were, Moment::Before), after: standing(after, are, Moment::Now) }
    }

    /// Reads a little of some bindings, for the processor to fetch them all at once: where each is needed after the other,
    /// each waits for memory by itself.
    fn fetch<'a>(&self, numbers: impl Iterator<Item = &'a u32>) {
        let bindings = numbers.take(FETCHED).filter_map(|number| self.bindings.get(*number));
        let readers: usize = bindings.flat_map(|binding| &binding.slots.0).flatten().map(Value::readers).sum();
        std::hint::black_box(readers);
    }

    /// Calls `mark` for each result that shows a row which did not move.
    pub(crate) fn stay(&self, standing: &Standing, work: &mut Work, mut mark: impl FnMut(u32)) {
        for binding in standing.members.iter().filter_map(|number| self.bindings.get(*number)) {
            match (binding.partition(), &standing.position) {
                (None, _) => mark(binding.result),
                (Some(partition), Some(position)) => {
                    partition.results_at(position, &self.wiring.order, work, &mut mark);
                }
                (Some(_), None) => {}
            }
        }
    }

    /// Moves a row out of the bindings that it belonged to and into those that it belongs to now. Calls `mark` with
    /// each result, row and weight: the row itself, and rows that it pushed out of a window or made room for.
    pub(crate) fn transfer(
        &mut self,
        before: &Standing,
        after: &Standing,
        number: u32,
        work: &mut Work,
        mut mark: impl FnMut(u32, u32, i32),
    ) {
        let order = &self.wiring.order;
        let (mut were, mut are) = (before.members.iter().peekable(), after.members.iter().peekable());
        while let Some(member) = were.peek().into_iter().chain(are.peek()).map(|member| **member).min() {
            let was_in = were.next_if(|other| **other == member).is_some();
            let is_in = are.next_if(|other| **other == member).is_some();
            let Some(binding) = self.bindings.get_mut(member) else { continue };
            let result = binding.result;
            match binding.partition_mut() {
                None => {
                    mark(result, number, if was_in { -1 } else { 1 });
                    if was_in && is_in {
                        mark(result, number, 1);
                    }
                }
                Some(partition) => {
                    let from = before.position.as_ref().filter(|_| was_in);
                    let to = after.position.clone().filter(|_| is_in);
                    match (from, to) {
                        (Some(from), Some(to)) => partition.relocate(from, to, order, work, &mut mark),
                        (Some(from), None) => partition.remove(from, order, work, &mut mark),
                        (None, Some(to)) => partition.insert(to, order, work, &mut mark),
                        (None, None) => {}
                    }
                }
            }
        }
    }

    /// The rows that satisfy a binding, with their columns, ascending. O(candidates), or O(table) where nothing is
    /// indexed.
    pub(crate) fn matching<'a>(
        &'a self,
        table: &'a Table,
        slots: &Slots,
        with: Evaluation<'_>,
        work: &mut Work,
    ) -> Vec<(u32, Columns<'a>)> {
        let candidates = self.candidate_rows(table, slots, with.sets, work);
        let mut check = |number: u32, view: RowView<'a>| {
            work.rows_examined += 1;
            let columns = self.columns(view, with.library);
            self.holds(&columns, slots, Moment::Now, with).then_some((number, columns))
        };
        match candidates {
            Some(candidates) => candidates.into_iter().filter_map(|row| check(row, table.view(row)?)).collect(),
            None => table.views().filter_map(|(row, view)| check(row, view)).collect(),
        }
    }

    /// The rows that satisfy a binding, in order. O(candidates · log rows).
    pub(crate) fn partition(
        &self,
        table: Option<&Table>,
        slots: &Slots,
        with: Evaluation<'_>,
        work: &mut Work,
    ) -> Partition {
        let Some(table) = table else { return Partition::default() };
        let rows = self.matching(table, slots, with, work);
        let place = |(number, columns): (u32, Columns<'_>)| Some(self.position(number, table.view(number)?, &columns));
        Partition::of(rows.into_iter().filter_map(place).collect(), &self.wiring.order)
    }

    /// The rows among which those of a binding are, ascending; `None` if that may be all of the table. O(keys of the
    /// binding + answer).
    fn candidate_rows(&self, table: &Table, slots: &Slots, sets: &LiveSets, work: &mut Work) -> Option<Vec<u32>> {
        let Routing::Indexed(accesses) = &self.wiring.routing else {
            return None;
        };
        let mut rows = Vec::new();
        for (access, arrangement) in accesses.iter().zip(&self.wiring.arrangements) {
            // Nothing satisfies a slot that could not be computed.
            if access.slots().any(|slot| at(&slots.0, slot).is_none()) {
                continue;
            }
            let bounds = access.between.map(|between| between.bounds(slots));
            let count = |key, most| table.arrangements.count(*arrangement, key, bounds, most);
            let Keys::These(keys) = access.sought_rows(slots, sets, count) else { return None };
            work.indexes_probed += keys.len() as u64;
            table.arrangements.find(*arrangement, &keys, bounds, &mut rows);
        }
        rows.sort_unstable();
        rows.dedup();
        Some(rows)
    }

    /// The bindings that a row with these columns may belong to, ascending. O(answer).
    fn candidates(&self, columns: &Columns<'_>, sets: &LiveSets, work: &mut Work) -> Members {
        let mut candidates = Members::new();
        self.add_candidates(columns, sets, &mut candidates, work);
        work.bindings_probed += candidates.len() as u64;
        candidates
    }

    fn add_candidates(&self, columns: &Columns<'_>, sets: &LiveSets, out: &mut Members, work: &mut Work) {
        let Routing::Indexed(accesses) = &self.wiring.routing else {
            out.extend(self.bindings.iter().map(|(number, _)| number));
            return;
        };
        self.unindexed.append_to(out);
        for (access, index) in accesses.iter().zip(&self.indexes) {
            let append = |ids: Ids<'_>| {
                ids.append_to(out);
                true
            };
            if !index.visit(access, columns, sets, work, append) {
                out.clear();
                out.extend(self.bindings.iter().map(|(number, _)| number));
                return;
            }
        }
        if out.len() > 1 {
            out.sort_unstable();
            out.dedup();
        }
    }

    /// Where the binding stands in every index; `None` if one of them can't hold it.
    fn places_of(&self, slots: &Slots) -> Option<SmallVec<[BindingPlace; 1]>> {
        let Routing::Indexed(accesses) = &self.wiring.routing else {
            return Some(SmallVec::new());
        };
        accesses.iter().map(|access| BindingPlace::of(access, slots)).collect()
    }
}

/// A column or a slot, if it could be computed.
pub(crate) fn at<V: Borrow<Value>>(values: &[Option<V>], number: u16) -> Option<&Value> {
    values.get(usize::from(number))?.as_ref().map(Borrow::borrow)
}

fn hash(slots: &Slots) -> u64 {
    HASHER.hash_one(slots)
}
