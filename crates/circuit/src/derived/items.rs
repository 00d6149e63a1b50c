//! The items of a list as rows: what `FROM user:1->wrote->post` reads.
//!
//! A link stands for the record that it points to. When the list is computed again, only the items that came and went
//! mean anything to those who read the rows; the others stay, with the labels by which they are ordered as far as
//! possible.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::collection::slab::Slab;
use crate::derived::operator::{Derived, Slot, content_of, given};
use crate::store::Store;
use crate::value::digest::content_version;
use crate::value::{Key, RecordId, Value, identity};

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0x17e5);

/// The distance between the labels of items that follow each other, at first.
const STRIDE: i64 = 1 << 32;

/// The items of one list.
#[derive(Debug)]
pub(crate) struct Items {
    /// Whether items are links, and rows have the ids of the records.
    are_records: bool,
    entries: Slab<Entry>,
    /// The entries in the order of the list.
    sequence: Vec<u32>,
    /// The entries by the hash of their ids, where items have ids of their own.
    by_value: HashMap<u64, SmallVec<[u32; 1]>, foldhash::fast::FixedState>,
}

#[derive(Debug)]
struct Entry {
    value: Value,
    /// Of items with the same value, which one this is, in the order of the list. Where rows have the ids of records, or
    /// the item is new, it is none.
    occurrence: Option<u32>,
    /// Ascending along the list.
    label: i64,
    /// The derived row; a link to a record that does not exist has none.
    row: Option<u32>,
    /// The owner of the reading of a linked record.
    owner: Option<u32>,
}

impl Items {
    pub(crate) fn new(are_records: bool) -> Self {
        Items { are_records, entries: Slab::default(), sequence: Vec::new(), by_value: HashMap::default() }
    }

