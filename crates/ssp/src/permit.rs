//! Whether the writer may write: in a cluster, only under the current epoch of its sidecar.

use database::{Database, Error, Fence};
use tokio::sync::watch;

/// What the writer knows of the epoch that it writes under.
pub(crate) struct Permit {
    database: Database,
    /// The epoch that is over, until there is another one.
    over: Option<Fence>,
    /// The last epoch that was found to be over, for whoever can join the cluster again.
    ended: watch::Sender<u64>,
}

impl Permit {
    pub(crate) fn new(database: Database, ended: watch::Sender<u64>) -> Self {
        Permit { database, over: None, ended }
    }

    /// The epoch of this sidecar is over. Until it has another one, nobody knows which views it keeps.
    pub(crate) fn end(&mut self) {
        self.over = self.database.fence().or(self.over.take());
        if let Some(fence) = self.over.as_ref().filter(|fence| !fence.is_closed()) {
            self.ended.send_replace(fence.epoch);
        }
    }

    /// As [`Permit::end`], if that is why something could not be done.
    pub(crate) fn end_if_fenced<T>(&mut self, outcome: &Result<T, Error>) {
        if let Err(Error::Fenced { .. }) = outcome {
            self.end();
        }
    }

    /// Whether nothing can be written, because the epoch of this sidecar is over and it has no other one yet.
    pub(crate) fn is_over(&mut self) -> bool {
        let fence = self.database.fence();
        if fence.as_ref().is_some_and(Fence::is_closed) {
            return true;
        }
        self.over.take_if(|over| Some(&*over) != fence.as_ref());
        self.over.is_some()
    }
}
