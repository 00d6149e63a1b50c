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
            filed.place = self.sets.insert(IdSet::one(filed.place)) | IS_SET;
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

    /// The numbers that are filed under a hash.
    pub(crate) fn get(&self, hash: u64) -> Option<Ids<'_>> {
        let hash = hash as u32;
        let filed = self.entries.find(spread(hash), |filed| filed.hash == hash)?;
        match filed.place & IS_SET {
            0 => Some(Ids::One(filed.place)),
            _ => self.sets.get(filed.place & !IS_SET).map(Ids::Set),
        }
    }
}

/// Numbers that were found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ids<'a> {
    One(u32),
    Set(&'a IdSet),
}

impl Ids<'_> {
    pub(crate) fn len(self) -> usize {
        match self {
            Ids::One(_) => 1,
            Ids::Set(set) => set.len(),
        }
    }

    /// Appends the numbers to `out`, in no particular order.
    pub(crate) fn append_to(self, out: &mut impl Extend<u32>) {
        match self {
            Ids::One(id) => out.extend([id]),
            Ids::Set(set) => set.append_to(out),
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
            if let Some(ids) = ours.get(hash) {
                ids.append_to(&mut found);
                assert_eq!(ids.len(), found.len());
            }
            found.sort_unstable();
            assert!(found.iter().eq(&model[&hash]));
        }
        let members: Vec<(u64, u32)> = model.iter().flat_map(|(hash, ids)| ids.iter().map(|id| (*hash, *id))).collect();
        members.into_iter().for_each(|(hash, id)| ours.remove(hash, id));
        assert_eq!((ours.entries.len(), ours.sets.len()), (0, 0), "nothing stays behind");
    }
}
