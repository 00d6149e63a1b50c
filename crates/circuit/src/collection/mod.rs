//! Collections of the engine: dense numbers, sets of them, lists by them, ranked sequences, pairs of a low and a high key, and giving
//! memory back.

pub(crate) mod hash_index;
pub(crate) mod id_set;
pub(crate) mod numbered;
pub(crate) mod priority_search_tree;
pub(crate) mod ranked;
pub(crate) mod shrink;
pub(crate) mod slab;

/// A hash of 64 bits from one of 32 that is kept in a table: the table looks at the highest and at the lowest bits.
pub(crate) fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
