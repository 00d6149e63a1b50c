//! Numbered storage whose numbers stay valid until they are given back.

use std::collections::BTreeSet;

use crate::collection::shrink::Shrink;

/// Values by number. The lowest free number is used first, so that the room behind the highest one that is in use can be
/// given back. Reading is O(1); adding and removing is O(log free numbers).
#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<Option<T>>,
    vacant: BTreeSet<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { entries: Vec::new(), vacant: BTreeSet::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        if let Some(number) = self.vacant.pop_first() {
            self.entries[number as usize] = Some(value);
            return number;
        }
        self.entries.push(Some(value));
        (self.entries.len() - 1) as u32
    }

    /// Takes a value out and frees its number.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let value = self.take(number)?;
        self.free(number);
        Some(value)
    }

    /// Takes a value out, and keeps its number from being used again until it is freed.
    pub(crate) fn take(&mut self, number: u32) -> Option<T> {
        let value = self.entries.get_mut(number as usize)?.take()?;
        self.len -= 1;
        Some(value)
    }

    /// Frees the number of a value that was taken.
    pub(crate) fn free(&mut self, number: u32) {
        self.vacant.insert(number);
        while let Some(last) = self.entries.len().checked_sub(1)
            && self.vacant.remove(&(last as u32))
        {
            self.entries.pop();
        }
        self.entries.shrink();
    }

    /// Replaces a value.
    pub(crate) fn replace(&mut self, number: u32, value: T) -> Option<T> {
        self.entries.get_mut(number as usize)?.replace(value)
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.entries.get(number as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.entries.get_mut(number as usize)?.as_mut()
    }

    /// One more than the highest number in use.
    pub(crate) fn capacity(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.iter_from(0)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.entries.iter_mut().zip(0..).filter_map(|(entry, number)| Some((number, entry.as_mut()?)))
    }

    /// The values with this number and with higher ones.
    pub(crate) fn iter_from(&self, first: u32) -> impl Iterator<Item = (u32, &T)> {
        let entries = self.entries.get(first as usize..).unwrap_or_default();
        entries.iter().zip(first..).filter_map(|(entry, number)| Some((number, entry.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Catches a number that is given to two, and room that is kept behind the last one in use.
    #[test]
    fn agrees_with_a_map_and_keeps_no_room_behind_the_last() {
        let mut state = 1u64;
        let mut below = move |bound: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % bound
        };
        let mut ours = Slab::default();
        let mut model: BTreeMap<u32, u64> = BTreeMap::new();
        let mut taken: Vec<u32> = Vec::new();
        for round in 0..20_000 {
            let number = below(60) as u32;
            match below(if round % 200 < 100 { 3 } else { 6 }) {
                0 | 1 => {
                    let number = ours.insert(round);
                    assert!(!taken.contains(&number), "{number} is taken");
                    assert_eq!(model.insert(number, round), None);
                }
                2 => {
                    let was = ours.take(number);
                    assert_eq!(was, model.remove(&number));
                    taken.extend(was.map(|_| number));
                }
                3 => taken.drain(..).for_each(|number| ours.free(number)),
                _ => assert_eq!(ours.remove(number), model.remove(&number)),
            }
            assert_eq!(ours.len(), model.len());
            assert!(ours.iter().eq(model.iter().map(|(number, value)| (*number, value))));
            if taken.is_empty() {
                assert_eq!(ours.capacity(), model.last_key_value().map_or(0, |(last, _)| *last as usize + 1));
                assert!(ours.entries.capacity() <= 4 * ours.capacity());
            }
        }
    }
}
