//! A sorted sequence that knows the rank of each entry: a B-tree whose inner nodes count what is below them.
//!
//! Windows need three things in O(log n): where an entry stands, which entry stands at a rank, and both after every
//! change. Counted B-trees: Knuth, TAOCP vol. 3, 6.2.3; Tatham, "Counted B-Trees".

use std::cmp::Ordering;

use crate::collection::shrink::Shrink;

/// The most entries of a leaf, and the most children of an inner node.
const CAPACITY: usize = 64;

/// A sorted sequence of distinct entries. The order is passed to each call; it must always be the same total order.
#[derive(Debug)]
pub(crate) struct Ranked<T> {
    root: Node<T>,
}

#[derive(Debug)]
enum Node<T> {
    Leaf(Vec<T>),
    Inner { len: usize, children: Vec<Node<T>> },
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Ranked { root: Node::Leaf(Vec::new()) }
    }
}

impl<T> Ranked<T> {
    /// Builds the sequence from entries that are sorted already. O(n).
    pub(crate) fn from_sorted(entries: Vec<T>) -> Self {
        let fill = CAPACITY * 3 / 4;
        let mut nodes = chunks(entries, fill).map(Node::Leaf).collect::<Vec<_>>();
        while nodes.len() > 1 {
            nodes = chunks(nodes, fill).map(Node::inner).collect();
        }
        nodes.pop().map_or_else(Ranked::default, |root| Ranked { root })
    }

    pub(crate) fn len(&self) -> usize {
        self.root.len()
    }

    /// Adds an entry and answers its rank; `None` if an equal one is there already. O(log n).
    pub(crate) fn insert(&mut self, entry: T, order: &impl Fn(&T, &T) -> Ordering) -> Option<usize> {
        let rank = self.root.insert(entry, order)?;
        if let Some(right) = self.root.split_if_full() {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Vec::new()));
            self.root = Node::inner(vec![left, right]);
        }
        Some(rank)
    }

    /// Removes the entry equal to this one, and answers the rank that it had. O(log n).
    pub(crate) fn remove(&mut self, entry: &T, order: &impl Fn(&T, &T) -> Ordering) -> Option<usize> {
        let rank = self.root.remove(entry, order)?;
        if let Node::Inner { children, .. } = &mut self.root
            && children.len() == 1
            && let Some(only) = children.pop()
        {
            self.root = only;
        }
        Some(rank)
    }

    /// The rank of the entry equal to this one. O(log n).
    pub(crate) fn rank(&self, entry: &T, order: &impl Fn(&T, &T) -> Ordering) -> Option<usize> {
        let mut node = &self.root;
        let mut before = 0;
        loop {
            match node {
                Node::Leaf(entries) => {
                    let position = entries.binary_search_by(|probe| order(probe, entry)).ok()?;
                    return Some(before + position);
                }
                Node::Inner { children, .. } => {
                    let index = child_for(children, entry, order);
                    before += children[..index].iter().map(Node::len).sum::<usize>();
                    node = &children[index];
                }
            }
        }
    }

    /// The rank of the first entry of which `is_before` does not hold, which must hold of all entries up to some rank and
    /// of none from there on. O(log n).
    pub(crate) fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let mut node = &self.root;
        let mut before = 0;
        loop {
            match node {
                Node::Leaf(entries) => return before + entries.partition_point(&is_before),
                Node::Inner { children, .. } => {
                    let begins_before = |child: &Node<T>| child.first().is_some_and(&is_before);
                    let index = children.partition_point(begins_before).saturating_sub(1);
                    before += children[..index].iter().map(Node::len).sum::<usize>();
                    node = &children[index];
                }
            }
        }
    }

    /// The entry at a rank. O(log n).
    pub(crate) fn get(&self, mut rank: usize) -> Option<&T> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(entries) => return entries.get(rank),
                Node::Inner { children, .. } => {
                    node = children.iter().find(|child| match rank.checked_sub(child.len()) {
                        None => true,
                        Some(rest) => {
                            rank = rest;
                            false
                        }
                    })?;
                }
            }
        }
    }

    /// The entries from `start` on, at most up to (and without) `end`. O(log n) for each entry.
    pub(crate) fn range(&self, start: usize, end: usize) -> impl Iterator<Item = &T> {
        (start..end.min(self.len())).map_while(|rank| self.get(rank))
    }
}

impl<T> Node<T> {
    fn inner(children: Vec<Node<T>>) -> Node<T> {
        Node::Inner { len: children.iter().map(Node::len).sum(), children }
    }

