//! Capture: what the database commits, and what its tables hold, as events of the log.
//!
//! The log is all the state there is. What it says of the database ([`Known`]) tells where to go on after a restart: with the
//! table that was being read, and behind the last transaction that was logged. So each transaction is one event, once,
//! whatever is killed when.
//!
//! Tables are read between two looks at the changefeed, so that no page overtakes a change.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::{Event, Known, MAX_EVENT, Read, Reading};
use database::{Database, Feed, FeedBatch, Probe, SchemaOptions, Survey, TableInfo};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Interval, MissedTickBehavior};

use crate::error::Error;
use crate::log::wal::{MAX_APPEND, MAX_PAYLOAD};
use crate::log::{self, EventLog};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often the tables of the database are compared with those that are known.
const LOOK: Duration = Duration::from_secs(5);
/// The bytes that are appended together, unless one transaction has more.
const APPENDED_AT_ONCE: usize = 8 << 20;
/// How often the feed is read at most under a steady stream of changes.
const PACE: Duration = Duration::from_millis(5);

/// Something to be done between two looks at the changefeed.
#[derive(Debug)]
pub(crate) struct Errand {
    /// Tables to be captured and read, if they are not known yet.
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

/// Whoever captures. [`Capture::run`] is its task.
pub(crate) struct Capture {
    database: Database,
    log: Arc<dyn EventLog>,
    options: SchemaOptions,
    page_size: usize,
    known: Known,
    /// The numbers of the transactions in `known.recent`, with their stamps.
    recent: VecDeque<(u64, u64)>,
    feed: Option<Feed>,
    errands: mpsc::Receiver<Errand>,
    /// Rung when somebody says that something changes.
    bell: Arc<Notify>,
    progress: watch::Sender<Progress>,
    looks: Interval,
}

impl Capture {
    /// Goes on from what the log says. `known` is what holds after `applied`; the events behind it are read. O(log).
    pub(crate) async fn recover(
        database: Database,
        log: Arc<dyn EventLog>,
        options: SchemaOptions,
        page_size: usize,
        (known, applied): (Known, u64),
        (errands, bell): (mpsc::Receiver<Errand>, Arc<Notify>),
        progress: watch::Sender<Progress>,
    ) -> Result<Self, Error> {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let recent = VecDeque::new();
        let mut capture =
            Capture { database, log, options, page_size, known, recent, feed: None, errands, bell, progress, looks };
        capture.read_log(applied).await?;
        Ok(capture)
    }

