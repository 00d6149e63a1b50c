//! Views whose time to live has passed.

use std::time::Duration;

use database::Database;
use tokio::sync::oneshot;

use crate::command::{Command, EngineSender};

/// Looks for expired views at an interval, and removes them. The database decides in one statement whether a view is
/// still expired when it is removed, so a sign of life that comes in between keeps it.
pub(crate) async fn run(database: Database, engine: EngineSender, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let expired = match database.expire_queries().await {
            Ok(expired) => expired,
            Err(error) => {
                tracing::warn!(%error, "expired views could not be looked up");
                continue;
            }
        };
        for key in expired {
            tracing::info!(view = %key, "the view's time to live has passed");
            let (reply, done) = oneshot::channel();
            if engine.send(Command::Unregister { key, reply }).await.is_err() {
                return;
            }
            if let Ok(Some(done)) = done.await
                && let Ok(Err(error)) = done.await
            {
                tracing::warn!(%error, "the edges of an expired view could not be removed");
            }
        }
    }
}
