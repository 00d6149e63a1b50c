//! Capture by changefeed: every committed transaction, once, in commit order, with nothing of aborted ones.
//!
//! # What the changefeed of SurrealDB 3.3.5 really promises
//! Read in its sources and confirmed by measurement:
//!
//! - `LIMIT` counts *(transaction, table)* pairs, at most 1,000, and not change sets. A full answer may therefore end in the
//!   middle of a set, and resuming behind that set would lose the rest of it. [`Feed`] drops the last set of a full answer
//!   and asks again from there.
//! - A versionstamp is taken just *before* the commit. Two transactions may become visible in the opposite order of their
//!   stamps, so one that was read up to stamp 10 may find stamp 9 later. [`Feed`] therefore reads a short stretch again with
//!   every poll, and everything once more after [`SETTLE`], and delivers what had not been there ([`ChangeSet::late`]).
//!   A late set has no record in common with a set that was delivered before it and depends on it: of two transactions that
//!   wrote one record and overlapped, SurrealDB lets only one commit. What a later set has overwritten is taken out.
//! - Stamps are `milliseconds << 16 | counter` by the server's clock. This tells a cursor behind the retention.
//! - Neither `REMOVE TABLE` nor `surreal import` leave a trace.
//!
//! # Waking up
//! A `LIVE` query on the version table, which every captured write touches, rings once per change. Its content is not
//! looked at, and when it is silent or lost, a poll every [`POLL`] finds what it missed.

mod bell;
mod clock;
mod decode;
mod order;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use circuit::value::Interner;
use circuit::{Change, SameRecord};
use surrealdb::types as sdk;
use surrealdb::types::Variables;
use tokio::time::Instant;

use crate::connect::Database;
use crate::error::{Error, Result};
use crate::ident::escape;
use bell::Bell;
use clock::Clock;
use decode::{Decoded, decode};
pub use order::SETTLE;
use order::{Order, is_clock, milliseconds_of, span, stamp_of};

/// How long a quiet feed waits for the bell before it looks by itself.
pub const POLL: Duration = Duration::from_millis(250);
/// The server's own limit for an answer, in pairs of transaction and table.
const MAX_PAIRS: usize = 1_000;
/// Below this, even a single transaction can't be known to be complete.
const MIN_PAIRS: usize = 2;
/// What one transaction changed.
#[derive(Clone, Debug)]
pub struct ChangeSet {
    pub versionstamp: u64,
    /// The net change of each record, in the order in which the transaction last touched them, per table.
    pub changes: Vec<Change>,
    /// Tables that the transaction defined or altered.
    pub tables: Vec<String>,
    /// Whether sets with higher stamps have been delivered before.
    pub late: bool,
}

/// Change sets in commit order, at least one.
#[derive(Clone, Debug)]
pub struct FeedBatch {
    pub sets: Vec<ChangeSet>,
    /// Where to resume: one more than the highest versionstamp so far.
    pub cursor: u64,
    /// Whether the server had nothing more when it answered.
    pub is_caught_up: bool,
}

/// The lowest stamp that nothing is looked for any more once everything up to a cursor was delivered: what [`Feed::go_on`] has no
/// need to know.
pub fn settled_before(cursor: u64) -> u64 {
    if is_clock(cursor) { cursor.saturating_sub(span(SETTLE)) } else { cursor }
}

impl ChangeSet {
    /// When the transaction was committed, by the server's clock; `None` where stamps are no clock.
    pub fn committed_at(&self) -> Option<SystemTime> {
        is_clock(self.versionstamp)
            .then(|| SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds_of(self.versionstamp)))
    }
}

/// Where a feed begins, and which database it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// A cursor from which all that is committed after the probe will be delivered.
    pub cursor: u64,
    /// Identifies the content of the database: it changes when the database is emptied or replaced.
    pub instance: uuid::Uuid,
}

