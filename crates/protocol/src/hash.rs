//! The content hash: equal for equal content, whatever the order in which the content came about.
//!
//! It is the sum, modulo 2^128, of one hash per entry. So a change costs O(1): take the old entry's hash off, add the
//! new one's. The hash of an entry is the first 16 bytes of BLAKE3, because stored hashes are compared across versions,
//! machines and programming languages: BLAKE3 is specified byte for byte, widely implemented, and two rows can't be
//! crafted to look alike. Hashes of `std` and of the fast hash maps promise none of this.

use std::fmt;
use std::hash::Hasher;
use std::ops::{AddAssign, SubAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The order-independent hash of a multiset of entries. `Default` is the hash of nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, pattern = "^[0-9a-f]{32}$"))]
pub struct ContentHash(u128);

impl ContentHash {
    /// The hash of one entry. About 100 ns for a small one.
    pub fn of(entry: &[u8]) -> Self {
        let mut hasher = EntryHasher::new();
        hasher.write(entry);
        hasher.content_hash()
    }

    /// Whether this is the hash of nothing.
    pub fn is_empty(self) -> bool {
        self == ContentHash::default()
    }
}

/// A sum that was computed elsewhere.
impl From<u128> for ContentHash {
    fn from(sum: u128) -> Self {
        ContentHash(sum)
    }
}

/// Adds all entries of the other hash.
impl AddAssign for ContentHash {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

/// Takes all entries of the other hash away.
impl SubAssign for ContentHash {
    fn sub_assign(&mut self, other: Self) {
        self.0 = self.0.wrapping_sub(other.0);
    }
}

impl std::iter::Sum for ContentHash {
    fn sum<I: Iterator<Item = Self>>(hashes: I) -> Self {
        hashes.fold(ContentHash::default(), |mut sum, hash| {
            sum += hash;
            sum
        })
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text is no content hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid content hash `{0}`, expected 32 hexadecimal digits")]
pub struct ContentHashError(String);

impl FromStr for ContentHash {
    type Err = ContentHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hexadecimal = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parsed = if is_hexadecimal { u128::from_str_radix(text, 16).ok() } else { None };
        parsed.map(ContentHash).ok_or_else(|| ContentHashError(text.to_owned()))
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Hashes one entry that is fed piece by piece, as the engine's `hash_identity` does.
///
/// Integers are fed as little-endian bytes of their own width on every machine (`usize` as 64 bits), unlike with
/// `Hasher`'s default methods.
#[derive(Clone, Debug, Default)]
pub struct EntryHasher(blake3::Hasher);

impl EntryHasher {
    pub fn new() -> Self {
        EntryHasher(blake3::Hasher::new())
    }

    /// The hash of a multiset that holds just what was fed.
    pub fn content_hash(&self) -> ContentHash {
        let mut bytes = [0; 16];
        self.0.finalize_xof().fill(&mut bytes);
        ContentHash(u128::from_be_bytes(bytes))
    }
}

impl Hasher for EntryHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn write_u8(&mut self, number: u8) {
        self.write(&[number]);
    }

    fn write_u16(&mut self, number: u16) {
        self.write(&number.to_le_bytes());
    }

    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_le_bytes());
    }

    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }

    fn write_u128(&mut self, number: u128) {
        self.write(&number.to_le_bytes());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    /// The low 64 bits of [`EntryHasher::content_hash`].
    fn finish(&self) -> u64 {
        self.content_hash().0 as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Stored hashes must survive every update of this code and of the hash crate.
    #[test]
    fn the_hash_function_never_changes() {
        assert_eq!(ContentHash::of(b"").to_string(), "af1349b9f5f9a1a6a0404dea36dcc949");
        assert_eq!(ContentHash::of(b"abc").to_string(), "6437b3ac38465133ffb63b75273a8db5");
    }

    #[test]
    fn integers_are_fed_in_little_endian() {
        let mut hasher = EntryHasher::new();
        hasher.write_u16(1);
        hasher.write_u32(2);
        hasher.write_usize(3);
        let bytes = [1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(hasher.content_hash(), ContentHash::of(&bytes));
    }

    #[test]
    fn a_text_of_another_form_is_refused() {
        for text in ["", "12", "+0000000000000000000000000000001", "0000000000000000000000000000000g"] {
            assert!(text.parse::<ContentHash>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn order_does_not_matter(mut entries: Vec<Vec<u8>>) {
            let hash: ContentHash = entries.iter().map(|entry| ContentHash::of(entry)).sum();
            entries.reverse();
            let reversed: ContentHash = entries.iter().map(|entry| ContentHash::of(entry)).sum();
            prop_assert_eq!(hash, reversed);
        }

        #[test]
        fn what_is_added_can_be_taken_away(kept: Vec<Vec<u8>>, passing: Vec<Vec<u8>>) {
            let expected: ContentHash = kept.iter().map(|entry| ContentHash::of(entry)).sum();
            let mut hash = expected;
            passing.iter().for_each(|entry| hash += ContentHash::of(entry));
            passing.iter().for_each(|entry| hash -= ContentHash::of(entry));
            prop_assert_eq!(hash, expected);
        }

        #[test]
        fn the_text_reads_back(entry: Vec<u8>) {
            let hash = ContentHash::of(&entry);
            prop_assert_eq!(hash.to_string().parse(), Ok(hash));
            prop_assert_eq!(serde_json::from_value(serde_json::to_value(hash).unwrap()).ok(), Some(hash));
        }
    }
}
