//! Views whose time to live has passed.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::command::{Order, WriterSender};

/// Orders expired views to be removed, at an interval, until the writer is gone.
pub(crate) async fn run(writer: WriterSender, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if writer.send(Order::Expire).await.is_err() {
            return;
        }
    }
}
