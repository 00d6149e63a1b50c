//! Capture by changefeed: committed changes, in commit order, into the engine.

use std::time::Duration;

use circuit::Change;
use database::{ChangeSet, Feed, FeedBatch};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::adoption::{self, Request};
use crate::bootstrap::Loader;
use crate::command::{Command, EngineSender};
use crate::error::Error;
use crate::metrics::Metrics;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Follows the feed until the engine is gone, and takes in new tables between two batches. An outage of the database is
/// waited out; where changes are lost for good, the tables are read again.
///
/// # Errors
/// If the feed fails in a way that waiting does not mend.
pub(crate) async fn follow(
    mut feed: Feed,
    loader: Loader,
    engine: EngineSender,
    mut missing: mpsc::Receiver<Request>,
    metrics: &Metrics,
) -> Result<(), Error> {
    let mut pause = FIRST_PAUSE;
    let mut looks = tokio::time::interval(adoption::INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let outcome = tokio::select! {
            biased;
            Some(request) = missing.recv() => adopt(&loader, request).await,
            _ = looks.tick() => loader.adopt_all().await,
            // Dropping this future loses nothing.
            batch = feed.next() => match batch {
                Ok(batch) => deliver(batch, &loader, &engine, metrics).await,
                Err(error) => Err(error.into()),
            },
        };
        match outcome {
            Ok(()) => pause = FIRST_PAUSE,
            Err(Error::Database(error)) if error.is_retryable() => {
                tracing::warn!(%error, "capture is interrupted, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(Error::Database(error)) if is_gap(&error) => {
                tracing::warn!(%error, "changes are lost, reading the tables again");
                feed = loader.restart_feed().await?;
                loader.load_all().await?;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn deliver(batch: FeedBatch, loader: &Loader, engine: &EngineSender, metrics: &Metrics) -> Result<(), Error> {
    let committed = batch.sets.iter().filter_map(ChangeSet::committed_at).min();
    let defined: Vec<String> = batch.sets.iter().flat_map(|set| set.tables.clone()).collect();
    let changes: Vec<Change> = batch.sets.into_iter().flat_map(|set| set.changes).collect();
    if !changes.is_empty() {
        metrics.captured("feed", changes.len(), committed);
        engine.send(Command::Commit(changes)).await.map_err(|_| Error::Stopped("the engine has ended".to_owned()))?;
    }
    loader.adopt(&defined.iter().map(String::as_str).collect::<Vec<_>>()).await
}

async fn adopt(loader: &Loader, request: Request) -> Result<(), Error> {
    loader.adopt(&[&request.table]).await?;
    // Whoever asked may have gone away.
    let _ = request.done.send(());
    Ok(())
}

fn is_gap(error: &database::Error) -> bool {
    matches!(error, database::Error::Gap { .. } | database::Error::ChangeSetTooLarge { .. })
}
