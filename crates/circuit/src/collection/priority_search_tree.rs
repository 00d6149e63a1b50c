//! Pairs of a low and a high key, found by a greatest low and a least high: which intervals contain a point, which
//! windows a rank concerns.
//!
//! A priority search tree (McCreight, "Priority Search Trees", SIAM J. Comput. 14(2), 1985): a search tree by the low
//! key in which each node keeps those of its pairs that have the greatest high keys, so that a search stops where no
//! high key is great enough. A node keeps several pairs instead of one (Icking, Klein and Ottmann, "Priority Search
//! Trees in Secondary Memory", 1987), which here is for the caches and for small trees. Balance comes from building a
//! subtree anew when one of its sides has become too heavy (Overmars, "The Design of Dynamic Data Structures", 1983).

use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::collection::shrink::Shrink;

/// Values by a low and a high key. No two have both in common. Small trees are a list.
#[derive(Debug)]
pub(crate) struct PrioritySearchTree<L, H, T> {
    root: Node<L, H, T>,
}

#[derive(Debug)]
enum Node<L, H, T> {
    Leaf(SmallVec<[Entry<L, H, T>; 1]>),
    Inner(Box<Inner<L, H, T>>),
}

#[derive(Debug)]
struct Inner<L, H, T> {
    /// The entries with the greatest high keys, in ascending order of these. There are [`TOP`] of them, unless nothing
    /// is below.
    top: Vec<Entry<L, H, T>>,
    /// On the left are the entries before this one, on the right it and those behind.
    split: (L, H),
    left: Node<L, H, T>,
    right: Node<L, H, T>,
    len: usize,
}

#[derive(Debug)]
struct Entry<L, H, T> {
    low: L,
    high: H,
    value: T,
}

/// The entries that an inner node keeps.
const TOP: usize = 16;

/// The most entries of a leaf.
const LEAF: usize = 2 * TOP;

impl<L, H, T> Default for PrioritySearchTree<L, H, T> {
    fn default() -> Self {
        PrioritySearchTree { root: Node::default() }
    }
}

impl<L, H, T> Default for Node<L, H, T> {
    fn default() -> Self {
        Node::Leaf(SmallVec::new())
    }
}

impl<L: Ord + Clone, H: Ord + Clone, T> PrioritySearchTree<L, H, T> {
    pub(crate) fn len(&self) -> usize {
        self.root.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value under these keys. O(log n).
    pub(crate) fn get(&self, low: &L, high: &H) -> Option<&T> {
        let mut node = &self.root;
        loop {
            let (entries, inner) = match node {
                Node::Leaf(entries) => (&entries[..], None),
                Node::Inner(inner) => (&inner.top[..], Some(inner)),
            };
            if let Some(entry) = entries.iter().find(|entry| entry.compare(low, high) == Ordering::Equal) {
                return Some(&entry.value);
            }
            node = inner?.side(low, high);
        }
    }

    /// The value under these keys. O(log n).
    pub(crate) fn get_mut(&mut self, low: &L, high: &H) -> Option<&mut T> {
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Leaf(entries) => {
                    let found = entries.iter_mut().find(|entry| entry.compare(low, high) == Ordering::Equal);
                    return found.map(|entry| &mut entry.value);
                }
                Node::Inner(inner) => {
                    match inner.top.iter().position(|entry| entry.compare(low, high) == Ordering::Equal) {
                        Some(position) => return inner.top.get_mut(position).map(|entry| &mut entry.value),
                        None => node = inner.side_mut(low, high),
                    }
                }
            }
        }
    }

    /// Adds a value under keys that have none. Amortized O(log² n).
    pub(crate) fn insert(&mut self, low: L, high: H, value: T) {
        self.root.insert(Entry { low, high, value });
    }

    /// Removes the value under these keys. Amortized O(log² n).
    pub(crate) fn remove(&mut self, low: &L, high: &H) -> Option<T> {
        self.root.remove(low, high).map(|entry| entry.value)
    }

    /// Calls `visit` with the values whose keys are both accepted, until it answers false; answers whether it never
    /// did. What is accepted as a low key must be so with every lesser one, and a high key with every greater one.
    /// O(log n + answer).
    pub(crate) fn visit(
        &self,
        is_low: impl Fn(&L) -> bool,
        is_high: impl Fn(&H) -> bool,
        mut visit: impl FnMut(&L, &H, &T) -> bool,
    ) -> bool {
        self.root.visit(&is_low, &is_high, &mut visit)
    }
}

