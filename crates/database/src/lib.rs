//! Everything that Sp00ky does with SurrealDB: connect, install, read pages, capture changes, write results.
//!
//! This is the only crate that talks to a database, and the only one that knows SurrealDB's SDK. One [`Database`] is
//! one WebSocket, whatever the number of its clones, beside one for each live query.

mod apply;
pub mod cbor;
mod chunks;
mod connect;
pub mod convert;
mod edges;
mod error;
pub mod feed;
pub mod ident;
pub mod jobs;
pub mod json;
mod live;
mod members;
mod pages;
mod paging;
mod proxy;
mod queries;
pub mod replica;
mod rows;
mod scan;
pub mod schema;
mod session;
mod settings;
mod statements;
mod structure;
mod survey;
pub mod text;
mod versions;
mod write;

pub use apply::Applied;
pub use connect::Database;
pub use edges::{Edge, EdgeId, Parent};
pub use error::{Error, Result};
pub use feed::{ChangeSet, Feed, FeedBatch, Probe, SETTLE, settled_before};
pub use members::{Fence, Member};
pub use pages::{FIRST_VERSION, Page};
pub use paging::Paging;
pub use queries::{QueryRow, StoredQuery};
pub use replica::Replica;
pub use rows::{RowId, RowRecord, as_stored, storable, view_of_row};
pub use schema::{Capture, RefMode, SchemaOptions, TableInfo};
pub use session::{Connector, Session, WebSockets};
pub use settings::{Endpoint, EndpointError, Settings};
pub use structure::Structure;
pub use survey::Survey;
pub use versions::Counted;
pub use write::{Confirmed, Place, ResultInfo, WriteBatch};
