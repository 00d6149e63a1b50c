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

mod aggregate;
mod answer;
mod arrangement;
mod attach;
mod attachment;
mod batch;
mod binding_index;
mod changes;
mod chunk;
mod circuit;
mod column;
mod conclude;
mod consumer;
mod deferred;
mod delta;
mod dependencies;
mod derive;
mod digest;
mod edges;
mod event;
mod executor;
mod expr;
mod feed;
mod function;
mod groups;
mod held;
mod hold;
mod id_set;
mod library;
mod live_set;
mod operator;
mod output;
mod pace;
mod partition;
mod path;
mod plan;
mod progress;
mod ranked;
mod reader;
mod register;
mod restore;
mod results;
mod root;
mod route;
mod save;
mod scan_key;
mod shown;
mod shrink;
mod slab;
mod step;
mod store;
mod table;
mod template;
mod tenants;
pub mod value;
mod virtual_column;
mod watch;
mod wiring;
mod work;

pub use aggregate::{AggregateFunction, Fold};
pub use chunk::{CHUNK_HEADER, ChunkError, chunk_length};
pub use circuit::Circuit;
pub use deferred::Deferred;
pub use delta::{ChangeKind, Nested, ResultDelta, RowChange};
pub use digest::{Digest, ResultId};
pub use event::{EventError, ExternalEvent, Operation};
pub use executor::{Executor, Serial};
pub use expr::{
    Application, Closure, Constant, EdgeTable, Expr, Failure, GraphStep, Locals, Operator, Part, Pick, RowContent,
    Scope,
};
pub use function::{Function, Pure};
pub use library::Library;
pub use output::{FetchStep, Field, Fields, Named, OmitField, OmitStep, Only, Output, Placing};
pub use pace::{Frequency, Pacer};
pub use path::{Path, Step as PathStep};
pub use plan::{Aggregate, Child, Grouping, OrderKey, Plan, Shape, Slot, Slots, Source, Template, Window};
pub use reader::{Direction, NoRecords, Reader};
pub use restore::RestoreError;
pub use save::SaveError;
pub use shown::Shown;
pub use step::{Statistics, Step};
pub use table::{Change, Row};
pub use tenants::{Refused, Router, TenantError, TenantId, TenantLimits, TenantStep, Tenants};
pub use value::{Datetime, File, Geometry, Key, Object, Range, RecordId, SameRecord, Value, codec::Malformed};
pub use watch::WatchId;
pub use work::{Size, Work};
