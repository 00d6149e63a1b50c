//! Results in short: their number, their size, and a hash of their content.

use std::hash::Hasher;

use smallvec::SmallVec;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::value::RecordId;

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

impl Digest {
    pub(crate) fn add(&mut self, entry: u128) {
        self.rows += 1;
        self.hash = self.hash.wrapping_add(entry);
    }

    pub(crate) fn remove(&mut self, entry: u128) {
        self.rows = self.rows.saturating_sub(1);
        self.hash = self.hash.wrapping_sub(entry);
    }
}

/// The hash of a row in a result: of its record and version. Stored, so it never changes.
pub(crate) fn entry_hash(id: &RecordId, version: u64) -> u128 {
    let mut bytes = Bytes::default();
    id.hash_identity(&mut bytes);
    bytes.write_u64(version);
    xxh3_128(&bytes.0)
}

/// Collects what is fed to it, in little-endian order on every machine.
#[derive(Default)]
struct Bytes(SmallVec<[u8; 64]>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_le_bytes());
    }

    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }

    fn finish(&self) -> u64 {
        xxh3_64(&self.0)
    }
}
