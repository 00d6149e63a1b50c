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

mod arrangement;
mod batch;
mod circuit;
mod deferred;
mod delta;
mod digest;
mod event;
mod executor;
mod expr;
mod id_set;
mod library;
mod links;
mod pace;
mod partition;
mod path;
mod plan;
mod ranked;
mod registry;
mod route;
mod slab;
mod table;
mod template;
mod tenants;
pub mod value;
mod work;

pub use circuit::{Circuit, Statistics, Step};
pub use deferred::Deferred;
pub use delta::{ChangeKind, ResultDelta, RowChange};
pub use digest::{Digest, ResultId};
pub use event::{EventError, ExternalEvent, Operation};
pub use executor::{Executor, Serial};
pub use expr::{Expr, Operator};
pub use library::Library;
pub use pace::{Frequency, Pacer};
pub use path::{Links, Path, Step as PathStep};
pub use plan::{OrderKey, Plan, Slots, Template, Window};
pub use table::{Change, Row};
pub use tenants::{Refused, Router, TenantError, TenantId, TenantLimits, TenantStep, Tenants};
pub use value::{Datetime, File, Geometry, Key, Object, Range, RecordId, SameRecord, Value};
pub use work::{Size, Work};
