//! What a scheduler finds again after its host has crashed: its log, and its replica.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use bytes::Bytes;
use database::{Connector, Database, Session, Settings};
use protocol::Names;
use scheduler::Storage;
use scheduler::log::{Error, EventLog, Limit, Record};
use scheduler::replica::{Error as ReplicaError, Home, Host};
use surrealdb::types::Variables;
use uuid::Uuid;

use crate::store::{Outcome, Store};

/// A disk, which outlives whoever writes to it.
#[derive(Clone)]
pub struct Disk {
    log: Log,
    replica: Replica,
    name: Uuid,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Disk {
    /// An empty disk. The replica is in this store.
    pub fn new(replica: Store) -> Disk {
        let replica = Replica { store: Arc::new(Mutex::new(replica)) };
        Disk { log: Log::default(), replica, name: Uuid::from_u128(1) }
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The replica's rows.
    pub fn replica(&self) -> Store {
        self.replica.store()
    }
}

#[async_trait]
impl Storage for Disk {
    async fn open_log(&self) -> Result<(Arc<dyn EventLog>, Uuid), Error> {
        Ok((Arc::new(self.log.clone()), self.name))
    }

    fn wipe_log(&self) -> Result<(), Error> {
        panic!("nothing that happens here makes the replica unfit for the log");
    }

    fn home(&self) -> Arc<dyn Home> {
        Arc::new(self.replica.clone())
    }
}

/// A log that is as durable as its contract asks, and no more: what was not acknowledged may be there or not.
#[derive(Clone, Debug, Default)]
pub struct Log {
    kept: Arc<Mutex<Kept>>,
    is_full: Arc<AtomicBool>,
    /// One of so many events is lost; none if it is 0.
    loses_one_of: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Kept {
    /// All that was ever appended.
    records: Vec<Bytes>,
    /// How many of them were removed.
    removed: usize,
}

impl Kept {
    fn first(&self) -> u64 {
        self.removed as u64 + 1
    }

    fn next(&self) -> u64 {
        self.records.len() as u64 + 1
    }
}

impl Log {
    /// All events that were ever appended, those that were removed among them.
    pub fn history(&self) -> Vec<Bytes> {
        self.kept().records.clone()
    }

    /// How many events were removed.
    pub fn removed(&self) -> usize {
        self.kept().removed
    }

    /// Whether there is no room.
    pub fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// From now on one of so many events is read as the one after it, which no log may do.
    pub fn lose(&self, one_of: u64) {
        self.loses_one_of.store(one_of, Ordering::Relaxed);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventLog for Log {
    async fn append(&self, payloads: Vec<Bytes>) -> Result<u64, Error> {
        pass().await;
        if self.is_full.load(Ordering::Relaxed) {
            let source = Arc::new(io::Error::from(io::ErrorKind::StorageFull));
            return Err(Error::Full { action: "append to", path: PathBuf::from("log"), source });
        }
        let first = {
            let mut kept = self.kept();
            let first = kept.next();
            kept.records.extend(payloads);
            first
        };
        // Whoever crashes now has not been told.
        pass().await;
        Ok(first)
    }

    async fn read(&self, from: u64, limit: Limit) -> Result<Vec<Record>, Error> {
        pass().await;
        let kept = self.kept();
        let (first, next) = (kept.first(), kept.next());
        if from < first {
            return Err(Error::Truncated { asked: from, first });
        }
        if from > next {
            return Err(Error::Beyond { asked: from, next });
        }
        let loses_one_of = self.loses_one_of.load(Ordering::Relaxed);
        let mut records = Vec::new();
        let mut bytes = 0;
        for sequence in from..next {
            let is_lost = loses_one_of > 0 && sequence.is_multiple_of(loses_one_of);
            let index = if is_lost { sequence } else { sequence - 1 };
            let Some(payload) = kept.records.get(index as usize) else { break };
            if !records.is_empty() && (records.len() >= limit.records || bytes + payload.len() > limit.bytes) {
                break;
            }
            bytes += payload.len();
            records.push(Record { sequence, payload: payload.clone() });
        }
        Ok(records)
    }

    async fn range(&self) -> Result<Range<u64>, Error> {
        let kept = self.kept();
        Ok(kept.first()..kept.next())
    }

    async fn truncate_before(&self, sequence: u64) -> Result<(), Error> {
        let mut kept = self.kept();
        let next = kept.next();
        if sequence > next {
            return Err(Error::Beyond { asked: sequence, next });
        }
        kept.removed = kept.removed.max(sequence as usize - 1);
        Ok(())
    }
}

/// A disk takes its time.
async fn pass() {
    tokio::time::sleep(Duration::from_micros(rand::random_range(100..2_000))).await;
}

/// The rows of a replica, on the machine of its scheduler.
#[derive(Clone, Debug)]
struct Replica {
    store: Arc<Mutex<Store>>,
}

impl Replica {
    fn store(&self) -> Store {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Home for Replica {
    async fn open(&self) -> Result<Box<dyn Host>, ReplicaError> {
        Ok(Box::new(self.clone()))
    }

    fn wipe(&self) -> Result<(), ReplicaError> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).wipe();
        Ok(())
    }
}

#[async_trait]
impl Host for Replica {
    async fn connect(&self, names: Names) -> Result<Database, ReplicaError> {
        Ok(Database::connect_by(local(self.store()), place(), names).await?)
    }

    fn id(&self) -> Option<u32> {
        None
    }

    async fn stop(self: Box<Self>) -> Result<(), ReplicaError> {
        Ok(())
    }
}

/// Opens sessions without a network between.
pub fn local(store: Store) -> Arc<dyn Connector> {
    Arc::new(Local(store))
}

#[derive(Clone, Debug)]
struct Local(Store);

#[async_trait]
impl Connector for Local {
    async fn open(&self, _: &Settings) -> database::Result<Arc<dyn Session>> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Session for Local {
    async fn query(&self, text: std::borrow::Cow<'static, str>, variables: Variables) -> Outcome {
        pass().await;
        let outcome = self.0.query(text, variables);
        // Whoever crashes now has not been told.
        pass().await;
        outcome
    }

    async fn version(&self) -> Result<String, surrealdb::Error> {
        Ok("3.3.5".to_owned())
    }
}

/// Settings that say where a database is. Here nobody asks.
pub fn place() -> Settings {
    let endpoint = format!("ws://database:{}", crate::sessions::PORT).parse().expect("an address");
    let mut settings = Settings::new(endpoint, "simulation", "app", "root", "root");
    settings.request_timeout = Duration::from_secs(10);
    settings
}
