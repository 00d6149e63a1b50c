//! Net effect of a batch: one change a record.
//!
//! A change carries the whole record, so one of the changes of a record is the net effect of all of them. Which one:
//!
//! - The **highest version**. Versions of a record count up as its changes are committed, through deletions too, so
//!   what has a lower version than something before it is a late or repeated delivery, and says nothing new.
//! - Of **equal versions** the later change: a record that nobody counts keeps one version, and then the order decides.
//! - **Version 0** is no version: such a change is taken whatever came before it, and yields to whatever comes after.
//!   It is how somebody who has looked, and found no record, says so.
//!
//! What the net effect means is decided by what the table holds. With the version going up:
//!
//! ```text
//!                     the table has no such record     the table has it
//! create … delete     nothing                          -
//! create … update     create, with the last content    -
//! update … delete     -                                delete
//! update … update     -                                update, with the last content
//! delete … create     create                           update
//! ```
//!
//! This holds **within a batch only**; what the table holds does not take part. From one batch to the next a version
//! may fall, and the lower one counts: who announces a change before it is committed takes it back with the committed
//! state.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::store::table::Change;
use crate::value::RecordId;

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0xba7c4);

/// Changes that are reduced to one a record as they come. Keeps the order in which the records first came.
#[derive(Debug, Default)]
pub(crate) struct NetChanges {
    changes: Vec<Change>,
    /// Positions in `changes`.
    by_record: HashTable<usize>,
}

impl NetChanges {
    fn with_capacity(capacity: usize) -> Self {
        NetChanges { changes: Vec::with_capacity(capacity), by_record: HashTable::with_capacity(capacity) }
    }

    /// Adds a change behind all others. O(1).
    pub(crate) fn push(&mut self, change: Change) {
        let changes = &mut self.changes;
        let is_same = |position: &usize| changes[*position].id.is_same_record(&change.id);
        let rehash = |position: &usize| hash(&changes[*position].id);
        match self.by_record.entry(hash(&change.id), is_same, rehash) {
            Entry::Occupied(entry) => {
                let known = &mut changes[*entry.get()];
                let is_outdated = change.version != 0 && change.version < known.version;
                if !is_outdated {
                    *known = change;
                }
            }
            Entry::Vacant(entry) => {
                entry.insert(changes.len());
                changes.push(change);
            }
        }
    }

    /// The number of records.
    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Takes all changes out.
    pub(crate) fn take(&mut self) -> Vec<Change> {
        self.by_record.clear();
        std::mem::take(&mut self.changes)
    }
}

/// Reduces a batch to its net effect. O(batch).
pub(crate) fn coalesce(changes: Vec<Change>) -> Vec<Change> {
    if changes.len() < 2 {
        return changes;
    }
    let mut net = NetChanges::with_capacity(changes.len());
    changes.into_iter().for_each(|change| net.push(change));
    net.take()
}

fn hash(id: &RecordId) -> u64 {
    let mut hasher = HASHER.build_hasher();
    id.hash_identity(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Key, Value};

    fn deletion(key: Key, version: u64) -> Change {
        Change { id: RecordId::new("t", key), version, content: None }
    }

    /// Catches ids that are taken for one another: `t:[1]` and `t:[1.0]` are equal by `==`, and two records.
    #[test]
    fn each_record_keeps_a_change_of_its_own() {
        let keys = || {
            let list = |number: Value| Key::Array([number].into());
            [Key::Int(1), Key::String("1".into()), list(Value::Int(1)), list(Value::Float(1.0))]
        };
        let batch = (1..=3).flat_map(|version| keys().map(|key| deletion(key, version))).collect();
        let net = coalesce(batch);
        assert_eq!(net.len(), 4);
        for (change, key) in net.iter().zip(keys()) {
            assert!(change.id.key.is_identical(&key), "in the order in which they first came");
            assert_eq!(change.version, 3);
        }
        let again: Vec<u64> = coalesce(net).iter().map(|change| change.version).collect();
        assert_eq!(again, [3; 4], "a net effect is its own net effect");
    }

    #[test]
    fn what_was_taken_out_is_forgotten() {
        let mut net = NetChanges::default();
        net.push(deletion(Key::Int(1), 5));
        assert_eq!(net.take().len(), 1);
        assert_eq!(net.len(), 0);
        net.push(deletion(Key::Int(1), 3));
        assert_eq!(net.take()[0].version, 3, "a version may fall from one batch to the next");
    }
}
