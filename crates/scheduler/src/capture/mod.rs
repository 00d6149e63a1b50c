//! Capture: what the database commits, and what its tables hold, as events of the log.
//!
//! The log is all the state there is. What it says of the database ([`Known`]) tells where to go on after a restart: with the
//! table that was being read, and behind the last transaction that was logged, or with what is announced and not settled. So
//! no change is lost, whatever is killed when.
//!
//! Tables are read between two looks at what changes, so that no page overtakes a change.

mod announcer;
mod feed;
mod journal;
mod open;
mod push;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Event, Known, Read, Reading};
use database::{Database, SchemaOptions, Survey, TableInfo};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Interval, MissedTickBehavior};

pub(crate) use announcer::{Announcer, NotAnnounced};
use feed::ByFeed;
use journal::Journal;
use push::ByPush;

use crate::error::Error;
use crate::log::EventLog;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often the tables of the database are compared with those that are known.
const LOOK: Duration = Duration::from_secs(5);

/// Something to be done between two looks at what changes.
#[derive(Debug)]
pub(crate) struct Errand {
    /// Tables to be captured and read, if they are not known yet. By push it takes an address and a secret that only whoever
    /// runs `spky apply` can name: those that are not captured are left alone, and the errand fails.
    pub(crate) adopt: Vec<String>,
    /// Tables to be read again.
    pub(crate) reread: Vec<String>,
    /// Told the last event of the log, when it holds all that was committed before; dropped if that was not possible.
    pub(crate) done: oneshot::Sender<u64>,
}

/// How far the log has come, for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The number of the last event; 0 if there is none.
    pub(crate) head: u64,
    /// Whether all tables have been read since changes were lost last.
    pub(crate) is_whole: bool,
    /// Events from here on are needed to go on after a restart.
    pub(crate) needed_from: u64,
    /// Whether nothing can be captured now: the database is away, or the log has no room.
    pub(crate) is_interrupted: bool,
}

/// How the capture is told that something changes.
#[derive(Clone)]
pub(crate) struct Told {
    /// Rung when somebody says that something changes.
    pub(crate) bell: Arc<Notify>,
    /// Where changes are announced; nothing where they come from the changefeed.
    pub(crate) announcer: Option<Announcer>,
}

impl Told {
    /// Nothing is told yet.
    pub(crate) fn new(capture: database::Capture, log: &Arc<dyn EventLog>) -> Self {
        let bell = Arc::new(Notify::new());
        let announcer = match capture {
            database::Capture::Feed => None,
            database::Capture::Push => Some(Announcer::new(log.clone(), bell.clone())),
        };
        Told { bell, announcer }
    }
}

/// Where changes come from.
enum Source {
    Feed(ByFeed),
    Push(ByPush),
}

/// Whoever captures. [`Capture::run`] is its task.
pub(crate) struct Capture {
    database: Database,
    journal: Journal,
    source: Source,
    options: SchemaOptions,
    page_size: usize,
    errands: mpsc::Receiver<Errand>,
    looks: Interval,
    /// Tables that only `spky apply` can capture.
    uncaptured: BTreeSet<String>,
}

impl Source {
    fn capture(&self) -> database::Capture {
        match self {
            Source::Feed(_) => database::Capture::Feed,
            Source::Push(_) => database::Capture::Push,
        }
    }

    fn is_open(&self) -> bool {
        match self {
            Source::Feed(feed) => feed.is_open(),
            Source::Push(push) => push.is_open(),
        }
    }

    fn close(&mut self) {
        match self {
            Source::Feed(feed) => feed.close(),
            Source::Push(push) => push.close(),
        }
    }

    async fn open(&mut self, database: &Database, journal: &mut Journal) -> Result<(), Error> {
        match self {
            Source::Feed(feed) => feed.open(database, journal).await,
            Source::Push(push) => push.open(database, journal).await,
        }
    }

    async fn wait(&mut self) {
        match self {
            Source::Feed(feed) => feed.wait().await,
            Source::Push(push) => push.wait().await,
        }
    }

