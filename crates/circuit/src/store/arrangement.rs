//! Arrangements: the rows of a table, indexed by what templates look them up by.
//!
//! They answer the question of a new binding, "which rows may belong to me?", in O(answer). All templates that need the
//! same index of the same table share one; it is built when the first asks for it and dropped with the last.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::collection::id_set::IdSet;
use crate::collection::shrink::Shrink;
use crate::collection::slab::Slab;
use crate::expr::library::Library;
use crate::store::table::RowView;
use crate::template::column::Column;
use crate::template::keys::{Keys, Part, Prefix};
use crate::value::{Value, identity};

/// By what an arrangement indexes the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// By the values of these columns together,
    pub(crate) equal: Vec<Column>,
    /// and by hashes of a part of this one,
    pub(crate) member: Option<(Part, Column)>,
    /// and by the order of the values of this one.
    pub(crate) order: Option<Column>,
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
    rows: Rows,
    /// The rows that any key may match.
    wild: IdSet,
}

#[derive(Debug)]
enum Rows {
    ByKey(HashMap<u64, IdSet, foldhash::fast::FixedState>),
    /// By key, and then in the order of the values.
    InOrder(BTreeMap<(u64, Value), IdSet>),
}

/// The place of a row in each arrangement of its table, computed before a change so that it can be left behind.
pub(crate) type Places = SmallVec<[(u32, Place); 2]>;

#[derive(Debug)]
pub(crate) struct Place {
    keys: Keys,
    value: Option<Value>,
}

/// The values between which that of a row has to lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    pub(crate) above: Bound<&'a Value>,
    pub(crate) below: Bound<&'a Value>,
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
        let rows = match spec.order {
            None => Rows::ByKey(HashMap::default()),
            Some(_) => Rows::InOrder(BTreeMap::new()),
        };
        (self.entries.insert(Arrangement { spec, readers: 1, rank, rows, wild: IdSet::default() }), true)
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

    /// Where a row stands in one arrangement.
    pub(crate) fn place(&self, number: u32, view: RowView<'_>, library: &dyn Library) -> Option<Place> {
        self.entries.get(number).map(|entry| entry.place(view, library))
    }

    /// Moves a row from its former place to its present one, in the arrangements of this rank or in all.
    pub(crate) fn rearrange(
        &mut self,
        row: u32,
        before: Option<RowView<'_>>,
        after: Option<RowView<'_>>,
        rank: Option<u32>,
        library: &dyn Library,
    ) {
        for (_, entry) in self.entries.iter_mut().filter(|(_, entry)| rank.is_none_or(|rank| entry.rank == rank)) {
            let before = before.map(|view| entry.place(view, library));
            let after = after.map(|view| entry.place(view, library));
            entry.rearrange(row, before.as_ref(), after.as_ref());
        }
    }

    /// As [`Arrangements::rearrange`], with the places at hand.
    pub(crate) fn rearrange_between(&mut self, row: u32, before: &Places, after: &Places) {
        let find = |places: &'_ Places, number: u32| places.iter().position(|(other, _)| *other == number);
        for (number, entry) in self.entries.iter_mut() {
            let was = find(before, number).map(|position| &before[position].1);
            let now = find(after, number).map(|position| &after[position].1);
            entry.rearrange(row, was, now);
        }
    }

    /// Files a row under a place.
    pub(crate) fn insert(&mut self, number: u32, place: &Place, row: u32) {
        if let Some(entry) = self.entries.get_mut(number) {
            entry.insert(place, None, row);
        }
    }

    /// Appends the rows that have one of these keys, and lie within the bounds where there are some, and those that any
    /// key may match. A row may come twice. O(keys + answer), each key O(log rows) where there are bounds.
    pub(crate) fn find(&self, number: u32, keys: &[u64], bounds: Option<Bounds<'_>>, out: &mut Vec<u32>) {
        let Some(Arrangement { rows, wild, .. }) = self.entries.get(number) else { return };
        wild.append_to(out);
        for key in keys {
            match (rows, bounds) {
                (Rows::ByKey(rows), _) => {
                    if let Some(ids) = rows.get(key) {
                        ids.append_to(out);
                    }
                }
                (Rows::InOrder(rows), Some(bounds)) if !bounds.is_empty() => {
                    rows.range(bounds.under(*key)).for_each(|(_, ids)| ids.append_to(out));
                }
                (Rows::InOrder(_), _) => {}
            }
        }
    }

    /// How many rows [`Arrangements::find`] finds under a key, counted up to `most`. O(most).
    pub(crate) fn count(&self, number: u32, key: u64, bounds: Option<Bounds<'_>>, most: usize) -> usize {
        let Some(Arrangement { rows, wild, .. }) = self.entries.get(number) else { return 0 };
        let found = match (rows, bounds) {
            (Rows::ByKey(rows), _) => rows.get(&key).map_or(0, IdSet::len),
            (Rows::InOrder(rows), Some(bounds)) if !bounds.is_empty() => {
                rows.range(bounds.under(key)).take(most).map(|(_, ids)| ids.len()).sum()
            }
            (Rows::InOrder(_), _) => 0,
        };
        found + wild.len()
    }
}

