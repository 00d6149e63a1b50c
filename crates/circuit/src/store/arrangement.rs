//! Arrangements: the rows of a table, indexed by what templates look them up by.
//!
//! They answer the question of a new binding, "which rows may belong to me?", in O(answer). All templates that need the
//! same index of the same table share one; it is built when the first asks for it and dropped with the last.

use std::collections::BTreeMap;
use std::ops::Bound;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::collection::id_set::IdSet;
use crate::collection::shrink::Shrink;
use crate::collection::slab::Slab;
use crate::expr::Operator;
use crate::expr::library::Library;
use crate::store::table::RowView;
use crate::template::column::Column;
use crate::template::route::{Keys, RowKey};
use crate::value::Value;

type HashIndex = HashMap<u64, IdSet, foldhash::fast::FixedState>;

/// By what an arrangement indexes the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spec {
    /// By hashes of the values of these columns; the key's column numbers count them.
    Hash { columns: Vec<Column>, key: RowKey },
    /// By the order of the values of this column.
    Order { column: Column },
}

/// The arrangements of one table.
#[derive(Debug, Default)]
pub(crate) struct Arrangements {
    entries: Slab<Arrangement>,
}

#[derive(Debug)]
struct Arrangement {
    spec: Spec,
    readers: usize,
    /// The stage of a step in which the rows' places are known.
    rank: u32,
    index: Index,
}

#[derive(Debug)]
enum Index {
    /// The rows by hash, and those that any key may match.
    Hash {
        rows: HashIndex,
        wild: IdSet,
    },
    Order(BTreeMap<Value, IdSet>),
}

/// The place of a row in each arrangement of its table, computed before a change so that it can be left behind.
pub(crate) type Places = SmallVec<[(u32, Place); 4]>;

#[derive(Debug, PartialEq)]
pub(crate) enum Place {
    Hash(Keys),
    Order(Value),
}

impl Arrangements {
    /// Counts one more reader of an arrangement; answers its number, and whether it is new and has to be filled.
    pub(crate) fn acquire(&mut self, spec: Spec, rank: u32) -> (u32, bool) {
        let known = self.entries.iter().find(|(_, entry)| entry.spec == spec).map(|(number, _)| number);
        if let Some(number) = known {
            if let Some(entry) = self.entries.get_mut(number) {
                entry.readers += 1;
            }
            return (number, false);
        }
        let index = match spec {
            Spec::Hash { .. } => Index::Hash { rows: HashIndex::default(), wild: IdSet::default() },
            Spec::Order { .. } => Index::Order(BTreeMap::new()),
        };
        (self.entries.insert(Arrangement { spec, readers: 1, rank, index }), true)
    }

