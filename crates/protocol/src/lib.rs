//! What the services of Sp00ky say to each other and to their clients: HTTP bodies, view ids, names of system tables,
//! duration text and the content hash.
//!
//! No I/O, and nothing of SurrealDB's crates or of the engine: everything that talks HTTP can afford to depend on this.

mod cluster;
mod debug;
mod duration;
mod error;
mod events;
mod hash;
mod job;
mod key;
mod names;
mod request;
mod response;
mod verify;

pub use cluster::{
    Acknowledged, Assignment, BINARY, CatchUp, EPOCH_HEADER, HELD_HEADER, Heartbeat, PoolStatus, Position, Registered,
    SspRegistered, SspRegistration, SspStatus, TICKET_HEADER, TakenOver, ViewKeys,
};
pub use debug::{CachedRow, DebugDependencies, DebugView};
pub use duration::{DurationError, format_duration, parse_duration};
pub use error::{ErrorBody, ErrorCode};
pub use events::{ChangedRow, RowAction, ViewChange};
pub use hash::{ContentHash, ContentHashError, EntryHasher};
pub use job::{Applied, Dispatched, JobRequest, JobResult, JobRun, JobStatus};
pub use key::{ViewKey, ViewKeyError};
pub use names::{DEFAULT_PREFIX, Names, NamesError, USERS};
pub use request::{
    Format, Frequency, IngestRequest, LogLevel, LogRequest, Operation, Params, RegisterRequest, UnregisterRequest,
};
pub use response::{BackendInfo, Child, EntityInfo, Health, HealthStatus, RegisterResponse, ResultRow, VersionInfo};
pub use verify::{
    Holdings, RecordHash, RecordPage, RecordsRequest, RepairRequest, TableContent, ViewComparison, ViewState,
    ViewsRequest,
};