    /// Logs some of what has been committed. Answers whether there may be other tables than those that are known.
    async fn advance(&mut self, database: &Database, journal: &mut Journal) -> Result<bool, Error> {
        match self {
            Source::Feed(feed) => feed.advance(journal).await,
            Source::Push(push) => push.advance(database, journal).await,
        }
    }

    /// Logs all that has been committed so far.
    async fn catch_up(&mut self, database: &Database, journal: &mut Journal) -> Result<(), Error> {
        match self {
            Source::Feed(feed) => feed.catch_up(journal).await,
            Source::Push(push) => push.catch_up(database, journal).await,
        }
    }
}

impl Capture {
    /// Goes on from what the log says. `known` is what holds after `applied`; the events behind it are read. O(log).
    pub(crate) async fn recover(
        database: Database,
        log: Arc<dyn EventLog>,
        options: SchemaOptions,
        page_size: usize,
        known: (Known, u64),
        (errands, told): (mpsc::Receiver<Errand>, Told),
        progress: watch::Sender<Progress>,
    ) -> Result<Self, Error> {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let Told { bell, announcer } = told;
        let journal = Journal::read(log, known, announcer.clone(), progress).await?;
        let source = match announcer {
            None => Source::Feed(ByFeed::new(bell)),
            Some(announcer) => Source::Push(ByPush::new(announcer, bell)),
        };
        let uncaptured = BTreeSet::new();
        Ok(Capture { database, journal, source, options, page_size, errands, looks, uncaptured })
    }

