//! What can go wrong between us and the database.

use surrealdb::types::{AuthError, Error as SdkError, NotAllowedError, NotFoundError, QueryError};

use crate::convert::ConvertError;
use crate::members::{FENCED, MOVED};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate. [`Error::is_retryable`] says whether the same call may succeed later.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server can't be reached, or the connection broke under a request, which may or may not have been executed.
    #[error("no connection to the database while {action}: {reason}")]
    Connection { action: &'static str, reason: String },
    /// The server did not answer in time. The request may still be executed.
    #[error("the database did not answer in time while {action}")]
    Timeout { action: &'static str },
    /// Wrong name or password, or a user without the rights it takes.
    #[error("the database refuses access while {action}: {reason}")]
    Auth { action: &'static str, reason: String },
    /// A transaction lost against a concurrent one. Nothing of it was written.
    #[error("a concurrent transaction won while {action}")]
    Conflict { action: &'static str },
    /// The sidecar's epoch is over: others write what it would have written. Nothing of the transaction was written.
    #[error("the epoch of this sidecar has ended, while {action}")]
    Fenced { action: &'static str },
    /// Another sidecar keeps the view by now. Nothing of the transaction was written.
    #[error("another sidecar keeps the view, while {action}")]
    Moved { action: &'static str },
    /// A statement failed. Nothing of its transaction was written.
    #[error("{action} failed: {reason}")]
    Query { action: &'static str, reason: String },
    /// A statement needs a table that does not exist.
    #[error("{action} failed: there is no table {table}")]
    NoSuchTable { action: &'static str, table: String },
    /// A statement of a schema file failed.
    #[error("statement {number} of the schema failed: {reason}\n  {statement}")]
    Schema { number: usize, statement: String, reason: String },
    /// A value that exists on one side only.
    #[error("a value can't be converted while {action}")]
    Convert {
        action: &'static str,
        #[source]
        source: ConvertError,
    },
    /// The server answered something else than its documentation says.
    #[error("unexpected answer while {action}: {reason}")]
    Answer { action: &'static str, reason: String },
    /// A request or an answer exceeds what fits into one message.
    #[error("a message is too large while {action}: {reason}")]
    TooLarge { action: &'static str, reason: String },
    /// Bytes are no question, or no answer to one.
    #[error("malformed: {reason}")]
    Malformed { reason: String },
    /// Changefeeds do not work on this server, or not for these tables.
    #[error("the changefeed does not work: {reason}")]
    Changefeed { reason: String },
    /// Changes since the cursor are gone: the tables must be read again.
    #[error("the changefeed no longer reaches back to {cursor}, it begins at {earliest}")]
    Gap { cursor: u64, earliest: u64 },
    /// Events are missing before those that a replica is to take in.
    #[error("event {found} can't be taken in, the next one is {expected}")]
    OutOfOrder { expected: u64, found: u64 },
    /// One change set is too large to be fetched: the tables must be read again, and the feed continued behind it.
    #[error("the change set at or after {versionstamp} is too large to be fetched")]
    ChangeSetTooLarge { versionstamp: u64 },
}

impl Error {
    /// Whether the same call may succeed later without anything having been repaired by hand.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Connection { .. } | Error::Timeout { .. } | Error::Conflict { .. })
    }

    /// Whether changes are lost, so that the tables must be read again.
    pub fn is_gap(&self) -> bool {
        matches!(self, Error::Gap { .. } | Error::ChangeSetTooLarge { .. })
    }

    /// Whether the database could not be reached.
    pub fn is_outage(&self) -> bool {
        matches!(self, Error::Connection { .. } | Error::Timeout { .. })
    }

    pub(crate) fn answer(action: &'static str, reason: impl Into<String>) -> Self {
        Error::Answer { action, reason: reason.into() }
    }
}

/// What an error of the SDK means for the connection and for the request.
pub(crate) enum Verdict {
    /// The request failed; the connection is fine.
    Failed(Error),
    /// The session is lost for good, the SDK will not repair it. The request has not been executed.
    SessionLost(String),
}

/// Sorts an error that belongs to a request as a whole.
pub(crate) fn classify(action: &'static str, error: &SdkError) -> Verdict {
    let reason = error.message().to_owned();
    if let Some(NotFoundError::Session { .. }) = error.not_found_details() {
        return Verdict::SessionLost(reason);
    }
    if let Some(NotAllowedError::Auth(AuthError::SessionExpired | AuthError::TokenExpired)) =
        error.not_allowed_details()
    {
        return Verdict::SessionLost(reason);
    }
    Verdict::Failed(of_statement(action, error))
}

/// Sorts an error of one statement.
pub(crate) fn of_statement(action: &'static str, error: &SdkError) -> Error {
    let reason = error.message().to_owned();
    if matches!(error.query_details(), Some(QueryError::TransactionConflict)) {
        return Error::Conflict { action };
    }
    if error.is_connection() {
        return Error::Connection { action, reason };
    }
    if error.is_not_allowed() {
        return Error::Auth { action, reason };
    }
    if let Some(NotFoundError::Table { name }) = error.not_found_details() {
        return Error::NoSuchTable { action, table: name.clone() };
    }
    if reason.starts_with("Message too long") {
        return Error::TooLarge { action, reason };
    }
    if reason.contains(FENCED) {
        return Error::Fenced { action };
    }
    if reason.contains(MOVED) {
        return Error::Moved { action };
    }
    Error::Query { action, reason }
}

/// Whether a statement failed only because another one of its transaction did.
pub(crate) fn is_consequence(error: &SdkError) -> bool {
    matches!(error.query_details(), Some(QueryError::NotExecuted | QueryError::Cancelled))
}
