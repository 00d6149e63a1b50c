//! SurrealQL text to circuit plan.
//!
//! This is the only crate that knows SurrealDB's parsers and its function library; the circuit receives the scalar
//! functions it needs behind its own [`circuit::Library`] trait.
//!
//! Two parsers of SurrealDB are at work, and they are not interchangeable:
//!
//! - `surrealdb-syn` is the parser that a SurrealDB server runs, so it alone decides what a query *means*. Its tree has no
//!   positions.
//! - `surrealdb-parser`, which is to follow it, keeps the position of every node, but does not mean the same yet (it binds `OR`
//!   more tightly than `AND`, for one). It is asked only after a query was refused, and only *where* the refused
//!   construct stands.
//!
//! Nothing that is not understood passes: a construct is either compiled to exactly what SurrealDB would do, or refused
//! with its position and the reason.

// The parsers are deeply nested futures.
#![recursion_limit = "512"]

mod catalog;
mod compile;
pub mod convert;
mod error;
mod fold;
mod functions;
mod library;
mod locate;
mod reading;
mod refusal;
mod scalar;
mod syntax;
mod value;

pub use catalog::{Catalog, CatalogError, FieldFacts, Permission};
pub use compile::{Query, compile, compile_as};
pub use error::{Error, ErrorKind};
pub use library::SurrealLibrary;
pub use reading::reads_only;
pub use value::{parse_record_id, parse_value};

/// The longest text that is read, in bytes.
pub const MAX_TEXT: usize = 1 << 20;
