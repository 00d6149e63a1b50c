//! One circuit for all queries that differ only in constants and parameters.
//!
//! The bindings of a template are an ordinary relation: registering a view inserts one, unregistering retracts it. A
//! view is the join of the template's rows with its binding, and a changed row finds the bindings it may belong to
//! through an index over the bindings, not by asking each of them.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::Bound;

use hashbrown::{HashMap, HashTable};
use smallvec::SmallVec;

use crate::expr::Operator;
use crate::id_set::IdSet;
use crate::library::Library;
use crate::partition::{Partition, Position};
use crate::path::Links;
use crate::plan::{OrderKey, Slots, Template};
use crate::route::{Access, Keys, Routing};
use crate::slab::Slab;
use crate::table::{Row, Table, TableId};
use crate::value::Value;
use crate::work::Work;

/// The values of a row at a template's columns.
pub(crate) type Columns = SmallVec<[Value; 4]>;

/// The bindings that a row belongs to, ascending.
pub(crate) type Members = SmallVec<[u32; 8]>;

/// What a row is to a template.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub(crate) columns: Columns,
    members: Members,
    /// The place in the order, where the order matters and the row belongs to any binding.
    position: Option<Position>,
}

/// A template with its bindings.
#[derive(Debug)]
pub(crate) struct TemplateState {
    pub(crate) template: Template,
    pub(crate) table: TableId,
    pub(crate) routing: Routing,
    /// For each access of the routing, the arrangement of the table that serves it.
    pub(crate) arrangements: Vec<u32>,
    /// Whether the results are windows, so that the order of the rows matters to the engine.
    pub(crate) is_windowed: bool,
    pub(crate) bindings: Slab<Binding>,
    by_slots: HashTable<u32>,
    indexes: Vec<BindingIndex>,
    /// Bindings whose values no index can hold; candidates of every row.
    unindexed: IdSet,
}

/// The slot values of one or more views, and what depends on them.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) slots: Slots,
    pub(crate) members: BindingResult,
}

/// How the rows of a binding become results.
#[derive(Debug)]
pub(crate) enum BindingResult {
    /// All rows are the result with this number.
    All(u32),
    /// Windows on the ordered rows.
    Windows(Box<Partition>),
}

/// The bindings of a template, indexed for one access.
#[derive(Debug)]
enum BindingIndex {
    Hash(HashMap<u64, IdSet, foldhash::fast::FixedState>),
    Order(BTreeMap<Value, IdSet>),
}

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0xb1d);

impl TemplateState {
    pub(crate) fn new(
        template: Template,
        table: TableId,
        routing: Routing,
        arrangements: Vec<u32>,
        is_windowed: bool,
    ) -> Self {
        let indexes = match &routing {
            Routing::Indexed(accesses) => accesses.iter().map(BindingIndex::of).collect(),
            Routing::Single | Routing::Unindexed => Vec::new(),
        };
        TemplateState {
            template,
            table,
            routing,
            arrangements,
            is_windowed,
            bindings: Slab::default(),
            by_slots: HashTable::new(),
            indexes,
            unindexed: IdSet::default(),
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
        let keys = self.keys_of(&binding.slots);
        let slots_hash = hash(&binding.slots);
        let number = self.bindings.insert(binding);
        let bindings = &self.bindings;
        let rehash = |number: &u32| bindings.get(*number).map_or(0, |binding| hash(&binding.slots));
        self.by_slots.insert_unique(slots_hash, number, rehash);
        match keys {
            Some(keys) => {
                for (index, key) in self.indexes.iter_mut().zip(keys) {
                    index.insert(key, number);
                }
            }
            None => self.unindexed.insert(number),
        }
        number
    }

    /// Retracts a binding. O(keys of the binding), whatever the number of bindings.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Binding> {
        let binding = self.bindings.remove(number)?;
        if let Ok(entry) = self.by_slots.find_entry(hash(&binding.slots), |other| *other == number) {
            entry.remove();
        }
        match self.keys_of(&binding.slots) {
            Some(keys) => {
                for (index, key) in self.indexes.iter_mut().zip(keys) {
                    index.remove(key, number);
                }
            }
            None => self.unindexed.remove(number),
        }
        Some(binding)
    }

    /// How many bindings every changed row has to try, for want of an index.
    pub(crate) fn unindexed_bindings(&self) -> usize {
        match self.routing {
            Routing::Unindexed => self.bindings.len(),
            Routing::Single | Routing::Indexed(_) => self.unindexed.len(),
        }
    }

