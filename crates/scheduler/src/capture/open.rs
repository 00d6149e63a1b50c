//! Records that are not what was announced of them: which of these to read again, and what to make of that.
//!
//! No I/O and no clock. It follows from the events of the log and from when they are taken in, so that a restart finds what
//! is open by reading the log.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use circuit::{Change, RecordId, SameRecord, row_hash};
use cluster::{Announcement, Event, Goal};
use tokio::time::Instant;

/// How long a transaction may take to commit after it announced a change. A later announcement of the same record begins
/// anew.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// For so long a record is read whenever anything is: what one transaction announced is found together.
const YOUNG: Duration = Duration::from_secs(1);
/// How often a record is read that has been waited for longer.
const SLOW: Duration = Duration::from_secs(1);

/// The announcements of a log that nothing settles. Each record is there once, however often it was announced.
#[derive(Debug, Default)]
pub(super) struct Open {
    records: HashMap<SameRecord, Awaited>,
    /// The events that announced them, with how many records each.
    events: BTreeMap<u64, usize>,
}

#[derive(Debug)]
struct Awaited {
    goal: Goal,
    /// The event that announced the goal.
    sequence: u64,
    /// The last event that announced anything of the record, and when that was.
    last: u64,
    since: Instant,
    read_at: Option<Instant>,
    /// The state that was logged last, if any was since it is awaited.
    logged: Option<State>,
}

/// What tells two states of a record apart: its version, and the hash of its content.
type State = (u64, Option<u128>);

/// What to do about records that were read.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// They are not what the log says.
    pub(super) news: Vec<Change>,
    /// They have not come that far in time, with the last events that announced them.
    pub(super) given_up: Vec<(RecordId, u64)>,
}

impl Open {
    /// Takes an event in, under its number. O(records of the event).
    pub(super) fn take_in(&mut self, sequence: u64, event: &Event, now: Instant) {
        match event {
            Event::Announced { records } => records.iter().for_each(|record| self.announced(sequence, record, now)),
            Event::Committed { changes, .. } => {
                for change in changes {
                    let id = SameRecord::from(change.id.clone());
                    match self.records.get_mut(&id) {
                        Some(awaited) if awaited.goal.is_reached_by(change) => self.remove(&id),
                        Some(awaited) => awaited.logged = Some(state(change)),
                        None => {}
                    }
                }
            }
            Event::GivenUp { records } => {
                for (id, announced) in records {
                    let id = SameRecord::from(id.clone());
                    // It may have been announced once more.
                    if self.records.get(&id).is_some_and(|awaited| awaited.last <= *announced) {
                        self.remove(&id);
                    }
                }
            }
            Event::Began { .. } | Event::Read(_) | Event::Whole | Event::Gone { .. } => {}
        }
    }

    fn announced(&mut self, sequence: u64, Announcement { id, goal }: &Announcement, now: Instant) {
        let (goal, id) = (*goal, SameRecord::from(id.clone()));
        let Some(awaited) = self.records.get_mut(&id) else {
            let awaited = Awaited { goal, sequence, last: sequence, since: now, read_at: None, logged: None };
            self.records.insert(id, awaited);
            *self.events.entry(sequence).or_default() += 1;
            return;
        };
        (awaited.last, awaited.since) = (awaited.last.max(sequence), now);
        // Whoever announces a lower version may commit all the same, if the one before has failed: then the record is waited
        // for in vain, and what it has become is found meanwhile.
        if (goal.version, sequence) >= (awaited.goal.version, awaited.sequence) {
            awaited.goal = goal;
            let former = std::mem::replace(&mut awaited.sequence, sequence);
            *self.events.entry(sequence).or_default() += 1;
            self.forget_event(former);
        }
    }

    fn remove(&mut self, id: &SameRecord) {
        if let Some(awaited) = self.records.remove(id) {
            self.forget_event(awaited.sequence);
        }
    }

    fn forget_event(&mut self, sequence: u64) {
        if let Some(records) = self.events.get_mut(&sequence) {
            *records -= 1;
            if *records == 0 {
                self.events.remove(&sequence);
            }
        }
    }

    /// How many records are open.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The first event that is needed to know what is open.
    pub(super) fn needed_from(&self) -> Option<u64> {
        self.events.keys().next().copied()
    }

