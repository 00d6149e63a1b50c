//! Capture by the changefeed.

use std::sync::Arc;
use std::time::Duration;

use cluster::Event;
use database::{Database, Feed, FeedBatch, Probe};
use tokio::sync::Notify;

use super::journal::Journal;
use crate::error::Error;

/// How often the feed is read at most under a steady stream of changes.
const PACE: Duration = Duration::from_millis(5);

/// The changefeed, from where the log ends.
pub(super) struct ByFeed {
    feed: Option<Box<Feed>>,
    /// Rung when somebody says that something changes.
    bell: Arc<Notify>,
}

impl ByFeed {
    pub(super) fn new(bell: Arc<Notify>) -> Self {
        ByFeed { feed: None, bell }
    }

    pub(super) fn is_open(&self) -> bool {
        self.feed.is_some()
    }

    /// What was read and not logged is read again.
    pub(super) fn close(&mut self) {
        self.feed = None;
    }

    /// Follows the changefeed from where the log ends; where it says nothing of that, from now on, with all tables to be read.
    pub(super) async fn open(&mut self, database: &Database, journal: &mut Journal) -> Result<(), Error> {
        let start = match journal.known.instance {
            Some(instance) if journal.known.cursor > 0 => Probe { instance, cursor: journal.known.cursor },
            _ => {
                let probe = Feed::probe(database).await?;
                journal.append(vec![Event::Began { instance: probe.instance, cursor: probe.cursor }]).await?;
                probe
            }
        };
        let feed = Feed::go_on(database.clone(), start, journal.known.recent.clone()).await?;
        self.feed = Some(Box::new(feed.paced(PACE)));
        Ok(())
    }

    /// Returns when there may be something to read. May be dropped at any time.
    pub(super) async fn wait(&mut self) {
        let Some(feed) = &mut self.feed else { return };
        loop {
            tokio::select! {
                () = feed.wait() => return,
                () = self.bell.notified() => feed.ring(),
            }
        }
    }

    /// Logs what there is. Answers whether tables were defined with it.
    pub(super) async fn advance(&mut self, journal: &mut Journal) -> Result<bool, Error> {
        let Some(feed) = &mut self.feed else { return Ok(false) };
        let batch = feed.read().await?;
        log_batch(batch, journal).await
    }

    /// Logs all that has been committed so far.
    pub(super) async fn catch_up(&mut self, journal: &mut Journal) -> Result<(), Error> {
        loop {
            let Some(feed) = &mut self.feed else { return Ok(()) };
            let batch = feed.poll().await?;
            let is_caught_up = batch.is_caught_up;
            log_batch(batch, journal).await?;
            if is_caught_up {
                return Ok(());
            }
        }
    }
}

/// Logs transactions. Answers whether tables were defined with them.
async fn log_batch(batch: FeedBatch, journal: &mut Journal) -> Result<bool, Error> {
    let defines = batch.sets.iter().any(|set| !set.tables.is_empty());
    let sets = batch.sets.into_iter().filter(|set| !set.changes.is_empty());
    let events: Vec<Event> =
        sets.map(|set| Event::Committed { stamp: set.versionstamp, continues: false, changes: set.changes }).collect();
    journal.append(events).await?;
    journal.goes_on();
    journal.forget_settled();
    Ok(defines)
}