impl Database {
    /// Identifies the content of the database, as in a [`Probe`]. One request.
    pub async fn instance(&self) -> Result<uuid::Uuid> {
        const ACTION: &str = "reading which database this is";
        let table = escape(&self.names().probe());
        let text = format!("UPSERT ONLY {table}:instance SET instance = instance ?? rand::uuid() RETURN AFTER");
        let answer = self.run_retrying(ACTION, text, Variables::new()).await?.take(0)?;
        decode::instance(ACTION, answer)
    }
}

/// A reader of the changefeed of a database.
#[derive(Debug)]
pub struct Feed {
    db: Database,
    instance: uuid::Uuid,
    order: Order,
    /// Accepted and not yet handed out.
    ready: Vec<ChangeSet>,
    /// Whether it must be checked that this is still the same database.
    is_doubtful: bool,
    /// Whether the last answer was full.
    is_behind: bool,
    pairs: usize,
    clock: Clock,
    bell: Bell,
    /// Whether it has rung, or been silent for long, and nothing was read since.
    has_rung: bool,
    pace: Duration,
    /// When it was read last.
    read_at: Option<Instant>,
    /// Shares the names in all changes, so that the engine finds them by address.
    interner: Interner,
}

impl Feed {
    /// Proves that changefeeds work by writing a record and finding it in the feed. Two requests.
    ///
    /// Take the probe before reading the tables, then open the feed with its cursor: what is written in between comes
    /// twice, and nothing is missed.
    ///
    /// # Errors
    /// [`Error::Changefeed`] if the write does not come back.
    pub async fn probe(db: &Database) -> Result<Probe> {
        const ACTION: &str = "probing the changefeed";
        let table = escape(&db.names().probe());
        let mark = uuid::Uuid::new_v4();
        let mut variables = Variables::new();
        variables.insert("mark", mark);
        let text = format!(
            "LET $before = time::now(); \
             UPSERT ONLY {table}:instance SET instance = instance ?? rand::uuid(), mark = $mark RETURN AFTER; \
             RETURN $before;"
        );
        let mut answer = db.run_retrying(ACTION, text, variables).await?;
        let instance = decode::instance(ACTION, answer.take(1)?)?;
        let written = decode::milliseconds(ACTION, answer.take(2)?)?;
        // `LIMIT` is applied before the table is, so that asking for this table alone could miss the record under load.
        let mut since = stamp_of(written);
        loop {
            let text = format!("SHOW CHANGES FOR DATABASE SINCE {since} LIMIT {MAX_PAIRS}");
            let sets = db.run(ACTION, text, Variables::new()).await?.take(0)?;
            let sets = decode(ACTION, db.names(), &mut Interner::default(), sets)?;
            if let Some(set) = sets.iter().find(|set| set.mark == Some(mark)) {
                return Ok(Probe { cursor: set.versionstamp + 1, instance });
            }
            let pairs: usize = sets.iter().map(|set| set.pairs).sum();
            match sets.last() {
                Some(last) if pairs >= MAX_PAIRS && last.versionstamp > since => since = last.versionstamp,
                _ => break,
            }
        }
        Err(Error::Changefeed { reason: "a record that was just written did not come back in it".to_owned() })
    }

    /// Begins at a cursor: that of a [`Probe`], or of the last [`FeedBatch`] of an earlier feed.
    ///
    /// Sets from up to [`SETTLE`] before the cursor are delivered, too, because one of them may have become visible
    /// after the cursor was taken. Applying them in order again is harmless.
    ///
    /// # Errors
    /// [`Error::Gap`] if the changefeed does not reach back that far, or if the database is not the one that the cursor
    /// is of.
    pub async fn open(db: Database, start: Probe) -> Result<Feed> {
        Feed::begin(db, start, Order::resume(start.cursor)).await
    }

    /// As [`Feed::open`] for whoever knows what was delivered before: with its stamp, the records of each set that an earlier feed
    /// delivered within [`SETTLE`] before the cursor. Those are not delivered again.
    ///
    /// # Errors
    /// As [`Feed::open`].
    pub async fn go_on(db: Database, start: Probe, delivered: BTreeMap<u64, Vec<SameRecord>>) -> Result<Feed> {
        Feed::begin(db, start, Order::go_on(start.cursor, delivered)).await
    }

