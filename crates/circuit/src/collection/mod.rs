//! Collections of the engine: dense numbers, sets of them, ranked sequences, pairs of a low and a high key, and giving
//! memory back.

pub(crate) mod id_set;
pub(crate) mod priority_search_tree;
pub(crate) mod ranked;
pub(crate) mod shrink;
pub(crate) mod slab;
