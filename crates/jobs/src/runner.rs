//! A running runner: its lanes, from start to graceful stop.

use std::time::Duration;

use axum::Router;
use database::Database;
use telemetry::Meter;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::backend::{Backend, Mode};
use crate::call::Caller;
use crate::dispatcher::{Dispatcher, Request};
use crate::error::Error;
use crate::executor::Executor;
use crate::health::Healths;
use crate::janitor;
use crate::lane::Lane;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::schedule;
use crate::spi::{self, Guard};

/// What a runner is told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The backends, each with its table.
    pub backends: Vec<Backend>,
    /// The address of the SPI as executors see it, without a slash at the end: `http://10.0.0.5:3061/spi`.
    pub callback_base: Option<String>,
    /// For how long a runner counts as alive that does not say so any more. Its jobs are taken over then.
    pub lease: Duration,
    /// How long attempts may go on when the runner stops.
    pub drain: Duration,
}

impl Settings {
    /// Settings with a lease of 15 seconds, and 10 seconds to stop.
    pub fn new(backends: Vec<Backend>) -> Self {
        Settings { backends, callback_base: None, lease: Duration::from_secs(15), drain: Duration::from_secs(10) }
    }
}

/// Runs the jobs of all tables.
#[derive(Debug)]
pub struct Runner {
    name: String,
    database: Database,
    lease: Duration,
    interval: Duration,
    lanes: Vec<LaneSeed>,
    stopping: watch::Sender<bool>,
    healths: Healths,
    dispatcher: Dispatcher,
    drain: Duration,
}

/// A lane that is not at work yet.
#[derive(Debug)]
struct LaneSeed(Executor, mpsc::Receiver<Request>);

impl Runner {
    /// A runner that does nothing until [`Runner::run`].
    ///
    /// # Errors
    /// If an HTTP client can't be set up.
    pub fn new(settings: Settings, database: Database, meter: &Meter) -> Result<Self, Error> {
        let healths = Healths::default();
        let metrics = Metrics::new(meter, &healths);
        let mut lanes = Vec::with_capacity(settings.backends.len());
        let (dispatcher, requests) = Dispatcher::new(settings.backends.iter().map(|backend| &*backend.table));
        for (backend, requests) in settings.backends.into_iter().zip(requests) {
            let callback = settings.callback_base.as_ref().map(|base| callback_url(base, &backend.table));
            let caller = Caller::new(&backend, callback)
                .map_err(|source| Error::Client { backend: backend.name.clone(), source })?;
            let health = healths.add(&backend.name, &backend.table);
            let ledger = Ledger::new(database.clone(), backend, metrics.clone());
            lanes.push(LaneSeed(Executor { ledger, caller, health }, requests));
        }
        Ok(Runner {
            // Each start is a runner of its own: what the one before had under way is lost, and is found.
            name: Uuid::new_v4().to_string(),
            database,
            lease: settings.lease,
            // Two may fail before the lease ends.
            interval: settings.lease / 3,
            lanes,
            stopping: watch::Sender::new(false),
            healths,
            dispatcher,
            drain: settings.drain,
        })
    }

    /// How the backends are doing.
    pub fn healths(&self) -> Healths {
        self.healths.clone()
    }

    /// What has single jobs run now.
    pub fn dispatcher(&self) -> Dispatcher {
        self.dispatcher.clone()
    }

    /// The interface that executors call back. Whoever serves it puts the peer's address into each request, as axum's
    /// `ConnectInfo`.
    pub fn spi(&self, guard: Guard) -> Router {
        let ledgers = self.lanes.iter().map(|LaneSeed(executor, _)| &executor.ledger);
        spi::router(guard, ledgers.filter(|ledger| ledger.backend.mode == Mode::Callback).cloned().collect())
    }

    /// What ends [`Runner::run`] in good order: nothing is claimed any more, and what is under way has some time to
    /// end.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stopping.clone())
    }

    /// Works until it is stopped.
    pub async fn run(self) {
        let Runner { name, database, lease, interval, lanes, stopping, drain, .. } = self;
        let mut stopped = stopping.subscribe();
        tokio::select! {
            () = janitor::begin(&database, &name, lease) => {}
            _ = stopped.wait_for(|is_stopping| *is_stopping) => return,
        }
        let mut tasks = JoinSet::new();
        // What never ends by itself: in a set, it ends with this future, also if that is dropped.
        let mut beside = JoinSet::new();
        for LaneSeed(executor, requests) in lanes {
            let backend = &executor.ledger.backend;
            for schedule in &backend.schedules {
                beside.spawn(schedule::run(database.clone(), backend.table.clone(), schedule.clone()));
            }
            let stopping = stopping.subscribe();
            let lane = Lane { executor, runner: name.clone(), interval, drain, requests, stopping };
            tasks.spawn(lane.run());
        }
        beside.spawn(janitor::keep_alive(database.clone(), name.clone(), lease, interval));
        while !tasks.is_empty() {
            let ended = tokio::select! {
                Some(ended) = tasks.join_next() => ended,
                Some(ended) = beside.join_next() => ended,
            };
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
        beside.shutdown().await;
        // What could not be finished is free for others at once.
        match tokio::time::timeout(interval, database.remove_runner(&name)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => tracing::debug!("this runner can't say that it is gone, its lease will tell"),
        }
    }
}

/// Stops a runner.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Tells the runner to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Where the executors of a table call back.
fn callback_url(base: &str, table: &str) -> String {
    format!("{base}/{table}/executor_callback")
}
