//! What can go wrong in an SSP as a whole.

use std::net::SocketAddr;

/// An error that keeps the service from starting or from going on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(
        "no secret is set: set SPKY_AUTH_SECRET, or listen on a loopback address and say --insecure (listening on {listen})"
    )]
    NoSecret { listen: SocketAddr },
    #[error(transparent)]
    Listen(#[from] serving::ListenError),
    #[error(transparent)]
    Database(#[from] database::Error),
    #[error("can't start the engine's thread: {0}")]
    Thread(#[source] std::io::Error),
    #[error("can't start the pool of threads: {0}")]
    Pool(#[source] rayon::ThreadPoolBuildError),
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    #[error("jobs can't be run: {0}")]
    Jobs(#[from] jobs::Error),
    #[error("the http interface failed: {0}")]
    Http(#[source] std::io::Error),
    #[error(transparent)]
    Client(#[from] serving::ClientError),
    /// The database can't be asked now. It is asked again.
    #[error("the database could not be asked")]
    Interrupted,
    /// A part of the service ended that never should.
    #[error("the service has stopped: {0}")]
    Stopped(String),
}

impl Error {
    /// The engine does not take messages any more, or does not answer.
    pub(crate) fn engine_ended() -> Self {
        Error::Stopped("the engine has ended".to_owned())
    }
}