    async fn read_log(&mut self, applied: u64) -> Result<(), Error> {
        const LIMIT: log::Limit = log::Limit { records: 10_000, bytes: 16 << 20 };
        let range = self.log.range().await?;
        let mut from = range.start;
        while from < range.end {
            for record in self.log.read(from, LIMIT).await? {
                let event = Event::decode(&record.payload)
                    .map_err(|source| Error::Event { sequence: record.sequence, source })?;
                if record.sequence > applied {
                    self.note(record.sequence, &event);
                } else if let Event::Committed { stamp, .. } = &event
                    && *stamp >= database::settled_before(self.known.cursor)
                {
                    // What holds after it is known; which transaction it was, is not.
                    self.note(record.sequence, &event);
                }
                from = record.sequence + 1;
            }
        }
        self.publish(range.end - 1);
        Ok(())
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
                    // That the feed can be opened again is no success yet.
                    let interruption = |progress: &mut Progress| !std::mem::replace(&mut progress.is_interrupted, true);
                    if self.progress.send_if_modified(interruption) {
                        pause = FIRST_PAUSE;
                    }
                    // What was read and not logged is read again.
                    self.feed = None;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(Error::Database(error)) if error.is_gap() => {
                    tracing::warn!(%error, "changes are lost, reading the tables again");
                    self.feed = None;
                    self.known.instance = None;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One thing after the other.
    async fn go_on(&mut self) -> Result<(), Error> {
        let Some(feed) = &mut self.feed else { return self.open().await };
        tokio::select! {
            biased;
            errand = self.errands.recv() => match errand {
                Some(errand) => self.run_errand(errand).await,
                // Nobody can ask any more: the service is stopping, and this task with it.
                None => std::future::pending().await,
            },
            _ = self.looks.tick() => self.look(&[]).await,
            () = feed.wait() => {
                let batch = feed.read().await?;
                match self.log_batch(batch).await? {
                    true => self.look(&[]).await,
                    false => Ok(()),
                }
            }
            () = self.bell.notified() => {
                feed.ring();
                Ok(())
            }
        }
    }

    /// Follows the changefeed from where the log ends; where it says nothing, or the feed does not reach back, from now on,
    /// with all tables to be read.
    async fn open(&mut self) -> Result<(), Error> {
        let start = match self.known.instance {
            Some(instance) => Probe { instance, cursor: self.known.cursor },
            None => {
                let probe = Feed::probe(&self.database).await?;
                self.append(vec![Event::Began { instance: probe.instance, cursor: probe.cursor }]).await?;
                probe
            }
        };
        let feed = Feed::go_on(self.database.clone(), start, self.known.recent.clone()).await?;
        self.feed = Some(feed.paced(PACE));
        self.look(&[]).await?;
        if !self.known.is_whole {
            self.append(vec![Event::Whole]).await?;
        }
        Ok(())
    }

    async fn run_errand(&mut self, Errand { adopt, reread, done }: Errand) -> Result<(), Error> {
        let unknown: Vec<&str> =
            adopt.iter().map(String::as_str).filter(|table| !self.known.tables.contains_key(*table)).collect();
        if !unknown.is_empty() {
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
        // Whoever asked may have gone away.
        let _ = done.send(self.progress.borrow().head);
        Ok(())
    }

    /// Looks whether the tables are still those that were read, and reads those that are not, and these.
    async fn look(&mut self, reread: &[String]) -> Result<(), Error> {
        let structure = self.database.structure().await?;
        let tables: Vec<TableInfo> = structure.tables.into_iter().filter(|table| !table.is_view).collect();
        let mut known = self.known.tables.clone();
        // A number that no table has: these count as gone if they are not there, and as other ones if they are.
        let again = reread.iter().filter(|table| self.known.tables.contains_key(*table));
        let reading = self.known.reading.iter().map(|reading| &reading.table);
        let doubtful = self.known.doubtful.keys().chain(again).chain(reading);
        known.extend(doubtful.map(|table| (table.clone(), u64::MAX)));
        let survey = Survey::of(&known, &tables, database::Capture::Feed);
        if survey.is_empty() && reread.is_empty() {
            return Ok(());
        }
        // What the feed has to say of a table that is gone must not come after the rows of the one in its place.
        self.catch_up().await?;
        for table in survey.gone {
            tracing::info!(table, "a table is gone");
            self.append(vec![Event::Gone { table }]).await?;
        }
        let captured = |table: &&TableInfo| !table.is_captured(database::Capture::Feed);
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

    /// Reads one table in pages by key, from where an earlier attempt got to.
    async fn read(&mut self, table: TableInfo) -> Result<(), Error> {
        let mut after = match &self.known.reading {
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
            let (next, logged) = tokio::join!(next, self.append(vec![event]));
            logged?;
            page = next?;
            after = end.clone();
        }
        tracing::info!(table = table.name, rows = rows_read, "table read");
        Ok(())
    }

    /// Logs all that has been committed so far.
    async fn catch_up(&mut self) -> Result<(), Error> {
        loop {
            let Some(feed) = &mut self.feed else { return Ok(()) };
            let batch = feed.poll().await?;
            let is_caught_up = batch.is_caught_up;
            self.log_batch(batch).await?;
            if is_caught_up {
                return Ok(());
            }
        }
    }

    /// Logs transactions. Answers whether tables were defined with them.
    async fn log_batch(&mut self, batch: FeedBatch) -> Result<bool, Error> {
        let defines = batch.sets.iter().any(|set| !set.tables.is_empty());
        let sets = batch.sets.into_iter().filter(|set| !set.changes.is_empty());
        let events: Vec<Event> = sets
            .map(|set| Event::Committed { stamp: set.versionstamp, continues: false, changes: set.changes })
            .collect();
        self.append(events).await?;
        self.progress.send_if_modified(|progress| std::mem::take(&mut progress.is_interrupted));
        self.forget(database::settled_before(self.known.cursor));
        Ok(defines)
    }

    /// Logs events, durably, and says so.
    async fn append(&mut self, events: Vec<Event>) -> Result<(), Error> {
        let mut waiting: Vec<(Event, Vec<Bytes>)> = Vec::new();
        let mut bytes = 0;
        for event in events {
            for (event, payloads) in encoded(event)? {
                let size: usize = payloads.iter().map(Bytes::len).sum();
                if bytes + size > APPENDED_AT_ONCE {
                    self.append_payloads(std::mem::take(&mut waiting)).await?;
                    bytes = 0;
                }
                bytes += size;
                waiting.push((event, payloads));
            }
        }
        self.append_payloads(waiting).await
    }

    async fn append_payloads(&mut self, events: Vec<(Event, Vec<Bytes>)>) -> Result<(), Error> {
        let payloads: Vec<Bytes> = events.iter().flat_map(|(_, payloads)| payloads.iter().cloned()).collect();
        if payloads.is_empty() {
            return Ok(());
        }
        let mut sequence = self.log.append(payloads).await?;
        for (event, payloads) in events {
            self.note(sequence, &event);
            sequence += payloads.len() as u64;
        }
        self.publish(sequence - 1);
        Ok(())
    }

    fn note(&mut self, sequence: u64, event: &Event) {
        if let Event::Committed { stamp, .. } = event {
            self.recent.push_back((sequence, *stamp));
        }
        self.known.take_in(event);
    }

    /// Forgets transactions that the feed won't deliver again.
    fn forget(&mut self, settled: u64) {
        self.known.forget_before(settled);
        while self.recent.front().is_some_and(|(_, stamp)| *stamp < settled) {
            self.recent.pop_front();
        }
    }

    fn publish(&self, head: u64) {
        let needed_from = self.recent.front().map_or(head + 1, |(sequence, _)| *sequence);
        let is_whole = self.known.is_whole;
        self.progress.send_replace(Progress { head, is_whole, needed_from, is_interrupted: false });
    }
}

/// What is logged of an event. A transaction is kept whole, in as many payloads as it takes; parts of a table are events for
/// themselves.
fn encoded(event: Event) -> Result<Vec<(Event, Vec<Bytes>)>, Error> {
    Ok(match event {
        Event::Committed { stamp, ref changes, .. } => {
            let payloads = Event::committed(stamp, changes)?;
            vec![(event, payloads)]
        }
        Event::Read(read) => {
            let parts = Event::read(read)?.into_iter();
            parts.map(|(part, payload)| (Event::Read(part), vec![payload])).collect()
        }
        other => {
            let payload = other.encode()?;
            vec![(other, vec![payload])]
        }
    })
}

// Whatever the database hands over in one message, the log takes.
const _: () = assert!(MAX_EVENT <= MAX_PAYLOAD && MAX_PAYLOAD + APPENDED_AT_ONCE < MAX_APPEND);
