//! The doorbell: a live query that says that something has been committed.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use surrealdb::Notification;
use surrealdb::method::QueryStream;
use surrealdb::types::{Value, Variables};
use tokio::time::Instant;

use crate::connect::Database;
use crate::error::Result;
use crate::ident::escape;

/// How long to wait after a failed subscription; meanwhile polling has to do.
const RETRY: Duration = Duration::from_secs(1);

/// A subscription that renews itself.
pub(super) struct Bell {
    db: Database,
    live: Option<QueryStream<Notification<Value>>>,
    next_attempt: Instant,
}

impl std::fmt::Debug for Bell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bell").field("is_live", &self.live.is_some()).finish_non_exhaustive()
    }
}

impl Bell {
    pub(super) fn new(db: Database) -> Self {
        Bell { db, live: None, next_attempt: Instant::now() }
    }

    /// Subscribes if there is no subscription, and says whether it did: then changes may have gone unheard.
    pub(super) async fn has_been_mended(&mut self) -> bool {
        if self.live.is_some() || Instant::now() < self.next_attempt {
            return false;
        }
        match self.subscribe().await {
            Ok(live) => {
                self.live = Some(live);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "no live query, polling instead");
                self.next_attempt = Instant::now() + RETRY;
                false
            }
        }
    }

    /// Waits until something has been committed, at most for `limit`.
    pub(super) async fn wait(&mut self, limit: Duration) {
        let Some(live) = &mut self.live else {
            tokio::time::sleep(limit).await;
            return;
        };
        match tokio::time::timeout(limit, live.next()).await {
            Err(_) => {}
            Ok(Some(Ok(_))) => {
                // A transaction rings once per record: one look answers all that has rung so far.
                while let Some(Some(Ok(_))) = live.next().now_or_never() {}
            }
            Ok(Some(Err(_)) | None) => self.live = None,
        }
    }

    async fn subscribe(&self) -> Result<QueryStream<Notification<Value>>> {
        const ACTION: &str = "subscribing to changes";
        let table = escape(&self.db.names().version());
        let text = format!("LIVE SELECT VALUE version FROM {table}");
        let mut results = self.db.send(ACTION, text, Variables::new()).await?;
        results.stream::<Notification<Value>>(0).map_err(|error| crate::error::of_statement(ACTION, &error))
    }
}