impl<L: Ord, H: Ord, T> Entry<L, H, T> {
    fn compare(&self, low: &L, high: &H) -> Ordering {
        self.low.cmp(low).then_with(|| self.high.cmp(high))
    }
}

impl<L: Ord + Clone, H: Ord + Clone, T> Node<L, H, T> {
    fn len(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner(inner) => inner.len,
        }
    }

    /// A tree of entries in the order of their keys. O(n log n).
    fn of_sorted(mut entries: Vec<Entry<L, H, T>>) -> Self {
        if entries.len() <= LEAF {
            return Node::Leaf(entries.into());
        }
        let len = entries.len();
        let mut by_high: Vec<usize> = (0..len).collect();
        by_high.select_nth_unstable_by(len - TOP, |a, b| entries[*a].high.cmp(&entries[*b].high));
        let mut is_top = vec![false; len];
        by_high[len - TOP..].iter().for_each(|position| is_top[*position] = true);
        let mut is_top = is_top.into_iter();
        let mut top: Vec<_> = entries.extract_if(.., |_| is_top.next().unwrap_or(false)).collect();
        top.sort_by(|a, b| a.high.cmp(&b.high));
        let right = entries.split_off(entries.len() / 2);
        let split = (right[0].low.clone(), right[0].high.clone());
        let (left, right) = (Node::of_sorted(entries), Node::of_sorted(right));
        Node::Inner(Box::new(Inner { top, split, left, right, len }))
    }

    fn insert(&mut self, entry: Entry<L, H, T>) {
        match self {
            Node::Leaf(entries) => {
                entries.push(entry);
                if entries.len() > LEAF {
                    self.rebuild();
                }
            }
            Node::Inner(inner) => {
                inner.insert(entry);
                self.rebuild_if_lopsided();
            }
        }
    }

    fn remove(&mut self, low: &L, high: &H) -> Option<Entry<L, H, T>> {
        match self {
            Node::Leaf(entries) => {
                let position = entries.iter().position(|entry| entry.compare(low, high) == Ordering::Equal)?;
                Some(take(entries, position))
            }
            Node::Inner(inner) => {
                let removed = inner.remove(low, high)?;
                self.rebuild_if_lopsided();
                Some(removed)
            }
        }
    }

    /// Removes the entry with the greatest high key.
    fn pop(&mut self) -> Option<Entry<L, H, T>> {
        match self {
            Node::Leaf(entries) => {
                let positions = (0..entries.len()).max_by(|a, b| entries[*a].high.cmp(&entries[*b].high));
                Some(take(entries, positions?))
            }
            Node::Inner(inner) => {
                let popped = inner.top.pop()?;
                inner.len -= 1;
                inner.fill_top();
                self.rebuild_if_lopsided();
                Some(popped)
            }
        }
    }

    /// The greatest high key.
    fn highest(&self) -> Option<&H> {
        match self {
            Node::Leaf(entries) => entries.iter().map(|entry| &entry.high).max(),
            Node::Inner(inner) => inner.top.last().map(|entry| &entry.high),
        }
    }

    fn visit(
        &self,
        is_low: &impl Fn(&L) -> bool,
        is_high: &impl Fn(&H) -> bool,
        visit: &mut impl FnMut(&L, &H, &T) -> bool,
    ) -> bool {
        match self {
            Node::Leaf(entries) => {
                let mut found = entries.iter().filter(|entry| is_high(&entry.high) && is_low(&entry.low));
                found.all(|entry| visit(&entry.low, &entry.high, &entry.value))
            }
            Node::Inner(inner) => {
                for entry in inner.top.iter().rev() {
                    if !is_high(&entry.high) {
                        // Nothing that comes now, or is below, has a greater one.
                        return true;
                    }
                    if is_low(&entry.low) && !visit(&entry.low, &entry.high, &entry.value) {
                        return false;
                    }
                }
                inner.left.visit(is_low, is_high, visit)
                    && (!is_low(&inner.split.0) || inner.right.visit(is_low, is_high, visit))
            }
        }
    }

    /// Builds the tree anew if one side of it has most of the entries, or if a leaf would do. This takes so many
    /// updates that it is amortized.
    fn rebuild_if_lopsided(&mut self) {
        let Node::Inner(inner) = self else { return };
        let (left, right) = (inner.left.len(), inner.right.len());
        let is_lopsided = left.max(right) > LEAF && left.max(right) * 4 > (left + right) * 3;
        if is_lopsided || inner.len <= TOP {
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        let mut entries = Vec::with_capacity(self.len());
        std::mem::take(self).append_to(&mut entries);
        entries.sort_by(|a, b| a.compare(&b.low, &b.high));
        *self = Node::of_sorted(entries);
    }

    fn append_to(self, out: &mut Vec<Entry<L, H, T>>) {
        match self {
            Node::Leaf(entries) => out.extend(entries),
            Node::Inner(inner) => {
                out.extend(inner.top);
                inner.left.append_to(out);
                inner.right.append_to(out);
            }
        }
    }
}