    async fn begin(db: Database, start: Probe, order: Order) -> Result<Feed> {
        let feed = Feed {
            bell: Bell::new(db.clone()),
            db,
            instance: start.instance,
            order,
            ready: Vec::new(),
            is_doubtful: false,
            is_behind: true,
            pairs: MAX_PAIRS,
            clock: Clock::default(),
            has_rung: false,
            pace: Duration::ZERO,
            read_at: None,
            interner: Interner::default(),
        };
        feed.check_reach(start.cursor).await?;
        Ok(feed)
    }

    /// Leaves some time between two reads, so that under a steady stream of changes each of them brings many. The first change
    /// after a silence does not wait.
    pub fn paced(self, pace: Duration) -> Feed {
        Feed { pace, ..self }
    }

    /// The next change sets, as soon as there are some. Dropping the future loses nothing but a request that is under way;
    /// who drops it again and again calls [`Feed::wait`] and [`Feed::read`] instead, or may never see one answered.
    ///
    /// # Errors
    /// As [`Feed::read`].
    pub async fn next(&mut self) -> Result<FeedBatch> {
        loop {
            self.wait().await;
            let batch = self.read().await?;
            if !batch.sets.is_empty() {
                return Ok(batch);
            }
        }
    }

    /// Returns when there may be something to read. Asks the database nothing, and may be dropped at any time.
    pub async fn wait(&mut self) {
        if self.is_behind {
            return;
        }
        if !self.has_rung {
            self.bell.wait(POLL).await;
            self.has_rung = true;
        }
        if let Some(read_at) = self.read_at {
            tokio::time::sleep_until(read_at + self.pace).await;
        }
    }

    /// Somebody says that there may be something to read: [`Feed::wait`] returns as if a change had rung.
    pub fn ring(&mut self) {
        self.has_rung = true;
    }

    /// Reads what there is now, which may be nothing, of what is still the same database.
    ///
    /// # Errors
    /// After a retryable error, call again: nothing was skipped. After [`Error::Gap`] and [`Error::ChangeSetTooLarge`],
    /// probe, read the tables again, and open a new feed; as a feed looks back for [`SETTLE`], it may meet the same set
    /// that long.
    pub async fn read(&mut self) -> Result<FeedBatch> {
        self.has_rung = false;
        self.read_at = Some(Instant::now());
        // Where the subscription was lost, notifications may be, and the server may have come back with another database.
        self.is_doubtful |= self.bell.has_been_mended().await;
        if self.is_doubtful {
            self.check_reach(self.order.cursor()).await?;
            self.is_doubtful = false;
        }
        self.poll().await
    }

    /// Reads what there is now, without waiting. One request, sometimes two.
    pub async fn poll(&mut self) -> Result<FeedBatch> {
        // While far behind, there is no point in looking back.
        let since = if self.is_behind { self.order.cursor() } else { self.order.overlap() };
        let page = self.fetch(since).await?;
        self.is_behind = !page.is_complete;
        // Accepted sets wait in `self`: the future may be dropped, or fail, at any of the awaits.
        self.ready.extend(self.order.accept(page.sets, page.now));
        if page.is_complete
            && let Some(settled) = self.order.settling(page.now)
            && let Err(error) = self.settle(settled).await
        {
            if self.ready.is_empty() {
                return Err(error);
            }
            tracing::debug!(%error, "what has settled is read later");
        }
        let mut sets = std::mem::take(&mut self.ready);
        sets.sort_by_key(|set| set.versionstamp);
        Ok(FeedBatch { sets, cursor: self.order.cursor(), is_caught_up: !self.is_behind })
    }

    /// Reads what has settled once more, and forgets it.
    async fn settle(&mut self, settled: u64) -> Result<()> {
        let mut since = self.order.settled();
        loop {
            let mut page = self.fetch(since).await?;
            let last = page.sets.last().map(|set| set.versionstamp);
            page.sets.retain(|set| set.versionstamp < settled);
            self.ready.extend(self.order.accept(page.sets, page.now));
            match last {
                Some(last) if !page.is_complete && last < settled => since = last + 1,
                _ => break,
            }
        }
        self.order.forget(settled);
        Ok(())
    }

