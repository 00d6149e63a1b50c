//! What a scheduler keeps while it does not run: the log, and the replica of it.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::identity;
use crate::log::wal::{self, Wal};
use crate::log::{self, EventLog};
use crate::replica::{Home, Place};

/// Where a scheduler keeps what it has to find again.
#[async_trait]
pub trait Storage: Debug + Send + Sync {
    /// Opens the log, and answers its name, which no other log has.
    ///
    /// # Errors
    /// If it can't be used.
    async fn open_log(&self) -> Result<(Arc<dyn EventLog>, Uuid), log::Error>;

    /// Removes the log, which nobody has open.
    ///
    /// # Errors
    /// If it can't be removed.
    fn wipe_log(&self) -> Result<(), log::Error>;

    /// Where the replica is.
    fn home(&self) -> Arc<dyn Home>;
}

/// Directories of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Directories {
    pub(crate) log: PathBuf,
    pub(crate) replica: PathBuf,
    /// The executable that serves the replica; nothing for the one that is running now.
    pub(crate) executable: Option<PathBuf>,
}

#[async_trait]
impl Storage for Directories {
    async fn open_log(&self) -> Result<(Arc<dyn EventLog>, Uuid), log::Error> {
        let log = Wal::open(wal::Settings::new(&self.log)).await?;
        let name = identity::of(&self.log)?;
        Ok((Arc::new(log), name))
    }

    fn wipe_log(&self) -> Result<(), log::Error> {
        std::fs::remove_dir_all(&self.log).map_err(|source| log::Error::io("remove", &self.log, source))
    }

    fn home(&self) -> Arc<dyn Home> {
        Arc::new(Place::new(self.replica.clone(), self.executable.clone()))
    }
}
