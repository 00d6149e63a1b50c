//! A running scheduler: its tasks, from start to graceful stop.

use std::net::SocketAddr;
use std::sync::Arc;

use database::{Database, SchemaOptions};
use jobs::Clerk;
use serving::{Caller, Carrier, HttpClient, Listener, Status, Supervised, Traffic};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::capture::{Capture, Progress, Told};
use crate::coordinator::{Coordinator, Means};
use crate::error::Error;
use crate::http;
use crate::log::EventLog;
use crate::metrics;
use crate::peers::Peers;
use crate::pool::Pool;
use crate::replica::{self, Replica};
use crate::settings::Settings;
use crate::storage::{Directories, Storage};

/// Errands that may wait for whoever captures. Beyond that whoever has one waits.
const ERRANDS: usize = 256;

/// What a scheduler meets the world through. A simulation has others than a machine.
#[derive(Debug)]
pub struct Surroundings<L> {
    /// Where connections come from.
    pub listener: L,
    /// Where that listens.
    pub address: SocketAddr,
    /// The database.
    pub database: Database,
    /// Who carries requests to sidecars.
    pub carrier: Arc<dyn Carrier>,
    /// What is kept while it does not run.
    pub storage: Arc<dyn Storage>,
}

/// A running scheduler. Dropping it without [`Service::stop`] leaves its tasks to the runtime.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    status: Status,
    shutdown: Arc<Notify>,
    server: JoinHandle<()>,
    capture: JoinHandle<()>,
    helpers: Vec<Supervised>,
    replica: Arc<Replica>,
    metrics: telemetry::Metrics,
}

impl Service {
    /// Opens the log and the replica, connects to the database, begins to listen, and to capture. [`Service::ready`] tells
    /// when sidecars can join.
    ///
    /// # Errors
    /// If the settings are not safe, the address is taken, the log or the replica can't be used, or the database can't be
    /// reached or refuses us.
    pub async fn start(settings: Settings) -> Result<Service, Error> {
        settings.check()?;
        let (listener, address) = serving::listen(settings.listen).await?;
        let database = Database::connect(settings.database.clone(), settings.names.clone()).await?;
        let carrier = Arc::new(HttpClient::new()?);
        let Settings { log, replica, executable, .. } = settings.clone();
        let storage = Arc::new(Directories { log, replica, executable });
        Service::start_in(Surroundings { listener, address, database, carrier, storage }, settings).await
    }

    /// As [`Service::start`], in surroundings that are not those of a machine.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub async fn start_in<L: Listener>(surroundings: Surroundings<L>, settings: Settings) -> Result<Service, Error> {
        settings.check()?;
        let Surroundings { listener, address, database, carrier, storage } = surroundings;
        let status = Status::bootstrapping();
        let metrics = telemetry::Metrics::new("spky-scheduler", &settings.id, settings.export.as_ref())?;

        let (log, log_id, replica) = match open(&*storage, &settings).await {
            Err(Error::Replica(error @ replica::Error::Behind { .. })) => {
                tracing::warn!(%error, "the log and the replica don't fit: both begin anew");
                storage.wipe_log()?;
                open(&*storage, &settings).await?
            }
            opened => opened?,
        };
        let applied = {
            let frozen = replica.freeze().await?;
            (frozen.known().clone(), frozen.position())
        };

        let secret = settings.secret.clone().unwrap_or_default();
        let options =
            SchemaOptions { ref_mode: settings.ref_mode, ..SchemaOptions::new(settings.names.clone(), "", secret) };
        let (errands, errand_queue) = mpsc::channel(ERRANDS);
        let told = Told::new(settings.capture, &log);
        let (progress, reached) = watch::channel(Progress::default());
        let capture = Capture::recover(
            database.clone(),
            log.clone(),
            options,
            settings.page_size,
            applied,
            (errand_queue, told.clone()),
            progress,
        )
        .await?;
        let peers = Peers::new(Caller::new(carrier, settings.secret.as_deref()));
        let means = Means {
            database: database.clone(),
            log,
            log_id: log_id.to_string(),
            replica: replica.clone(),
            peers,
            progress: reached.clone(),
            poll_interval: settings.poll_interval,
        };
        let clerk = Clerk::new(settings.job_tables.clone(), &database, &metrics.meter());
        let coordinator = Coordinator::start(means, Pool::new(settings.pool.clone())).await?;
        let capturing = tokio::spawn(capturing(capture, status.clone()));
        let helpers = vec![
            Supervised::spawn(&status, "the pool of sidecars", coordinator.clone().run()),
            Supervised::spawn(&status, "the readiness", be_ready(reached, replica.clone(), status.clone())),
        ];