    /// Reads complete change sets from a stamp on. One request.
    async fn fetch(&mut self, since: u64) -> Result<Page> {
        const ACTION: &str = "reading the changefeed";
        // So many did not hold a complete set; so many did not fit into a message.
        let (mut incomplete, mut too_large) = (0, usize::MAX);
        loop {
            let pairs = self.pairs;
            let now = self.clock.now();
            let ask = if now.is_none() { "RETURN time::now();" } else { "" };
            let text = format!("SHOW CHANGES FOR DATABASE SINCE {since} LIMIT {pairs}; {ask}");
            let mut answer = match self.db.run(ACTION, text, Variables::new()).await {
                Ok(answer) => answer,
                Err(error) => {
                    if !self.db.was_too_large(&error).await {
                        return Err(error);
                    }
                    too_large = pairs;
                    if pairs == MIN_PAIRS || incomplete + 1 == too_large {
                        return Err(Error::ChangeSetTooLarge { versionstamp: since });
                    }
                    self.pairs = (pairs / 8).max(MIN_PAIRS).max(incomplete + 1);
                    tracing::debug!(pairs = self.pairs, "the changefeed's answer may be too large, asking for less");
                    continue;
                }
            };
            let sets = decode(ACTION, self.db.names(), &mut self.interner, answer.take(0)?)?;
            let now = match now {
                Some(now) => now,
                None => {
                    let now = decode::milliseconds(ACTION, answer.take(1)?)?;
                    self.clock.set(now);
                    now
                }
            };
            let Some(page) = Page::of(sets, pairs, now) else {
                // One transaction fills the whole answer, so whether it is complete can't be told.
                incomplete = pairs;
                if pairs == MAX_PAIRS || incomplete + 1 == too_large {
                    return Err(Error::ChangeSetTooLarge { versionstamp: since });
                }
                self.pairs = (pairs * 2).min(MAX_PAIRS).min(too_large - 1);
                continue;
            };
            self.pairs = (pairs * 2).min(MAX_PAIRS);
            return Ok(page);
        }
    }

    /// Whether the changefeed still holds everything from the cursor on.
    async fn check_reach(&self, cursor: u64) -> Result<()> {
        const ACTION: &str = "checking how far the changefeed reaches back";
        let table = escape(&self.db.names().probe());
        let text =
            format!("RETURN time::now(); SELECT VALUE instance FROM ONLY {table}:instance; INFO FOR DB STRUCTURE;");
        let mut answer = self.db.run(ACTION, text, Variables::new()).await?;
        let now = decode::milliseconds(ACTION, answer.take(0)?)?;
        let instance = answer.take(1)?;
        if !matches!(&instance, sdk::Value::Uuid(found) if **found == self.instance) {
            return Err(Error::Gap { cursor, earliest: stamp_of(now) });
        }
        let retention = decode::retention(ACTION, answer.take(2)?, &self.db.names().version())?;
        let earliest = stamp_of(now).saturating_sub(span(retention));
        if is_clock(cursor) && cursor < earliest {
            return Err(Error::Gap { cursor, earliest });
        }
        Ok(())
    }
}

/// Complete change sets.
struct Page {
    sets: Vec<Decoded>,
    is_complete: bool,
    /// What the server's clock said at least, in milliseconds.
    now: u64,
}

impl Page {
    /// Cuts off the last set of a full answer; nothing if that leaves nothing.
    fn of(mut sets: Vec<Decoded>, limit: usize, now: u64) -> Option<Page> {
        let pairs: usize = sets.iter().map(|set| set.pairs).sum();
        let is_complete = pairs < limit;
        if !is_complete {
            sets.pop();
            if sets.is_empty() {
                return None;
            }
        }
        Some(Page { sets, is_complete, now })
    }
}
