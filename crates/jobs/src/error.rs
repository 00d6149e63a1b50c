//! What can go wrong in a runner as a whole. What goes wrong with a job is in the job.

/// An error that keeps the runner from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The HTTP client can't be set up.
    #[error("can't set up the client for backend {backend}: {source}")]
    Client {
        /// The name of the backend.
        backend: String,
        /// The client's error.
        #[source]
        source: reqwest::Error,
    },
    /// The database does not answer, or refuses.
    #[error(transparent)]
    Database(#[from] database::Error),
}
