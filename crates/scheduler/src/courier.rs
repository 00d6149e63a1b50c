//! Couriers: one for each sidecar, which brings it the events of the log, in order and in batches.
//!
//! A courier reads the log by itself, at the pace of its sidecar: what waits for a slow one waits in the log, and keeps no
//! other one waiting.

use std::sync::Arc;
use std::time::Duration;

use cluster::Delivery;
use tokio::sync::watch;

use crate::capture::Progress;
use crate::coordinator::Coordinator;
use crate::log::{EventLog, Limit};
use crate::peers::{PeerError, Peers};
use crate::pool::{Epoch, SspId};

/// What is brought at once.
const LOAD: Limit = Limit { records: 2_000, bytes: 4 << 20 };
/// Where there is nothing to bring, the sidecar learns this often that there is nothing.
const NEWS: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Brings events to one sidecar, for one registration of it.
pub(crate) struct Courier {
    pub(crate) ssp: SspId,
    pub(crate) epoch: Epoch,
    pub(crate) url: Arc<str>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) peers: Peers,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) coordinator: Coordinator,
}

impl Courier {
    /// Brings what follows event `position`, until it is aborted because the registration is over, or the sidecar refuses
    /// what comes next.
    pub(crate) async fn run(mut self, mut position: u64) {
        let mut pause = FIRST_PAUSE;
        let mut is_first = true;
        loop {
            if !is_first {
                let news = self.progress.wait_for(|progress| progress.head > position);
                if let Ok(Err(_)) = tokio::time::timeout(NEWS, news).await {
                    // Nobody captures any more: the service is stopping.
                    return;
                }
            }
            match self.bring(position).await {
                Ok(reached) => {
                    position = reached;
                    is_first = false;
                    pause = FIRST_PAUSE;
                    self.coordinator.acknowledged(&self.ssp, self.epoch, position);
                }
                Err(Undelivered::Later(reason)) => {
                    tracing::debug!(ssp = %self.ssp, reason, "events could not be delivered, trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(Undelivered::Never(reason)) => {
                    tracing::error!(ssp = %self.ssp, reason, "events can't be delivered, the sidecar has to start over");
                    self.coordinator.mismatch(&self.ssp, self.epoch);
                    return;
                }
            }
        }
    }

    /// Brings one batch, and answers the last event that the sidecar has then.
    async fn bring(&self, position: u64) -> Result<u64, Undelivered> {
        let records = match self.log.read(position + 1, LOAD).await {
            Ok(records) => records,
            Err(error @ (crate::log::Error::Truncated { .. } | crate::log::Error::Damaged { .. })) => {
                return Err(Undelivered::Never(error.to_string()));
            }
            Err(error) => return Err(Undelivered::Later(error.to_string())),
        };
        let head = self.progress.borrow().head;
        let events = records.into_iter().map(|record| (record.sequence, record.payload)).collect();
        let delivery = Delivery { epoch: self.epoch.0, head, events };
        match self.peers.deliver(&self.url, &delivery).await {
            Ok(reached) if reached >= position => Ok(reached),
            Ok(reached) => Err(Undelivered::Never(format!("it has event {reached} only, and had {position}"))),
            // It is about to join, or has joined anew: then this courier is called back.
            Err(PeerError::Refused { body, .. }) => Err(Undelivered::Later(body.message)),
            Err(error) => Err(Undelivered::Later(error.to_string())),
        }
    }
}

enum Undelivered {
    Later(String),
    Never(String),
}
