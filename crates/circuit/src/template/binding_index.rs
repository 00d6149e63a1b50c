//! The bindings of a template, indexed for one access: how a changed row finds them.

use std::collections::BTreeMap;
use std::ops::Bound;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::collection::hash_index::HashIndex;
use crate::collection::id_set::IdSet;
use crate::collection::shrink::Shrink;
use crate::dependent::live_set::LiveSets;
use crate::expr::Operator;
use crate::plan::Slots;
use crate::template::route::{Access, Keys};
use crate::template::{Columns, Members, at, set_of};
use crate::value::Value;

/// The bindings of a template, indexed for one access.
#[derive(Debug)]
pub(crate) enum BindingIndex {
    Hash(HashIndex),
    Order(BTreeMap<Value, IdSet>),
    /// By live set.
    Set(HashMap<u32, IdSet, foldhash::fast::FixedState>),
}

/// Where an index files a binding.
#[derive(Debug)]
pub(crate) enum BindingPlace {
    Hash(SmallVec<[u64; 2]>),
    Order(Value),
    Set(u32),
    /// No row satisfies the binding by this access: its slot could not be computed.
    Nowhere,
}

impl BindingPlace {
    /// Where a binding stands in the index for an access; `None` if the index can't hold it.
    pub(crate) fn of(access: &Access, slots: &Slots) -> Option<BindingPlace> {
        match access {
            Access::Hash { binding, .. } => match binding.of_slots(&slots.0) {
                Keys::These(keys) => Some(BindingPlace::Hash(keys)),
                Keys::Wild => None,
            },
            Access::Order { slot, .. } => {
                Some(at(&slots.0, *slot).cloned().map_or(BindingPlace::Nowhere, BindingPlace::Order))
            }
            Access::Set { slot, .. } => Some(set_of(slots, *slot).map_or(BindingPlace::Nowhere, BindingPlace::Set)),
        }
    }
}

impl BindingIndex {
    pub(crate) fn of(access: &Access) -> Self {
        match access {
            Access::Hash { .. } => BindingIndex::Hash(HashIndex::default()),
            Access::Order { .. } => BindingIndex::Order(BTreeMap::new()),
            Access::Set { .. } => BindingIndex::Set(HashMap::default()),
        }
    }

    /// Files a binding. O(its keys).
    pub(crate) fn insert(&mut self, place: BindingPlace, number: u32) {
        match (self, place) {
            (BindingIndex::Hash(index), BindingPlace::Hash(keys)) => {
                keys.into_iter().for_each(|key| index.insert(key, number));
            }
            (BindingIndex::Order(index), BindingPlace::Order(value)) => index.entry(value).or_default().insert(number),
            (BindingIndex::Set(index), BindingPlace::Set(set)) => index.entry(set).or_default().insert(number),
            _ => {}
        }
    }

    /// Takes a binding away. O(its keys).
    pub(crate) fn remove(&mut self, place: BindingPlace, number: u32) {
        match (self, place) {
            (BindingIndex::Hash(index), BindingPlace::Hash(keys)) => {
                keys.into_iter().for_each(|key| index.remove(key, number));
            }
            (BindingIndex::Set(index), BindingPlace::Set(set)) => remove_from(index, &set, number),
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

    /// Appends the bindings that a row may satisfy by this access; false if that may be all of them. A row satisfies
    /// nothing by a column that could not be computed. O(answer).
    pub(crate) fn probe(&self, access: &Access, columns: &Columns, sets: &LiveSets, out: &mut Members) -> bool {
        match (self, access) {
            (BindingIndex::Hash(index), Access::Hash { row, .. }) => {
                let columns = row.columns().iter().map(|column| at(columns, *column));
                if columns.clone().any(|value| value.is_none()) {
                    return true;
                }
                let values = columns.flatten();
                let Keys::These(keys) = row.of_row(values) else {
                    return false;
                };
                keys.iter().for_each(|key| index.append_to(*key, out));
            }
            (BindingIndex::Order(index), Access::Order { column, operator, .. }) => {
                let Some(value) = at(columns, *column) else {
                    return true;
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
            (BindingIndex::Set(index), Access::Set { column, .. }) => {
                let Some(value) = at(columns, *column) else {
                    return true;
                };
                let mut containing = Vec::new();
                if !sets.containing(value, &mut containing) {
                    return false;
                }
                containing.iter().filter_map(|set| index.get(set)).for_each(|ids| ids.append_to(out));
            }
            _ => return false,
        }
        true
    }
}

fn remove_from<K: Eq + std::hash::Hash>(
    index: &mut HashMap<K, IdSet, foldhash::fast::FixedState>,
    key: &K,
    number: u32,
) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(number);
        if ids.is_empty() {
            index.remove(key);
            index.shrink();
        }
    }
}
