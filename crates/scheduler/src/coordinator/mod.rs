//! The coordinator: has done what the [`Pool`] decides, and tells it what has come of that.
//!
//! The pool is behind a lock that is never held while anything is waited for. What it asks for is done by tasks of their own;
//! one that fails is asked for again.

mod joining;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use database::Database;
use futures::future::join_all;
use protocol::{SspStatus, TakenOver, ViewKey};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::capture::Progress;
use crate::courier::Courier;
use crate::error::Error;
use crate::log::EventLog;
use crate::peers::{PeerError, Peers};
use crate::pool::{Action, Epoch, Location, Outcome, Placement, Pool, SspId, State, Target, ViewCounts};
use crate::replica::{Frozen, Replica};
pub(crate) use joining::NotJoined;

/// How often the pool looks after itself.
const TICK: Duration = Duration::from_secs(1);

/// How long a sidecar may take at least to say how it is.
const SHORTEST_LIMIT: Duration = Duration::from_secs(1);

/// How often views that no sidecar could keep are tried again.
const RECONSIDER: Duration = Duration::from_secs(60);

/// What the coordinator works with.
pub(crate) struct Means {
    pub(crate) database: Database,
    pub(crate) log: Arc<dyn EventLog>,
    /// The name of the log.
    pub(crate) log_id: String,
    pub(crate) replica: Arc<Replica>,
    pub(crate) peers: Peers,
    pub(crate) progress: watch::Receiver<Progress>,
    /// How often sidecars are asked how they are.
    pub(crate) poll_interval: Duration,
}

/// The coordinator, shared by all its clones.
#[derive(Clone)]
pub(crate) struct Coordinator(Arc<Inner>);

struct Inner {
    means: Means,
    started: Instant,
    pool: Mutex<Pool>,
    couriers: Mutex<HashMap<SspId, (Epoch, AbortHandle)>>,
    /// Of sidecars that load: what keeps the snapshot as it is.
    loading: Mutex<HashMap<SspId, (Epoch, Frozen)>>,
    /// One registration of a sidecar after the other, and none that waits for another sidecar's.
    registering: Mutex<HashMap<SspId, Arc<tokio::sync::Mutex<()>>>>,
    /// The first event that the log had when it was truncated last.
    first_kept: AtomicU64,
}

/// The coordinator, for those who must not keep it.
#[derive(Clone)]
pub(crate) struct Watched(Weak<Inner>);

impl Watched {
    /// The coordinator, if it is still there.
    pub(crate) fn get(&self) -> Option<Coordinator> {
        self.0.upgrade().map(Coordinator)
    }
}

impl Coordinator {
    /// Takes up what the database says of sidecars and views. Two requests, and one for each sidecar.
    pub(crate) async fn start(means: Means, mut pool: Pool) -> Result<Self, Error> {
        // First the epochs, then the views: what another process of this scheduler has asked for can't come true after we have
        // looked who keeps what.
        for member in means.database.members().await? {
            let epoch = Epoch(means.database.enlist(&member.id, &member.url).await?);
            pool.restore_member(Duration::ZERO, SspId::new(member.id), member.url.into(), epoch);
        }
        for (key, owner) in means.database.owners().await? {
            pool.restore_view(key, owner.map(SspId::new).as_ref());
        }
        let inner = Inner {
            means,
            started: Instant::now(),
            pool: Mutex::new(pool),
            couriers: Mutex::default(),
            loading: Mutex::default(),
            registering: Mutex::default(),
            first_kept: AtomicU64::default(),
        };
        Ok(Coordinator(Arc::new(inner)))
    }