    /// The records that are to be read now, or all. O(open records).
    pub(super) fn to_read(&self, now: Instant, all: bool) -> Vec<RecordId> {
        let is_due = |awaited: &Awaited| {
            let is_young = now.saturating_duration_since(awaited.since) < YOUNG;
            is_young || awaited.read_at.is_none_or(|read_at| now.saturating_duration_since(read_at) >= SLOW)
        };
        let due = self.records.iter().filter(|(_, awaited)| all || is_due(awaited));
        due.map(|(id, _)| (*id.0).clone()).collect()
    }

    /// The tables of records that have never been read. O(open records).
    pub(super) fn unseen_tables(&self) -> impl Iterator<Item = &str> {
        self.records.iter().filter(|(_, awaited)| awaited.read_at.is_none()).map(|(id, _)| &*id.0.table)
    }

    /// What follows from records that were read, at the earliest at a time. Of tables that are not `known` nothing is to be
    /// logged: they will be read, later than this.
    pub(super) fn found(&mut self, read: Vec<Change>, at: Instant, is_known: impl Fn(&str) -> bool) -> Found {
        let mut found = Found::default();
        for change in read {
            let id = SameRecord::from(change.id.clone());
            let Some(awaited) = self.records.get_mut(&id) else { continue };
            awaited.read_at = Some(at);
            let is_reached = awaited.goal.is_reached_by(&change);
            if !is_reached && at.saturating_duration_since(awaited.since) >= PATIENCE {
                found.given_up.push((change.id.clone(), awaited.last));
            }
            let is_news = is_known(&change.id.table) && awaited.logged != Some(state(&change));
            if is_news {
                // Logging it settles it.
                found.news.push(change);
            } else if is_reached {
                self.remove(&id);
            }
        }
        found
    }
}

fn state(change: &Change) -> State {
    (change.version, change.content.as_ref().map(|content| row_hash(&change.id, content)))
}

#[cfg(test)]
mod tests {
    use circuit::{Key, Object, Value};

    use super::*;

    fn id(key: i64) -> RecordId {
        RecordId::new("t", Key::Int(key))
    }

    fn announced(key: i64, version: u64) -> Event {
        let goal = Goal { version, exists: true };
        Event::Announced { records: vec![Announcement { id: id(key), goal }] }
    }

    fn row(key: i64, version: u64) -> Change {
        let content = Object::from_iter([("n".into(), Value::from(version as i64))]);
        Change { id: id(key), version, content: Some(content) }
    }

    fn committed(changes: &[Change]) -> Event {
        Event::Committed { stamp: 0, continues: false, changes: changes.to_vec() }
    }

    /// Reads records, and logs what is new as the capture does. Answers what was logged.
    fn read(open: &mut Open, sequence: u64, rows: &[Change], at: Instant) -> Vec<u64> {
        let Found { news, given_up } = open.found(rows.to_vec(), at, |_| true);
        open.take_in(sequence, &committed(&news), at);
        open.take_in(sequence + 1, &Event::GivenUp { records: given_up }, at);
        news.iter().map(|change| change.version).collect()
    }

    #[test]
    fn a_record_is_open_until_what_was_announced_is_logged() {
        let (mut open, now) = (Open::default(), Instant::now());
        open.take_in(1, &announced(1, 2), now);
        open.take_in(2, &announced(1, 3), now);
        open.take_in(3, &announced(1, 2), now);
        assert_eq!((open.len(), open.needed_from()), (1, Some(2)));
        assert_eq!(read(&mut open, 4, &[row(1, 2)], now), [2]);
        assert_eq!(read(&mut open, 6, &[row(1, 2)], now), [0; 0], "it is logged already");
        assert_eq!(open.len(), 1);
        assert_eq!(read(&mut open, 8, &[row(1, 4)], now), [4]);
        assert_eq!((open.len(), open.needed_from()), (0, None));
    }

