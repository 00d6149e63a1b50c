//! The life of a member: it joins, loads, follows, and joins again when it has to.

use std::sync::Arc;
use std::time::Duration;

use database::{Database, Fence};
use protocol::{CatchUp, Heartbeat, Position, SspRegistered, SspRegistration};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};

use super::address::Address;
use super::client::{self, Client};
use super::inbox::{Arrived, Inbox};
use super::intake::{Intake, IntakeError};
use super::load::{LoadError, load};
use super::ticket::Missing;
use super::usage::Usage;
use super::{Settings, views};
use serving::{Caller, Status};

use crate::adoption::Tables;
use crate::bootstrap::Loader;
use crate::command::{Command, EngineSender};
use crate::errand::Errand;
use crate::error::Error;
use crate::metrics::Metrics;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How long a heartbeat may take at least. It may take as long as until the next one is due.
const SHORTEST_LIMIT: Duration = Duration::from_secs(1);
/// How often it is looked at what users may see.
const LOOK: Duration = Duration::from_secs(5);

/// Whatever a member needs from the service that it is part of.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) id: String,
    pub(crate) address: Address,
    pub(crate) caller: Caller,
    pub(crate) page_size: usize,
    pub(crate) database: Database,
    pub(crate) engine: EngineSender,
    pub(crate) tables: Tables,
    pub(crate) loader: Loader,
    pub(crate) errands: mpsc::Receiver<Errand>,
    /// The last epoch under which nothing could be written any more.
    pub(crate) ended_epoch: watch::Receiver<u64>,
    pub(crate) inbox: Inbox,
    pub(crate) status: Status,
    pub(crate) metrics: Metrics,
}

/// A member of a cluster. [`Member::run`] is its task.
pub(crate) struct Member {
    parts: Parts,
    client: Client,
    /// The events that are taken in, and where that has come to; nothing while no snapshot is loaded.
    held: Option<Held>,
    /// How far the engine has come, for whoever waits for it.
    reached: watch::Sender<u64>,
    looks: Interval,
    /// Those who ask the scheduler for something.
    asking: JoinSet<()>,
}

struct Held {
    position: Position,
    intake: Intake,
}

/// Why a registration is over.
enum Over {
    /// Joining again is enough.
    Unknown,
    /// What is held is not to be relied on.
    StartOver,
}

/// Why following has ended.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Scheduler(#[from] client::Error),
    #[error("nothing leads to the scheduler: {0}")]
    Address(#[source] std::io::Error),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Service(#[from] Error),
}

