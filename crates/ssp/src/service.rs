//! A running SSP: its tasks, from start to graceful stop.

use std::net::SocketAddr;
use std::sync::Arc;

use database::{Database, Fence};
use serving::{Caller, Carrier, HttpClient, Listener, Status, Supervised};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::adoption::Tables;
use crate::bootstrap::Loader;
use crate::catalog::Permissions;
use crate::census::Census;
use crate::cluster::{self, Address, Inbox, Member, Moves};
use crate::command::{Command, EngineSender, WriterSender};
use crate::engine::Engine;
use crate::error::Error;
use crate::events::Events;
use crate::follower::Follower;
use crate::http;
use crate::job_runner::{JobRunner, JobSettings};
use crate::metrics::{self, Metrics};
use crate::permit::Permit;
use crate::pool::Pool;
use crate::saved;
use crate::saver::Saver;
use crate::settings::{Capture, Settings};
use crate::speculation::{self, Open};
use crate::sweep;
use crate::workplace::{Working, Workplace};
use crate::writer::{self, Writer};

/// Messages that may wait for the engine, and for the writer. Beyond that the sender waits.
const QUEUE: usize = 4_096;
/// Errands that may wait. Beyond that whoever has one waits.
const ERRANDS: usize = 64;

/// What a sidecar meets the world through. A simulation has others than a machine.
#[derive(Debug)]
pub struct Surroundings<L> {
    /// Where connections come from.
    pub listener: L,
    /// Where that listens.
    pub address: SocketAddr,
    /// The database.
    pub database: Database,
    /// Who carries requests to the scheduler.
    pub carrier: Arc<dyn Carrier>,
    /// Where the engine works.
    pub workplace: Workplace,
}

/// A running sidecar. Dropping it without [`Service::stop`] leaves its tasks to the runtime.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    status: Status,
    shutdown: Arc<Notify>,
    server: JoinHandle<()>,
    work: JoinHandle<()>,
    helpers: Vec<Supervised>,
    saver: Option<(Supervised, oneshot::Sender<()>)>,
    engine: Working,
    writer: Supervised,
    metrics: telemetry::Metrics,
    events: Events,
    orders: WriterSender,
    commands: EngineSender,
    jobs: JobRunner,
}

impl Service {
    /// Connects to the database, begins to listen, and starts to load. [`Service::ready`] tells when that is done.
    ///
    /// # Errors
    /// If the settings are not safe, the address is taken, or the database can't be reached or refuses us.
    pub async fn start(settings: Settings) -> Result<Service, Error> {
        Self::start_with_jobs(settings, None).await
    }

    /// As [`Service::start`]; runs jobs, too.
    ///
    /// # Errors
    /// As [`Service::start`], and if the runner of jobs can't be set up.
    pub async fn start_with_jobs(settings: Settings, jobs: Option<JobSettings>) -> Result<Service, Error> {
        settings.check()?;
        let (listener, address) = serving::listen(settings.listen).await?;
        let database = Database::connect(settings.database.clone(), settings.names.clone()).await?;
        let carrier = Arc::new(HttpClient::new()?);
        let surroundings = Surroundings { listener, address, database, carrier, workplace: Workplace::Thread };
        Self::start_in(surroundings, settings, jobs).await
    }

