//! Rows and values as bytes, as they are saved.
//!
//! A stream of items, each a tag and what belongs to it. Names of tables and fields, and the shapes of objects, are
//! written where they occur first and are a small number from then on, so that a row costs its values.
//!
//! Written by hand because nothing at hand fits: what builds on `serde` needs it for `Decimal` and `Uuid`, which are
//! features of crates that SurrealDB's engine is built with; numbering names and shapes, checking counts before memory is
//! reserved for them, and bounding the depth would be ours all the same; and what remains are the few lines of
//! [`bytes`].

mod bytes;
mod decode;
mod encode;

pub(crate) use decode::Decoder;
pub(crate) use encode::{Encoder, TooDeep};

/// Why bytes are no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) &'static str);

/// Values may be nested this deeply: more than SurrealDB's parser reads, and little enough for the smallest stack.
pub(crate) const MAX_DEPTH: usize = 512;

/// What is to come. The numbers are part of the format.
mod tag {
    pub(super) const NONE: u8 = 0;
    pub(super) const NULL: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const TRUE: u8 = 3;
    pub(super) const INT: u8 = 4;
    pub(super) const FLOAT: u8 = 5;
    pub(super) const DECIMAL: u8 = 6;
    pub(super) const STRING: u8 = 7;
    pub(super) const DURATION: u8 = 8;
    pub(super) const DATETIME: u8 = 9;
    pub(super) const UUID: u8 = 10;
    pub(super) const ARRAY: u8 = 11;
    pub(super) const SET: u8 = 12;
    pub(super) const OBJECT: u8 = 13;
    pub(super) const GEOMETRY: u8 = 14;
    pub(super) const BYTES: u8 = 15;
    pub(super) const TABLE: u8 = 16;
    pub(super) const RECORD: u8 = 17;
    pub(super) const FILE: u8 = 18;
    pub(super) const REGEX: u8 = 19;
    pub(super) const RANGE: u8 = 20;
    /// The id of the record that the field is of.
    pub(super) const OWN_ID: u8 = 21;
}

/// The ends of a range.
mod bound {
    pub(super) const UNBOUNDED: u8 = 0;
    pub(super) const INCLUDED: u8 = 1;
    pub(super) const EXCLUDED: u8 = 2;
}

/// The kinds of geometries.
mod kind {
    pub(super) const POINT: u8 = 0;
    pub(super) const LINE: u8 = 1;
    pub(super) const POLYGON: u8 = 2;
    pub(super) const MULTI_POINT: u8 = 3;
    pub(super) const MULTI_LINE: u8 = 4;
    pub(super) const MULTI_POLYGON: u8 = 5;
    pub(super) const COLLECTION: u8 = 6;
}

#[cfg(test)]
mod tests;