        metrics::observe(&metrics.meter(), &status, &coordinator.watched());
        if let Some(announcer) = &told.announcer {
            metrics::observe_announced(&metrics.meter(), announcer);
        }
        let traffic = Traffic::new(&metrics.meter());
        let context = http::Context {
            id: settings.id.clone(),
            coordinator,
            errands,
            told,
            status: status.clone(),
            namespace: settings.database.namespace.clone(),
            database: settings.database.database.clone(),
            ref_mode: settings.ref_mode,
            names: settings.names.clone(),
            metrics: metrics.clone(),
            traffic: traffic.clone(),
            clerk,
        };
        let router = http::router(context, settings.secret.as_deref());
        let shutdown = Arc::new(Notify::new());
        let stop = shutdown.clone();
        let server = tokio::spawn(async move {
            serving::serve(listener, router, serving::Limits::default(), || traffic.connection(), stop.notified())
                .await;
        });
        Ok(Service { address, status, shutdown, server, capture: capturing, helpers, replica, metrics })
    }

    /// Where the HTTP interface listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resolves when all tables have been read and the replica holds them: sidecars can join.
    ///
    /// # Errors
    /// If that is not possible.
    pub async fn ready(&self) -> Result<(), Error> {
        self.status.ready().await.map_err(Error::Stopped)
    }

    /// Resolves when the service can't go on, with the reason. While it can, this waits.
    pub async fn failed(&self) -> Error {
        Error::Stopped(self.status.failed().await)
    }

    /// Takes no more requests, and ends all tasks. What was acknowledged is in the log.
    ///
    /// # Errors
    /// If the HTTP interface failed, or the replica can't be stopped in good order.
    pub async fn stop(self) -> Result<(), Error> {
        self.status.stop();
        self.shutdown.notify_one();
        let served = self.server.await.map_err(|failure| Error::Http(failure.into()));
        self.capture.abort();
        let _ = self.capture.await;
        self.helpers.iter().for_each(Supervised::abort);
        for helper in self.helpers {
            helper.ended().await;
        }
        self.metrics.stop().await;
        if let Some(replica) = Arc::into_inner(self.replica) {
            replica.stop().await?;
        }
        served
    }
}

/// The log with its name, and the replica of it.
async fn open(storage: &dyn Storage, settings: &Settings) -> Result<(Arc<dyn EventLog>, Uuid, Arc<Replica>), Error> {
    let (log, log_id) = storage.open_log().await?;
    let replica = replica::Settings {
        home: storage.home(),
        update_interval: settings.update_interval,
        names: settings.names.clone(),
        log: log_id,
    };
    let replica = Replica::start(replica, log.clone()).await?;
    Ok((log, log_id, Arc::new(replica)))
}

async fn capturing(capture: Capture, status: Status) {
    if let Err(error) = capture.run().await {
        status.fail(error.to_string());
    }
}

/// Says that the service is ready while all tables are read and the replica has them, for as long as that is there.
async fn be_ready(mut progress: watch::Receiver<Progress>, replica: Arc<Replica>, status: Status) {
    loop {
        let Ok(whole) = progress.wait_for(|progress| progress.is_whole).await.map(|progress| progress.head) else {
            return;
        };
        replica.update_now();
        let mut position = replica.position();
        tokio::select! {
            reached = position.wait_for(|position| *position >= whole) => if reached.is_err() { return },
            error = replica.failed() => return status.fail(error.to_string()),
        }
        status.set_ready();
        tokio::select! {
            lost = progress.wait_for(|progress| !progress.is_whole) => if lost.is_err() { return },
            error = replica.failed() => return status.fail(error.to_string()),
        }
        status.set_bootstrapping();
    }
}
