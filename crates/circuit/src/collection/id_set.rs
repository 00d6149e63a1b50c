//! A set of small integers that is cheap when it holds one.

use hashbrown::HashSet;

use crate::collection::shrink::Shrink;

type Hasher = foldhash::fast::FixedState;

/// A set of row or binding numbers. 16 bytes; a single member needs no allocation. Insertion and removal are O(1).
#[derive(Debug, Default)]
pub(crate) enum IdSet {
    #[default]
    Empty,
    One(u32),
    /// At most [`FEW`] members, unsorted.
    #[expect(clippy::box_collection, reason = "a vector of its own is 24 bytes, and most sets have one member")]
    Few(Box<Vec<u32>>),
    Many(Box<HashSet<u32, Hasher>>),
}

const _: () = assert!(size_of::<IdSet>() == 16);

/// Up to this many members a linear scan beats hashing.
const FEW: usize = 16;

impl IdSet {
    /// Adds a member; adding it again changes nothing.
    pub(crate) fn insert(&mut self, id: u32) {
        match self {
            IdSet::Empty => *self = IdSet::One(id),
            IdSet::One(only) if *only == id => {}
            IdSet::One(only) => *self = IdSet::Few(Box::new(vec![*only, id])),
            IdSet::Few(ids) if ids.contains(&id) => {}
            IdSet::Few(ids) if ids.len() < FEW => ids.push(id),
            IdSet::Few(ids) => *self = IdSet::Many(Box::new(ids.iter().copied().chain([id]).collect())),
            IdSet::Many(ids) => {
                ids.insert(id);
            }
        }
    }

    /// Removes a member; removing an absent one changes nothing.
    pub(crate) fn remove(&mut self, id: u32) {
        match self {
            IdSet::One(only) if *only == id => *self = IdSet::Empty,
            IdSet::Empty | IdSet::One(_) => {}
            IdSet::Few(ids) => {
                if let Some(position) = ids.iter().position(|other| *other == id) {
                    ids.swap_remove(position);
                }
                if let [only] = ids[..] {
                    *self = IdSet::One(only);
                }
            }
            IdSet::Many(ids) => {
                ids.remove(&id);
                ids.shrink();
                if ids.len() <= FEW / 2 {
                    *self = IdSet::Few(Box::new(ids.iter().copied().collect()));
                }
            }
        }
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        match self {
            IdSet::Empty => false,
            IdSet::One(only) => *only == id,
            IdSet::Few(ids) => ids.contains(&id),
            IdSet::Many(ids) => ids.contains(&id),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, IdSet::Empty)
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            IdSet::Empty => 0,
            IdSet::One(_) => 1,
            IdSet::Few(ids) => ids.len(),
            IdSet::Many(ids) => ids.len(),
        }
    }

    /// Appends all members to `out`, in no particular order.
    pub(crate) fn append_to(&self, out: &mut impl Extend<u32>) {
        match self {
            IdSet::Empty => {}
            IdSet::One(only) => out.extend([*only]),
            IdSet::Few(ids) => out.extend(ids.iter().copied()),
            IdSet::Many(ids) => out.extend(ids.iter().copied()),
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
