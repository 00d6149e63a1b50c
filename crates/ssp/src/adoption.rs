//! Tables that come into being while we run.
//!
//! A record makes its table, where nothing forbids it, and such a table has no changefeed: nothing tells of it. So
//! tables are looked for now and then, and when a view asks for one that is not known. Reading a table must not
//! overtake the feed: a page that is older than a change must not be applied after it. Therefore whoever follows the
//! feed does it, between two batches.

use std::collections::HashSet;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// How often tables are looked for.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// Asks for a table to be captured and read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) table: String,
    /// Told when the table has been read; dropped if that failed.
    pub(crate) done: oneshot::Sender<()>,
}

/// The tables that are captured and have been read, known to all.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    known: Arc<RwLock<HashSet<String>>>,
    requests: mpsc::Sender<Request>,
}

impl Tables {
    /// An empty set, and the requests of those who miss a table.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Request>) {
        let (requests, queue) = mpsc::channel(64);
        (Tables { known: Arc::default(), requests }, queue)
    }

    pub(crate) fn add(&self, table: &str) {
        // A set is whole even if somebody panicked while holding it.
        self.known.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(table.to_owned());
    }

    fn contains(&self, table: &str) -> bool {
        self.known.read().unwrap_or_else(|poisoned| poisoned.into_inner()).contains(table)
    }

    /// Waits until a table is captured and has been read, if it is not yet; false if that is not possible.
    pub(crate) async fn require(&self, table: &str) -> bool {
        if self.contains(table) {
            return true;
        }
        let (done, adopted) = oneshot::channel();
        let request = Request { table: table.to_owned(), done };
        self.requests.send(request).await.is_ok() && adopted.await.is_ok()
    }
}
