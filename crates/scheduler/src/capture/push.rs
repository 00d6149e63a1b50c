//! Capture by announcements: the database calls from inside each transaction that writes, before it commits.
//!
//! What is announced may be committed a moment later, or never. So it is no change, but a reason to read: announced records
//! are read with growing pauses until they have come as far as was announced, or a minute is over. What was read with one
//! request is one event, as all of it is of one moment.
//!
//! **Nothing is lost.** An announcement is in the log before it is answered, and a transaction commits only if it was. So
//! whatever is committed is in the log, as a change or as an open announcement, whenever this process ends:
//!
//! - before the announcement is logged: the transaction fails, as it gets no answer;
//! - after it is logged and before it is answered: so it does, and the announcement is given up some time after the restart;
//! - after it is answered, before or after the transaction commits: it is open in the log, and read after the restart, for as
//!   long as if it had just been announced;
//! - after the change is logged: that settles the announcement, wherever the log is read from.
//!
//! While no scheduler is there, transactions that write to captured tables fail.
//!
//! **Nothing goes back.** One task reads rows, be it records or pages of tables, one after the other, and each is logged before
//! the next is read that could be newer; nobody else logs rows.
//!
//! A table is read when the event is there that announces its changes: one that changes after it was read has been announced,
//! and one that changed before it is in what was read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use circuit::RecordId;
use cluster::Event;
use database::Database;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::announcer::Announcer;
use super::journal::Journal;
use super::open::Found;
use crate::error::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The most records that are read with one request.
const READ_AT_ONCE: usize = 1_000;

/// The announcements, from where the log ends.
pub(super) struct ByPush {
    announcer: Announcer,
    /// Rung when something was announced.
    bell: Arc<Notify>,
    is_open: bool,
    pause: Duration,
    /// When records are read next; nothing while none are open.
    next: Option<Instant>,
    /// Tables with announced records that were looked for in vain.
    missing: BTreeSet<String>,
}

impl ByPush {
    pub(super) fn new(announcer: Announcer, bell: Arc<Notify>) -> Self {
        ByPush { announcer, bell, is_open: false, pause: FIRST_PAUSE, next: None, missing: BTreeSet::new() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn close(&mut self) {
        self.is_open = false;
    }

    /// Goes on with what is open in the log. Where it is of another database, or was followed by the changefeed, all tables
    /// are to be read.
    pub(super) async fn open(&mut self, database: &Database, journal: &mut Journal) -> Result<(), Error> {
        let instance = database.instance().await?;
        if journal.known.instance != Some(instance) || journal.known.cursor > 0 {
            journal.append(vec![Event::Began { instance, cursor: 0 }]).await?;
        }
        self.is_open = true;
        self.pause = FIRST_PAUSE;
        self.next = Some(Instant::now());
        Ok(())
    }

    /// Returns when records are to be read. May be dropped at any time.
    pub(super) async fn wait(&mut self) {
        loop {
            match self.next {
                None => self.bell.notified().await,
                Some(next) if timeout_at(next, self.bell.notified()).await.is_err() => return,
                Some(_) => {}
            }
            // A new one is looked at soon, however long the others have been waiting.
            self.pause = FIRST_PAUSE;
            let soon = Instant::now() + self.pause;
            self.next = Some(self.next.map_or(soon, |next| next.min(soon)));
        }
    }

    /// Reads records whose time has come. Answers whether some are of tables that nothing is known of.
    pub(super) async fn advance(&mut self, database: &Database, journal: &mut Journal) -> Result<bool, Error> {
        let unknown = self.read(database, journal, false).await?;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.next = self.announcer.has_open().then(|| Instant::now() + self.pause);
        let is_news = !unknown.is_subset(&self.missing);
        self.missing.extend(unknown);
        Ok(is_news)
    }

    /// Logs all that has been committed so far: it was announced before, and is read now.
    pub(super) async fn catch_up(&self, database: &Database, journal: &mut Journal) -> Result<(), Error> {
        self.read(database, journal, true).await.map(drop)
    }

    /// Tables that were missing may be there by now.
    pub(super) fn forget_missing(&mut self) {
        self.missing.clear();
    }

    async fn read(&self, database: &Database, journal: &mut Journal, all: bool) -> Result<BTreeSet<String>, Error> {
        let (ids, unknown) = self.announcer.to_read(all, |table| journal.known.has_rows_of(table));
        for ids in ids.chunks(READ_AT_ONCE) {
            self.read_some(database, journal, ids).await?;
        }
        journal.goes_on();
        Ok(unknown)
    }

    async fn read_some(&self, database: &Database, journal: &mut Journal, ids: &[RecordId]) -> Result<(), Error> {
        // What was announced after this may have been committed after the records were read.
        let at = Instant::now();
        let read = database.records(ids).await?;
        let Found { news, given_up } = self.announcer.found(read, at, |table| journal.known.has_rows_of(table));
        let mut events = Vec::new();
        if !news.is_empty() {
            events.push(Event::Committed { stamp: 0, continues: false, changes: news });
        }
        if !given_up.is_empty() {
            tracing::debug!(records = given_up.len(), "announced changes have not come");
            events.push(Event::GivenUp { records: given_up });
        }
        journal.append(events).await
    }
}
