//! The incremental engine of Sp00ky.
//!
//! It holds the committed rows of all tables, and the results of queries over them, and turns every change of a row
//! into the exact change of every result that it affects. In the terms of DBSP (Budiu et al., VLDB 2023) a step takes a
//! Z-set of row changes and answers a Z-set of result changes.
//!
//! The idea that carries it: **a view is a join with its bindings.** A query is split into a [`Template`] (what it is,
//! with all constants lifted out) and [`Slots`] (the constants). All views of a template share one circuit, in which
//! the slots are an input relation like any other; see [`template`].
//!
//! The engine does no I/O, reads no clock, and starts no threads; it knows nothing of SurrealDB's crates. What it must
//! know of SurrealDB is the meaning of values, which is in [`value`].

mod answer;
mod beyond;
mod circuit;
mod collection;
mod dependent;
mod derived;
mod expr;
#[cfg(test)]
#[path = "../tests/support/growth.rs"]
mod growth;
mod ingest;
mod output;
mod plan;
mod registration;
mod saved;
mod step;
mod store;
mod template;
mod tenants;
pub mod value;
mod work;

pub use answer::pace::{Frequency, Pacer};
pub use answer::shown::Shown;
pub use answer::watch::WatchId;
pub use beyond::Beyond;
pub use circuit::Circuit;
pub use derived::aggregate::{AggregateFunction, Fold};
pub use expr::function::{Function, Pure};
pub use expr::library::Library;
pub use expr::path::{Path, Step as PathStep};
pub use expr::policy::{Policy, Rule, Veil};
pub use expr::reader::{Direction, NoRecords, Reader};
pub use expr::{
    Application, Closure, Constant, EdgeTable, Expr, Failure, GraphStep, Locals, Operator, Part, Pick, RowContent,
    Scope,
};
pub use ingest::deferred::Deferred;
pub use ingest::event::{EventError, ExternalEvent, Operation};
pub use output::{FetchStep, Field, Fields, Named, OmitField, OmitStep, Only, Others, Output, Placing};
pub use plan::{Aggregate, Child, Grouping, OrderKey, Plan, Shape, Slot, Slots, Source, Template, Window};
pub use saved::changes::{decode_changes, encode_changes};
pub use saved::chunk::{CHUNK_HEADER, ChunkError, chunk_length};
pub use saved::restore::RestoreError;
pub use saved::save::SaveError;
pub use step::delta::{ChangeKind, Nested, NestedChanges, ResultDelta, RowChange};
pub use step::executor::{Executor, Serial};
pub use step::{Statistics, Step};
pub use store::content::{RowHashes, row_hash};
pub use store::table::{Change, Row};
pub use tenants::{Refused, Router, TenantError, TenantId, TenantLimits, TenantStep, Tenants};
pub use value::digest::{Digest, ResultId};
pub use value::{Datetime, File, Geometry, Key, Object, Range, RecordId, SameRecord, Value, codec::Malformed};
pub use work::{Size, Work};
