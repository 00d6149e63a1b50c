//! Counting the tables now and then: the only way to learn of what leaves no trace.
//!
//! With `OPTION IMPORT` (`surreal import`, or an application that says so) SurrealDB writes no changefeed and runs no
//! events. What it offers otherwise is the number of a table's records. A table that has another number than the engine,
//! although the engine has caught up, is read again.
//!
//! While it counts, others write. Each count stands between two looks at the engine, both taken when it had caught up: if
//! the engine's copy of the table was the same before and after, the number has to be its number; else it may be off by
//! as many as there were changes meanwhile. What is off several times in a row is no coincidence, and no change that the
//! feed delivers late.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use circuit::Digest;
use database::{Database, SETTLE};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::adoption::Tables;
use crate::command::EngineSender;
use crate::comparison::ask;
use crate::errand::{Errand, Errands};
use crate::error::Error;
use crate::holdings::{Holdings, Question};

/// How often in a row a table has to have the wrong number.
const ATTEMPTS: u32 = 3;
/// At most one part in this many of the time goes into counting.
const SHARE: u32 = 100;

/// Whoever counts. [`Census::run`] is its task.
pub(crate) struct Census {
    pub(crate) database: Database,
    pub(crate) engine: EngineSender,
    pub(crate) errands: Errands,
    pub(crate) tables: Tables,
    /// How long to wait at least between two counts.
    pub(crate) interval: Duration,
}

impl Census {
    /// Counts until the engine is gone. What fails is tried again at the next count.
    pub(crate) async fn run(self) {
        let mut pause = self.interval;
        loop {
            tokio::time::sleep(pause).await;
            let mut counting = Duration::ZERO;
            match self.take(&mut counting).await {
                Ok(wrong) if wrong.is_empty() => {}
                Ok(wrong) => self.repair(wrong).await,
                Err(Error::Stopped(_)) => return,
                Err(error) => tracing::debug!(%error, "the tables could not be counted"),
            }
            pause = self.interval.max(counting * (SHARE - 1));
        }
    }

    /// The tables that have not as many records as they should. `counting` is told how long it counted.
    async fn take(&self, counting: &mut Duration) -> Result<Vec<String>, Error> {
        let mut suspects: BTreeSet<String> = self.tables.all().into_keys().collect();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                // Longer than a change may take from its commit to the feed.
                tokio::time::sleep(SETTLE * 2 / ATTEMPTS).await;
            }
            let started = Instant::now();
            let mut before = self.look().await?;
            for table in std::mem::take(&mut suspects) {
                let count = match self.database.count(&table).await {
                    Err(error) if error.is_retryable() => return Err(error.into()),
                    Err(error) => {
                        tracing::debug!(table, %error, "a table can't be counted");
                        None
                    }
                    Ok(count) => count,
                };
                let after = self.look().await?;
                if count.is_some_and(|count| !is_possible(&table, count, &before, &after)) {
                    suspects.insert(table);
                }
                before = after;
            }
            *counting += started.elapsed();
            if suspects.is_empty() {
                break;
            }
        }
        // One that is gone, or another one by now, is somebody else's business.
        let known: BTreeMap<String, u64> = self.tables.all();
        Ok(suspects.into_iter().filter(|name| known.contains_key(name)).collect())
    }

    /// What the engine holds when it has caught up.
    async fn look(&self) -> Result<Holdings, Error> {
        caught_up(&self.errands).await?;
        ask(&self.engine, Question::Holdings).await
    }

    async fn repair(&self, tables: Vec<String>) {
        tracing::warn!(?tables, "tables have changed without a trace, as by an import, and are read again");
        let (done, read) = oneshot::channel();
        if self.errands.send(Errand::Reread { tables, done }).await.is_ok() {
            // Where it failed it is found again.
            let _ = read.await;
        }
    }
}

/// Waits until everything that has been committed before has reached the engine.
pub(crate) async fn caught_up(errands: &Errands) -> Result<(), Error> {
    let (done, caught_up) = oneshot::channel();
    errands.send(Errand::CatchUp(done)).await.map_err(|_| Error::engine_ended())?;
    caught_up.await.map_err(|_| Error::Interrupted)
}

/// Whether a table may have had so many records at some moment between two looks.
fn is_possible(table: &str, count: u64, before: &Holdings, after: &Holdings) -> bool {
    let of = |holdings: &Holdings| holdings.tables.get(table).copied().unwrap_or_default();
    let (before_digest, after_digest): (Digest, Digest) = (of(before), of(after));
    let slack = if before_digest == after_digest { 0 } else { after.received.saturating_sub(before.received) };
    before_digest.rows.abs_diff(count) <= slack
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holdings(rows: u64, hash: u128, received: u64) -> Holdings {
        Holdings { tables: [("t".into(), Digest { rows, hash })].into(), received }
    }

    #[test]
    fn a_count_is_possible_if_the_changes_meanwhile_explain_it() {
        let (quiet, same) = (holdings(5, 1, 10), holdings(5, 1, 90));
        assert!(is_possible("t", 5, &quiet, &same));
        assert!(!is_possible("t", 6, &quiet, &same), "changes of other tables explain nothing");
        let busy = holdings(7, 2, 13);
        assert!(is_possible("t", 8, &quiet, &busy) && is_possible("t", 2, &quiet, &busy));
        assert!(!is_possible("t", 9, &quiet, &busy));
        assert!(is_possible("none", 0, &quiet, &busy) && !is_possible("none", 1, &quiet, &busy));
    }
}
