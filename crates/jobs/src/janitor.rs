//! Says that this runner is alive.

use std::time::Duration;

use database::Database;
use tokio::time::MissedTickBehavior;

/// The pause after a failed beginning.
const PAUSE: Duration = Duration::from_secs(1);

/// Says that a runner is alive, until the database has heard it.
pub(crate) async fn begin(database: &Database, runner: &str, lease: Duration) {
    while let Err(error) = database.keep_runner(runner, lease).await {
        tracing::warn!(%error, "the runner of jobs can't begin: is the database prepared by `spky apply`?");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Renews the lease of a runner for ever. While the database is away, this fails, and others may take its jobs over.
pub(crate) async fn keep_alive(database: Database, runner: String, lease: Duration, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = database.keep_runner(&runner, lease).await {
            tracing::warn!(%error, "this runner of jobs can't say that it is alive");
        }
    }
}
