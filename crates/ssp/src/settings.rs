//! What an SSP is told at its start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use protocol::Names;

use crate::error::Error;

pub use crate::cluster::Settings as Cluster;
pub use database::{Capture, RefMode};

/// Everything it takes to start a [`Service`](crate::Service).
#[derive(Clone)]
pub struct Settings {
    /// Where the HTTP interface listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The bearer token that all but the open endpoints ask for.
    pub secret: Option<String>,
    /// Allows to run without a secret, on a loopback address only.
    pub insecure: bool,
    pub database: database::Settings,
    pub capture: Capture,
    pub ref_mode: RefMode,
    /// How long edges are collected before they are written together. Zero writes at once.
    pub throttle: Duration,
    /// Rows that are read in one request while loading.
    pub page_size: usize,
    /// How often views are looked for whose time to live has passed.
    pub ttl_sweep: Duration,
    /// How often tables are counted, to notice what leaves no trace. Counting takes at most one percent of the time.
    pub count_interval: Duration,
    /// Where the state is kept over a restart, if it is to be. A member of a cluster loads from its scheduler instead.
    pub state_file: Option<PathBuf>,
    /// The name of this SSP.
    pub id: String,
    pub names: Names,
    /// The cluster that it is a member of; standalone without one.
    pub cluster: Option<Cluster>,
    /// Where metrics are exported to, besides being there to be scraped.
    pub export: Option<telemetry::Export>,
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
