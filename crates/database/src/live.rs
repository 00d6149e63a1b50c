//! A live query that renews itself. It may lose notifications, and says when it may have: whoever listens looks for
//! itself then.
//!
//! It has a connection of its own. SurrealDB 3.3.5 closes a connection on which more than 100 notifications wait to be sent
//! (`SURREAL_WEBSOCKET_RESPONSE_CHANNEL_SIZE`), as after any transaction that changes many records, and with it goes every
//! request that is under way.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use surrealdb::Notification;
use surrealdb::method::QueryStream;
use surrealdb::types::{Value, Variables};
use tokio::time::Instant;

use crate::connect::Database;
use crate::error::Result;

/// How long to wait after a failed subscription; meanwhile polling has to do.
const RETRY: Duration = Duration::from_secs(1);

/// A subscription that renews itself.
pub(crate) struct Live {
    db: Database,
    query: String,
    subscription: Option<Subscription>,
    /// Which connection was used for everything else when the subscription was made. When that was given up, the network
    /// was at fault: then a subscription may have fallen silent as well, which does not end it.
    generation: u64,
    next_attempt: Instant,
}

struct Subscription {
    stream: QueryStream<Notification<Value>>,
    /// The connection of the subscription, and of nothing else: it ends with it.
    _connection: Database,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live")
            .field("query", &self.query)
            .field("is_live", &self.subscription.is_some())
            .finish_non_exhaustive()
    }
}

impl Live {
    /// Listens to nothing yet: [`Live::has_been_mended`] subscribes.
    pub(crate) fn new(db: Database, query: String) -> Self {
        Live { db, query, subscription: None, generation: 0, next_attempt: Instant::now() }
    }

    /// Subscribes if there is no subscription, and says whether it did: then changes may have gone unheard.
    pub(crate) async fn has_been_mended(&mut self) -> bool {
        let generation = self.db.generation().await;
        if generation != self.generation {
            self.subscription = None;
        }
        if self.subscription.is_some() || Instant::now() < self.next_attempt {
            return false;
        }
        match self.subscribe().await {
            Ok(subscription) => {
                self.subscription = Some(subscription);
                self.generation = generation;
                true
            }
            Err(error) => {
                tracing::debug!(%error, "no live query, polling instead");
                self.next_attempt = Instant::now() + RETRY;
                false
            }
        }
    }

    /// The next notification, if it comes within the limit. Without a subscription, the limit passes. May be cancelled.
    pub(crate) async fn next(&mut self, limit: Duration) -> Option<Notification<Value>> {
        let Some(Subscription { stream, .. }) = &mut self.subscription else {
            tokio::time::sleep(limit).await;
            return None;
        };
        match tokio::time::timeout(limit, stream.next()).await {
            Err(_) => None,
            Ok(Some(Ok(notification))) => Some(notification),
            Ok(Some(Err(_)) | None) => {
                self.subscription = None;
                None
            }
        }
    }

    /// A notification that is there already.
    pub(crate) fn waiting(&mut self) -> Option<Notification<Value>> {
        match self.subscription.as_mut()?.stream.next().now_or_never()? {
            Some(Ok(notification)) => Some(notification),
            Some(Err(_)) | None => {
                self.subscription = None;
                None
            }
        }
    }

    async fn subscribe(&self) -> Result<Subscription> {
        const ACTION: &str = "subscribing to changes";
        // A new one each time: on one that was closed, the SDK would connect again as well, but after a second.
        let connection = self.db.apart();
        let mut results = connection.send(ACTION, self.query.clone(), Variables::new()).await?;
        let stream = results.stream(0).map_err(|error| crate::error::of_statement(ACTION, &error))?;
        Ok(Subscription { stream, _connection: connection })
    }
}
