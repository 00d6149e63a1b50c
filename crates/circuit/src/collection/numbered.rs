//! Items in the order in which they came, that are found by their numbers.

use hashbrown::HashMap;

/// Something that a number stands for.
pub(crate) trait Numbered {
    fn number(&self) -> u32;
}

/// Items with different numbers. Everything is O(1).
#[derive(Debug)]
pub(crate) struct NumberedList<T> {
    items: Vec<T>,
    /// Where each item is; empty while they are [`FEW`].
    positions: HashMap<u32, u32, foldhash::fast::FixedState>,
}

/// Up to this many items a linear search beats hashing.
const FEW: usize = 16;

impl<T> Default for NumberedList<T> {
    fn default() -> Self {
        NumberedList { items: Vec::new(), positions: HashMap::default() }
    }
}

impl<T: Numbered> NumberedList<T> {
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.items.get(self.position(number)?)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let position = self.position(number)?;
        self.items.get_mut(position)
    }

    fn position(&self, number: u32) -> Option<usize> {
        if self.positions.is_empty() {
            return self.items.iter().position(|item| item.number() == number);
        }
        self.positions.get(&number).map(|position| *position as usize)
    }

    /// Adds an item whose number is new.
    pub(crate) fn push(&mut self, item: T) {
        if !self.positions.is_empty() {
            self.positions.insert(item.number(), self.items.len() as u32);
        }
        self.items.push(item);
        if self.positions.is_empty() && self.items.len() > FEW {
            self.positions.reserve(self.items.capacity());
            self.positions.extend(self.items.iter().map(T::number).zip(0..));
        }
    }

    /// Adds an item, or replaces the one with its number.
    pub(crate) fn insert(&mut self, item: T) {
        match self.get_mut(item.number()) {
            Some(known) => *known = item,
            None => self.push(item),
        }
    }

    pub(crate) fn reserve(&mut self, more: usize) {
        self.items.reserve(more);
    }

    pub(crate) fn capacity(&self) -> usize {
        self.items.capacity()
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        &self.items
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.items
    }

    /// Drops all items, and keeps their room.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.positions.clear();
    }

    pub(crate) fn into_items(self) -> Vec<T> {
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Numbered for (u32, usize) {
        fn number(&self) -> u32 {
            self.0
        }
    }

    /// Catches an item that is lost or doubled where the search goes over to hashing.
    #[test]
    fn the_last_item_of_a_number_is_found() {
        let mut list = NumberedList::default();
        for round in 0..2 {
            for item in 0..3 * FEW {
                list.insert((item as u32 * 7, item + round));
                assert_eq!(list.get(item as u32 * 7), Some(&(item as u32 * 7, item + round)));
                assert_eq!((list.get(0), list.get(1)), (Some(&(0, round)), None));
            }
            assert_eq!(list.as_slice().len(), 3 * FEW);
        }
        list.clear();
        assert_eq!(list.get(0), None);
        assert_eq!(list.into_items(), []);
    }
}
