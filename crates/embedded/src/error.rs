//! What can go wrong with the embedded database.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// An error of the embedded database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else listens on the port.
    #[error("port {port} on 127.0.0.1 is in use")]
    PortInUse {
        /// The port that was asked for.
        port: u16,
    },
    /// The port can't be listened on for another reason, such as missing rights.
    #[error("can't listen on port {port} of 127.0.0.1")]
    Port {
        /// The port that was asked for; 0 for any.
        port: u16,
        /// The system's error.
        source: io::Error,
    },
    /// The executable that holds the engine can't be found.
    #[error("can't find the executable that holds the database: {reason}")]
    Executable {
        /// Why not, and what to do.
        reason: String,
    },
    /// The log file can't be written.
    #[error("can't write the database's log{}", .path.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default())]
    Log {
        /// The file; `None` for a temporary one.
        path: Option<PathBuf>,
        /// The system's error.
        source: io::Error,
    },
    /// The process can't be started.
    #[error("can't start {} as the database", .path.display())]
    Spawn {
        /// The executable.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The process ended before it was ready.
    #[error("the database did not start ({status}){}", quoted(.log))]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log; empty if the log goes elsewhere.
        log: String,
    },
    /// The process runs, but didn't get ready in time. It has been killed.
    #[error("the database was not ready after {} s{}", .limit.as_secs(), quoted(.log))]
    NotReady {
        /// The time it was given.
        limit: Duration,
        /// The last lines of its log; empty if the log goes elsewhere.
        log: String,
    },
    /// The process can't be signalled.
    #[error("can't stop the database")]
    Signal(#[source] io::Error),
    /// The process ended with an error while it was being stopped.
    #[error("the database ended badly ({status}){}", quoted(.log))]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log; empty if the log goes elsewhere.
        log: String,
    },
}

fn quoted(log: &str) -> String {
    if log.is_empty() { String::new() } else { format!(", its last words:\n{log}") }
}
