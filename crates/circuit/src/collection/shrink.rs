//! Giving memory back.
//!
//! Collections keep the room that they once needed. Views come and go by the million, so whatever is removed from is
//! shrunk behind the removal: once three quarters are unused, which takes as many removals, so that it is amortized
//! O(1).

use std::hash::{BuildHasher, Hash};

use hashbrown::{HashMap, HashSet, HashTable};
use smallvec::{Array, SmallVec};

/// A collection that can give room back.
pub(crate) trait Shrink {
    /// Gives room back if most of it is unused, and all of it if it is empty.
    fn shrink(&mut self);
}

/// Room for what is there and half as much again, so that what comes next does not grow the collection at once.
fn enough(len: usize) -> usize {
    len + len / 2
}

impl<T> Shrink for Vec<T> {
    fn shrink(&mut self) {
        if self.len() * 4 < self.capacity() {
            self.shrink_to(enough(self.len()));
        }
    }
}

impl<A: Array> Shrink for SmallVec<A> {
    fn shrink(&mut self) {
        if self.spilled() && self.len() * 4 < self.capacity() {
            self.shrink_to_fit();
        }
    }
}

// The capacity of a hash map does not count what deleted entries occupy; the size of its allocation does.

impl<K: Eq + Hash, V, S: BuildHasher> Shrink for HashMap<K, V, S> {
    fn shrink(&mut self) {
        if self.len() * 4 < self.allocation_size() / (size_of::<(K, V)>() + 1) {
            self.shrink_to(enough(self.len()));
        }
    }
}

impl<T: Eq + Hash, S: BuildHasher> Shrink for HashSet<T, S> {
    fn shrink(&mut self) {
        if self.len() * 4 < self.allocation_size() / (size_of::<T>() + 1) {
            self.shrink_to(enough(self.len()));
        }
    }
}

/// As [`Shrink::shrink`], for a table that does not know its hash function.
pub(crate) fn shrink_table<T>(table: &mut HashTable<T>, hasher: impl Fn(&T) -> u64) {
    if table.len() * 4 < table.num_buckets() {
        table.shrink_to(enough(table.len()), hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches room that is kept, and a collection that is rebuilt with every removal.
    #[test]
    fn what_is_mostly_unused_is_given_back_in_few_rebuilds() {
        const MANY: u32 = 100_000;
        let mut map: HashMap<u32, u64, foldhash::fast::FixedState> = (0..MANY).map(|number| (number, 0)).collect();
        let mut list: Vec<u32> = (0..MANY).collect();
        let mut table: HashTable<u32> = HashTable::new();
        for number in 0..MANY {
            table.insert_unique(number.into(), number, |known| (*known).into());
        }
        let (mut rebuilds, mut room) = (0, map.allocation_size());
        for number in (0..MANY).rev() {
            map.remove(&number);
            map.shrink();
            list.pop();
            list.shrink();
            if let Ok(entry) = table.find_entry(number.into(), |known| *known == number) {
                entry.remove();
            }
            shrink_table(&mut table, |known| (*known).into());
            rebuilds += usize::from(map.allocation_size() != room);
            room = map.allocation_size();
            let left = number as usize;
            assert!(room <= 17 * (4 * left + 16), "{room} bytes for {left} entries");
            assert!(list.capacity() <= 4 * left && table.num_buckets() <= 4 * left.max(1));
        }
        assert!(rebuilds < 20, "{rebuilds} rebuilds");
        assert_eq!((map.allocation_size(), list.capacity(), table.allocation_size()), (0, 0, 0));
        let mut few: SmallVec<[u32; 2]> = (0..100).collect();
        few.truncate(2);
        few.shrink();
        assert!(!few.spilled());
    }
}
