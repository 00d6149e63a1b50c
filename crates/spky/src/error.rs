//! What ends the program early.

use std::io;
use std::path::PathBuf;

/// An error of the binary.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A signal asked for the end. Not a failure.
    #[error("interrupted")]
    Interrupted,
    #[error("invalid configuration\n{0}")]
    Config(#[from] config::Error),
    #[error(transparent)]
    Embedded(#[from] embedded::Error),
    #[error("{action}")]
    Database { action: String, source: database::Error },
    #[error("invalid database address")]
    Endpoint(#[from] database::EndpointError),
    #[error("invalid prefix of the system tables")]
    Names(#[from] protocol::NamesError),
    #[error("the sidecar failed")]
    Ssp(#[from] ssp::Error),
    #[error("the scheduler failed")]
    Scheduler(#[from] scheduler::Error),
    #[error("the database ended by itself ({status})\n{log}")]
    DatabaseEnded { status: std::process::ExitStatus, log: String },
    #[error("can't connect to {database}")]
    Connect { database: String, source: Box<surrealdb::Error> },
    #[error("can't talk to the database")]
    Client(#[source] Box<surrealdb::Error>),
    #[error("can't convert a value of the database")]
    Convert(#[from] database::convert::ConvertError),
    #[error("can't read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("can't write {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("can't write to the terminal")]
    Output(#[source] io::Error),
    #[error("can't start the runtime")]
    Runtime(#[source] io::Error),
    #[error("can't start logging: {0}")]
    Logging(String),
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    #[error("can't handle signals")]
    Signals(#[source] io::Error),
    #[error("the query can't be watched: {0}")]
    Query(String),
    #[error("invalid parameter `{0}`, expected name=value")]
    Parameter(String),
    #[error("can't reach the sidecar at {url}")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("the sidecar answered {status}: {message}")]
    Refused { status: u16, message: String },
    #[error("the data of the demo is damaged")]
    DemoData(#[source] serde_json::Error),
    #[error("{0}")]
    Usage(String),
}

impl From<surrealdb::Error> for Error {
    fn from(error: surrealdb::Error) -> Self {
        Self::Client(Box::new(error))
    }
}

impl Error {
    /// An error of the database, with what was being done.
    pub(crate) fn database(action: impl Into<String>) -> impl FnOnce(database::Error) -> Self {
        let action = action.into();
        move |source| Self::Database { action, source }
    }
}

/// The error and what caused it, in one text; causes whose text is part of the error's already are left out.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.ends_with(&reason) {
            text.push_str(": ");
            text.push_str(&reason);
        }
        cause = error.source();
    }
    text
}