    /// All derived rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().filter_map(|(_, entry)| entry.row)
    }

    /// All owners of readings.
    pub(crate) fn owners(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().filter_map(|(_, entry)| entry.owner)
    }

    pub(crate) fn remember_row(&mut self, item: u32, row: u32) {
        if let Some(entry) = self.entries.get_mut(item) {
            entry.row = Some(row);
        }
    }

    pub(crate) fn remember_owner(&mut self, item: u32, owner: Option<u32>) {
        if let Some(entry) = self.entries.get_mut(item) {
            entry.owner = owner;
        }
    }

    /// Takes in what the list is now; no value stands for an empty one. O(items), and no more than that is looked at of
    /// those at both ends that are as before. Items that were looked at are counted.
    pub(crate) fn update(
        &mut self,
        operator: u32,
        list: Option<&Value>,
        store: &Store,
        looked_at: &mut u64,
    ) -> Vec<Derived> {
        let list = self.items_of(list);
        *looked_at += list.len() as u64;
        let former = std::mem::take(&mut self.sequence);
        let same = |entry: &u32, item: &&Value| {
            self.entries.get(*entry).is_some_and(|entry| identity::are_identical(&entry.value, item))
        };
        let start = former.iter().zip(&list).take_while(|(entry, item)| same(entry, item)).count();
        let ends = former[start..].iter().rev().zip(list[start..].iter().rev());
        let end = ends.take_while(|(entry, item)| same(entry, item)).count();
        let (head, rest) = former.split_at(start);
        let (gone, tail) = rest.split_at(rest.len() - end);
        let come = &list[start..list.len() - end];
        let mut pool: HashMap<u64, SmallVec<[u32; 1]>, foldhash::fast::FixedState> = HashMap::default();
        for number in gone.iter().rev() {
            if let (false, Some(entry)) = (come.is_empty(), self.entries.get(*number)) {
                pool.entry(hash(&entry.value)).or_default().push(*number);
            }
        }
        let mut derived = Vec::new();
        let mut middle = Vec::with_capacity(come.len());
        let mut reused = SmallVec::<[u32; 8]>::new();
        for item in come {
            let known = pool.get_mut(&hash(item)).and_then(|known| {
                let is_item = |number: &u32| self.entries.get(*number).is_some_and(|entry| same_value(entry, item));
                let position = known.iter().rposition(is_item)?;
                Some(known.remove(position))
            });
            reused.extend(known);
            middle.push(known.unwrap_or_else(|| self.add((*item).clone())));
        }
        reused.sort_unstable();
        let is_other = |number: &&u32| reused.binary_search(number).is_err();
        let vacated: Vec<Entry> =
            gone.iter().filter(is_other).filter_map(|number| self.remove(*number, &mut derived)).collect();
        self.sequence = [head, &middle, tail].concat();
        self.label(start..start + middle.len(), operator, &mut derived);
        let fresh: Vec<u32> = middle.iter().filter(is_other).copied().collect();
        for number in &fresh {
            if let Some(Entry { value: Value::RecordId(id), .. }) = self.entries.get(*number) {
                derived.push(Derived::Watch { item: *number, id: id.clone() });
            }
        }
        let mut shown = fresh;
        if !self.are_records {
            let without_row = self.number(&shown, vacated, operator, &mut derived);
            shown.extend(without_row);
            shown.sort_unstable();
            shown.dedup();
        }
        shown.into_iter().for_each(|number| self.put(operator, number, store, &mut derived));
        derived
    }

    /// Numbers items with the same value in the order of the list, so that the ids of rows do not tell what the list has
    /// been. Answers which items have no row yet. O(items with the values of those that came and went).
    fn number(&mut self, fresh: &[u32], vacated: Vec<Entry>, operator: u32, derived: &mut Vec<Derived>) -> Vec<u32> {
        let mut touched: HashMap<u64, Vec<Key>, foldhash::fast::FixedState> = HashMap::default();
        let values = fresh.iter().filter_map(|number| self.entries.get(*number)).chain(&vacated);
        for own in values.map(|entry| own_key(&entry.value)) {
            let known = touched.entry(key_hash(&own)).or_default();
            if !known.iter().any(|other| other.is_identical(&own)) {
                known.push(own);
            }
        }
        let mut taken: HashMap<u64, Vec<Entry>, foldhash::fast::FixedState> = HashMap::default();
        for entry in vacated {
            taken.entry(key_hash(&own_key(&entry.value))).or_default().push(entry);
        }
        let mut without_row = Vec::new();
        for (hash, keys) in touched {
            for own in keys {
                let is_same = |entry: &Entry| own_key(&entry.value).is_identical(&own);
                let known = self.by_value.get(&hash).into_iter().flatten().copied();
                let mut items: Vec<(i64, u32)> = known
                    .filter_map(|number| Some((self.entries.get(number).filter(|entry| is_same(entry))?.label, number)))
                    .collect();
                items.sort_unstable();
                let left = taken.get(&hash).into_iter().flatten().filter(|entry| is_same(entry));
                let here = items.iter().filter_map(|(_, number)| self.entries.get(*number));
                let rows = left.chain(here).filter_map(|entry| Some((entry.occurrence?, entry.row)));
                let mut rows: Vec<(u32, Option<u32>)> = rows.collect();
                rows.sort_unstable();
                let mut rows = rows.into_iter().map(|(_, row)| row);
                for ((label, number), occurrence) in items.into_iter().zip(0..) {
                    let row = rows.next();
                    let Some(entry) = self.entries.get_mut(number) else { continue };
                    let is_as_before = entry.occurrence.replace(occurrence) == Some(occurrence);
                    match row {
                        Some(Some(row)) if !is_as_before => {
                            entry.row = Some(row);
                            derived.push(Derived::Place { row, given: given(operator, 0, [Value::Int(label)]) });
                        }
                        Some(Some(_)) => {}
                        Some(None) | None => {
                            entry.row = None;
                            without_row.push(number);
                        }
                    }
                }
                derived.extend(rows.flatten().map(|row| Derived::Remove { row }));
            }
        }
        without_row
    }

    /// Takes in that the record that an item links to has changed.
    pub(crate) fn renew(&mut self, operator: u32, number: u32, store: &Store) -> Vec<Derived> {
        let mut derived = Vec::new();
        self.put(operator, number, store, &mut derived);
        derived
    }

    /// The items of a list that are rows: of a value that is no list, the value.
    fn items_of<'v>(&self, list: Option<&'v Value>) -> Vec<&'v Value> {
        let items = match list {
            Some(Value::Array(items)) => &items[..],
            Some(value) => std::slice::from_ref(value),
            None => &[],
        };
        let is_row = |item: &&Value| match item {
            Value::RecordId(_) => true,
            Value::None | Value::Null => false,
            _ => !self.are_records,
        };
        items.iter().filter(is_row).collect()
    }

    fn add(&mut self, value: Value) -> u32 {
        let hash = (!self.are_records).then(|| key_hash(&own_key(&value)));
        // What has no place in the list yet stands nowhere.
        let number = self.entries.insert(Entry { value, occurrence: None, label: 0, row: None, owner: None });
        if let Some(hash) = hash {
            self.by_value.entry(hash).or_default().push(number);
        }
        number
    }

    /// Removes an item, and its row; one that is numbered is answered with its row, for those with the same value.
    fn remove(&mut self, number: u32, derived: &mut Vec<Derived>) -> Option<Entry> {
        let entry = self.entries.remove(number)?;
        derived.extend(entry.owner.map(|owner| Derived::Forget { owner }));
        if self.are_records {
            derived.extend(entry.row.map(|row| Derived::Remove { row }));
            return None;
        }
        let hash = key_hash(&own_key(&entry.value));
        if let Some(known) = self.by_value.get_mut(&hash) {
            known.retain(|other| *other != number);
            if known.is_empty() {
                self.by_value.remove(&hash);
            }
        }
        Some(entry)
    }

    /// Gives labels to a stretch of the list; to all of it, where there is no room between those beside the stretch.
    fn label(&mut self, stretch: std::ops::Range<usize>, operator: u32, derived: &mut Vec<Derived>) {
        let count = stretch.len() as i64;
        let label_at = |position: Option<usize>| {
            let number = self.sequence.get(position?)?;
            self.entries.get(*number).map(|entry| entry.label)
        };
        let before = label_at(stretch.start.checked_sub(1));
        let after = label_at(Some(stretch.end));
        let length = STRIDE * count;
        let room = match (before, after) {
            (Some(before), Some(after)) => {
                let step = after.checked_sub(before).map_or(0, |gap| gap / (count + 1));
                (step > 0).then_some((before + step, step))
            }
            (Some(before), None) => before.checked_add(length).map(|_| (before + STRIDE, STRIDE)),
            (None, Some(after)) => after.checked_sub(length).map(|first| (first, STRIDE)),
            (None, None) => None,
        };
        let (positions, first, step) = match room {
            Some((first, step)) => (stretch, first, step),
            None => (0..self.sequence.len(), 0, STRIDE),
        };
        for (position, place) in positions.zip(0..) {
            let Some(entry) = self.sequence.get(position).and_then(|number| self.entries.get_mut(*number)) else {
                continue;
            };
            let label = first + step * place;
            if std::mem::replace(&mut entry.label, label) != label
                && let Some(row) = entry.row
            {
                derived.push(Derived::Place { row, given: given(operator, 0, [Value::Int(label)]) });
            }
        }
    }

    /// Makes an item of the list a row, if it is one.
    fn put(&mut self, operator: u32, number: u32, store: &Store, derived: &mut Vec<Derived>) {
        let Some(entry) = self.entries.get_mut(number) else { return };
        let row = entry.row;
        let own_id = || {
            let key = [entry.value.clone(), Value::Int(entry.occurrence.unwrap_or_default().into())];
            Arc::new(RecordId::new("", Key::Array(key.into())))
        };
        let (content, id, version) = match &entry.value {
            Value::RecordId(link) => {
                let Some(record) = store.find(link) else {
                    derived.extend(entry.row.take().map(|row| Derived::Remove { row }));
                    return;
                };
                let id = if self.are_records { record.id.clone() } else { own_id() };
                (record.content.clone(), id, record.version)
            }
            value => {
                let content = content_of(value);
                let version = content_version(&content);
                (content, own_id(), version)
            }
        };
        let given = given(operator, 0, [Value::Int(entry.label)]);
        derived.push(Derived::Put { row, content, id, version, given, slot: Slot::Item(number) });
    }
}