    /// Catches versions that stay while contents change, as nobody counts them.
    #[test]
    fn what_changes_without_a_version_is_news() {
        let (mut open, now) = (Open::default(), Instant::now());
        open.take_in(1, &Event::Announced { records: vec![Announcement { id: id(1), goal: Goal::UNKNOWN }] }, now);
        assert_eq!(read(&mut open, 2, &[row(1, 1)], now), [1]);
        assert_eq!(read(&mut open, 4, &[Change { version: 1, ..row(1, 7) }], now), [1]);
        assert_eq!(read(&mut open, 6, &[Change { version: 1, ..row(1, 7) }], now), [0; 0]);
    }

    #[test]
    fn what_is_never_committed_is_given_up_and_the_log_may_forget_it() {
        let (mut open, now) = (Open::default(), Instant::now());
        open.take_in(1, &announced(1, 2), now);
        open.take_in(2, &announced(2, 2), now);
        let later = now + PATIENCE / 2;
        open.take_in(3, &announced(1, 2), later);
        assert_eq!(open.needed_from(), Some(2));
        let over = now + PATIENCE;
        let Found { given_up, .. } = open.found(vec![row(1, 1), row(2, 1)], over, |_| true);
        assert_eq!(given_up.iter().map(|(_, sequence)| *sequence).collect::<Vec<_>>(), [2]);
        // Meanwhile somebody has announced the second one again.
        open.take_in(4, &announced(2, 2), over);
        open.take_in(5, &Event::GivenUp { records: given_up }, over);
        assert_eq!((open.len(), open.needed_from()), (2, Some(3)));
        assert_eq!(read(&mut open, 6, &[row(1, 1)], later + PATIENCE), [1]);
        assert_eq!((open.len(), open.needed_from()), (1, Some(4)));
    }

    /// Catches a failed transaction that takes with it what another one has announced of the same record.
    #[test]
    fn a_lower_version_is_announced_as_well() {
        let (mut open, now) = (Open::default(), Instant::now());
        open.take_in(1, &announced(1, 3), now);
        let over = now + PATIENCE;
        let Found { given_up, .. } = open.found(vec![row(1, 1)], over, |_| true);
        open.take_in(2, &announced(1, 2), over);
        open.take_in(3, &Event::GivenUp { records: given_up }, over);
        assert_eq!((open.len(), open.needed_from()), (1, Some(1)));
        assert_eq!(read(&mut open, 4, &[row(1, 2)], over), [2]);
        assert_eq!(read(&mut open, 6, &[row(1, 2)], over + PATIENCE), [0; 0]);
        assert_eq!(open.len(), 0);
    }

    /// Catches a log that is kept for ever because one record is written without a pause.
    #[test]
    fn a_record_that_is_announced_again_needs_its_newest_announcement_only() {
        let (mut open, now) = (Open::default(), Instant::now());
        for sequence in 1..=100 {
            open.take_in(2 * sequence, &announced(1, sequence), now);
            open.take_in(2 * sequence + 1, &committed(&[row(1, sequence - 1)]), now);
        }
        assert_eq!((open.len(), open.needed_from()), (1, Some(200)));
    }

    #[test]
    fn what_was_announced_long_ago_is_read_now_and_then() {
        let (mut open, now) = (Open::default(), Instant::now());
        open.take_in(1, &announced(1, 2), now);
        open.take_in(2, &announced(2, 2), now + YOUNG);
        assert_eq!(open.unseen_tables().count(), 2);
        let later = now + YOUNG;
        assert_eq!(open.to_read(later, false).len(), 2, "one was never read, the other is young");
        assert_eq!(read(&mut open, 3, &[row(1, 1), row(2, 1)], later), [1, 1]);
        assert_eq!(open.to_read(later + SLOW / 2, false).len(), 1);
        assert_eq!(open.to_read(later + SLOW / 2, true).len(), 2);
        assert_eq!(open.to_read(later + SLOW, false).len(), 2);
        assert_eq!(open.unseen_tables().count(), 0);
    }

    /// Catches an engine that is told of a row before its table.
    #[test]
    fn a_table_that_was_not_read_is_left_to_its_reading() {
        let (mut open, now) = (Open::default(), Instant::now());
        open.take_in(1, &announced(1, 2), now);
        open.take_in(2, &announced(2, 2), now);
        let Found { news, .. } = open.found(vec![row(1, 2), row(2, 1)], now, |_| false);
        assert!(news.is_empty());
        assert_eq!(open.to_read(now, true).len(), 1, "the second one may be committed after the table is read");
    }
}
