//! Collections of the engine: dense numbers, sets of them, ranked sequences, and giving memory back.

pub(crate) mod id_set;
pub(crate) mod ranked;
pub(crate) mod shrink;
pub(crate) mod slab;