    /// The values of a row at the columns.
    pub(crate) fn columns(&self, row: &Row, links: &mut impl Links) -> Columns {
        columns_of(&self.template, row, links)
    }

    /// The place of a row in the order.
    pub(crate) fn position(&self, number: u32, row: &Row, columns: &Columns) -> Position {
        position_of(&self.template, number, row, columns)
    }

    /// Whether a row with these columns satisfies a binding.
    pub(crate) fn holds(&self, columns: &Columns, slots: &Slots, library: &dyn Library) -> bool {
        self.template.filter.as_ref().is_none_or(|filter| filter.test(columns, &slots.0, library))
    }

    /// What a row is to this template. O(candidates).
    pub(crate) fn standing(
        &self,
        number: u32,
        row: &Row,
        links: &mut impl Links,
        library: &dyn Library,
        work: &mut Work,
    ) -> Standing {
        self.standing_of(number, row, self.columns(row, links), library, work)
    }

    /// As [`standing`](TemplateState::standing), with the columns of the row at hand.
    pub(crate) fn standing_of(
        &self,
        number: u32,
        row: &Row,
        columns: Columns,
        library: &dyn Library,
        work: &mut Work,
    ) -> Standing {
        let members = self.members(&columns, library, work);
        let has_position = self.is_windowed && !members.is_empty();
        let position = has_position.then(|| self.position(number, row, &columns));
        Standing { columns, members, position }
    }

    /// Calls `mark` for each result that shows a row which did not move.
    pub(crate) fn stay(&self, standing: &Standing, mut mark: impl FnMut(u32)) {
        for binding in standing.members.iter().filter_map(|number| self.bindings.get(*number)) {
            match (&binding.members, &standing.position) {
                (BindingResult::All(result), _) => mark(*result),
                (BindingResult::Windows(partition), Some(position)) => {
                    partition.results_at(position, &self.template.order).for_each(&mut mark);
                }
                (BindingResult::Windows(_), None) => {}
            }
        }
    }

    /// Moves a row out of the bindings that it belonged to and into those that it belongs to now. Calls `mark` with
    /// each result, row and weight: the row itself, and rows that it pushed out of a window or made room for.
    pub(crate) fn transfer(
        &mut self,
        before: Standing,
        after: Standing,
        number: u32,
        mut mark: impl FnMut(u32, u32, i32),
    ) {
        let order = &self.template.order;
        for (standing, weight) in [(&before, -1), (&after, 1)] {
            for member in &standing.members {
                let Some(binding) = self.bindings.get_mut(*member) else {
                    continue;
                };
                match (&mut binding.members, &standing.position) {
                    (BindingResult::All(result), _) => mark(*result, number, weight),
                    (BindingResult::Windows(partition), Some(position)) => {
                        let mut moves = |result, row, enters| mark(result, row, if enters { 1 } else { -1 });
                        if weight > 0 {
                            partition.insert(position.clone(), order, &mut moves);
                        } else {
                            partition.remove(position, order, &mut moves);
                        }
                    }
                    (BindingResult::Windows(_), None) => {}
                }
            }
        }
    }

    /// The rows among which those of a binding are, ascending; `None` if that may be all of the table.
    pub(crate) fn candidate_rows(&self, table: &Table, slots: &Slots) -> Option<Vec<u32>> {
        let Routing::Indexed(accesses) = &self.routing else {
            return None;
        };
        let mut rows = Vec::new();
        for (access, arrangement) in accesses.iter().zip(&self.arrangements) {
            match access {
                Access::Hash { binding, .. } => {
                    let Keys::These(keys) = binding.of_slots(&slots.0) else {
                        return None;
                    };
                    table.arrangements.with_hashes(*arrangement, &keys, &mut rows);
                }
                Access::Order { slot, operator, .. } => {
                    let value = slots.0.get(usize::from(*slot))?;
                    table.arrangements.in_order(*arrangement, *operator, value, &mut rows);
                }
            }
        }
        rows.sort_unstable();
        rows.dedup();
        Some(rows)
    }

    /// The bindings that a row with these columns belongs to, ascending. O(candidates).
    fn members(&self, columns: &Columns, library: &dyn Library, work: &mut Work) -> Members {
        let mut candidates = Members::new();
        self.candidates(columns, &mut candidates, work);
        work.bindings_probed += candidates.len() as u64;
        candidates.retain(|number| {
            self.bindings.get(*number).is_some_and(|binding| self.holds(columns, &binding.slots, library))
        });
        candidates
    }

