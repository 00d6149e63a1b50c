//! The doorbell: a live query that says that something has been committed.

use std::time::Duration;

use crate::connect::Database;
use crate::ident::escape;
use crate::live::Live;

/// A subscription to all that is captured.
#[derive(Debug)]
pub(super) struct Bell(Live);

impl Bell {
    pub(super) fn new(db: Database) -> Self {
        let query = format!("LIVE SELECT VALUE version FROM {}", escape(&db.names().version()));
        Bell(Live::new(db, query))
    }

    /// Subscribes if there is no subscription, and says whether it did: then changes may have gone unheard.
    pub(super) async fn has_been_mended(&mut self) -> bool {
        self.0.has_been_mended().await
    }

    /// Waits until something has been committed, at most for `limit`.
    pub(super) async fn wait(&mut self, limit: Duration) {
        if self.0.next(limit).await.is_some() {
            // A transaction rings once per record: one look answers all that has rung so far.
            while self.0.waiting().is_some() {}
        }
    }
}
