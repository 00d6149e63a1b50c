//! The state of a circuit as a sequence of checksummed chunks, and back; and single changes as bytes.

pub(crate) mod changes;
pub(crate) mod chunk;
pub(crate) mod restore;
pub(crate) mod save;
