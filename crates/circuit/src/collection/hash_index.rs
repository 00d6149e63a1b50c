//! Numbers by hash, for many keys with one number each.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::collection::id_set::IdSet;
use crate::collection::shrink::shrink_table;
use crate::collection::slab::Slab;
use crate::collection::spread;

/// The numbers that are filed under each hash. Eight bytes for a hash with one number.
///
/// Only half of a hash is kept, so that numbers of another may be found with those of this one, once in billions:
/// whoever looks up verifies what was found. All operations are O(1) for a number.
#[derive(Debug, Default)]
pub(crate) struct HashIndex {
    entries: HashTable<Filed>,
    /// The numbers of hashes that have several.
    sets: Slab<IdSet>,
}

#[derive(Clone, Copy, Debug)]
struct Filed {
    hash: u32,
    /// The only number; with [`IS_SET`], the number of a set.
    place: u32,
}

const IS_SET: u32 = 1 << 31;

impl HashIndex {
    /// Files a number; filing it again changes nothing.
    pub(crate) fn insert(&mut self, hash: u64, id: u32) {
        let hash = hash as u32;
        let found = self.entries.entry(spread(hash), |filed| filed.hash == hash, |filed| spread(filed.hash));
        let entry = match found {
            Entry::Vacant(vacant) if id & IS_SET == 0 => {
                vacant.insert(Filed { hash, place: id });
                return;
            }
            Entry::Vacant(vacant) => {
                let set = self.sets.insert(IdSet::default());
                vacant.insert(Filed { hash, place: set | IS_SET })
            }
            Entry::Occupied(entry) => entry,
        };
        let filed = entry.into_mut();
        if filed.place & IS_SET == 0 {
            if filed.place == id {
                return;
            }
            let mut set = IdSet::default();
            set.insert(filed.place);
            filed.place = self.sets.insert(set) | IS_SET;
        }
        if let Some(set) = self.sets.get_mut(filed.place & !IS_SET) {
            set.insert(id);
        }
    }

    /// Takes a number away; taking away an absent one changes nothing.
    pub(crate) fn remove(&mut self, hash: u64, id: u32) {
        let hash = hash as u32;
        let Ok(entry) = self.entries.find_entry(spread(hash), |filed| filed.hash == hash) else { return };
        let place = entry.get().place;
        let is_last = match place & IS_SET {
            0 => place == id,
            _ => self.sets.get_mut(place & !IS_SET).is_some_and(|set| {
                set.remove(id);
                set.is_empty()
            }),
        };
        if is_last {
            entry.remove();
            shrink_table(&mut self.entries, |filed| spread(filed.hash));
            if place & IS_SET != 0 {
                self.sets.remove(place & !IS_SET);
            }
        }
    }

    /// Appends the numbers that are filed under a hash.
    pub(crate) fn append_to(&self, hash: u64, out: &mut impl Extend<u32>) {
        let hash = hash as u32;
        match self.entries.find(spread(hash), |filed| filed.hash == hash) {
            Some(filed) if filed.place & IS_SET == 0 => out.extend([filed.place]),
            Some(filed) => {
                if let Some(set) = self.sets.get(filed.place & !IS_SET) {
                    set.append_to(out);
                }
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Catches a number that is lost or kept where a hash goes from one number to several and back, and where a number
    /// looks like that of a set.
    #[test]
    fn agrees_with_a_map_of_sets() {
        let mut state = 7u64;
        let mut below = move |bound: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % bound
        };
        let mut ours = HashIndex::default();
        let mut model: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        for _ in 0..20_000 {
            let (hash, id) = (below(30), below(6) as u32 | if below(5) == 0 { IS_SET } else { 0 });
            if below(2) == 0 {
                ours.insert(hash, id);
                model.entry(hash).or_default().insert(id);
            } else {
                ours.remove(hash, id);
                model.entry(hash).or_default().remove(&id);
            }
            let mut found = Vec::new();
            ours.append_to(hash, &mut found);
            found.sort_unstable();
            assert!(found.iter().eq(&model[&hash]));
        }
        let members: Vec<(u64, u32)> = model.iter().flat_map(|(hash, ids)| ids.iter().map(|id| (*hash, *id))).collect();
        members.into_iter().for_each(|(hash, id)| ours.remove(hash, id));
        assert_eq!((ours.entries.len(), ours.sets.len()), (0, 0), "nothing stays behind");
    }
}
