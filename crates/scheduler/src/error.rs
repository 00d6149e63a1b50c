//! What can go wrong in a scheduler as a whole.

use std::net::SocketAddr;

use cluster::{EncodeError, EventError};

use crate::log;

/// An error that keeps the scheduler from starting or from going on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Anybody could register sidecars, and read everything.
    #[error(
        "no secret is set: set SPKY_AUTH_SECRET, or listen on a loopback address and say --insecure (listening on {listen})"
    )]
    NoSecret {
        /// Where it was to listen.
        listen: SocketAddr,
    },
    /// The address is taken, or none of this machine.
    #[error(transparent)]
    Listen(#[from] serving::ListenError),
    /// The database refuses, or answers what makes no sense.
    #[error(transparent)]
    Database(#[from] database::Error),
    /// The log can't be read or written.
    #[error("the log of events: {0}")]
    Log(#[from] log::Error),
    /// There is no replica, or none that goes on.
    #[error(transparent)]
    Replica(#[from] crate::replica::Error),
    /// The log holds something that this version does not know.
    #[error("event {sequence} of the log can't be understood: {source}")]
    Event {
        /// Its number.
        sequence: u64,
        /// What is wrong with it.
        #[source]
        source: EventError,
    },
    /// A record holds a value that is nested too deeply to be logged.
    #[error("a record can't be logged: {0}")]
    Encoding(#[from] circuit::SaveError),
    /// A record is too large to be logged.
    #[error("{record} can't be logged: it has {bytes} bytes, and may have {limit}", limit = cluster::MAX_EVENT)]
    TooLarge {
        /// Its id.
        record: String,
        /// How large it is.
        bytes: usize,
    },
    /// Nothing can be said to sidecars.
    #[error(transparent)]
    Client(#[from] serving::ClientError),
    /// Metrics can't be set up.
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    /// The HTTP interface has failed.
    #[error("the http interface failed: {0}")]
    Http(#[source] std::io::Error),
    /// A part of the service ended that never should.
    #[error("the scheduler has stopped: {0}")]
    Stopped(String),
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TooDeep(error) => Error::Encoding(error),
            EncodeError::TooLarge { id, bytes } => Error::TooLarge { record: database::text::record_id(&id), bytes },
        }
    }
}

impl Error {
    /// Whether the same may succeed later without anything having been repaired by hand. That includes a full disk: others
    /// may make room.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Database(error) => error.is_retryable(),
            Error::Log(error) => matches!(error, log::Error::Full { .. }),
            _ => false,
        }
    }
}
