//! Finding a group by its key.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;

use super::shown_key::have_one_form;
use crate::collection::shrink::shrink_table;
use crate::value::{Value, identity};

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0x6b05);

/// The numbers of groups by their keys: by hash where keys that are equal are the same, and else in SurrealDB's order.
#[derive(Debug, Default)]
pub(super) struct ByKey {
    by_hash: HashTable<(u64, u32)>,
    in_order: BTreeMap<Arc<[Value]>, u32>,
}

impl ByKey {
    /// The number of the group with this key. O(1), or O(log groups) where equal keys may differ. `key_of` answers the key
    /// of a group.
    pub(super) fn find<'a>(&self, key: &[Value], key_of: impl Fn(u32) -> Option<&'a [Value]>) -> Option<u32> {
        if !have_one_form(key) {
            return self.in_order.get(key).copied();
        }
        let hash = hash(key);
        let is_key = |(known, number): &(u64, u32)| {
            *known == hash && key_of(*number).is_some_and(|known| identity::are_identical_lists(known, key))
        };
        self.by_hash.find(hash, is_key).map(|(_, number)| *number)
    }

    /// Adds a group whose key is new.
    pub(super) fn insert(&mut self, key: &Arc<[Value]>, number: u32) {
        if have_one_form(key) {
            let hash = hash(key);
            self.by_hash.insert_unique(hash, (hash, number), |(hash, _)| *hash);
        } else {
            self.in_order.insert(key.clone(), number);
        }
    }

    pub(super) fn remove(&mut self, key: &[Value], number: u32) {
        if !have_one_form(key) {
            self.in_order.remove(key);
        } else if let Ok(entry) = self.by_hash.find_entry(hash(key), |(_, other)| *other == number) {
            entry.remove();
            shrink_table(&mut self.by_hash, |(hash, _)| *hash);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_hash.len() + self.in_order.len()
    }
}

fn hash(key: &[Value]) -> u64 {
    let mut hasher = HASHER.build_hasher();
    key.iter().for_each(|value| identity::hash_identity(value, &mut hasher));
    hasher.finish()
}
