//! Brings the replica up to date, from one event of the log to the next.

use std::sync::Arc;
use std::time::Duration;

use cluster::Event;
use database::replica::Replica;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::log::{EventLog, Limit};
use crate::replica::Snapshot;
use crate::replica::error::Error;
use crate::replica::gate::{Changing, Gate};

/// How much is read of the log at once. Between two of these whoever waits for the replica to stand still gets it.
const SOME: Limit = Limit { records: 4_000, bytes: 8 << 20 };
/// How long it takes until what failed is tried again, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// The task that writes the replica.
#[derive(Debug)]
pub(super) struct Updater {
    pub(super) replica: Replica,
    pub(super) log: Arc<dyn EventLog>,
    pub(super) gate: Gate,
    pub(super) snapshot: watch::Sender<Arc<Snapshot>>,
    /// Where the replica is, for those who wait for it.
    pub(super) position: watch::Sender<u64>,
    /// Rings when the replica is wanted up to date at once.
    pub(super) bell: Arc<Notify>,
}

impl Updater {
    /// Takes in what the log has, and again every so often. `held` is the right to change, where the replica must not be
    /// looked at before it has.
    ///
    /// # Errors
    /// Only those that waiting does not help against.
    pub(super) async fn run(mut self, every: Duration, mut held: Option<Changing>) -> Error {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if held.is_none() {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = self.bell.notified() => {}
                }
            }
            if let Err(error) = self.catch_up(&mut held).await {
                return error;
            }
        }
    }

    /// Takes in all that the log has.
    async fn catch_up(&mut self, held: &mut Option<Changing>) -> Result<(), Error> {
        let [mut pause, longest] = PAUSES;
        loop {
            let next = self.replica.position().wrapping_add(1);
            let records = match self.log.read(next, SOME).await {
                Ok(records) => records,
                Err(crate::log::Error::Truncated { first, .. }) => return Err(Error::Behind { needed: next, first }),
                Err(error @ (crate::log::Error::Beyond { .. } | crate::log::Error::Damaged { .. })) => {
                    return Err(error.into());
                }
                Err(error) => {
                    tracing::warn!(%error, "the replica can't read the log, trying again");
                    sleep(pause).await;
                    pause = longest.min(pause * 2);
                    continue;
                }
            };
            if records.is_empty() {
                // Nobody looks at a part of an event.
                match self.replica.is_partial() {
                    true => sleep(pause).await,
                    false => *held = None,
                }
                return Ok(());
            }
            let mut events = Vec::with_capacity(records.len());
            for record in &records {
                let sequence = record.sequence;
                let event = Event::decode(&record.payload).map_err(|source| Error::Event { sequence, source })?;
                events.push((sequence, event));
            }
            drop(records);
            if held.is_none() {
                *held = Some(self.gate.change().await);
            }
            match self.replica.apply(&events).await {
                Ok(()) => [pause, _] = PAUSES,
                Err(error) => {
                    // An outage ends, a disk gets room again; what was written meanwhile is found then.
                    tracing::warn!(%error, position = self.replica.position(), "the replica falls behind, trying again");
                    self.found_again(pause, longest).await;
                    pause = longest.min(pause * 2);
                }
            }
            self.publish();
            if !self.replica.is_partial() {
                *held = None;
            }
        }
    }

    /// Waits until the replica says where it is.
    async fn found_again(&mut self, mut pause: Duration, longest: Duration) {
        loop {
            sleep(pause).await;
            match self.replica.refresh().await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "the replica is out of reach"),
            }
            pause = longest.min(pause * 2);
        }
    }

    fn publish(&self) {
        if self.replica.is_partial() {
            return;
        }
        self.snapshot.send_replace(Arc::new(Snapshot::of(&self.replica)));
        self.position.send_if_modified(|position| {
            let has_moved = *position != self.replica.position();
            *position = self.replica.position();
            has_moved
        });
    }
}
