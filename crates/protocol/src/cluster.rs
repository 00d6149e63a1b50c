//! What the scheduler and its sidecars say to each other. The events themselves are in the crate `cluster`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::key::ViewKey;
use crate::response::RegisterResponse;
use crate::verify::TableContent;

/// The header with the epoch of the sidecar that a request of the scheduler is meant for.
pub const EPOCH_HEADER: &str = "x-spky-epoch";
/// The header with the number of what the scheduler asks: under which the sidecar keeps a view that it takes, and which tells
/// what comes late.
pub const TICKET_HEADER: &str = "x-spky-ticket";
/// The header that says that the sidecar keeps the view of the request already, under the ticket.
pub const HELD_HEADER: &str = "x-spky-held";
/// The media type of events on their way, and of questions to the replica with all types kept.
pub const BINARY: &str = "application/octet-stream";

/// A place in the scheduler's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Position {
    /// Which log: numbers of another one mean something else.
    pub log: String,
    /// The number of the last event that was taken in.
    pub sequence: u64,
}

/// The body of `POST /ssp/register`: a sidecar joins, or joins again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SspRegistration {
    /// Its name.
    #[serde(alias = "id")]
    pub ssp_id: String,
    /// Where the scheduler reaches it.
    pub url: String,
    /// What it holds already, with the views that it keeps. A sidecar that holds nothing leaves this out.
    #[serde(default)]
    pub position: Option<Position>,
}

/// The answer to [`SspRegistration`], with status 202.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SspRegistered {
    /// Under which the sidecar writes results from now on.
    pub epoch: u64,
    /// The log that events come from.
    pub log: String,
    /// The last event that the snapshot holds. Events after it follow. For a sidecar that goes on, the last one that it holds.
    pub snapshot_seq: u64,
    /// Whether the sidecar goes on with the rows that it holds; else it loads the snapshot.
    pub goes_on: bool,
    /// The views that it goes on with. All others are others' by now.
    pub views: Vec<ViewKey>,
    /// What the snapshot holds of each table.
    pub table_hashes: BTreeMap<String, TableContent>,
}

/// The body of `POST /ssp/heartbeat`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Heartbeat {
    /// The sidecar's name.
    #[serde(alias = "id")]
    pub ssp_id: String,
    /// Its epoch.
    #[serde(default)]
    pub epoch: u64,
    /// How many views it keeps.
    pub views: u64,
    /// How much of the machine's processors it uses, from 0 to 1.
    #[serde(default)]
    pub cpu: f64,
    /// How much of the machine's memory it uses, from 0 to 1.
    #[serde(default)]
    pub memory: f64,
    /// Whether the snapshot has been loaded.
    #[serde(default)]
    pub is_loaded: bool,
    /// Views that it was to go on with and does not have.
    #[serde(default)]
    pub missing: Vec<ViewKey>,
}

/// How far a sidecar has come: the answer to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Acknowledged {
    /// The last event that it has taken in.
    pub sequence: u64,
}

/// Views that a sidecar is to take over or to give away. The epoch is in the header [`EPOCH_HEADER`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ViewKeys {
    /// Their keys.
    pub views: Vec<ViewKey>,
}

/// What has become of views that a sidecar was to take over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TakenOver {
    /// It keeps these now.
    pub kept: Vec<ViewKey>,
    /// These are registered no more.
    pub gone: Vec<ViewKey>,
    /// These can't be kept, and why.
    pub refused: BTreeMap<String, String>,
}

/// What the scheduler is to do before it says how far its log has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CatchUp {
    /// Tables to be captured and read, if they are not known yet.
    pub adopt: Vec<String>,
    /// Tables to be read again.
    pub reread: Vec<String>,
}

/// A view as the scheduler has placed it: the answer to `POST /query/register` has this beside the first result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Assignment {
    /// The view.
    pub query_id: ViewKey,
    /// The sidecar that keeps it.
    pub ssp_id: String,
    /// Where that is.
    pub ssp_url: String,
    /// When it was given to it, as RFC 3339.
    pub assigned_at: String,
}

/// The answer to `POST /query/register`: the first result of a view, and where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Registered {
    /// The first result.
    #[serde(flatten)]
    pub result: RegisterResponse,
    /// Where the view is.
    #[serde(flatten)]
    pub assignment: Assignment,
}

/// A sidecar as the scheduler sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SspStatus {
    /// Its name.
    pub ssp_id: String,
    /// Where it is.
    pub url: String,
    /// `bootstrapping`, `replaying` or `ready`.
    pub state: String,
    /// Its epoch.
    pub epoch: u64,
    /// The last event that it has taken in.
    pub sequence: u64,
    /// How many events wait for it.
    pub behind: u64,
    /// How many views it keeps.
    pub views: u64,
    /// As in its last heartbeat.
    pub cpu: f64,
    /// As in its last heartbeat.
    pub memory: f64,
    /// How long ago its last heartbeat was, in milliseconds.
    pub heartbeat_age_ms: u64,
}

/// The state of a scheduler and its pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoolStatus {
    /// The scheduler's name.
    pub id: String,
    /// `ready`, `bootstrapping` or `failed`.
    pub status: crate::HealthStatus,
    /// The number of the last event in the log.
    pub head: u64,
    /// The number of the last event in the snapshot.
    pub snapshot_seq: u64,
    /// Whether the snapshot stands still because a sidecar loads it.
    pub is_frozen: bool,
    /// Whether nothing is captured now, because the database is away or the log has no room. It goes on by itself; the
    /// scheduler's own log says why.
    #[serde(default)]
    pub is_interrupted: bool,
    /// Views that no sidecar keeps now.
    pub unassigned: u64,
    /// All sidecars.
    pub ssps: Vec<SspStatus>,
}