    /// Counts one reader less, and drops the arrangement with its last.
    pub(crate) fn release(&mut self, number: u32) {
        if let Some(entry) = self.entries.get_mut(number) {
            entry.readers -= 1;
            if entry.readers == 0 {
                self.entries.remove(number);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Where a row stands in every arrangement of this rank.
    pub(crate) fn places(&self, view: RowView<'_>, rank: u32, library: &dyn Library) -> Places {
        let mut places = Places::new();
        for (number, entry) in self.entries.iter().filter(|(_, entry)| entry.rank == rank) {
            places.push((number, entry.place(view, library)));
        }
        places
    }

    /// Where a row stands in every arrangement.
    pub(crate) fn all_places(&self, view: RowView<'_>, library: &dyn Library) -> Places {
        self.entries.iter().map(|(number, entry)| (number, entry.place(view, library))).collect()
    }

    /// Where a row stands in one arrangement.
    pub(crate) fn place(&self, number: u32, view: RowView<'_>, library: &dyn Library) -> Option<Place> {
        self.entries.get(number).map(|entry| entry.place(view, library))
    }

    /// Moves a row from its former places to its present ones.
    pub(crate) fn rearrange(&mut self, row: u32, before: &Places, after: Places) {
        for (number, place) in before {
            if !after.iter().any(|(other, now)| other == number && now == place) {
                self.remove(*number, place, row);
            }
        }
        for (number, place) in after {
            if !before.iter().any(|(other, was)| *other == number && *was == place) {
                self.insert(number, place, row);
            }
        }
    }

    /// Files a row under a place.
    pub(crate) fn insert(&mut self, number: u32, place: Place, row: u32) {
        match (self.entries.get_mut(number).map(|entry| &mut entry.index), place) {
            (Some(Index::Hash { wild, .. }), Place::Hash(Keys::Wild)) => wild.insert(row),
            (Some(Index::Hash { rows, .. }), Place::Hash(Keys::These(keys))) => {
                keys.into_iter().for_each(|key| rows.entry(key).or_default().insert(row));
            }
            (Some(Index::Order(rows)), Place::Order(value)) => rows.entry(value).or_default().insert(row),
            _ => {}
        }
    }

    /// Takes a row away from a place.
    fn remove(&mut self, number: u32, place: &Place, row: u32) {
        match (self.entries.get_mut(number).map(|entry| &mut entry.index), place) {
            (Some(Index::Hash { wild, .. }), Place::Hash(Keys::Wild)) => wild.remove(row),
            (Some(Index::Hash { rows, .. }), Place::Hash(Keys::These(keys))) => {
                for key in keys {
                    if let Some(ids) = rows.get_mut(key) {
                        ids.remove(row);
                        if ids.is_empty() {
                            rows.remove(key);
                            rows.shrink();
                        }
                    }
                }
            }
            (Some(Index::Order(rows)), Place::Order(value)) => {
                if let Some(ids) = rows.get_mut(value) {
                    ids.remove(row);
                    if ids.is_empty() {
                        rows.remove(value);
                    }
                }
            }
            _ => {}
        }
    }

    /// Appends the rows that share one of these hashes, and those that any hash may match. A row may come twice.
    pub(crate) fn with_hashes(&self, number: u32, keys: &[u64], out: &mut Vec<u32>) {
        if let Some(Index::Hash { rows, wild }) = self.entries.get(number).map(|entry| &entry.index) {
            wild.append_to(out);
            keys.iter().filter_map(|key| rows.get(key)).for_each(|ids| ids.append_to(out));
        }
    }

    /// Appends the rows whose value stands in the given order to `value`.
    pub(crate) fn in_order(&self, number: u32, operator: Operator, value: &Value, out: &mut Vec<u32>) {
        if let Some(Index::Order(rows)) = self.entries.get(number).map(|entry| &entry.index) {
            let bounds = match operator {
                Operator::Less => (Bound::Unbounded, Bound::Excluded(value)),
                Operator::LessOrEqual => (Bound::Unbounded, Bound::Included(value)),
                Operator::Greater => (Bound::Excluded(value), Bound::Unbounded),
                _ => (Bound::Included(value), Bound::Unbounded),
            };
            rows.range::<Value, _>(bounds).for_each(|(_, ids)| ids.append_to(out));
        }
    }
}

impl Spec {
    /// The columns that the places follow from.
    pub(crate) fn columns(&self) -> &[Column] {
        match self {
            Spec::Hash { columns, .. } => columns,
            Spec::Order { column } => std::slice::from_ref(column),
        }
    }
}

impl Arrangement {
    fn place(&self, view: RowView<'_>, library: &dyn Library) -> Place {
        match &self.spec {
            Spec::Hash { columns, key } => {
                let mut values: SmallVec<[Value; 4]> = SmallVec::new();
                for column in columns {
                    // A row without the value belongs to no binding.
                    let Some(value) = column.value(view, library) else { return Place::Hash(Keys::none()) };
                    values.push(value);
                }
                Place::Hash(key.of_row(values.iter()))
            }
            Spec::Order { column } => column.value(view, library).map_or(Place::Hash(Keys::none()), Place::Order),
        }
    }
}
