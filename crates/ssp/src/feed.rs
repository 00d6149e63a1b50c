//! Capture by changefeed: committed changes, in commit order, into the engine.

use std::time::Duration;

use circuit::Change;
use database::Feed;

use crate::bootstrap::Loader;
use crate::command::{Command, EngineSender};
use crate::error::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Follows the feed until the engine is gone. An outage of the database is waited out; where changes are lost for good, the tables are
/// read again.
///
/// # Errors
/// If the feed fails in a way that waiting does not mend.
pub(crate) async fn follow(mut feed: Feed, loader: Loader, engine: EngineSender) -> Result<(), Error> {
    let mut pause = FIRST_PAUSE;
    loop {
        match feed.next().await {
            Ok(batch) => {
                pause = FIRST_PAUSE;
                let defined: Vec<String> = batch.sets.iter().flat_map(|set| set.tables.clone()).collect();
                let changes: Vec<Change> = batch.sets.into_iter().flat_map(|set| set.changes).collect();
                if !changes.is_empty() && engine.send(Command::Commit(changes)).await.is_err() {
                    return Ok(());
                }
                for table in defined {
                    loader.adopt(&table).await?;
                }
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the feed is interrupted, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) if is_gap(&error) => {
                tracing::warn!(%error, "changes are lost, reading the tables again");
                feed = loader.restart_feed().await?;
                loader.load_all().await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_gap(error: &database::Error) -> bool {
    matches!(error, database::Error::Gap { .. } | database::Error::ChangeSetTooLarge { .. })
}
