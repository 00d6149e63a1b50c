//! The state of a circuit as a sequence of checksummed chunks, and back.

pub(crate) mod chunk;
pub(crate) mod restore;
pub(crate) mod save;
