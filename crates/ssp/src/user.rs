//! Whether there is a user, as the database says.

use std::time::Duration;

use circuit::RecordId;
use database::Database;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Whether a user is gone. The database is asked until it answers: nobody asks again. A user whose record can't be read is one.
pub(crate) async fn is_gone(database: &Database, user: &RecordId) -> bool {
    let mut pause = FIRST_PAUSE;
    loop {
        match database.records(std::slice::from_ref(user)).await {
            Ok(found) => return found.iter().all(|found| found.content.is_none()),
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "it can't be looked whether a user is gone, trying again");
            }
            Err(error) => {
                tracing::warn!(%error, "it can't be looked whether a user is gone");
                return false;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