impl<L: Ord + Clone, H: Ord + Clone, T> Inner<L, H, T> {
    /// Whether what has these keys belongs to the right side.
    fn is_right(&self, low: &L, high: &H) -> bool {
        self.split.0.cmp(low).then_with(|| self.split.1.cmp(high)) != Ordering::Greater
    }

    fn side(&self, low: &L, high: &H) -> &Node<L, H, T> {
        if self.is_right(low, high) { &self.right } else { &self.left }
    }

    fn side_mut(&mut self, low: &L, high: &H) -> &mut Node<L, H, T> {
        if self.is_right(low, high) { &mut self.right } else { &mut self.left }
    }

    fn insert(&mut self, entry: Entry<L, H, T>) {
        self.len += 1;
        let is_top = self.top.len() < TOP || self.top.first().is_some_and(|least| least.high < entry.high);
        if !is_top {
            return self.side_mut(&entry.low, &entry.high).insert(entry);
        }
        let position = self.top.partition_point(|other| other.high <= entry.high);
        self.top.insert(position, entry);
        if self.top.len() > TOP {
            let least = self.top.remove(0);
            self.side_mut(&least.low, &least.high).insert(least);
        }
    }

    fn remove(&mut self, low: &L, high: &H) -> Option<Entry<L, H, T>> {
        let removed = match self.top.iter().position(|entry| entry.compare(low, high) == Ordering::Equal) {
            Some(position) => {
                let removed = self.top.remove(position);
                self.fill_top();
                removed
            }
            None => self.side_mut(low, high).remove(low, high)?,
        };
        self.len -= 1;
        Some(removed)
    }

    /// Takes the place of an entry that has gone from the top with the highest one from below. O(log n).
    fn fill_top(&mut self) {
        let side = if self.left.highest() < self.right.highest() { &mut self.right } else { &mut self.left };
        if let Some(highest) = side.pop() {
            self.top.insert(0, highest);
        }
    }
}

