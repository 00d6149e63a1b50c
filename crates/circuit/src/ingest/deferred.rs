//! Deferred ingestion: changes wait, and are one step when they are flushed.
//!
//! For changes that come faster than anybody wants to see results (typing indicators, the position of a cursor): a
//! caller defers those of a frame and flushes once. Of each record only the net effect waits, so what waits is bounded
//! by the number of records, and it is flushed without being asked when that number reaches a limit.
//!
//! What waits is not in the circuit: neither in its rows nor in its results, so what a registration answers, and the
//! deltas after it, fit together. What is stepped directly overtakes what waits; if it may concern the same records,
//! flush first. So must whoever takes back a change: of what waits, the highest version counts.

use std::num::NonZeroUsize;

use crate::circuit::Circuit;
use crate::ingest::batch::NetChanges;
use crate::step::Step;
use crate::store::table::Change;

/// Changes that wait for [`Circuit::flush`].
#[derive(Debug)]
pub struct Deferred {
    pending: NetChanges,
    received: usize,
    limit: NonZeroUsize,
}

impl Deferred {
    /// Nothing waits yet, and never more than `limit` records will.
    pub fn new(limit: NonZeroUsize) -> Self {
        Deferred { pending: NetChanges::default(), received: 0, limit }
    }

    /// The number of records whose changes wait.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Circuit {
    /// Lets changes wait until the next [`Circuit::flush`]. If as many records as the limit allows have changes waiting
    /// then, flushes, and answers what that did. O(changes).
    pub fn ingest_deferred(&mut self, deferred: &mut Deferred, changes: Vec<Change>) -> Option<Step> {
        deferred.received += changes.len();
        changes.into_iter().for_each(|change| deferred.pending.push(change));
        (deferred.len() >= deferred.limit.get()).then(|| self.flush(deferred))
    }

    /// Takes in all that waits, as one step. Its statistics count what was received since the last flush.
    pub fn flush(&mut self, deferred: &mut Deferred) -> Step {
        let received = std::mem::take(&mut deferred.received);
        let mut step = self.step(deferred.pending.take());
        step.statistics.received = received;
        step
    }
}
