//! Table hashes: whether two holders of a table have the same rows, told by one number each.
//!
//! The hash of a table is the sum, modulo 2^128, of a hash of each row: AdHash (Bellare and Micciancio, "A New Paradigm for
//! Collision-Free Hashing", EUROCRYPT 1997). So it does not depend on the order in which rows came, and a change costs one
//! subtraction and one addition. The hash of a row is XXH3 of its table, key and fields, with their types: `1` and `1f` are
//! different contents, as they are to SurrealDB when it stores them.
//!
//! It finds accidents: that two different tables have the same hash by chance has odds of 1 to 2^128. It is no defence
//! against somebody who chooses rows so that they add up, which for a sum of this size takes some 2^23 hashes, whatever
//! the hash of a row (Wagner, "A Generalized Birthday Problem", CRYPTO 2002).

use std::hash::Hasher;
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::circuit::Circuit;
use crate::value::digest::Digest;
use crate::value::{Object, RecordId, identity};

/// Hashes of some rows of a table.
#[derive(Clone, Debug, Default)]
pub struct RowHashes {
    pub rows: Vec<(Arc<RecordId>, u128)>,
    /// Where to go on; nothing if these were the last.
    pub next: Option<u32>,
}

/// The hash of a record as it is stored. It is compared across processes, so it never changes. O(size of the record).
pub fn row_hash(id: &RecordId, content: &Object) -> u128 {
    let mut bytes = Content(Vec::with_capacity(USUAL));
    id.hash_identity(&mut bytes);
    // No text contains this byte, so the key's ends here.
    bytes.write_u8(0xff);
    let fields = content.iter().filter(|(name, _)| &***name != "id");
    for (name, value) in fields {
        identity::hash_field(name, value, &mut bytes);
    }
    xxh3_128(&bytes.0)
}

/// Most records take no more bytes than this.
const USUAL: usize = 512;

/// Collects what is fed to it, in little-endian order on every machine.
struct Content(Vec<u8>);

impl Hasher for Content {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.0.push(number);
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_le_bytes());
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }

    fn finish(&self) -> u64 {
        xxh3_64(&self.0)
    }
}

impl Circuit {
    /// Keeps a hash of the rows of each table from now on. Every change then costs the hash of the row before and after it:
    /// 0.15 µs each for a row of 300 bytes. Therefore only who compares tables needs to ask for it.
    /// O(rows that are there).
    pub fn hash_tables(&mut self) {
        if self.is_hashing {
            return;
        }
        self.is_hashing = true;
        self.store.hash_all();
    }

    /// The number of rows of each table that has any or that a plan reads, and the sum of their [`row_hash`]es. The hashes
    /// are 0 without [`Circuit::hash_tables`]. O(tables).
    pub fn table_digests(&self) -> impl Iterator<Item = (&Arc<str>, Digest)> {
        let digest = |rows: usize, hash| Digest { rows: rows as u64, hash };
        self.store.tables().map(move |(_, table)| (&table.name, digest(table.len(), table.hash)))
    }

    /// The hashes of a table's rows, in the order of their places from `first` on. O(`limit`): so many places are gone past.
    ///
    /// Steps may run before the next call. A row keeps its place, so one that is there from the first call to the last is
    /// among the answers.
    pub fn row_hashes(&self, table: &str, first: u32, limit: u32) -> RowHashes {
        let Some((_, table)) = self.store.named(table) else { return RowHashes::default() };
        let end = first.saturating_add(limit).min(table.places());
        let rows = (first..end).filter_map(|place| table.row(place));
        RowHashes {
            rows: rows.map(|row| (row.id.clone(), row_hash(&row.id, &row.content))).collect(),
            next: (end < table.places()).then_some(end),
        }
    }
}
