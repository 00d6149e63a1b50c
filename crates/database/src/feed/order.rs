//! Which change sets are new, although some become visible after younger ones.

use std::collections::BTreeMap;
use std::time::Duration;

use circuit::SameRecord;

use super::ChangeSet;
use super::decode::Decoded;

/// A transaction that takes longer than this from its stamp to its commit, while others commit, is missed.
pub const SETTLE: Duration = Duration::from_secs(5);
/// What every poll reads again.
const OVERLAP: Duration = Duration::from_millis(20);
/// How much must have settled before it is worth a request.
const SETTLE_STEP: Duration = Duration::from_secs(1);
/// Stamps from before this are no clock: the store counts in another way. The year 2020 in milliseconds.
const EARLIEST_CLOCK: u64 = 1_577_836_800_000;

/// What has been delivered, as far as it matters for what is still to come.
#[derive(Debug)]
pub(super) struct Order {
    /// One more than the highest stamp that was delivered.
    cursor: u64,
    /// The records of each set that was delivered with a stamp that has not settled yet.
    unsettled: BTreeMap<u64, Vec<SameRecord>>,
    /// Below this nothing can appear any more.
    settled: u64,
}

impl Order {
    /// Nothing has been delivered; what had not settled when the cursor was taken will be once more.
    pub(super) fn resume(cursor: u64) -> Self {
        let start = super::settled_before(cursor);
        Order { cursor: start, unsettled: BTreeMap::new(), settled: start }
    }

    /// These sets, by their stamps, were delivered before the cursor: they won't be once more, if they are still at hand.
    pub(super) fn go_on(cursor: u64, delivered: BTreeMap<u64, Vec<SameRecord>>) -> Self {
        let start = Order::resume(cursor);
        let mut unsettled = delivered;
        let unsettled = unsettled.split_off(&start.settled);
        let cursor = if unsettled.is_empty() { start.cursor } else { cursor };
        Order { cursor, unsettled, ..start }
    }

    pub(super) fn cursor(&self) -> u64 {
        self.cursor
    }

    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// From where to read to find what is new and what has just become visible before it.
    pub(super) fn overlap(&self) -> u64 {
        if is_clock(self.cursor) { self.cursor.saturating_sub(span(OVERLAP)).max(self.settled) } else { self.cursor }
    }

    /// Picks the sets that have not been delivered yet out of what was read, oldest first, at a moment of the server's
    /// clock.
    pub(super) fn accept(&mut self, sets: Vec<Decoded>, now: u64) -> Vec<ChangeSet> {
        let settled = stamp_of(now).saturating_sub(span(SETTLE));
        let mut fresh = Vec::new();
        for mut set in sets {
            let stamp = set.versionstamp;
            if stamp < self.settled || self.unsettled.contains_key(&stamp) {
                continue;
            }
            let late = stamp < self.cursor;
            let records = set.changes.iter().map(|change| SameRecord::from(change.id.clone())).collect();
            if late {
                tracing::debug!(stamp, cursor = self.cursor, "a transaction became visible after younger ones");
                let younger = || self.unsettled.range(stamp..).flat_map(|(_, records)| records);
                set.changes.retain(|change| !younger().any(|record| record.0.is_same_record(&change.id)));
            }
            if !late && stamp < settled && self.unsettled.is_empty() {
                // So old when it was first read that nothing can appear before it: the usual case while catching up.
                self.settled = stamp + 1;
            } else {
                self.unsettled.insert(stamp, records);
            }
            self.cursor = self.cursor.max(stamp + 1);
            if !set.changes.is_empty() || !set.tables.is_empty() {
                fresh.push(ChangeSet { versionstamp: stamp, changes: set.changes, tables: set.tables, late });
            }
        }
        fresh
    }

    /// Up to where stamps have settled by now, if that is worth reading them once more.
    pub(super) fn settling(&mut self, now: u64) -> Option<u64> {
        if !is_clock(self.cursor) {
            self.forget(self.cursor);
            return None;
        }
        let settled = stamp_of(now).saturating_sub(span(SETTLE));
        let oldest = *self.unsettled.keys().next()?;
        let is_everything = settled >= self.cursor;
        (settled > oldest && (is_everything || settled - oldest >= span(SETTLE_STEP))).then_some(settled)
    }

    /// Forgets what has settled.
    pub(super) fn forget(&mut self, settled: u64) {
        self.settled = settled;
        self.unsettled = self.unsettled.split_off(&settled);
    }
}

/// The lowest stamp of a moment, in milliseconds since the epoch.
pub(super) fn stamp_of(milliseconds: u64) -> u64 {
    milliseconds << 16
}

/// The moment of a stamp, in milliseconds since the epoch.
pub(super) fn milliseconds_of(stamp: u64) -> u64 {
    stamp >> 16
}

/// How many stamps a time span covers.
pub(super) fn span(duration: Duration) -> u64 {
    stamp_of(duration.as_millis() as u64)
}

/// Whether a stamp tells the time.
pub(super) fn is_clock(stamp: u64) -> bool {
    stamp >= stamp_of(EARLIEST_CLOCK)
}

#[cfg(test)]
mod tests {
    use circuit::{Change, Key, RecordId};
    use proptest::prelude::*;

    use super::*;

    const BEGIN: u64 = EARLIEST_CLOCK + 1_000_000;

    /// A set that deletes records, at so many milliseconds after the beginning.
    fn set(milliseconds: u64, records: &[i64]) -> Decoded {
        let change = |key: &i64| Change { id: RecordId::new("t", Key::Int(*key)), version: 1, content: None };
        Decoded {
            versionstamp: stamp_of(BEGIN + milliseconds),
            changes: records.iter().map(change).collect(),
            tables: Vec::new(),
            mark: None,
            pairs: 1,
        }
    }

