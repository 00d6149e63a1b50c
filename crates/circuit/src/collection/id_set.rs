//! A set of small integers that is cheap when it holds few.

use hashbrown::HashSet;
use smallvec::SmallVec;

use crate::collection::shrink::Shrink;

type Hasher = foldhash::fast::FixedState;

/// A set of row or binding numbers. 16 bytes; up to three members need no allocation. Insertion and removal are O(1).
#[derive(Debug)]
pub(crate) enum IdSet {
    /// The first so many of three.
    Inline(u8, [u32; INLINE]),
    /// At most [`FEW`] members, unsorted.
    Few(Box<Few>),
    Many(Box<HashSet<u32, Hasher>>),
}

const _: () = assert!(size_of::<IdSet>() == 16);

const INLINE: usize = 3;

/// Up to this many members a linear scan beats hashing.
const FEW: usize = 15;

/// Members in one allocation of a cache line.
#[derive(Debug)]
pub(crate) struct Few {
    len: u32,
    ids: [u32; FEW],
}

impl Few {
    fn of(members: &[u32]) -> Box<Few> {
        let mut few = Box::new(Few { len: members.len() as u32, ids: [0; FEW] });
        few.ids[..members.len()].copy_from_slice(members);
        few
    }
}

impl Default for IdSet {
    fn default() -> Self {
        IdSet::Inline(0, [0; INLINE])
    }
}

impl IdSet {
    /// Adds a member; adding it again changes nothing.
    pub(crate) fn insert(&mut self, id: u32) {
        if self.few().is_some_and(|ids| ids.contains(&id)) {
            return;
        }
        match self {
            IdSet::Inline(len, ids) if usize::from(*len) < INLINE => {
                ids[usize::from(*len)] = id;
                *len += 1;
            }
            IdSet::Inline(_, ids) => {
                let [first, second, third] = *ids;
                *self = IdSet::Few(Few::of(&[first, second, third, id]));
            }
            IdSet::Few(few) if (few.len as usize) < FEW => {
                few.ids[few.len as usize] = id;
                few.len += 1;
            }
            IdSet::Few(few) => *self = IdSet::Many(Box::new(few.ids.iter().copied().chain([id]).collect())),
            IdSet::Many(ids) => {
                ids.insert(id);
            }
        }
    }

    /// Removes a member; removing an absent one changes nothing.
    pub(crate) fn remove(&mut self, id: u32) {
        let place = self.few().and_then(|ids| ids.iter().position(|other| *other == id));
        match (&mut *self, place) {
            (IdSet::Inline(len, ids), Some(place)) => {
                *len -= 1;
                ids[place] = ids[usize::from(*len)];
            }
            (IdSet::Few(few), Some(place)) => {
                few.len -= 1;
                few.ids[place] = few.ids[few.len as usize];
                if few.len as usize <= INLINE / 2 {
                    *self = IdSet::of(&few.ids[..few.len as usize]);
                }
            }
            (IdSet::Many(ids), _) => {
                ids.remove(&id);
                ids.shrink();
                if ids.len() <= FEW / 2 {
                    let members: SmallVec<[u32; FEW]> = ids.iter().copied().collect();
                    *self = IdSet::Few(Few::of(&members));
                }
            }
            (_, None) => {}
        }
    }

    pub(crate) fn one(id: u32) -> IdSet {
        IdSet::of(&[id])
    }

    /// A set of at most three members.
    fn of(members: &[u32]) -> IdSet {
        let mut ids = [0; INLINE];
        ids[..members.len()].copy_from_slice(members);
        IdSet::Inline(members.len() as u8, ids)
    }

    /// The members, where they are a list.
    fn few(&self) -> Option<&[u32]> {
        match self {
            IdSet::Inline(len, ids) => Some(&ids[..usize::from(*len)]),
            IdSet::Few(few) => Some(&few.ids[..few.len as usize]),
            IdSet::Many(_) => None,
        }
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        match (self.few(), self) {
            (Some(ids), _) => ids.contains(&id),
            (None, IdSet::Many(ids)) => ids.contains(&id),
            (None, _) => false,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, IdSet::Inline(0, _))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            IdSet::Inline(len, _) => usize::from(*len),
            IdSet::Few(few) => few.len as usize,
            IdSet::Many(ids) => ids.len(),
        }
    }

    /// Appends all members to `out`, in no particular order.
    pub(crate) fn append_to(&self, out: &mut impl Extend<u32>) {
        match (self.few(), self) {
            (Some(ids), _) => out.extend(ids.iter().copied()),
            (None, IdSet::Many(ids)) => out.extend(ids.iter().copied()),
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Catches a member lost or doubled where the representation grows or shrinks.
    #[test]
    fn agrees_with_a_tree_set_across_representations() {
        let mut ours = IdSet::default();
        let mut model = BTreeSet::new();
        let operations = (0..40).map(|id| (id, true)).chain((0..40).map(|id| ((id * 7) % 40, id % 3 != 0)));
        for (id, insert) in operations.chain((0..40).map(|id| (id, false))) {
            if insert {
                ours.insert(id);
                ours.insert(id);
                model.insert(id);
            } else {
                ours.remove(id);
                ours.remove(id);
                model.remove(&id);
            }
            let mut members = Vec::new();
            ours.append_to(&mut members);
            members.sort_unstable();
            assert!(members.iter().eq(&model));
            assert!((0..41).all(|id| ours.contains(id) == model.contains(&id)));
            assert_eq!((ours.len(), ours.is_empty()), (model.len(), model.is_empty()));
        }
        assert!(ours.is_empty());
    }
}