    /// Captures until it can't. An outage of the database is waited out, and so is a log that is full; where changes are lost
    /// for good, all tables are read again.
    ///
    /// # Errors
    /// If something fails in a way that waiting does not mend.
    pub(crate) async fn run(mut self) -> Result<(), Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.go_on().await {
                Ok(()) => {}
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, "capture is interrupted, trying again");
                    // That changes can be asked for again is no success yet.
                    if self.journal.interrupted() {
                        pause = FIRST_PAUSE;
                    }
                    self.source.close();
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(Error::Database(error)) if error.is_gap() => {
                    tracing::warn!(%error, "changes are lost, reading the tables again");
                    self.source.close();
                    self.journal.known.instance = None;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One thing after the other.
    async fn go_on(&mut self) -> Result<(), Error> {
        if !self.source.is_open() {
            return self.open().await;
        }
        tokio::select! {
            biased;
            errand = self.errands.recv() => match errand {
                Some(errand) => self.run_errand(errand).await,
                // Nobody can ask any more: the service is stopping, and this task with it.
                None => std::future::pending().await,
            },
            _ = self.looks.tick() => self.look(&[]).await,
            () = self.source.wait() => match self.source.advance(&self.database, &mut self.journal).await? {
                true => self.look(&[]).await,
                false => Ok(()),
            },
        }
    }

    /// Goes on where the log ends, and reads what tables are to be read.
    async fn open(&mut self) -> Result<(), Error> {
        self.source.open(&self.database, &mut self.journal).await?;
        self.look(&[]).await?;
        if !self.journal.known.is_whole {
            self.journal.append(vec![Event::Whole]).await?;
        }
        Ok(())
    }

    async fn run_errand(&mut self, Errand { adopt, reread, done }: Errand) -> Result<(), Error> {
        let tables = &self.journal.known.tables;
        let unknown: Vec<&str> =
            adopt.iter().map(String::as_str).filter(|table| !tables.contains_key(*table)).collect();
        if !unknown.is_empty() && self.source.capture() == database::Capture::Feed {
            match self.database.capture(&self.options, &unknown).await {
                Ok(_) => {}
                // What can't be a table is no reason to capture none: whoever asked learns that it is not done.
                Err(error @ database::Error::Query { .. }) => {
                    tracing::warn!(%error, tables = ?unknown, "tables can't be captured");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        if unknown.is_empty() && reread.is_empty() {
            self.catch_up().await?;
        } else {
            self.look(&reread).await?;
        }
        if adopt.iter().any(|table| self.uncaptured.contains(table)) {
            return Ok(());
        }
        // Whoever asked may have gone away.
        let _ = done.send(self.journal.head());
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<(), Error> {
        self.source.catch_up(&self.database, &mut self.journal).await
    }

    /// Looks whether the tables are still those that were read, and reads those that are not, and these.
    async fn look(&mut self, reread: &[String]) -> Result<(), Error> {
        let structure = self.database.structure().await?;
        let tables: Vec<TableInfo> = structure.tables.into_iter().filter(|table| !table.is_view).collect();
        let known = &self.journal.known;
        let mut read = known.tables.clone();
        // A number that no table has: these count as gone if they are not there, and as other ones if they are.
        let again = reread.iter().filter(|table| known.tables.contains_key(*table));
        let reading = known.reading.iter().map(|reading| &reading.table);
        let doubtful = known.doubtful.keys().chain(again).chain(reading);
        read.extend(doubtful.map(|table| (table.clone(), u64::MAX)));
        let mut survey = Survey::of(&read, &tables, self.source.capture());
        if let Source::Push(push) = &mut self.source {
            push.forget_missing();
            self.leave_uncaptured(&mut survey).await?;
        }
        if survey.is_empty() && reread.is_empty() {
            return Ok(());
        }
        // What is to be said of a table that is gone must not come after the rows of the one in its place.
        self.catch_up().await?;
        for table in survey.gone {
            tracing::info!(table, "a table is gone");
            self.journal.append(vec![Event::Gone { table }]).await?;
        }
        let captured = |table: &&TableInfo| !table.is_captured(self.source.capture());
        let uncaptured: Vec<&str> = survey.unread.iter().filter(captured).map(|table| table.name.as_str()).collect();
        if !uncaptured.is_empty() {
            let fresh = self.database.capture(&self.options, &uncaptured).await?;
            if !fresh.is_empty() {
                tracing::warn!(tables = ?fresh, "these tables were not captured, and are now");
            }
        }
        for table in survey.unread {
            self.read(table).await?;
        }
        Ok(())
    }

    /// Leaves out tables whose changes are not announced: they are read when they are. What is known of them is doubtful.
    async fn leave_uncaptured(&mut self, survey: &mut Survey) -> Result<(), Error> {
        let unread = std::mem::take(&mut survey.unread).into_iter();
        let (captured, others): (Vec<_>, Vec<_>) = unread.partition(|table| table.is_captured(database::Capture::Push));
        survey.unread = captured;
        let uncaptured: BTreeSet<String> = others.iter().map(|table| table.name.clone()).collect();
        if !uncaptured.is_subset(&self.uncaptured) {
            tracing::warn!(tables = ?uncaptured, "these tables are not captured: run `spky apply`");
        }
        self.uncaptured = uncaptured;
        for TableInfo { name: table, id, .. } in others {
            let known = &self.journal.known;
            let is_reading = known.reading.as_ref().is_some_and(|reading| reading.table == table);
            if is_reading || known.tables.contains_key(&table) {
                // The beginning of a reading that says nothing yet.
                let begun = Read { table, id, after: None, rows: Vec::new(), is_last: false };
                self.journal.append(vec![Event::Read(begun)]).await?;
            }
        }
        Ok(())
    }

    /// Reads one table in pages by key, from where an earlier attempt got to.
    async fn read(&mut self, table: TableInfo) -> Result<(), Error> {
        let mut after = match &self.journal.known.reading {
            Some(Reading { table: name, id, last }) if *name == table.name && *id == table.id => Some(last.clone()),
            _ => None,
        };
        let (database, page_size) = (self.database.clone(), self.page_size);
        let mut page = Some(database.page(&table.name, after.as_ref(), page_size).await?);
        let mut rows_read = 0;
        while let Some(current) = page {
            let is_last = current.is_last();
            let end = current.end()?;
            let next = async {
                match &end {
                    Some(end) if !is_last => database.page(&table.name, Some(end), page_size).await.map(Some),
                    _ => Ok(None),
                }
            };
            let rows = current.changes()?;
            rows_read += rows.len();
            let event = Event::Read(Read { table: table.name.clone(), id: table.id, after, rows, is_last });
            // The database reads the next page while this one is written.
            let (next, logged) = tokio::join!(next, self.journal.append(vec![event]));
            logged?;
            page = next?;
            after = end.clone();
        }
        tracing::info!(table = table.name, rows = rows_read, "table read");
        Ok(())
    }
}
