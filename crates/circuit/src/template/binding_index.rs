//! The bindings of a template, indexed for one access: how a changed row finds them.

use std::cmp::Ordering;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::collection::hash_index::{HashIndex, Ids};
use crate::collection::id_set::IdSet;
use crate::collection::priority_search_tree::PrioritySearchTree;
use crate::collection::shrink::Shrink;
use crate::dependent::live_set::LiveSets;
use crate::plan::Slots;
use crate::template::keys::{Keys, Prefix};
use crate::template::membership::set_of;
use crate::template::route::{Access, Edge, Member};
use crate::template::{Columns, at};
use crate::value::Value;
use crate::work::Work;

type ByKey<T> = HashMap<u64, T, foldhash::fast::FixedState>;

/// The bindings of a template, indexed for one access.
#[derive(Debug)]
pub(crate) enum BindingIndex {
    Keys(HashIndex),
    /// By keys, and by the interval of each binding.
    Intervals(ByKey<Intervals>),
}

type Intervals = PrioritySearchTree<Low, High, IdSet>;

/// The lower end of an interval; one that has none is below all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Low(Option<Value>);

/// The upper end of an interval; one that has none is above all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct High(Option<Value>);

/// Where an index files a binding.
#[derive(Debug)]
pub(crate) struct BindingPlace {
    keys: Keys,
    interval: Option<(Low, High)>,
}

impl BindingPlace {
    /// Where a binding stands in the index for an access; `None` if the index can't hold it. A binding without a slot that
    /// the access needs, as it could not be computed, stands nowhere.
    pub(crate) fn of(access: &Access, slots: &Slots) -> Option<BindingPlace> {
        let has_slots = access.slots().all(|number| at(&slots.0, number).is_some());
        if !has_slots {
            return Some(BindingPlace::nowhere());
        }
        let slot = |number: u16| at(&slots.0, number).unwrap_or(&Value::None);
        let prefix = Prefix::of(access.equal.iter().map(|(_, number)| slot(*number)))?;
        let further = access.member.map(|member| match member {
            Member::Hash { slot: number, of_binding, .. } => of_binding.keys(slot(number)),
            Member::Set { slot, .. } => {
                set_of(slots, slot).map_or(Keys::none(), |set| Keys::of_sets([set].into_iter()))
            }
        });
        let keys = prefix.filed(further);
        let end = |edge: Option<Edge>| edge.map(|edge| slot(edge.slot).clone());
        let interval = access.between.map(|between| (Low(end(between.above)), High(end(between.below))));
        (keys != Keys::Wild).then_some(BindingPlace { keys, interval })
    }

    /// The place of a binding that nothing satisfies.
    pub(crate) fn nowhere() -> BindingPlace {
        BindingPlace { keys: Keys::none(), interval: None }
    }
}

impl BindingIndex {
    pub(crate) fn of(access: &Access) -> Self {
        match access.between {
            None => BindingIndex::Keys(HashIndex::default()),
            Some(_) => BindingIndex::Intervals(HashMap::default()),
        }
    }

    /// Files a binding. O(its keys), each O(log² bindings) amortized where it has an interval.
    pub(crate) fn insert(&mut self, place: BindingPlace, number: u32) {
        let Keys::These(keys) = place.keys else { return };
        match (self, place.interval) {
            (BindingIndex::Keys(index), _) => {
                keys.into_iter().for_each(|key| index.insert(key, number));
            }
            (BindingIndex::Intervals(index), Some((low, high))) => {
                for key in keys {
                    let intervals = index.entry(key).or_default();
                    match intervals.get_mut(&low, &high) {
                        Some(ids) => ids.insert(number),
                        None => intervals.insert(low.clone(), high.clone(), IdSet::one(number)),
                    }
                }
            }
            (BindingIndex::Intervals(_), None) => {}
        }
    }

    /// Takes a binding away. O(its keys), each O(log² bindings) amortized where it has an interval.
    pub(crate) fn remove(&mut self, place: BindingPlace, number: u32) {
        let Keys::These(keys) = place.keys else { return };
        match (self, place.interval) {
            (BindingIndex::Keys(index), _) => {
                for key in keys {
                    index.remove(key, number);
                }
            }
            (BindingIndex::Intervals(index), Some((low, high))) => {
                for key in keys {
                    remove_from(index, key, |intervals| {
                        if let Some(ids) = intervals.get_mut(&low, &high) {
                            ids.remove(number);
                            if ids.is_empty() {
                                intervals.remove(&low, &high);
                            }
                        }
                        intervals.is_empty()
                    });
                }
            }
            (BindingIndex::Intervals(_), None) => {}
        }
    }