    fn len(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner { len, .. } => *len,
        }
    }

    /// Entries of a leaf, or children of an inner node.
    fn fan(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner { children, .. } => children.len(),
        }
    }

    fn first(&self) -> Option<&T> {
        match self {
            Node::Leaf(entries) => entries.first(),
            Node::Inner { children, .. } => children.first()?.first(),
        }
    }

    fn insert(&mut self, entry: T, order: &impl Fn(&T, &T) -> Ordering) -> Option<usize> {
        match self {
            Node::Leaf(entries) => {
                let position = entries.binary_search_by(|probe| order(probe, &entry)).err()?;
                entries.insert(position, entry);
                Some(position)
            }
            Node::Inner { len, children } => {
                let index = child_for(children, &entry, order);
                let before: usize = children[..index].iter().map(Node::len).sum();
                let rank = before + children[index].insert(entry, order)?;
                *len += 1;
                if let Some(right) = children[index].split_if_full() {
                    children.insert(index + 1, right);
                }
                Some(rank)
            }
        }
    }

    fn remove(&mut self, entry: &T, order: &impl Fn(&T, &T) -> Ordering) -> Option<usize> {
        match self {
            Node::Leaf(entries) => {
                let position = entries.binary_search_by(|probe| order(probe, entry)).ok()?;
                entries.remove(position);
                entries.shrink();
                Some(position)
            }
            Node::Inner { len, children } => {
                let index = child_for(children, entry, order);
                let before: usize = children[..index].iter().map(Node::len).sum();
                let rank = before + children[index].remove(entry, order)?;
                *len -= 1;
                merge_if_small(children, index);
                Some(rank)
            }
        }
    }

    /// Cuts a full node in two and answers its right half.
    fn split_if_full(&mut self) -> Option<Node<T>> {
        if self.fan() <= CAPACITY {
            return None;
        }
        match self {
            Node::Leaf(entries) => {
                let right = entries.split_off(CAPACITY / 2);
                entries.shrink_to(CAPACITY);
                Some(Node::Leaf(right))
            }
            Node::Inner { len, children } => {
                let right = Node::inner(children.split_off(CAPACITY / 2));
                *len -= right.len();
                Some(right)
            }
        }
    }

    /// Takes in a right neighbour of the same height.
    fn absorb(&mut self, right: Node<T>) {
        match (self, right) {
            (Node::Leaf(entries), Node::Leaf(mut more)) => entries.append(&mut more),
            (Node::Inner { len, children }, Node::Inner { len: more_len, children: mut more }) => {
                *len += more_len;
                children.append(&mut more);
            }
            // All leaves of a B-tree are at the same depth.
            _ => debug_assert!(false, "neighbours of different height"),
        }
    }
}

/// The child under which an entry stands or belongs: the last one that does not begin after it.
fn child_for<T>(children: &[Node<T>], entry: &T, order: &impl Fn(&T, &T) -> Ordering) -> usize {
    let begins_after = |child: &Node<T>| child.first().is_some_and(|first| order(first, entry) == Ordering::Greater);
    children.partition_point(|child| !begins_after(child)).saturating_sub(1)
}

/// Joins a child with a neighbour when it has become small and both fit into one node.
fn merge_if_small<T>(children: &mut Vec<Node<T>>, index: usize) {
    if children[index].fan() == 0 && children.len() > 1 {
        children.remove(index);
        return;
    }
    if children[index].fan() >= CAPACITY / 4 {
        return;
    }
    let left = if index + 1 < children.len() { index } else { index.saturating_sub(1) };
    let fits = left + 1 < children.len() && children[left].fan() + children[left + 1].fan() <= CAPACITY * 3 / 4;
    if fits {
        let right = children.remove(left + 1);
        children[left].absorb(right);
    }
}

fn chunks<T>(items: Vec<T>, size: usize) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || {
        let chunk: Vec<T> = items.by_ref().take(size).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a wrong count, a lost entry or a wrong rank through splits and merges.
    #[test]
    fn agrees_with_a_sorted_vector() {
        let mut state = 1u64;
        let mut next = move |bound: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % bound
        };
        let mut ours = Ranked::default();
        let mut model: Vec<u64> = Vec::new();
        for round in 0..60_000 {
            let entry = next(6_000);
            // Grow first, then shrink, so that nodes split and merge on every level.
            let insert = if round < 30_000 { next(4) != 0 } else { next(4) == 0 };
            let position = model.binary_search(&entry);
            if insert {
                assert_eq!(ours.insert(entry, &u64::cmp), position.err());
                if let Err(position) = position {
                    model.insert(position, entry);
                }
            } else {
                assert_eq!(ours.remove(&entry, &u64::cmp), position.ok());
                if let Ok(position) = position {
                    model.remove(position);
                }
            }
            assert_eq!(ours.len(), model.len());
            let rank = next(7_000) as usize;
            assert_eq!(ours.get(rank), model.get(rank));
            assert_eq!(ours.rank(&entry, &u64::cmp), model.binary_search(&entry).ok());
            assert_eq!(ours.partition_point(|other| *other < entry), model.partition_point(|other| *other < entry));
        }
        assert!(ours.range(3, 40).eq(model.iter().skip(3).take(37)));
    }

    #[test]
    fn bulk_building_equals_inserting() {
        for len in [0, 1, 47, 48, 49, 5_000] {
            let mut ours = Ranked::from_sorted((0..len).collect());
            assert!(ours.range(0, usize::MAX).copied().eq(0..len));
            assert_eq!(ours.insert(len, &usize::cmp), Some(len));
            assert_eq!(ours.remove(&0, &usize::cmp), Some(0));
            assert!(ours.range(0, usize::MAX).copied().eq(1..=len));
        }
    }
}
