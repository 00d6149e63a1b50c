//! Announcements on their way to the log, beside whoever captures: a transaction waits for each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use circuit::{Change, RecordId, SaveError};
use cluster::{Announcement, Event};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::open::{Found, Open};
use crate::log::{self, EventLog};

/// With more open records than this, no more changes may be announced.
const MOST_OPEN: usize = 100_000;

/// Where changes are announced. All clones are one.
#[derive(Clone)]
pub(crate) struct Announcer(Arc<Inner>);

struct Inner {
    log: Arc<dyn EventLog>,
    /// Rings at the capture.
    bell: Arc<Notify>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Open,
    /// The highest number of an event that is known.
    head: u64,
    /// Of announcements that are being logged: numbers that these are not below, and how many there are of each.
    under_way: BTreeMap<u64, usize>,
    waiting: usize,
}

/// Why nothing is announced. Then the transaction must not commit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAnnounced {
    #[error("more changes are announced than become visible in the database, try again later")]
    TooMany,
    #[error("the announcement could not be logged: {0}")]
    Log(#[from] log::Error),
    #[error("a record can't be logged: {0}")]
    Encoding(#[from] SaveError),
}

impl Announcer {
    /// Nothing is known of the log yet.
    pub(crate) fn new(log: Arc<dyn EventLog>, bell: Arc<Notify>) -> Self {
        Announcer(Arc::new(Inner { log, bell, state: Mutex::default() }))
    }

    /// Announces changes. When this returns they are in the log, and the records will be read until they have changed, also
    /// by another process of this scheduler: whoever waits for that may commit. One that has not heard so must not; if the
    /// announcement is in the log nevertheless, it comes to nothing.
    pub(crate) async fn announce(&self, records: Vec<Announcement>) -> Result<(), NotAnnounced> {
        let event = Event::Announced { records };
        let payload = event.encode()?;
        let reserved = self.reserve()?;
        let sequence = self.0.log.append(vec![payload]).await?;
        self.note(sequence, &event);
        drop(reserved);
        self.0.bell.notify_one();
        Ok(())
    }

    /// From here until it is dropped, the log keeps all events that may be the one that is about to be logged.
    fn reserve(&self) -> Result<Reserved<'_>, NotAnnounced> {
        let mut state = self.state();
        if state.open.len() + state.waiting >= MOST_OPEN {
            return Err(NotAnnounced::TooMany);
        }
        let floor = state.head + 1;
        *state.under_way.entry(floor).or_default() += 1;
        state.waiting += 1;
        Ok(Reserved { of: self, floor })
    }

    /// Takes in an event that is in the log.
    pub(super) fn note(&self, sequence: u64, event: &Event) {
        let mut state = self.state();
        state.open.take_in(sequence, event, Instant::now());
        state.head = state.head.max(sequence);
    }

    /// Events up to this one are in the log. Answers the highest number that is known, and the first event that is needed to
    /// know what is announced, if anything is.
    pub(super) fn reached(&self, head: u64) -> (u64, Option<u64>) {
        let mut state = self.state();
        state.head = state.head.max(head);
        let under_way = state.under_way.keys().next().copied();
        (state.head, [under_way, state.open.needed_from()].into_iter().flatten().min())
    }

    /// How many records are open; nothing once the service has ended. Keeps nothing from ending.
    pub(crate) fn watched(&self) -> impl Fn() -> Option<u64> + Send + Sync + 'static {
        let inner = Arc::downgrade(&self.0);
        move || inner.upgrade().map(|inner| Announcer(inner).state().open.len() as u64)
    }

    pub(super) fn has_open(&self) -> bool {
        self.state().open.len() > 0
    }

    /// As [`Open::to_read`], with those tables of records that were never read that are not known.
    pub(super) fn to_read(&self, all: bool, is_known: impl Fn(&str) -> bool) -> (Vec<RecordId>, BTreeSet<String>) {
        let state = self.state();
        let unknown = state.open.unseen_tables().filter(|table| !is_known(table)).map(str::to_owned).collect();
        (state.open.to_read(Instant::now(), all), unknown)
    }

    /// As [`Open::found`].
    pub(super) fn found(&self, read: Vec<Change>, at: Instant, is_known: impl Fn(&str) -> bool) -> Found {
        self.state().open.found(read, at, is_known)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is locked is whole even if somebody panicked while holding it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reserved<'a> {
    of: &'a Announcer,
    floor: u64,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut state = self.of.state();
        state.waiting -= 1;
        if let Some(count) = state.under_way.get_mut(&self.floor) {
            *count -= 1;
            if *count == 0 {
                state.under_way.remove(&self.floor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use async_trait::async_trait;
    use bytes::Bytes;
    use circuit::Key;
    use cluster::Goal;

    use super::*;

    /// A log that takes its time. The next event is 10.
    #[derive(Debug, Default)]
    struct Slow(Notify);

    #[async_trait]
    impl EventLog for Slow {
        async fn append(&self, _: Vec<Bytes>) -> Result<u64, log::Error> {
            self.0.notified().await;
            Ok(10)
        }

        async fn read(&self, _: u64, _: log::Limit) -> Result<Vec<log::Record>, log::Error> {
            Ok(Vec::new())
        }

        async fn range(&self) -> Result<Range<u64>, log::Error> {
            Ok(1..10)
        }

        async fn truncate_before(&self, _: u64) -> Result<(), log::Error> {
            Ok(())
        }
    }

    /// Catches a log that is truncated behind an announcement before anybody knows its number, and one that never is.
    #[tokio::test]
    async fn what_is_being_announced_is_needed() {
        let log = Arc::new(Slow::default());
        let announcer = Announcer::new(log.clone(), Arc::new(Notify::new()));
        assert_eq!(announcer.reached(9), (9, None));
        let announce = || async {
            let goal = Goal { version: 2, exists: true };
            announcer.announce(vec![Announcement { id: RecordId::new("t", Key::Int(1)), goal }]).await
        };
        {
            let mut given_up = Box::pin(announce());
            assert!(futures::poll!(&mut given_up).is_pending());
            assert_eq!(announcer.reached(12), (12, Some(10)), "others were faster");
        }
        assert_eq!(announcer.reached(12), (12, None));
        let mut announced = Box::pin(announce());
        assert!(futures::poll!(&mut announced).is_pending());
        assert_eq!(announcer.reached(12), (12, Some(13)));
        log.0.notify_one();
        announced.await.unwrap();
        assert_eq!((announcer.reached(12), announcer.watched()()), ((12, Some(10)), Some(1)));
    }
}
