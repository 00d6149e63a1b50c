//! Update frequencies: how often the readers of a result are told of its changes.
//!
//! The circuit steps at every change; what is paced is the telling. Deltas for readers that are not in a hurry wait,
//! and of all that happens to a row meanwhile only the net effect stays, so what waits is bounded by the rows
//! concerned. One result may have readers of every frequency.
//!
//! There is no clock here: whoever calls [`Pacer::tick`] says what time it is.

use std::collections::BTreeMap;
use std::time::Duration;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::step::delta::{NetChanges, ResultDelta, RowChange};
use crate::value::digest::{Digest, ResultId};

/// How often a reader wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Frequency {
    /// Of every change at once.
    #[default]
    Realtime,
    /// At most every 100 ms.
    Normal,
    /// At most every 5 s.
    Analytics,
}

impl Frequency {
    /// The shortest time from one telling to the next.
    pub fn interval(self) -> Duration {
        match self {
            Frequency::Realtime => Duration::ZERO,
            Frequency::Normal => Duration::from_millis(100),
            Frequency::Analytics => Duration::from_secs(5),
        }
    }
}

/// Deltas on their way from the circuit to readers of different frequencies.
#[derive(Debug)]
pub struct Pacer {
    realtime: Readers,
    lanes: [Lane; 2],
}

/// How many readers each result has.
#[derive(Debug, Default)]
struct Readers(HashMap<ResultId, usize, foldhash::fast::FixedState>);

/// The deltas that wait for the readers of one frequency.
#[derive(Debug)]
struct Lane {
    frequency: Frequency,
    readers: Readers,
    waiting: BTreeMap<ResultId, Waiting>,
    /// When deltas were given out last.
    released: Option<Duration>,
}

/// The net change of one result since its readers were told.
#[derive(Debug, Default)]
struct Waiting {
    rows: NetChanges,
    digest: Digest,
}

impl Default for Pacer {
    fn default() -> Self {
        Pacer { realtime: Readers::default(), lanes: [Frequency::Normal, Frequency::Analytics].map(Lane::new) }
    }
}

impl Pacer {
    /// Counts one more reader of a result, who has read its rows since the last step.
    ///
    /// Answers what waited for the readers that this frequency had before: they are to be told now, and the new one,
    /// who has seen it already, is not. O(rows that wait).
    #[must_use]
    pub fn subscribe(&mut self, result: ResultId, frequency: Frequency) -> Option<ResultDelta> {
        let Some(lane) = self.lane(frequency) else {
            self.realtime.add(result);
            return None;
        };
        lane.readers.add(result);
        lane.waiting.remove(&result).and_then(|waiting| waiting.into_delta(result))
    }

    /// Counts one reader less of a result. With the last one goes what waits. Every reader must be gone before the
    /// circuit gives up the result, because its number is used again.
    pub fn unsubscribe(&mut self, result: ResultId, frequency: Frequency) {
        let Some(lane) = self.lane(frequency) else {
            self.realtime.remove(result);
            return;
        };
        lane.readers.remove(result);
        if !lane.readers.has(result) {
            lane.waiting.remove(&result);
        }
    }

    /// Takes in the deltas of a step; answers those that have readers in real time. O(changes).
    pub fn offer(&mut self, mut deltas: Vec<ResultDelta>) -> Vec<ResultDelta> {
        for lane in &mut self.lanes {
            deltas.iter().for_each(|delta| lane.add(delta));
        }
        deltas.retain(|delta| self.realtime.has(delta.result));
        deltas
    }

    /// Gives out the deltas whose time has come: of every frequency whose interval has passed since it gave out some. A
    /// change therefore waits no longer than the interval, and one that comes after a pause goes with the next tick.
    ///
    /// `now` is the time since any moment that the caller keeps to. It must not go back; if it does, nothing is due.
    pub fn tick(&mut self, now: Duration) -> Vec<(Frequency, ResultDelta)> {
        let mut released = Vec::new();
        for lane in self.lanes.iter_mut().filter(|lane| lane.due().is_some_and(|due| due <= now)) {
            let before = released.len();
            lane.release(&mut released);
            if released.len() > before {
                lane.released = Some(now);
            }
        }
        released
    }

    /// Gives out everything that waits, whatever the time.
    pub fn flush(&mut self) -> Vec<(Frequency, ResultDelta)> {
        let mut released = Vec::new();
        self.lanes.iter_mut().for_each(|lane| lane.release(&mut released));
        released
    }

    /// When the next [`Pacer::tick`] has something to do, if anything waits.
    pub fn next_due(&self) -> Option<Duration> {
        self.lanes.iter().filter_map(Lane::due).min()
    }

    /// Real time has no lane: nothing waits there.
    fn lane(&mut self, frequency: Frequency) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.frequency == frequency)
    }
}

impl Lane {
    fn new(frequency: Frequency) -> Self {
        Lane { frequency, readers: Readers::default(), waiting: BTreeMap::new(), released: None }
    }

    fn add(&mut self, delta: &ResultDelta) {
        if !self.readers.has(delta.result) {
            return;
        }
        let waiting = self.waiting.entry(delta.result).or_default();
        waiting.digest = delta.digest;
        waiting.rows.add(delta.changes.clone());
        if waiting.rows.is_empty() {
            // All is as the readers know it.
            self.waiting.remove(&delta.result);
        }
    }

    fn due(&self) -> Option<Duration> {
        let due = self.released.map_or(Duration::ZERO, |at| at.saturating_add(self.frequency.interval()));
        (!self.waiting.is_empty()).then_some(due)
    }

    fn release(&mut self, released: &mut Vec<(Frequency, ResultDelta)>) {
        let waiting = std::mem::take(&mut self.waiting);
        let deltas = waiting.into_iter().filter_map(|(result, waiting)| waiting.into_delta(result));
        released.extend(deltas.map(|delta| (self.frequency, delta)));
    }
}

impl Waiting {
    fn into_delta(self, result: ResultId) -> Option<ResultDelta> {
        let Waiting { rows, digest } = self;
        let changes: Vec<RowChange> = rows.into_changes().collect();
        (!changes.is_empty()).then_some(ResultDelta { result, changes, digest })
    }
}

impl Readers {
    fn add(&mut self, result: ResultId) {
        *self.0.entry(result).or_default() += 1;
    }

    fn remove(&mut self, result: ResultId) {
        if let Entry::Occupied(mut entry) = self.0.entry(result) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }

    fn has(&self, result: ResultId) -> bool {
        self.0.contains_key(&result)
    }
}