impl Member {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { caller, settings, database, .. } = &parts;
        let client = Client::new(caller.clone(), settings.scheduler.to_string(), database.names().clone());
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Member { parts, client, held: None, reached: watch::Sender::new(0), looks, asking: JoinSet::new() }
    }

    /// Is a member until the engine is gone. Where the scheduler or the database can't be reached, this waits.
    ///
    /// # Errors
    /// If something fails in a way that waiting does not mend.
    pub(crate) async fn run(mut self) -> Result<(), Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.be_member().await {
                Ok(Over::Unknown) => pause = FIRST_PAUSE,
                Ok(Over::StartOver) => {
                    self.held = None;
                    pause = FIRST_PAUSE;
                }
                Err(Failure::Service(Error::Database(error))) if error.is_retryable() => {
                    tracing::warn!(%error, "the database can't be asked, trying again");
                }
                Err(Failure::Service(error) | Failure::Load(LoadError::Stopped(error))) => return Err(error),
                Err(error @ Failure::Load(LoadError::Mismatch(_))) => {
                    tracing::error!(%error, "loading the snapshot again");
                    self.held = None;
                }
                Err(error) => tracing::warn!(%error, "this sidecar is no member of the cluster now, trying again"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Joins, and follows until that is over.
    async fn be_member(&mut self) -> Result<Over, Failure> {
        let position = self.held.as_ref().map(|held| held.position.clone());
        let Parts { id, address, settings, .. } = &self.parts;
        let url = address.url(&settings.scheduler).await.map_err(Failure::Address)?;
        let registration = SspRegistration { ssp_id: id.clone(), url, position };
        let registered = self.client.register(&registration).await?;
        tracing::info!(
            epoch = registered.epoch,
            sequence = registered.snapshot_seq,
            goes_on = registered.goes_on,
            views = registered.views.len(),
            "joined the cluster"
        );
        let missing = self.take_epoch(&registered).await?;
        let is_loaded = Arc::new(Notify::new());
        let (over, mut is_over) = oneshot::channel();
        let mut helpers = JoinSet::new();
        helpers.spawn(self.heartbeats(registered.epoch, missing, is_loaded.clone(), over));
        if !registered.goes_on {
            self.held = None;
            self.parts.status.set_bootstrapping();
            tokio::select! {
                loaded = self.load(registered.clone()) => loaded?,
                // Nobody waits for what is being loaded any more.
                over = &mut is_over => return Ok(over.unwrap_or(Over::Unknown)),
            }
        }
        let mut arrived = self.parts.inbox.open(registered.epoch, registered.snapshot_seq).await;
        is_loaded.notify_one();
        let over = self.follow(registered.epoch, &mut arrived, &mut is_over).await;
        // A delivery that waits for room would keep the inbox from being closed.
        drop(arrived);
        self.parts.inbox.close().await;
        over
    }

    /// From now on results are written under the epoch of this registration, and of the views only that it names. Answers those
    /// that it names and that are not there.
    async fn take_epoch(&mut self, registered: &SspRegistered) -> Result<Missing, Failure> {
        let Parts { database, engine, id, .. } = &self.parts;
        // The former epoch is over; until the views of others are forgotten, nothing may be written under the new one.
        database.set_fence(Some(Fence::closed(id.clone())));
        let keep = registered.views.iter().cloned().collect();
        let missing = views::join(engine, registered.epoch, keep).await?;
        database.set_fence(Some(Fence { member: id.clone(), epoch: registered.epoch }));
        Ok(missing)
    }

    async fn load(&mut self, registered: SspRegistered) -> Result<(), Failure> {
        self.parts.loader.learn().await?;
        let SspRegistered { log, snapshot_seq: sequence, table_hashes, .. } = registered;
        let Parts { engine, tables, page_size, .. } = &self.parts;
        load(self.client.clone(), engine.clone(), tables.clone(), table_hashes, *page_size).await?;
        let position = Position { log, sequence };
        self.reached.send_replace(position.sequence);
        self.held = Some(Held { position, intake: Intake::new(engine.clone(), tables.clone()) });
        Ok(())
    }

    /// Takes in what arrives, until this registration is over.
    async fn follow(
        &mut self,
        epoch: u64,
        arrived: &mut mpsc::Receiver<Arrived>,
        is_over: &mut oneshot::Receiver<Over>,
    ) -> Result<Over, Failure> {
        loop {
            tokio::select! {
                biased;
                over = &mut *is_over => return Ok(over.unwrap_or(Over::Unknown)),
                // Whoever raised it need not be the scheduler that takes our signs of life.
                () = ended(&mut self.parts.ended_epoch, epoch) => return Ok(Over::Unknown),
                Some(errand) = self.parts.errands.recv() => self.run_errand(errand),
                _ = self.looks.tick() => self.look().await?,
                Some(arrived) = arrived.recv() => self.take_in(arrived).await?,
            }
        }
    }

    async fn take_in(&mut self, Arrived { events, head }: Arrived) -> Result<(), Failure> {
        let Some(held) = &mut self.held else { return Ok(()) };
        let taken = held.intake.take_in(&events).await;
        match taken {
            Ok(()) => {}
            Err(IntakeError::Stopped(error)) => return Err(error.into()),
            Err(IntakeError::Event(error)) => {
                // The log has checksums: the scheduler must be of another version.
                return Err(Error::Stopped(format!("an event of the scheduler can't be understood: {error}")).into());
            }
        }
        self.parts.metrics.captured("scheduler", events.len(), None);
        if let Some((last, _)) = events.last() {
            held.position.sequence = *last;
        }
        if !held.intake.is_whole() {
            self.parts.status.set_bootstrapping();
        } else if held.position.sequence >= head {
            self.parts.status.set_ready();
        }
        self.reached.send_replace(held.position.sequence);
        Ok(())
    }

    /// Takes over what users may see by now.
    async fn look(&self) -> Result<(), Failure> {
        match self.parts.loader.learn().await {
            Err(Error::Database(error)) if error.is_retryable() => {
                tracing::debug!(%error, "the database can't be asked what users may see");
                Ok(())
            }
            outcome => Ok(outcome.map(drop)?),
        }
    }

    /// What others do by themselves, the scheduler does for all members; who asked is told when that has arrived here.
    fn run_errand(&mut self, errand: Errand) {
        let (wanted, done) = match errand {
            Errand::Adopt { table, done } => (CatchUp { adopt: vec![table], ..CatchUp::default() }, done),
            Errand::CatchUp(done) => (CatchUp::default(), done),
            Errand::Reread { tables, done } => (CatchUp { reread: tables, ..CatchUp::default() }, done),
            // Refused where it is asked for: dropping it says that it was not done.
            Errand::Reset(_) => return,
        };
        while self.asking.try_join_next().is_some() {}
        let (client, mut reached) = (self.client.clone(), self.reached.subscribe());
        self.asking.spawn(async move {
            match client.catch_up(&wanted).await {
                Ok(sequence) => {
                    if reached.wait_for(|reached| *reached >= sequence).await.is_ok() {
                        let _ = done.send(());
                    }
                }
                Err(error) => tracing::warn!(%error, "the scheduler could not do what was asked"),
            }
        });
    }

    /// Gives signs of life until the scheduler does not take them any more, which is told.
    fn heartbeats(
        &self,
        epoch: u64,
        mut missing: Missing,
        is_loaded: Arc<Notify>,
        over: oneshot::Sender<Over>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (client, engine) = (self.client.clone(), self.parts.engine.clone());
        let (ssp_id, interval) = (self.parts.id.clone(), self.parts.settings.heartbeat);
        let mut loaded = false;
        async move {
            let mut usage = Usage::new();
            let mut ticks = tokio::time::interval(interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = is_loaded.notified() => loaded = true,
                }
                let (reply, description) = oneshot::channel();
                let views = match engine.send(Command::Describe(reply)).await {
                    Ok(()) => description.await.map_or(0, |description| description.views as u64),
                    // The service is stopping.
                    Err(_) => return,
                };
                let (cpu, memory) = usage.look();
                let ssp_id = ssp_id.clone();
                let missing_now = missing.clone();
                let heartbeat =
                    Heartbeat { ssp_id, epoch, views, cpu, memory, is_loaded: loaded, missing: missing_now };
                // One that hangs must not keep the next ones back for so long that this sidecar counts as lost.
                match client.heartbeat(&heartbeat, interval.max(SHORTEST_LIMIT)).await {
                    Ok(()) => missing.clear(),
                    Err(client::Error::NotRegistered) => {
                        let _ = over.send(Over::Unknown);
                        return;
                    }
                    Err(client::Error::StartOver) => {
                        let _ = over.send(Over::StartOver);
                        return;
                    }
                    Err(error) => tracing::warn!(%error, "a heartbeat was lost"),
                }
            }
        }
    }
}

/// Resolves when nothing can be written under an epoch any more.
async fn ended(ended: &mut watch::Receiver<u64>, epoch: u64) {
    if ended.wait_for(|ended| *ended >= epoch).await.is_err() {
        // The writer is gone: the service is stopping.
        std::future::pending().await
    }
}
