//! The snapshot replica: the rows of all captured tables as of one event, for sidecars that load.
//!
//! ```text
//!   log ──▶ updater ──▶ database::Replica ──▶ server (a process, RocksDB)
//!              ▲                                  ▲
//!            gate ◀── freeze                      └── proxy: whoever reads
//! ```
//!
//! The updater is the only one that writes. What it writes says in the same transaction how far it has come, so that
//! neither the server's end nor ours takes an event in twice or leaves one out. Whoever loads freezes the replica: it
//! stands still as long as anybody does, and the log grows meanwhile.

mod error;
mod gate;
mod home;
mod server;
mod updater;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cluster::Known;
use database::Database;
use protocol::{Names, TableContent};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::log::EventLog;
pub use error::Error;
use gate::{Gate, Holding};
pub use home::{Home, Host};
pub use server::Place;
use updater::Updater;

/// What it takes to keep a replica.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its rows are.
    pub home: Arc<dyn Home>,
    /// How often the log is looked at.
    pub update_interval: Duration,
    /// The names of the system tables, which the replica has in common with the database.
    pub names: Names,
    /// Which log it is, of all that there were. Those of another one mean other events by the same numbers.
    pub log: Uuid,
}

/// The replica of a log's events.
#[derive(Debug)]
pub struct Replica {
    gate: Gate,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    position: watch::Receiver<u64>,
    bell: Arc<Notify>,
    proxy: Database,
    failure: Arc<Mutex<Option<Error>>>,
    ended: watch::Receiver<bool>,
    updater: Task,
    server: Box<dyn Host>,
}

/// A task that ends with whoever owns it.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Task {
    async fn end(mut self) {
        self.0.abort();
        // That it was aborted is no news.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the replica holds at a moment.
#[derive(Debug)]
struct Snapshot {
    position: u64,
    known: Known,
    contents: BTreeMap<String, TableContent>,
}

impl Snapshot {
    fn of(replica: &database::Replica) -> Snapshot {
        Snapshot { position: replica.position(), known: replica.known().clone(), contents: replica.contents() }
    }
}

/// The replica does not change as long as this or a clone of it is there.
#[derive(Clone, Debug)]
pub struct Frozen {
    snapshot: Arc<Snapshot>,
    _holding: Arc<Holding>,
}

impl Frozen {
    /// The number of the last event that the replica has taken in.
    pub fn position(&self) -> u64 {
        self.snapshot.position
    }

    /// What follows from the events up to that one, but for the records of recent transactions.
    pub fn known(&self) -> &Known {
        &self.snapshot.known
    }

    /// The number of rows of each table, and the sum of their hashes.
    pub fn contents(&self) -> &BTreeMap<String, TableContent> {
        &self.snapshot.contents
    }
}

impl Replica {
    /// Starts the server and goes on with the events behind the last one that the replica has taken in. A replica of another
    /// log, or one that is ahead of its log or too far behind it, is removed, and begins anew with event 1.
    ///
    /// # Errors
    /// [`Error::Behind`] if the log does not have the events any more that it would take; [`Error::Server`] if there is no
    /// server, [`Error::Directory`] if the directory can't be used.
    pub async fn start(settings: Settings, log: Arc<dyn EventLog>) -> Result<Replica, Error> {
        let (mut server, mut replica) = open(&settings).await?;
        let range = log.range().await?;
        if !fits(&replica, settings.log, &range) {
            let (position, of_log) = (replica.position(), replica.log());
            if range.start > 1 {
                let needed = if of_log == settings.log { position.wrapping_add(1) } else { 1 };
                drop(replica);
                server.stop().await?;
                return Err(Error::Behind { needed, first: range.start });
            }
            tracing::warn!(position, %of_log, log = %settings.log, ?range, "the replica does not fit the log, and begins anew");
            drop(replica);
            server.stop().await?;
            settings.home.wipe()?;
            (server, replica) = open(&settings).await?;
        }
        let proxy = replica.reader().await?;
        let gate = Gate::new();
        // A part of an event is nothing to look at.
        let held = if replica.is_partial() { Some(gate.change().await) } else { None };
        let (snapshots, snapshot) = watch::channel(Arc::new(Snapshot::of(&replica)));
        let (positions, position) = watch::channel(replica.position());
        let bell = Arc::new(Notify::new());
        let updater =
            Updater { replica, log, gate: gate.clone(), snapshot: snapshots, position: positions, bell: bell.clone() };
        let failure = Arc::new(Mutex::new(None));
        let failed = failure.clone();
        let (ending, ended) = watch::channel(false);
        let every = settings.update_interval;
        let updater = tokio::spawn(async move {
            let error = updater.run(every, held).await;
            tracing::error!(%error, "the replica can't go on");
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            ending.send_replace(true);
        });
        Ok(Replica { gate, snapshot, position, bell, proxy, failure, ended, updater: Task(updater), server })
    }

    /// Asks for what the log has at once, and does not wait for it: [`Replica::position`] tells.
    pub fn update_now(&self) {
        self.bell.notify_one();
    }

    /// The number of the last event that the replica has taken in.
    pub fn position(&self) -> watch::Receiver<u64> {
        self.position.clone()
    }

    /// Lets the replica stand still. Waits for an update that is under way, some thousand records, and as long as the server
    /// is gone in the middle of one. Whoever freezes it while it is frozen gets the same state; as long as anybody does, it
    /// falls behind.
    ///
    /// # Errors
    /// Those that waiting does not help against: [`Replica::failed`].
    pub async fn freeze(&self) -> Result<Frozen, Error> {
        let mut ended = self.ended.clone();
        let holding = tokio::select! {
            // Looked at first: it may have ended in the middle of an event.
            biased;
            _ = ended.wait_for(|has_ended| *has_ended) => return Err(self.failure()),
            holding = self.gate.hold() => holding,
        };
        // Changed only by those who have the gate.
        let snapshot = self.snapshot.borrow().clone();
        Ok(Frozen { snapshot, _holding: Arc::new(holding) })
    }

    /// A connection for whoever reads: the database refuses it everything else.
    pub fn proxy(&self) -> &Database {
        &self.proxy
    }

    /// Waits until the replica can't go on: the log lacks events, or has some that are none.
    pub async fn failed(&self) -> Error {
        let mut ended = self.ended.clone();
        // Without a sender the task is gone, and has said why if it could.
        let _ = ended.wait_for(|has_ended| *has_ended).await;
        self.failure()
    }

    fn failure(&self) -> Error {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone().unwrap_or(Error::Stopped)
    }

    /// The process id of the server, if it runs.
    pub fn server_id(&self) -> Option<u32> {
        self.server.id()
    }

    /// Ends the server in good order. What is being taken in is taken in again next time.
    ///
    /// # Errors
    /// [`Error::Server`] if it ended badly.
    pub async fn stop(self) -> Result<(), Error> {
        // With the connections, for which the server would wait.
        self.updater.end().await;
        drop(self.proxy);
        self.server.stop().await
    }
}

async fn open(settings: &Settings) -> Result<(Box<dyn Host>, database::Replica), Error> {
    let server = settings.home.open().await?;
    let database = server.connect(settings.names.clone()).await?;
    let replica = database::Replica::open(database, settings.log).await?;
    Ok((server, replica))
}

/// Whether the replica can go on with the events of a log, whose end is the number of the next one.
fn fits(replica: &database::Replica, log: Uuid, range: &Range<u64>) -> bool {
    let next = replica.position().wrapping_add(1);
    replica.log() == log && (range.start..=range.end).contains(&next)
}
