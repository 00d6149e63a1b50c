//! Views whose time to live has passed.

use std::time::Duration;

use database::Database;
use tokio::time::MissedTickBehavior;

use crate::command::{Order, WriterSender};

/// Orders expired views to be removed, at an interval, until the writer is gone.
///
/// The writer does not wait for the search. It removes what was found if that is still expired then.
pub(crate) async fn run(database: Database, writer: WriterSender, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !writer.is_closed() {
        ticks.tick().await;
        match database.overdue_queries().await {
            Ok(overdue) if overdue.is_empty() => {}
            // That it is closed ends the loop.
            Ok(overdue) => drop(writer.send(Order::Expire(overdue)).await),
            Err(error) => tracing::warn!(%error, "expired views could not be looked for"),
        }
    }
}