fn same_value(entry: &Entry, value: &Value) -> bool {
    identity::are_identical(&entry.value, value)
}

/// What tells items apart, but for those that are the same.
fn own_key(value: &Value) -> Key {
    Key::Array([value.clone()].into())
}

fn key_hash(key: &Key) -> u64 {
    let mut hasher = HASHER.build_hasher();
    key.hash_identity(&mut hasher);
    hasher.finish()
}

fn hash(value: &Value) -> u64 {
    let mut hasher = HASHER.build_hasher();
    identity::hash_identity(value, &mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The rows that somebody holds who has followed the changes: label and value.
    #[derive(Default)]
    struct Followed {
        rows: BTreeMap<u32, (Value, Value)>,
        ids: BTreeMap<u32, Arc<RecordId>>,
        next: u32,
    }

    impl Followed {
        /// How many changes there were.
        fn apply(&mut self, items: &mut Items, changes: Vec<Derived>) -> usize {
            let count = changes.len();
            for change in changes {
                match change {
                    Derived::Put { row, content, id, given, slot: Slot::Item(item), .. } => {
                        let row = row.unwrap_or(self.next);
                        self.next = self.next.max(row + 1);
                        items.remember_row(item, row);
                        self.ids.insert(row, id);
                        let value = content.get("").cloned().expect("no item is an object here");
                        self.rows.insert(row, (label_of(&given), value));
                    }
                    Derived::Place { row, given } => {
                        self.rows.get_mut(&row).expect("a placed row is there").0 = label_of(&given);
                    }
                    Derived::Remove { row } => {
                        assert!(self.rows.remove(&row).is_some(), "{row} is not there");
                        self.ids.remove(&row);
                    }
                    other => panic!("{other:?} of a list without links"),
                }
            }
            count
        }

        fn in_order(&self) -> Vec<Value> {
            let mut rows: Vec<_> = self.rows.values().collect();
            rows.sort_by(|(a, _), (b, _)| a.cmp(b));
            assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0), "two rows have one place: {rows:?}");
            rows.into_iter().map(|(_, value)| value.clone()).collect()
        }
    }

    /// The ids that a list gives to its items, whatever it has been before.
    fn ids_of(numbers: &[i64]) -> Vec<Key> {
        let occurrence =
            |place: usize| numbers[..place].iter().filter(|other| **other == numbers[place]).count() as i64;
        let id = |place: usize| [Value::Int(numbers[place]), Value::Int(occurrence(place))];
        (0..numbers.len()).map(|place| Key::Array(id(place).into())).collect()
    }

    fn label_of(given: &[Option<Value>]) -> Value {
        given.last().cloned().flatten().expect("a row has a place")
    }

    fn list(numbers: &[i64]) -> Value {
        numbers.iter().map(|number| Value::Int(*number)).collect()
    }

    fn follow(followed: &mut Followed, items: &mut Items, numbers: &[i64]) -> usize {
        let list = list(numbers);
        let changes = items.update(0, Some(&list), &Store::default(), &mut 0);
        let count = followed.apply(items, changes);
        assert_eq!(Value::from_iter(followed.in_order()), list);
        let mut rows: Vec<_> = followed.rows.iter().collect();
        rows.sort_by(|(_, (a, _)), (_, (b, _))| a.cmp(b));
        let ids: Vec<Key> = rows.iter().map(|(row, _)| followed.ids[row].key.clone()).collect();
        assert_eq!(ids, ids_of(numbers), "of {numbers:?}");
        count
    }

    /// Catches an item that is lost, stands in the wrong place, or takes the place of another one.
    #[test]
    fn rows_follow_any_sequence_of_lists() {
        let (mut items, mut followed) = (Items::new(false), Followed::default());
        let mut random = 1_u64;
        for _ in 0..2_000 {
            let mut next = |bound: u64| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 33) % bound
            };
            let length = next(8);
            let numbers: Vec<i64> = (0..length).map(|_| next(5) as i64).collect();
            follow(&mut followed, &mut items, &numbers);
        }
        let changes = items.update(0, None, &Store::default(), &mut 0);
        followed.apply(&mut items, changes);
        assert!(followed.rows.is_empty() && items.by_value.is_empty() && items.entries.len() == 0, "something is left");
    }

    /// Catches a list that is taken in again from its beginning, and places that run out.
    #[test]
    fn an_item_more_or_less_is_one_change() {
        let (mut items, mut followed) = (Items::new(false), Followed::default());
        let mut numbers: Vec<i64> = (0..100).collect();
        follow(&mut followed, &mut items, &numbers);
        let mut renewed = 0;
        for number in 100..200 {
            // Always in the same gap, which is full sooner or later.
            numbers.insert(50, number);
            renewed += usize::from(follow(&mut followed, &mut items, &numbers) > 1);
        }
        assert!((1..=4).contains(&renewed), "all places were given anew {renewed} times");
        numbers.push(7);
        numbers.insert(0, 8);
        assert_eq!(follow(&mut followed, &mut items, &numbers[1..]), 1);
        // The row of the other `8` is that of the first one now.
        assert_eq!(follow(&mut followed, &mut items, &numbers), 3);
        assert_eq!(follow(&mut followed, &mut items, &numbers[..201]), 1);
    }
}