/// Takes an entry out of a leaf.
fn take<E>(entries: &mut SmallVec<[E; 1]>, position: usize) -> E {
    let taken = entries.swap_remove(position);
    match entries.len() {
        0 | 1 => entries.shrink_to_fit(),
        _ => entries.shrink(),
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::collections::BTreeMap;

    type Tree = PrioritySearchTree<u32, u32, u64>;

    fn found(tree: &Tree, low: u32, high: u32) -> Vec<u64> {
        let mut found = Vec::new();
        let is_complete = tree.visit(
            |other| *other <= low,
            |other| *other >= high,
            |_, _, value| {
                found.push(*value);
                true
            },
        );
        assert!(is_complete);
        found.sort_unstable();
        found
    }

    fn check(node: &Node<u32, u32, u64>) {
        let Node::Inner(inner) = node else { return };
        assert!(inner.top.is_sorted_by(|a, b| a.high <= b.high));
        let below = inner.left.len() + inner.right.len();
        assert_eq!(inner.len, inner.top.len() + below);
        assert!(inner.top.len() == TOP || below == 0, "{} of {} in the top", inner.top.len(), inner.len);
        let least = inner.top.first().map(|entry| entry.high);
        assert!([&inner.left, &inner.right].iter().all(|side| side.highest().copied() <= least));
        for (side, is_right) in [(&inner.left, false), (&inner.right, true)] {
            let entries = match side {
                Node::Leaf(entries) => &entries[..],
                Node::Inner(inner) => &inner.top[..],
            };
            assert!(entries.iter().all(|entry| inner.is_right(&entry.low, &entry.high) == is_right));
            check(side);
        }
    }

    /// Catches an entry that is lost, found where it is not, or found too late, through all that updates do to the
    /// tree.
    #[test]
    fn agrees_with_a_list() {
        let mut state = 1u64;
        let mut below = move |bound: u32| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u32 % bound
        };
        for bound in [4, 60, 5_000] {
            let mut ours = Tree::default();
            let mut model: BTreeMap<(u32, u32), u64> = BTreeMap::new();
            for round in 0..6_000 {
                let key = (below(bound), below(bound));
                // Grow first, then shrink.
                let inserts = if round < 3_000 { below(4) != 0 } else { below(4) == 0 };
                if inserts && !model.contains_key(&key) {
                    model.insert(key, round);
                    ours.insert(key.0, key.1, round);
                } else if inserts {
                    *ours.get_mut(&key.0, &key.1).expect("it is there") = round;
                    model.insert(key, round);
                } else {
                    assert_eq!(ours.remove(&key.0, &key.1), model.remove(&key));
                }
                assert_eq!(ours.root.len(), model.len());
                assert_eq!(ours.get(&key.0, &key.1), model.get(&key));
                if round % 10 == 0 {
                    check(&ours.root);
                    let (low, high) = (below(bound), below(bound));
                    let matches = |((l, h), _): &(&(u32, u32), &u64)| *l <= low && *h >= high;
                    let mut expected: Vec<u64> = model.iter().filter(matches).map(|(_, value)| *value).collect();
                    expected.sort_unstable();
                    assert_eq!(found(&ours, low, high), expected);
                }
            }
            for (low, high) in model.into_keys() {
                assert!(ours.remove(&low, &high).is_some());
            }
            assert!(ours.is_empty() && matches!(ours.root, Node::Leaf(entries) if !entries.spilled()));
        }
    }

    /// Catches a tree that looks at what it does not find: in ascending and descending order of insertion, after most
    /// has gone again, with all low keys or all high keys the same, and with intervals in one another.
    #[test]
    fn a_search_looks_at_little_more_than_it_finds() {
        const MANY: u32 = 40_000;
        type Shape = fn(u32) -> (u32, u32);
        let shapes: [(&str, Shape); 6] = [
            ("side by side", |n| (10 * n, 10 * n + 9)),
            ("side by side, backwards", |n| (10 * (MANY - n), 10 * (MANY - n) + 9)),
            ("one in another", |n| (n, 10 * MANY - n)),
            ("without a start", |n| (0, 10 * n)),
            ("without an end", |n| (10 * n, u32::MAX)),
            ("scattered", |n| (n.wrapping_mul(2_654_435_761) % (10 * MANY), n.wrapping_mul(40_503) % (10 * MANY))),
        ];
        for (name, shape) in shapes {
            let mut tree = Tree::default();
            (0..MANY).map(shape).enumerate().for_each(|(n, (low, high))| tree.insert(low, high, n as u64));
            (0..MANY)
                .filter(|n| n % 2 == 0)
                .map(shape)
                .for_each(|(low, high)| assert!(tree.remove(&low, &high).is_some()));
            for point in (0..10 * MANY).step_by(1_999) {
                let looked_at = Cell::new(0);
                let mut found = 0;
                let is_low = |low: &u32| *low <= point;
                let is_high = |high: &u32| {
                    looked_at.set(looked_at.get() + 1);
                    *high >= point
                };
                tree.visit(is_low, is_high, |_, _, _| {
                    found += 1;
                    true
                });
                let most = 5 * found + 2 * LEAF * 16;
                assert!(looked_at.get() <= most, "{name}: {} for {found} at {point}", looked_at.get());
            }
        }
    }

    #[test]
    fn a_search_ends_when_it_is_told_to() {
        let mut tree = Tree::default();
        (0..1_000).for_each(|n| tree.insert(n, 1_000, n.into()));
        let mut seen = 0;
        let is_complete = tree.visit(
            |_| true,
            |_| true,
            |_, _, _| {
                seen += 1;
                seen < 10
            },
        );
        assert!(!is_complete && seen == 10);
    }
}
