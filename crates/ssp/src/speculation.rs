//! Changes that were announced and are not visible yet.
//!
//! SurrealDB runs the event that pushes a change inside the writing transaction: the change may become visible a moment
//! later, or never, because the transaction is aborted or loses a conflict. The record is read again with growing
//! pauses until its version has been reached, by this transaction or by the one that won; what is read is committed,
//! whatever it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use circuit::{Change, RecordId, SameRecord};
use cluster::Goal;
use database::Database;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::command::{Command, EngineSender};

/// How long a transaction may take to commit after it announced a change. A later announcement of the same record
/// starts anew.
const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The most records that are looked up with one request.
const LOOKED_UP_AT_ONCE: usize = 1_000;
/// With more open records than this, no more changes may be announced.
const MOST_OPEN: usize = 100_000;

/// What a record is to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsettled {
    goal: Goal,
    deadline: Instant,
}

impl Unsettled {
    pub(crate) fn new(change: &Change) -> Self {
        let goal = Goal { version: change.version, exists: change.content.is_some() };
        Unsettled { goal, deadline: Instant::now() + PATIENCE }
    }

    /// Whether the version has been reached.
    pub(crate) fn is_settled_by(&self, visible: &Change) -> bool {
        self.goal.is_reached_by(visible)
    }
}

/// The records that are not what was announced of them. Each is there once, however often it was announced, so that there
/// are never more than records have been written within [`PATIENCE`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Open {
    records: Arc<Mutex<HashMap<SameRecord, Unsettled>>>,
    arrived: Arc<Notify>,
}

impl Open {
    /// Waits for a record to become what was announced.
    pub(crate) fn add(&self, id: &RecordId, unsettled: Unsettled) {
        let mut records = self.records();
        let open = records.entry(id.clone().into()).or_insert(unsettled);
        if unsettled.goal.version >= open.goal.version {
            *open = unsettled;
        }
        drop(records);
        self.arrived.notify_one();
    }

    /// Whether nobody keeps up with what is announced.
    pub(crate) fn is_full(&self) -> bool {
        self.records().len() >= MOST_OPEN
    }

    fn is_empty(&self) -> bool {
        self.records().is_empty()
    }

    fn ids(&self) -> Vec<RecordId> {
        self.records().keys().map(|id| (*id.0).clone()).collect()
    }

    /// Takes off what is settled by what was read, or whose time is over.
    fn settle(&self, read: &[Change], now: Instant) {
        let mut records = self.records();
        for visible in read {
            let id = SameRecord::from(visible.id.clone());
            if records.get(&id).is_some_and(|open| open.is_settled_by(visible) || open.deadline <= now) {
                records.remove(&id);
            }
        }
    }

    fn records(&self) -> MutexGuard<'_, HashMap<SameRecord, Unsettled>> {
        // The map is whole even if somebody panicked while holding it.
        self.records.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Reads unsettled records again until each has reached its version or its time is over. One request a round for each
/// [`LOOKED_UP_AT_ONCE`] records.
pub(crate) async fn settle(database: Database, engine: EngineSender, open: Open) {
    let mut pause = FIRST_PAUSE;
    let mut next_look = Instant::now();
    loop {
        if open.is_empty() {
            open.arrived.notified().await;
            pause = FIRST_PAUSE;
            next_look = Instant::now() + pause;
        }
        if tokio::time::timeout_at(next_look, open.arrived.notified()).await.is_ok() {
            // A new one is looked at soon, however long the others have been waiting.
            pause = FIRST_PAUSE;
            next_look = next_look.min(Instant::now() + pause);
            continue;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        next_look = Instant::now() + pause;
        let ids = open.ids();
        for ids in ids.chunks(LOOKED_UP_AT_ONCE) {
            let records = match database.records(ids).await {
                Ok(records) => records,
                Err(error) => {
                    tracing::warn!(%error, "announced changes could not be looked up, trying again");
                    break;
                }
            };
            open.settle(&records, Instant::now());
            if engine.send(Command::Reread(records)).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use circuit::{Key, Object};

    use super::*;

    fn change(version: u64, exists: bool) -> Change {
        let content = exists.then(|| Object::from_iter([]));
        Change { id: RecordId::new("thread", Key::Int(1)), version, content }
    }

    /// Catches a map that grows with the number of announcements, and one that forgets the newest.
    #[test]
    fn a_record_is_open_once_until_its_newest_version_is_there() {
        let open = Open::default();
        for version in [2, 4, 3] {
            let announced = change(version, true);
            open.add(&announced.id, Unsettled::new(&announced));
        }
        assert_eq!(open.ids().len(), 1);
        let now = Instant::now();
        open.settle(&[change(3, true)], now);
        assert_eq!(open.ids().len(), 1, "version 4 is still to come");
        open.settle(&[change(4, false)], now);
        assert_eq!(open.ids().len(), 1, "it is to exist");
        open.settle(&[change(4, true)], now);
        assert!(open.ids().is_empty());

        let announced = change(9, true);
        open.add(&announced.id, Unsettled::new(&announced));
        open.settle(&[change(4, true)], now + PATIENCE * 2);
        assert!(open.ids().is_empty(), "whoever announced it never committed");
    }
}
