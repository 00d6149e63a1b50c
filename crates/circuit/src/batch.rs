//! Net effect of a batch.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;

use crate::table::Change;

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0xba7c4);

/// Reduces a batch to one change a record: its last. A change carries the whole record, so the last one is the net
/// effect, whatever came before; whether that is a creation, an update or nothing at all is decided by what the table
/// holds. Keeps the order of the last changes. O(batch).
pub(crate) fn coalesce(changes: Vec<Change>) -> Vec<Change> {
    if changes.len() < 2 {
        return changes;
    }
    let hash = |change: &Change| {
        let mut hasher = HASHER.build_hasher();
        change.id.hash_identity(&mut hasher);
        hasher.finish()
    };
    let mut last: HashTable<usize> = HashTable::with_capacity(changes.len());
    let mut is_superseded = vec![false; changes.len()];
    for (index, change) in changes.iter().enumerate() {
        let is_same = |other: &usize| changes[*other].id.is_same_record(&change.id);
        let rehash = |other: &usize| hash(&changes[*other]);
        match last.entry(hash(change), is_same, rehash) {
            hashbrown::hash_table::Entry::Occupied(mut entry) => {
                is_superseded[*entry.get()] = true;
                *entry.get_mut() = index;
            }
            hashbrown::hash_table::Entry::Vacant(entry) => {
                entry.insert(index);
            }
        }
    }
    let mut is_superseded = is_superseded.into_iter();
    changes.into_iter().filter(|_| !is_superseded.next().unwrap_or(false)).collect()
}
