//! What a scheduler is told at its start.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use database::Capture;
use protocol::Names;

use crate::error::Error;
use crate::pool;

/// Everything it takes to start a [`Service`](crate::Service).
#[derive(Clone)]
pub struct Settings {
    /// The name of this scheduler.
    pub id: String,
    /// Where the HTTP interface listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The bearer token that all but the open endpoints ask for, and that sidecars are called with.
    pub secret: Option<String>,
    /// Allows to run without a secret, on a loopback address only.
    pub insecure: bool,
    /// The database.
    pub database: database::Settings,
    /// How changes are captured.
    pub capture: Capture,
    /// Where sidecars keep edges.
    pub ref_mode: database::RefMode,
    /// The names of the system tables.
    pub names: Names,
    /// The directory of the log.
    pub log: PathBuf,
    /// The directory of the replica.
    pub replica: PathBuf,
    /// The executable that holds the replica's server; nothing for the one that is running now.
    pub executable: Option<PathBuf>,
    /// How often the replica is brought up to date.
    pub update_interval: Duration,
    /// Rows that are read with one request.
    pub page_size: usize,
    /// How often sidecars that load are looked at.
    pub poll_interval: Duration,
    /// The figures that the pool goes by.
    pub pool: pool::Settings,
    /// The tables of jobs, of which results are taken.
    pub job_tables: Vec<jobs::Backend>,
    /// Where metrics are exported to, besides being there to be scraped.
    pub export: Option<telemetry::Export>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("id", &self.id)
            .field("listen", &self.listen)
            .field("log", &self.log)
            .field("replica", &self.replica)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Refuses to stand open on a network.
    ///
    /// # Errors
    /// [`Error::NoSecret`] if there is no secret, unless the service listens on loopback only and was told that this is
    /// intended.
    pub fn check(&self) -> Result<(), Error> {
        let has_secret = self.secret.as_ref().is_some_and(|secret| !secret.is_empty());
        if has_secret || (self.insecure && self.listen.ip().is_loopback()) {
            return Ok(());
        }
        Err(Error::NoSecret { listen: self.listen })
    }
}
