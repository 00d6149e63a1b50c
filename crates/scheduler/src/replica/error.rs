use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why there is no replica, or none that goes on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The server of the replica can't be run.
    #[error("the server of the replica can't be run: {0}")]
    Server(Arc<embedded::Error>),
    /// The database of the replica refuses what has to be done.
    #[error("the replica: {0}")]
    Database(Arc<database::Error>),
    /// The log can't be read.
    #[error("the replica can't read the log: {0}")]
    Log(#[from] crate::log::Error),
    /// The log holds something else than events that this version knows.
    #[error("event {sequence} of the log can't be read: {source}")]
    Event {
        /// The number of the event.
        sequence: u64,
        /// What is wrong with it.
        source: cluster::EventError,
    },
    /// Events that the replica lacks were removed from the log.
    #[error(
        "the replica needs event {needed}, and the log begins with {first}: \
         begin a new log with a new replica, for which all tables are read again"
    )]
    Behind {
        /// The event that the replica needs next.
        needed: u64,
        /// The first event that the log still has.
        first: u64,
    },
    /// The directory can't be used.
    #[error("can't {action} {}: {source}", .path.display())]
    Directory {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// It has been stopped.
    #[error("the replica has been stopped")]
    Stopped,
}

impl Error {
    pub(crate) fn directory(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Directory { action, path, source: Arc::new(source) }
    }
}

impl From<embedded::Error> for Error {
    fn from(error: embedded::Error) -> Self {
        Error::Server(Arc::new(error))
    }
}

impl From<database::Error> for Error {
    fn from(error: database::Error) -> Self {
        Error::Database(Arc::new(error))
    }
}
