//! Where a replica's rows are, and who serves them.

use std::fmt::Debug;

use async_trait::async_trait;
use database::Database;
use protocol::Names;

use crate::replica::error::Error;

/// Keeps the rows, also while nobody serves them.
#[async_trait]
pub trait Home: Debug + Send + Sync {
    /// Has the rows served, by nobody else at the same time.
    ///
    /// # Errors
    /// If that is not possible.
    async fn open(&self) -> Result<Box<dyn Host>, Error>;

    /// Removes all rows. Nobody serves them.
    ///
    /// # Errors
    /// If they can't be removed.
    fn wipe(&self) -> Result<(), Error>;
}

/// Serves the rows until it is stopped or dropped.
#[async_trait]
pub trait Host: Debug + Send + Sync {
    /// Connects as the owner.
    ///
    /// # Errors
    /// If the server can't be reached.
    async fn connect(&self, names: Names) -> Result<Database, Error>;

    /// The process id of the server, if it is one and runs.
    fn id(&self) -> Option<u32>;

    /// Ends the server in good order.
    ///
    /// # Errors
    /// If it ended badly.
    async fn stop(self: Box<Self>) -> Result<(), Error>;
}