    /// As [`Service::start_with_jobs`], in surroundings that are not those of a machine.
    ///
    /// # Errors
    /// As [`Service::start_with_jobs`].
    pub async fn start_in<L: Listener>(
        surroundings: Surroundings<L>,
        settings: Settings,
        jobs: Option<JobSettings>,
    ) -> Result<Service, Error> {
        settings.check()?;
        let Surroundings { listener, address, database, carrier, workplace } = surroundings;
        if settings.cluster.is_some() {
            // Until it has joined, it has no views, and nothing to write.
            database.set_fence(Some(Fence::closed(settings.id.clone())));
        }
        let settings = Arc::new(settings);
        let status = Status::bootstrapping();

        let (orders, order_queue) = mpsc::channel(QUEUE);
        let (commands, command_queue) = mpsc::channel(QUEUE);
        let open = Open::default();
        let events = Events::default();
        let (changed, changes) = watch::channel(0);
        let read = telemetry::Metrics::new("spky-ssp", &settings.id, settings.export.as_ref())?;
        let metrics = Metrics::new(&read.meter());
        metrics.observe(&read.meter(), status.clone(), database.clone(), &commands, &orders);
        let jobs = JobRunner::start(jobs, &database, &status, &read.meter(), &metrics).await?;
        let engine =
            Engine::new(orders.clone(), Pool::new(None)?, saved::name_of(&settings.database), changed, metrics.clone());
        let engine = workplace.start(engine, command_queue, &status)?;
        let (ended, ended_epoch) = watch::channel(0);
        let writer = Writer::new(
            database.clone(),
            &settings,
            commands.clone(),
            open.clone(),
            events.clone(),
            Permit::new(database.clone(), ended),
            metrics.clone(),
        );
        let writer = Supervised::spawn(&status, "the writer", writer.run(order_queue));
        let settling = speculation::settle(database.clone(), commands.clone(), open.clone());
        let sweep = sweep::run(database.clone(), orders.clone(), settings.ttl_sweep);
        let mut helpers = vec![
            Supervised::spawn(&status, "the settling of announced changes", settling),
            Supervised::spawn(&status, "the expiry of views", sweep),
        ];
        if settings.export.is_some() {
            let asking = metrics::keep_fresh(metrics.clone(), commands.clone());
            helpers.push(Supervised::spawn(&status, "the observation of the engine", asking));
        }
        let (errands, errand_queue) = mpsc::channel(ERRANDS);
        let tables = Tables::new(errands.clone());
        let saver = settings.state_file.clone().filter(|_| settings.cluster.is_none()).map(|path| {
            let (stop, stopped) = oneshot::channel();
            let saver = Saver::new(path, commands.clone(), tables.clone(), changes);
            (Supervised::spawn(&status, "the saving of the state", saver.run(stopped)), stop)
        });
        // By push, one that stands alone can't read a table again without refusing changes meanwhile.
        if settings.capture == Capture::Feed || settings.cluster.is_some() {
            let census = Census {
                database: database.clone(),
                engine: commands.clone(),
                errands: errands.clone(),
                tables: tables.clone(),
                interval: settings.count_interval,
            };
            helpers.push(Supervised::spawn(&status, "the counting of tables", census.run()));
        }
        let permissions = Permissions::unknown();
        let loader =
            Loader::new(database.clone(), commands.clone(), settings.clone(), tables.clone(), permissions.clone());
        let inbox = Inbox::closed();
        let work = match &settings.cluster {
            None => {
                let follower = Follower::new(loader, commands.clone(), errand_queue, status.clone(), metrics.clone());
                tokio::spawn(work(follower.run(), status.clone()))
            }
            Some(cluster) => {
                let member = Member::new(cluster::Parts {
                    settings: cluster.clone(),
                    id: settings.id.clone(),
                    address: cluster.advertise.clone().map_or(Address::Of(address), Address::Said),
                    caller: Caller::new(carrier, settings.secret.as_deref()),
                    page_size: settings.page_size,
                    database: database.clone(),
                    engine: commands.clone(),
                    tables: tables.clone(),
                    loader,
                    errands: errand_queue,
                    ended_epoch,
                    inbox: inbox.clone(),
                    status: status.clone(),
                    metrics: metrics.clone(),
                });
                tokio::spawn(work(member.run(), status.clone()))
            }
        };

        let shutdown = Arc::new(Notify::new());
        let telling = http::Telling { counted: metrics.clone(), read: read.clone() };
        let router = http::router(http::Context {
            settings,
            database,
            engine: commands.clone(),
            tables,
            permissions,
            errands,
            inbox,
            moves: Moves::default(),
            open,
            events: events.clone(),
            status: status.clone(),
            telling,
            backends: jobs.healths(),
            dispatcher: jobs.dispatcher(),
        });
        let stop = shutdown.clone();
        let server = tokio::spawn(async move {
            serving::serve(
                listener,
                router,
                serving::Limits::default(),
                || metrics.traffic().connection(),
                stop.notified(),
            )
            .await;
        });
        Ok(Service {
            address,
            status,
            shutdown,
            server,
            work,
            helpers,
            saver,
            engine,
            writer,
            metrics: read,
            events,
            orders,
            commands,
            jobs,
        })
    }

    /// Where the HTTP interface listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where executors call back, if jobs have such.
    pub fn spi_address(&self) -> Option<SocketAddr> {
        self.jobs.spi_address()
    }

    /// Resolves when all tables are loaded and all views are in line with the database.
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

    /// Takes no more requests, writes what waits, and ends all tasks.
    ///
    /// # Errors
    /// If the HTTP interface failed.
    pub async fn stop(self) -> Result<(), Error> {
        self.status.stop();
        self.jobs.begin_stop();
        self.shutdown.notify_one();
        // Else whoever follows a view would keep the server waiting.
        self.events.end_all();
        let served = self.server.await.map_err(|failure| Error::Http(failure.into()));
        self.jobs.ended().await;
        self.work.abort();
        self.helpers.iter().for_each(Supervised::abort);
        let (done, noted) = oneshot::channel();
        if self.commands.send(Command::Flush(done)).await.is_ok() {
            // An engine that has panicked has nothing to say.
            let _ = noted.await;
        }
        if let Some((saver, stop)) = self.saver {
            // It may have ended already, together with the engine.
            let _ = stop.send(());
            saver.ended().await;
        }
        writer::flush(&self.orders).await;
        // The engine ends when nobody can send to it any more; the writer holds a sender, so it goes first.
        self.writer.abort();
        drop((self.orders, self.commands));
        let _ = self.work.await;
        for helper in self.helpers {
            helper.ended().await;
        }
        self.writer.ended().await;
        self.engine.ended().await;
        self.metrics.stop().await;
        served
    }
}

/// Loads everything, then follows the changes for as long as the service lives.
async fn work(following: impl Future<Output = Result<(), Error>>, status: Status) {
    if let Err(error) = following.await {
        status.fail(error.to_string());
    }
}
