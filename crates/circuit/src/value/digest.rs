//! Results in short: their number, their size, and a hash of their content.

use std::hash::Hasher;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::step::delta::{ChangeKind, RowChange};
use crate::value::{Object, RecordId, identity};

/// A result that the circuit maintains, shared by all registrations of the same plan. The number is used again after
/// the last of them is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResultId(pub u32);

/// The size and the content of a result in two numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    pub rows: u64,
    /// The sum of a hash of each row's id and version: independent of order, so that a change costs O(1), and the same
    /// on every machine and in every version.
    pub hash: u128,
}

/// A digest as results keep it: in eight bytes less than the alignment of its hash would take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PackedDigest {
    rows: u64,
    hash: [u64; 2],
}

impl From<PackedDigest> for Digest {
    fn from(packed: PackedDigest) -> Digest {
        let [low, high] = packed.hash;
        Digest { rows: packed.rows, hash: u128::from(high) << 64 | u128::from(low) }
    }
}

impl From<Digest> for PackedDigest {
    fn from(digest: Digest) -> PackedDigest {
        PackedDigest { rows: digest.rows, hash: [digest.hash as u64, (digest.hash >> 64) as u64] }
    }
}

impl Digest {
    /// Takes in changes of rows, and of the rows under them. O(rows of the changes).
    pub(crate) fn apply(&mut self, changes: &[RowChange]) {
        let mut hashes = EntryHashes::default();
        for change in changes {
            match change.kind {
                ChangeKind::Enter => self.rows += 1,
                ChangeKind::Leave => self.rows = self.rows.saturating_sub(1),
                ChangeKind::Update | ChangeKind::Stay => {}
            }
            let entry = |version| entry_hash(&change.id, version);
            self.apply_entry(change, entry);
            self.apply_under(change, 0, &mut hashes);
        }
    }

    /// Takes in what happened to a row itself.
    fn apply_entry(&mut self, change: &RowChange, mut entry: impl FnMut(u64) -> u128) {
        match change.kind {
            ChangeKind::Enter => self.hash = self.hash.wrapping_add(entry(change.version)),
            ChangeKind::Leave => self.hash = self.hash.wrapping_sub(entry(change.version)),
            ChangeKind::Update => {
                self.hash = self.hash.wrapping_sub(entry(change.former)).wrapping_add(entry(change.version));
            }
            ChangeKind::Stay => {}
        }
    }

    /// Takes in what happened under a row that stands at this place.
    fn apply_under<'a>(&mut self, change: &'a RowChange, place: u128, hashes: &mut EntryHashes<'a>) {
        if change.nested.is_empty() {
            return;
        }
        // Where a nested row stands: under which row, by which subquery.
        let own = entry_hash(&change.id, 0) ^ place.rotate_left(1);
        for nested in &change.nested {
            let place = own.rotate_left(2 + u32::from(nested.child) % 120);
            for change in &nested.changes {
                self.apply_entry(change, |version| hashes.of(&change.id, version) ^ place);
                self.apply_under(change, place, hashes);
            }
        }
    }
}

/// Hashes that were computed lately: what happened to one row is often told under many.
#[derive(Debug, Default)]
struct EntryHashes<'a> {
    recent: [Option<(&'a RecordId, u64, u128)>; RECENT],
}

/// Two versions of a few rows.
const RECENT: usize = 8;

impl<'a> EntryHashes<'a> {
    fn of(&mut self, id: &'a RecordId, version: u64) -> u128 {
        let place = &mut self.recent[version as usize % RECENT];
        match place {
            Some((known, of, hash)) if std::ptr::eq(*known, id) && *of == version => *hash,
            _ => place.insert((id, version, entry_hash(id, version))).2,
        }
    }
}

/// The hash of a row in a result: of its record and version. Stored, so it never changes.
pub(crate) fn entry_hash(id: &RecordId, version: u64) -> u128 {
    let mut bytes = Bytes::default();
    id.hash_identity(&mut bytes);
    bytes.write_u64(version);
    xxh3_128(bytes.as_slice())
}

/// A version for a row that nobody counts the changes of: a hash of its content, the same on every machine. It has 53
/// bits, which every JSON reader keeps.
pub(crate) fn content_version(content: &Object) -> u64 {
    let mut bytes = Bytes::default();
    identity::hash_object(content, &mut bytes);
    xxh3_64(bytes.as_slice()) >> 11
}

/// Collects what is fed to it, in little-endian order on every machine.
pub(crate) struct Bytes {
    len: usize,
    inline: [u8; INLINE],
    /// All of it, once it has no place inline.
    spilled: Vec<u8>,
}

/// Most record ids with a version have place in so many bytes.
const INLINE: usize = 96;

impl Default for Bytes {
    fn default() -> Self {
        Bytes { len: 0, inline: [0; INLINE], spilled: Vec::new() }
    }
}

impl Bytes {
    pub(crate) fn as_slice(&self) -> &[u8] {
        if self.spilled.is_empty() { &self.inline[..self.len] } else { &self.spilled }
    }

    /// As `write`, of so few bytes that copying them takes no call.
    fn put<const LEN: usize>(&mut self, bytes: [u8; LEN]) {
        match self.inline.get_mut(self.len..self.len + LEN) {
            Some(place) if self.spilled.is_empty() => {
                place.copy_from_slice(&bytes);
                self.len += LEN;
            }
            _ => self.write(&bytes),
        }
    }
}

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        match self.inline.get_mut(self.len..end) {
            Some(place) if self.spilled.is_empty() => {
                place.copy_from_slice(bytes);
                self.len = end;
            }
            _ => {
                if self.spilled.is_empty() {
                    self.spilled.extend_from_slice(&self.inline[..self.len]);
                }
                self.spilled.extend_from_slice(bytes);
            }
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.put([number]);
    }

    fn write_u32(&mut self, number: u32) {
        self.put(number.to_le_bytes());
    }

    fn write_u64(&mut self, number: u64) {
        self.put(number.to_le_bytes());
    }

    fn finish(&self) -> u64 {
        xxh3_64(self.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches bytes that are lost or doubled where they go from one place to the other.
    #[test]
    fn bytes_are_kept_at_any_length() {
        for step in 1..=7_u8 {
            let (mut bytes, mut expected) = (Bytes::default(), Vec::new());
            for number in 0..60 {
                let more = vec![number; usize::from(number % step)];
                bytes.write(&more);
                bytes.write_u32(number.into());
                expected.extend(more);
                expected.extend(u32::from(number).to_le_bytes());
                assert_eq!(bytes.as_slice(), expected);
            }
        }
    }
}