    fn order() -> Order {
        let mut order = Order::resume(stamp_of(BEGIN));
        order.cursor = stamp_of(BEGIN);
        order
    }

    fn keys(sets: &[ChangeSet]) -> Vec<(u64, usize, bool)> {
        sets.iter().map(|set| ((set.versionstamp >> 16) - BEGIN, set.changes.len(), set.late)).collect()
    }

    #[test]
    fn what_becomes_visible_late_is_delivered_once() {
        let mut order = order();
        assert_eq!(keys(&order.accept(vec![set(10, &[1])], BEGIN + 10)), [(10, 1, false)]);
        assert_eq!(order.overlap(), stamp_of(BEGIN) - span(OVERLAP) + stamp_of(10) + 1);
        let read = || vec![set(9, &[2]), set(10, &[1]), set(12, &[3])];
        assert_eq!(keys(&order.accept(read(), BEGIN + 12)), [(9, 1, true), (12, 1, false)]);
        assert_eq!(keys(&order.accept(read(), BEGIN + 13)), []);
        assert_eq!(order.cursor(), stamp_of(BEGIN + 12) + 1);
    }

    #[test]
    fn a_late_change_does_not_undo_a_younger_one() {
        let mut order = order();
        order.accept(vec![set(11, &[1])], BEGIN + 11);
        let found = order.accept(vec![set(9, &[1, 2]), set(11, &[1])], BEGIN + 12);
        assert_eq!(keys(&found), [(9, 1, true)]);
        assert!(found[0].changes[0].id.is_same_record(&RecordId::new("t", Key::Int(2))));
    }

    #[test]
    fn what_has_settled_is_read_once_more_and_then_forgotten() {
        let mut order = order();
        order.accept(vec![set(10, &[1])], BEGIN + 10);
        assert_eq!(order.settling(BEGIN + 4_000), None);
        let settled = order.settling(BEGIN + 5_011).unwrap();
        assert_eq!(settled, stamp_of(BEGIN + 11));
        assert_eq!(keys(&order.accept(vec![set(3, &[2]), set(10, &[1])], BEGIN + 5_011)), [(3, 1, true)]);
        order.forget(settled);
        assert!(order.unsettled.is_empty());
        assert_eq!(keys(&order.accept(vec![set(3, &[2]), set(10, &[1])], BEGIN + 5_012)), []);
        assert_eq!(order.settling(BEGIN + 60_000), None, "idle costs nothing");
    }

    #[test]
    fn catching_up_remembers_nothing() {
        let mut order = order();
        let sets = (0..1_000).map(|at| set(at, &[1])).collect();
        assert_eq!(order.accept(sets, BEGIN + 60_000).len(), 1_000);
        assert!(order.unsettled.is_empty());
    }

    #[test]
    fn whoever_goes_on_delivers_what_came_late_and_nothing_twice() {
        let mut order = order();
        let delivered = order.accept(vec![set(10, &[1]), set(4_000, &[2])], BEGIN + 4_000);
        let records = |set: &ChangeSet| set.changes.iter().map(|change| change.id.clone().into()).collect();
        let delivered = delivered.iter().map(|set| (set.versionstamp, records(set))).collect();
        let mut order = Order::go_on(order.cursor(), delivered);
        assert_eq!(order.cursor(), stamp_of(BEGIN + 4_000) + 1);
        let read = || vec![set(10, &[1]), set(3_999, &[2, 3]), set(4_000, &[2]), set(4_001, &[4])];
        assert_eq!(keys(&order.accept(read(), BEGIN + 4_001)), [(3_999, 1, true), (4_001, 1, false)]);
        assert_eq!(keys(&order.accept(read(), BEGIN + 4_002)), []);
        let unknown = Order::go_on(stamp_of(BEGIN), BTreeMap::new());
        assert_eq!(unknown.cursor(), Order::resume(stamp_of(BEGIN)).cursor());
    }

    #[test]
    fn stamps_that_are_no_clock_are_followed_as_they_come() {
        let mut order = Order::resume(7);
        let counted = |stamp| Decoded { versionstamp: stamp, ..set(0, &[1]) };
        assert_eq!(order.accept(vec![counted(7), counted(8)], BEGIN).len(), 2);
        assert_eq!((order.cursor(), order.overlap(), order.settling(BEGIN)), (9, 9, None));
        assert_eq!(order.accept(vec![counted(9)], BEGIN).len(), 1);
    }

    proptest! {
        /// Transactions get stamps 0, 1, 2, … ms and become visible up to 18 ms later: each is delivered exactly once.
        #[test]
        fn every_transaction_is_delivered_exactly_once(delays in proptest::collection::vec(0_u64..18, 1..200)) {
            let mut order = order();
            let mut delivered = Vec::new();
            for now in 0..delays.len() as u64 + 20 {
                let since = order.overlap();
                let visible = (0..delays.len() as u64).filter(|at| *at <= now && at + delays[*at as usize] <= now);
                let read: Vec<Decoded> =
                    visible.map(|at| set(at, &[at as i64])).filter(|set| set.versionstamp >= since).collect();
                delivered.extend(order.accept(read, BEGIN + now).iter().map(|set| set.versionstamp));
            }
            delivered.sort_unstable();
            let all: Vec<u64> = (0..delays.len() as u64).map(|at| stamp_of(BEGIN + at)).collect();
            prop_assert_eq!(delivered, all);
        }
    }
}