impl Bounds<'_> {
    /// Whether nothing can lie within.
    fn is_empty(&self) -> bool {
        match (self.above, self.below) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(above), Bound::Included(below)) => above > below,
            (Bound::Included(above) | Bound::Excluded(above), Bound::Included(below) | Bound::Excluded(below)) => {
                above >= below
            }
        }
    }

    /// The bounds of the entries under a key.
    fn under(&self, key: u64) -> impl RangeBounds<(u64, Value)> {
        let at = |bound: Bound<&Value>| bound.map(|value| (key, value.clone()));
        let start = match at(self.above) {
            // No value is below `NONE`.
            Bound::Unbounded => Bound::Included((key, Value::None)),
            bound => bound,
        };
        let end = match (at(self.below), key.checked_add(1)) {
            (Bound::Unbounded, Some(next)) => Bound::Excluded((next, Value::None)),
            (bound, _) => bound,
        };
        (start, end)
    }
}

impl Spec {
    /// The columns that the places follow from.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Column> {
        self.equal.iter().chain(self.member.iter().map(|(_, column)| column)).chain(&self.order)
    }
}

impl Arrangement {
    /// The place of a row. One that lacks a value belongs to no binding.
    fn place(&self, view: RowView<'_>, library: &dyn Library) -> Place {
        self.place_of(view, library).unwrap_or(Place { keys: Keys::none(), value: None })
    }

    fn place_of<'a>(&'a self, view: RowView<'a>, library: &dyn Library) -> Option<Place> {
        let value = |column: &'a Column| column.value(view, library);
        let mut prefix = Some(Prefix::default());
        for column in &self.spec.equal {
            let value = value(column)?;
            prefix = prefix.and_then(|prefix| prefix.with(&value));
        }
        let member = match &self.spec.member {
            Some((part, column)) => Some(part.keys(value(column)?.as_ref())),
            None => None,
        };
        let keys = prefix.map_or(Keys::Wild, |prefix| prefix.filed(member));
        let value = match &self.spec.order {
            Some(column) => Some(value(column)?.into_owned()),
            None => None,
        };
        Some(Place { keys, value })
    }

    /// Moves a row from one place to another. What is the same in both stays.
    fn rearrange(&mut self, row: u32, before: Option<&Place>, after: Option<&Place>) {
        if let Some(place) = before {
            self.remove(place, after, row);
        }
        if let Some(place) = after {
            self.insert(place, before, row);
        }
    }

    /// Files a row under what is in its place, and was not before.
    fn insert(&mut self, place: &Place, was: Option<&Place>, row: u32) {
        match &place.keys {
            Keys::Wild => self.wild.insert(row),
            Keys::These(keys) => {
                let known = place.common_keys(was);
                for key in keys.iter().filter(|key| known.binary_search(key).is_err()) {
                    match (&mut self.rows, &place.value) {
                        (Rows::ByKey(rows), _) => rows.entry(*key).or_default().insert(row),
                        (Rows::InOrder(rows), Some(value)) => {
                            rows.entry((*key, value.clone())).or_default().insert(row);
                        }
                        (Rows::InOrder(_), None) => {}
                    }
                }
            }
        }
    }

    /// Takes a row away from what is in its place, and is not any more.
    fn remove(&mut self, place: &Place, now: Option<&Place>, row: u32) {
        match &place.keys {
            Keys::Wild => self.wild.remove(row),
            Keys::These(keys) => {
                let kept = place.common_keys(now);
                for key in keys.iter().filter(|key| kept.binary_search(key).is_err()) {
                    self.remove_from(*key, place.value.as_ref(), row);
                }
            }
        }
    }

    fn remove_from(&mut self, key: u64, value: Option<&Value>, row: u32) {
        match (&mut self.rows, value) {
            (Rows::ByKey(rows), _) => {
                if let Some(ids) = rows.get_mut(&key) {
                    ids.remove(row);
                    if ids.is_empty() {
                        rows.remove(&key);
                        rows.shrink();
                    }
                }
            }
            (Rows::InOrder(rows), Some(value)) => {
                let entry = (key, value.clone());
                if let Some(ids) = rows.get_mut(&entry) {
                    ids.remove(row);
                    if ids.is_empty() {
                        rows.remove(&entry);
                    }
                }
            }
            (Rows::InOrder(_), None) => {}
        }
    }
}

impl Place {
    /// The keys of another place of the row that stand for the same here.
    fn common_keys<'a>(&self, other: Option<&'a Place>) -> &'a [u64] {
        let is_same = |value: &Option<Value>| match (value, &self.value) {
            (Some(a), Some(b)) => identity::are_identical(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        match other {
            Some(Place { keys: Keys::These(keys), value }) if is_same(value) => keys,
            _ => &[],
        }
    }
}