    /// Calls `visit` with the bindings that a row may satisfy by this access, until it answers false. Answers false
    /// itself if that may be all bindings. O(keys of the row + answer), each key O(log bindings) where there are
    /// intervals.
    pub(crate) fn visit(
        &self,
        access: &Access,
        columns: &Columns<'_>,
        sets: &LiveSets,
        work: &mut Work,
        mut visit: impl FnMut(Ids<'_>) -> bool,
    ) -> bool {
        // A row satisfies nothing by a column that could not be computed.
        if access.columns().any(|column| at(columns, column).is_none()) {
            return true;
        }
        let Keys::These(keys) = self.sought(access, columns, sets) else { return false };
        let keys = keys.iter().inspect(|_| work.indexes_probed += 1);
        match self {
            BindingIndex::Keys(index) => {
                keys.filter_map(|key| index.get(*key)).all(visit);
            }
            BindingIndex::Intervals(index) => {
                let Some(between) = access.between else { return false };
                let value = value_at(columns, between.column);
                let starts_before = |low: &Low| starts_before(low, value, between.above);
                let ends_behind = |high: &High| ends_behind(high, value, between.below);
                keys.filter_map(|key| index.get(key))
                    .all(|intervals| intervals.visit(starts_before, ends_behind, |_, _, ids| visit(Ids::Set(ids))));
            }
        }
        true
    }

    /// Whether a row has to seek under so many keys because of the live sets that contain its value. O(1).
    pub(crate) fn is_in_many_sets(&self, access: &Access, columns: &Columns<'_>, sets: &LiveSets, many: usize) -> bool {
        let Some(Member::Set { column, .. }) = access.member else { return false };
        let equal = access.equal.iter().map(|(column, _)| value_at(columns, *column));
        let with_prefix = Prefix::of(equal).and_then(Prefix::all).map_or(usize::MAX, |key| self.count(key));
        with_prefix.min(sets.count_containing(value_at(columns, column))) >= many
    }

    /// The keys under which the bindings are that a row may satisfy.
    fn sought(&self, access: &Access, columns: &Columns<'_>, sets: &LiveSets) -> Keys {
        let equal = access.equal.iter().map(|(column, _)| value_at(columns, *column));
        let Some(prefix) = Prefix::of(equal) else { return Keys::Wild };
        let Some(member) = access.member else { return prefix.sought(None) };
        // Where there are fewer bindings with the prefix than further keys to try, all of them are tried.
        let with_prefix = prefix.all().map(|key| self.count(key));
        let further = match member {
            Member::Hash { column, of_row, .. } => of_row.keys(value_at(columns, column)),
            Member::Set { column, .. } => {
                let value = value_at(columns, column);
                match with_prefix.is_some_and(|count| count < sets.count_containing(value)) {
                    true => Keys::Wild,
                    false => sets.containing(value),
                }
            }
        };
        let is_longer = matches!(&further, Keys::These(keys) if with_prefix.is_some_and(|count| count < keys.len()));
        prefix.sought(Some(if is_longer { Keys::Wild } else { further }))
    }

    fn count(&self, key: u64) -> usize {
        match self {
            BindingIndex::Keys(index) => index.get(key).map_or(0, Ids::len),
            BindingIndex::Intervals(index) => index.get(&key).map_or(0, PrioritySearchTree::len),
        }
    }
}

/// Whether an interval with this lower end starts before a value, or with it if the end is included.
fn starts_before(Low(end): &Low, value: &Value, edge: Option<Edge>) -> bool {
    let is_included = edge.is_some_and(|edge| edge.is_included);
    end.as_ref().is_none_or(|end| if is_included { end <= value } else { end < value })
}

/// Whether an interval with this upper end ends behind a value, or with it if the end is included.
fn ends_behind(High(end): &High, value: &Value, edge: Option<Edge>) -> bool {
    let is_included = edge.is_some_and(|edge| edge.is_included);
    end.as_ref().is_none_or(|end| if is_included { end >= value } else { end > value })
}

fn value_at<'a>(columns: &'a Columns<'_>, column: u16) -> &'a Value {
    at(columns, column).unwrap_or(&Value::None)
}

/// Removes something from what is under a key, and the key with the last; `remove` answers whether that was the last.
fn remove_from<T>(index: &mut ByKey<T>, key: u64, remove: impl FnOnce(&mut T) -> bool) {
    if let Entry::Occupied(mut entry) = index.entry(key)
        && remove(entry.get_mut())
    {
        entry.remove();
        index.shrink();
    }
}

impl Ord for High {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    }
}

impl PartialOrd for High {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
