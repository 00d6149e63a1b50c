//! Applications that write at a steady rate, as far as the database can keep up.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use surrealdb::Surreal;
use surrealdb::engine::remote::ws::Client;
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::data::{self, Sizes};
use crate::machine::DATABASE;
use crate::support::{Random, client};

pub struct Traffic {
    shared: Arc<Shared>,
    rate: u64,
    started: Instant,
    /// Since when it pauses.
    paused: Option<Instant>,
    /// How long it has paused before.
    pauses: Duration,
    /// They end with this.
    _writers: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    is_paused: AtomicBool,
    /// Held by each writer while it writes.
    writing: RwLock<()>,
    written: AtomicU64,
    /// Statements that the database refused: aborted on purpose, or lost in a conflict.
    refused: AtomicU64,
    failed: AtomicU64,
}

impl Traffic {
    /// Writes so many times a second, from several connections.
    pub async fn start(address: SocketAddr, writers: u64, rate: u64, sizes: &Sizes, seed: u64) -> Traffic {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        let period = Duration::from_secs_f64(writers as f64 / rate.max(1) as f64);
        for writer in 0..writers {
            let client = client(address, DATABASE).await;
            let random = Random(seed ^ (writer + 1).wrapping_mul(0x5bd1_e995));
            let offset = period.mul_f64(writer as f64 / writers as f64);
            tasks.spawn(write(shared.clone(), client, sizes.clone(), random, period, offset));
        }
        Traffic { shared, rate, started: Instant::now(), paused: None, pauses: Duration::ZERO, _writers: tasks }
    }

    /// Returns when nothing is being written any more.
    pub async fn pause(&mut self) {
        self.paused = Some(Instant::now());
        self.shared.is_paused.store(true, Ordering::SeqCst);
        drop(self.shared.writing.write().await);
    }

    pub fn go_on(&mut self) {
        self.pauses += self.paused.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.shared.is_paused.store(false, Ordering::SeqCst);
    }

    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::SeqCst)
    }

    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::SeqCst)
    }
}

async fn write(
    shared: Arc<Shared>,
    client: Surreal<Client>,
    sizes: Sizes,
    mut random: Random,
    period: Duration,
    offset: Duration,
) {
    let mut ticks = interval_at(Instant::now() + offset, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let _writing = shared.writing.read().await;
        if shared.is_paused.load(Ordering::SeqCst) {
            continue;
        }
        let outcome = match client.query(data::write(&sizes, &mut random)).await {
            Ok(answer) => {
                if answer.check().is_ok() {
                    &shared.written
                } else {
                    &shared.refused
                }
            }
            Err(_) => &shared.failed,
        };
        outcome.fetch_add(1, Ordering::SeqCst);
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { written, refused, failed, .. } = &*self.shared;
        let [written, refused, failed] = [written, refused, failed].map(|count| count.load(Ordering::SeqCst));
        let end = self.paused.unwrap_or_else(Instant::now);
        let active = end.duration_since(self.started).saturating_sub(self.pauses);
        let reached = (written + refused) as f64 / active.as_secs_f64();
        let rate = self.rate;
        write!(f, "{written} writes and {refused} aborted or in conflict ({reached:.1}/s of {rate}/s), {failed} failed")
    }
}