    /// Looks after the pool for as long as it is there.
    pub(crate) async fn run(self) {
        let looking = async {
            let mut ticks = tokio::time::interval(TICK);
            let mut reconsiderations = tokio::time::interval(RECONSIDER);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {
                        let head = self.head();
                        self.act(|pool, now| pool.tick(now, head));
                        self.call_back();
                        self.truncate().await;
                    }
                    // Queries may read something else by now.
                    _ = reconsiderations.tick() => self.act(Pool::reconsider),
                }
            }
        };
        // Whoever does not answer must not stop the pool's clock.
        let polling = async {
            let mut polls = tokio::time::interval(self.0.means.poll_interval);
            polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                polls.tick().await;
                self.poll().await;
            }
        };
        tokio::join!(looking, polling);
    }

    /// The number of the last event.
    pub(crate) fn head(&self) -> u64 {
        self.0.means.progress.borrow().head
    }

    /// Whether nothing can be captured now.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.0.means.progress.borrow().is_interrupted
    }

    /// The sidecar has all events up to this one.
    pub(crate) fn acknowledged(&self, ssp: &SspId, epoch: Epoch, sequence: u64) {
        let head = self.head();
        self.act(|pool, now| pool.acknowledged(now, ssp, epoch, sequence, head));
    }

    /// What the sidecar holds is not to be relied on.
    pub(crate) fn mismatch(&self, ssp: &SspId, epoch: Epoch) {
        self.act(|pool, now| pool.mismatch(now, ssp, epoch));
    }

    /// Chooses a ready sidecar by the strategy, other than these.
    pub(crate) fn choose_ready(&self, exclude: &[SspId]) -> Option<Target> {
        self.pool().choose_ready(exclude)
    }

    pub(crate) fn place(&self, key: &ViewKey) -> Placement {
        self.pool().place(key)
    }

    pub(crate) fn locate(&self, key: &ViewKey) -> Location {
        self.pool().locate(key)
    }

    pub(crate) fn registered(&self, key: &ViewKey, at: &Target) {
        self.pool().registered(key, &at.ssp, at.epoch, at.ticket);
    }

    pub(crate) fn registration_failed(&self, key: &ViewKey, at: &Target) {
        self.pool().registration_failed(key, &at.ssp, at.epoch, at.ticket);
    }

    pub(crate) fn registration_in_doubt(&self, key: &ViewKey, at: &Target) {
        self.act(|pool, now| pool.registration_in_doubt(now, key, &at.ssp, at.epoch, at.ticket));
    }

    pub(crate) fn unregistered(&self, key: &ViewKey, at: &Target) {
        self.pool().unregistered(key, &at.ssp, at.epoch, at.ticket);
    }

    pub(crate) fn gone(&self, key: &ViewKey) {
        self.act(|pool, now| pool.gone(now, key));
    }

    pub(crate) fn missing(&self, key: &ViewKey, at: &Target) {
        self.act(|pool, now| pool.missing(now, key, &at.ssp, at.epoch, at.ticket));
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.0.means.peers
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.means.database
    }

    pub(crate) fn replica(&self) -> &Replica {
        &self.0.means.replica
    }

    /// All sidecars, and how many views nobody keeps.
    pub(crate) fn status(&self) -> (Vec<SspStatus>, u64) {
        let (head, now) = (self.head(), self.now());
        let pool = self.pool();
        let ssps = pool.members(now).map(|member| SspStatus {
            ssp_id: member.id.to_string(),
            url: member.url.to_owned(),
            state: state_name(member.state).to_owned(),
            epoch: member.epoch.0,
            sequence: member.position,
            behind: head.saturating_sub(member.position),
            views: member.views as u64,
            cpu: member.load.cpu,
            memory: member.load.memory,
            heartbeat_age_ms: u64::try_from(member.silent_for.as_millis()).unwrap_or(u64::MAX),
        });
        let ssps = ssps.collect();
        let counts = pool.counts();
        (ssps, (counts.orphans + counts.adopting + counts.releasing + counts.refused) as u64)
    }

    /// How many views there are of each kind.
    pub(crate) fn counts(&self) -> ViewCounts {
        self.pool().counts()
    }

    /// The first event that the log still has, as of the last look.
    pub(crate) fn first_kept(&self) -> u64 {
        self.0.first_kept.load(Ordering::Relaxed)
    }

    /// For those who look at it from time to time.
    pub(crate) fn watched(&self) -> Watched {
        Watched(Arc::downgrade(&self.0))
    }

    /// Whether the snapshot stands still.
    pub(crate) fn is_frozen(&self) -> bool {
        !lock(&self.0.loading).is_empty()
    }

    fn now(&self) -> Duration {
        self.0.started.elapsed()
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        lock(&self.0.pool)
    }

    /// Tells the pool something, and has done what it wants.
    fn act(&self, tell: impl FnOnce(&mut Pool, Duration) -> Vec<Action>) {
        let now = self.now();
        let actions = tell(&mut self.pool(), now);
        for action in actions {
            tracing::debug!(?action, "the pool wants something done");
            let coordinator = self.clone();
            tokio::spawn(async move { coordinator.perform(action).await });
        }
    }

    async fn perform(self, action: Action) {
        match action {
            Action::Fence { ssp, epoch } => match self.0.means.database.fence_off(ssp.as_str(), epoch.0).await {
                Ok(()) => self.act(|pool, now| pool.fenced(now, &ssp, epoch)),
                Err(error) => tracing::warn!(%ssp, %error, "a sidecar could not be fenced off, trying again"),
            },
            Action::Adopt { to, views } => {
                let outcomes = match self.0.means.peers.take_over(&to, views.clone()).await {
                    Ok(taken) => outcomes(taken),
                    // It has not, for sure.
                    Err(error @ PeerError::Refused { .. }) => {
                        tracing::warn!(ssp = %to.ssp, %error, "views could not be handed over");
                        views.into_iter().map(|key| (key, Outcome::Failed)).collect()
                    }
                    Err(error) => {
                        // Nobody knows: it is asked again, under the same ticket.
                        tracing::warn!(ssp = %to.ssp, %error, "views may not have been handed over, asking again");
                        return;
                    }
                };
                tracing::debug!(ssp = %to.ssp, ticket = to.ticket.0, ?outcomes, "views were to be taken over");
                self.act(|pool, now| pool.adopted(now, &to.ssp, to.epoch, to.ticket, &outcomes));
            }
            Action::Release { to, views } => match self.0.means.peers.give_away(&to, views).await {
                Ok(()) => self.act(|pool, now| pool.released(now, &to.ssp, to.epoch, to.ticket)),
                Err(error) => tracing::warn!(ssp = %to.ssp, %error, "views could not be taken away, asking again"),
            },
        }
    }

    fn send_courier(&self, ssp: SspId, epoch: Epoch, url: Arc<str>, position: u64) {
        let Means { log, peers, progress, .. } = &self.0.means;
        let courier = Courier {
            ssp: ssp.clone(),
            epoch,
            url,
            log: log.clone(),
            peers: peers.clone(),
            progress: progress.clone(),
            coordinator: self.clone(),
        };
        let courier = tokio::spawn(courier.run(position)).abort_handle();
        if let Some((_, former)) = lock(&self.0.couriers).insert(ssp, (epoch, courier)) {
            former.abort();
        }
    }

    fn dismiss_courier(&self, ssp: &SspId) {
        if let Some((_, courier)) = lock(&self.0.couriers).remove(ssp) {
            courier.abort();
        }
    }

    /// Calls back the couriers of registrations that are over, and lets go of the snapshot for those that load no more.
    fn call_back(&self) {
        let now = self.now();
        let pool = self.pool();
        let state = |ssp: &SspId, epoch: Epoch| {
            pool.member(now, ssp).filter(|member| member.epoch == epoch).map(|member| member.state)
        };
        lock(&self.0.couriers).retain(|ssp, (epoch, courier)| {
            let is_current = matches!(state(ssp, *epoch), Some(State::Replaying | State::Ready));
            if !is_current {
                courier.abort();
            }
            is_current
        });
        lock(&self.0.loading).retain(|ssp, (epoch, _)| state(ssp, *epoch) == Some(State::Bootstrapping));
    }

    /// Removes events that nobody needs any more.
    async fn truncate(&self) {
        let Means { log, replica, progress, .. } = &self.0.means;
        let needed_from = progress.borrow().needed_from;
        let oldest = self.pool().oldest_position().unwrap_or(u64::MAX).saturating_add(1);
        let applied = *replica.position().borrow() + 1;
        let first = needed_from.min(oldest).min(applied);
        if let Err(error) = log.truncate_before(first).await {
            tracing::warn!(%error, "the log could not be truncated");
        }
        if let Ok(range) = log.range().await {
            self.0.first_kept.store(range.start, Ordering::Relaxed);
        }
    }

    /// Asks all sidecars at once how they are, each for as long as until it is asked again.
    async fn poll(&self) {
        let now = self.now();
        let asked: Vec<(SspId, Epoch, String)> = self
            .pool()
            .members(now)
            .filter(|member| matches!(member.state, State::Bootstrapping | State::Replaying | State::Ready))
            .map(|member| (member.id.clone(), member.epoch, member.url.to_owned()))
            .collect();
        let Means { peers, poll_interval, .. } = &self.0.means;
        let limit = (*poll_interval).max(SHORTEST_LIMIT);
        let answers = asked.into_iter().map(|(ssp, epoch, url)| async move {
            match peers.health(&url, limit).await {
                Ok(health) if health.status == protocol::HealthStatus::Failed => self.mismatch(&ssp, epoch),
                Ok(_) => self.pool().reached(self.now(), &ssp, epoch),
                Err(error) => tracing::debug!(%ssp, %error, "a sidecar does not say how it is"),
            }
        });
        join_all(answers).await;
    }
}

fn outcomes(taken: TakenOver) -> Vec<(ViewKey, Outcome)> {
    let kept = taken.kept.into_iter().map(|key| (key, Outcome::Adopted));
    let gone = taken.gone.into_iter().map(|key| (key, Outcome::Gone));
    let refused = taken.refused.into_keys().filter_map(|key| Some((ViewKey::from_key(key).ok()?, Outcome::Refused)));
    kept.chain(gone).chain(refused).collect()
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Awaited => "awaited",
        State::Bootstrapping => "bootstrapping",
        State::Replaying => "replaying",
        State::Ready => "ready",
        State::Dismissed(_) => "dismissed",
        State::Lost => "lost",
    }
}

/// What is locked is whole even if somebody panicked while holding it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