    fn candidates(&self, columns: &Columns, out: &mut Members, work: &mut Work) {
        let Routing::Indexed(accesses) = &self.routing else {
            out.extend(self.bindings.iter().map(|(number, _)| number));
            return;
        };
        self.unindexed.append_to(out);
        for (access, index) in accesses.iter().zip(&self.indexes) {
            work.indexes_probed += 1;
            if !index.probe(access, columns, out) {
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

    /// The binding's keys in every index; `None` if one of them can't hold it.
    fn keys_of(&self, slots: &Slots) -> Option<Vec<BindingPlace>> {
        let Routing::Indexed(accesses) = &self.routing else {
            return Some(Vec::new());
        };
        let place = |access: &Access| match access {
            Access::Hash { binding, .. } => match binding.of_slots(&slots.0) {
                Keys::These(keys) => Some(BindingPlace::Hash(keys)),
                Keys::Wild => None,
            },
            Access::Order { slot, .. } => slots.0.get(usize::from(*slot)).cloned().map(BindingPlace::Order),
        };
        accesses.iter().map(place).collect()
    }
}

enum BindingPlace {
    Hash(SmallVec<[u64; 2]>),
    Order(Value),
}

impl BindingIndex {
    fn of(access: &Access) -> Self {
        match access {
            Access::Hash { .. } => BindingIndex::Hash(HashMap::default()),
            Access::Order { .. } => BindingIndex::Order(BTreeMap::new()),
        }
    }

    fn insert(&mut self, place: BindingPlace, number: u32) {
        match (self, place) {
            (BindingIndex::Hash(index), BindingPlace::Hash(keys)) => {
                keys.into_iter().for_each(|key| index.entry(key).or_default().insert(number));
            }
            (BindingIndex::Order(index), BindingPlace::Order(value)) => index.entry(value).or_default().insert(number),
            _ => {}
        }
    }

    fn remove(&mut self, place: BindingPlace, number: u32) {
        match (self, place) {
            (BindingIndex::Hash(index), BindingPlace::Hash(keys)) => {
                for key in keys {
                    if let Some(ids) = index.get_mut(&key) {
                        ids.remove(number);
                        if ids.is_empty() {
                            index.remove(&key);
                        }
                    }
                }
            }
            (BindingIndex::Order(index), BindingPlace::Order(value)) => {
                if let Some(ids) = index.get_mut(&value) {
                    ids.remove(number);
                    if ids.is_empty() {
                        index.remove(&value);
                    }
                }
            }
            _ => {}
        }
    }

    /// Appends the bindings that a row may satisfy by this access; false if that may be all of them.
    fn probe(&self, access: &Access, columns: &Columns, out: &mut Members) -> bool {
        match (self, access) {
            (BindingIndex::Hash(index), Access::Hash { row, .. }) => {
                let values = row.columns().iter().filter_map(|column| columns.get(usize::from(*column)));
                let Keys::These(keys) = row.of_row(values) else {
                    return false;
                };
                keys.iter().filter_map(|key| index.get(key)).for_each(|ids| ids.append_to(out));
            }
            (BindingIndex::Order(index), Access::Order { column, operator, .. }) => {
                let Some(value) = columns.get(usize::from(*column)) else {
                    return false;
                };
                // `value > slot` holds for the slots below the value, and so on.
                let slots = match operator {
                    Operator::Greater => (Bound::Unbounded, Bound::Excluded(value)),
                    Operator::GreaterOrEqual => (Bound::Unbounded, Bound::Included(value)),
                    Operator::Less => (Bound::Excluded(value), Bound::Unbounded),
                    _ => (Bound::Included(value), Bound::Unbounded),
                };
                index.range::<Value, _>(slots).for_each(|(_, ids)| ids.append_to(out));
            }
            _ => return false,
        }
        true
    }
}

/// The values of a row at the columns of a template.
pub(crate) fn columns_of(template: &Template, row: &Row, links: &mut impl Links) -> Columns {
    template.columns.iter().map(|path| path.get(&row.content, links)).collect()
}

/// The place of a row in the order of a template.
pub(crate) fn position_of(template: &Template, number: u32, row: &Row, columns: &Columns) -> Position {
    let key = |key: &OrderKey| columns.get(usize::from(key.column)).cloned().unwrap_or_default();
    Position { keys: template.order.iter().map(key).collect(), id: row.id.clone(), row: number }
}

fn hash(slots: &Slots) -> u64 {
    HASHER.hash_one(slots)
}
