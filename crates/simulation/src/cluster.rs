//! The hosts of a cluster, and what runs on each of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use database::{Capture, Database, RefMode};
use protocol::{Names, PoolStatus};
use serde_json::json;
use serving::Caller;
use tokio::sync::Notify;

use crate::network::{Door, Wire};
use crate::sessions::{self, Cable, Desk};
use crate::storage::{Disk, place};
use crate::store::Store;
use crate::workload::View;

pub const DATABASE: &str = "database";
pub const SCHEDULER: &str = "scheduler";
pub const APPLICATION: &str = "application";
pub const SSPS: [&str; 3] = ["ssp-0", "ssp-1", "ssp-2"];

const SCHEDULER_PORT: u16 = 9667;
const SSP_PORT: u16 = 8667;
const SECRET: &str = "simulation";
/// How long a supervisor waits until it starts a service again.
const RESTART: Duration = Duration::from_millis(500);
/// How long the application waits until it asks again.
const AGAIN: Duration = Duration::from_millis(300);

/// What the hosts and the driver share.
#[derive(Clone)]
pub struct Common {
    pub store: Store,
    pub desk: Desk,
    pub disk: Disk,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    asks: VecDeque<Ask>,
    registered: BTreeMap<String, View>,
    unanswered: usize,
    held: BTreeMap<&'static str, Vec<String>>,
    status: Option<PoolStatus>,
    stops: BTreeMap<&'static str, Arc<Notify>>,
    failures: Vec<String>,
}

/// What the application is to ask for.
#[derive(Debug)]
pub enum Ask {
    Register(View),
    Unregister(String),
    /// Which views a sidecar keeps.
    Held(&'static str),
    /// How the scheduler sees the cluster.
    Status,
}

impl Common {
    pub fn new(store: Store, replica: Store) -> Common {
        Common { store, desk: Desk::default(), disk: Disk::new(replica), state: Arc::default() }
    }

    /// Gives the application something to ask for.
    pub fn ask(&self, ask: Ask) {
        let mut state = self.state();
        state.unanswered += 1;
        state.asks.push_back(ask);
    }

    /// Whether all that was asked for is answered.
    pub fn is_answered(&self) -> bool {
        self.state().unanswered == 0
    }

    /// The views that are registered, as far as the application was told.
    pub fn registered(&self) -> BTreeMap<String, View> {
        self.state().registered.clone()
    }

    /// The views that sidecars said they keep.
    pub fn take_held(&self) -> BTreeMap<&'static str, Vec<String>> {
        std::mem::take(&mut self.state().held)
    }

    /// How the scheduler saw the cluster when it was asked last.
    pub fn take_status(&self) -> Option<PoolStatus> {
        self.state().status.take()
    }

    /// Asks a service to end in good order.
    pub fn stop(&self, host: &'static str) {
        if let Some(stop) = self.state().stops.get(host) {
            stop.notify_one();
        }
    }

    /// What must never happen, and has.
    pub fn failures(&self) -> Vec<String> {
        self.state().failures.clone()
    }

    fn fail(&self, failure: String) {
        self.state().failures.push(failure);
    }

    /// What tells a service that starts now to end.
    fn stop_of(&self, host: &'static str) -> Arc<Notify> {
        let stop = Arc::new(Notify::new());
        self.state().stops.insert(host, stop.clone());
        stop
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn database(&self) -> database::Result<Database> {
        Database::connect_by(Arc::new(Cable::to(DATABASE, self.desk.clone())), place(), Names::default()).await
    }
}

/// Adds all hosts to a simulation.
pub fn populate(sim: &mut turmoil::Sim<'_>, common: &Common) {
    let of = common.clone();
    sim.host(DATABASE, move || {
        let Common { desk, store, .. } = of.clone();
        async move { Ok(sessions::serve(desk, store).await?) }
    });
    let of = common.clone();
    sim.host(SCHEDULER, move || run_scheduler(of.clone()));
    for name in SSPS {
        let of = common.clone();
        sim.host(name, move || run_ssp(of.clone(), name));
    }
    let of = common.clone();
    sim.host(APPLICATION, move || run_application(of.clone()));
}

fn scheduler_settings() -> scheduler::Settings {
    scheduler::Settings {
        id: SCHEDULER.to_owned(),
        listen: ([0, 0, 0, 0], SCHEDULER_PORT).into(),
        secret: Some(SECRET.to_owned()),
        insecure: false,
        database: place(),
        capture: Capture::Feed,
        ref_mode: RefMode::Single,
        names: Names::default(),
        log: "unused".into(),
        replica: "unused".into(),
        executable: None,
        update_interval: Duration::from_secs(1),
        page_size: 7,
        poll_interval: Duration::from_millis(500),
        pool: scheduler::pool::Settings {
            heartbeat_timeout: Duration::from_secs(3),
            bootstrap_timeout: Duration::from_secs(10),
            ask_again: Duration::from_secs(2),
            ..scheduler::pool::Settings::default()
        },
        job_tables: Vec::new(),
        export: None,
    }
}

fn ssp_settings(name: &'static str) -> Result<ssp::Settings, Box<dyn std::error::Error>> {
    Ok(ssp::Settings {
        listen: ([0, 0, 0, 0], SSP_PORT).into(),
        secret: Some(SECRET.to_owned()),
        insecure: false,
        database: place(),
        capture: Capture::Feed,
        ref_mode: RefMode::Single,
        throttle: Duration::from_millis(5),
        page_size: 7,
        ttl_sweep: Duration::from_secs(3_600),
        count_interval: Duration::from_secs(3_600),
        state_file: None,
        id: name.to_owned(),
        names: Names::default(),
        cluster: Some(ssp::Cluster {
            scheduler: format!("http://{SCHEDULER}:{SCHEDULER_PORT}").parse()?,
            advertise: Some(format!("http://{name}:{SSP_PORT}")),
            heartbeat: Duration::from_millis(500),
        }),
        export: None,
    })
}

/// A service that runs.
trait Running {
    async fn failed(&self) -> String;
    async fn stop(self) -> turmoil::Result;
}

impl Running for scheduler::Service {
    async fn failed(&self) -> String {
        scheduler::Service::failed(self).await.to_string()
    }

    async fn stop(self) -> turmoil::Result {
        Ok(scheduler::Service::stop(self).await?)
    }
}

impl Running for ssp::Service {
    async fn failed(&self) -> String {
        ssp::Service::failed(self).await.to_string()
    }

    async fn stop(self) -> turmoil::Result {
        Ok(ssp::Service::stop(self).await?)
    }
}

/// Why a service does not start.
enum NotStarted {
    /// The database is out of reach.
    Yet(String),
    /// It would not start then either.
    Ever(String),
}

async fn run_scheduler(common: Common) -> turmoil::Result {
    let storage = Arc::new(common.disk.clone());
    supervise(&common, SCHEDULER, SCHEDULER_PORT, async |database, door| {
        let surroundings = scheduler::Surroundings {
            address: door.address(),
            listener: door,
            database,
            carrier: Arc::new(Wire),
            storage: storage.clone(),
        };
        let started = scheduler::Service::start_in(surroundings, scheduler_settings()).await;
        started.map_err(|error| match error.is_retryable() {
            true => NotStarted::Yet(error.to_string()),
            false => NotStarted::Ever(error.to_string()),
        })
    })
    .await
}

async fn run_ssp(common: Common, name: &'static str) -> turmoil::Result {
    let settings = ssp_settings(name)?;
    supervise(&common, name, SSP_PORT, async |database, door| {
        let surroundings = ssp::Surroundings {
            address: door.address(),
            listener: door,
            database,
            carrier: Arc::new(Wire),
            workplace: ssp::Workplace::Task,
        };
        let started = ssp::Service::start_in(surroundings, settings.clone(), None).await;
        started.map_err(|error| match error {
            ssp::Error::Database(error) if error.is_retryable() => NotStarted::Yet(error.to_string()),
            error => NotStarted::Ever(error.to_string()),
        })
    })
    .await
}

/// Runs a service as a supervisor does: tries to start it until it does, and ends it when it is told to. That a service gives up
/// while it runs is none of the things that may happen.
async fn supervise<S: Running>(
    common: &Common,
    name: &'static str,
    port: u16,
    start: impl AsyncFn(Database, Door) -> Result<S, NotStarted>,
) -> turmoil::Result {
    let stop = common.stop_of(name);
    loop {
        if let Ok(database) = common.database().await {
            match start(database, Door::open(port).await?).await {
                Ok(service) => {
                    tokio::select! {
                        () = stop.notified() => {}
                        failure = service.failed() => common.fail(format!("{name} has given up: {failure}")),
                    }
                    return service.stop().await;
                }
                Err(NotStarted::Yet(reason)) => tracing::info!(reason, name, "the service does not start"),
                Err(NotStarted::Ever(reason)) => common.fail(format!("{name} does not start: {reason}")),
            }
        }
        tokio::time::sleep(RESTART).await;
    }
}

/// Asks for what it is given, each until it is answered.
async fn run_application(common: Common) -> turmoil::Result {
    let caller = Caller::new(Arc::new(Wire), Some(SECRET));
    loop {
        let next = common.state().asks.pop_front();
        match next {
            Some(ask) => drop(tokio::spawn(answered(common.clone(), caller.clone(), ask))),
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn answered(common: Common, caller: Caller, ask: Ask) {
    const LIMIT: Duration = Duration::from_secs(20);
    let scheduler = format!("http://{SCHEDULER}:{SCHEDULER_PORT}");
    loop {
        let call = match &ask {
            Ask::Register(view) => caller.post(&scheduler, "query/register").json(&view.registration()),
            Ask::Unregister(id) => caller.post(&scheduler, "view/unregister").json(&json!({ "id": id })),
            Ask::Held(ssp) => caller.get(&format!("http://{ssp}:{SSP_PORT}"), "verify/views"),
            Ask::Status => caller.get(&scheduler, "status"),
        };
        let answer = call.send(LIMIT).await;
        let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        tracing::debug!(?ask, status, "answered");
        match (&ask, answer) {
            (Ask::Register(view), Ok(_)) if status == 200 => {
                common.state().registered.insert(view.id.clone(), view.clone());
                break;
            }
            (Ask::Unregister(id), Ok(_)) if matches!(status, 200 | 404) => {
                common.state().registered.remove(id);
                break;
            }
            (Ask::Held(ssp), Ok(answer)) if status == 200 => {
                match serde_json::from_slice(answer.body()) {
                    Ok(held) => drop(common.state().held.insert(ssp, held)),
                    Err(error) => common.fail(format!("{ssp} says of its views what makes no sense: {error}")),
                }
                break;
            }
            (Ask::Status, Ok(answer)) if status == 200 => {
                match serde_json::from_slice(answer.body()) {
                    Ok(status) => common.state().status = Some(status),
                    Err(error) => common.fail(format!("the scheduler says of its state what makes no sense: {error}")),
                }
                break;
            }
            (_, Ok(answer)) if !matches!(status, 500..=599) => {
                common.fail(format!("refused with {status}: {}", String::from_utf8_lossy(answer.body())));
                break;
            }
            _ => tokio::time::sleep(AGAIN).await,
        }
    }
    common.state().unanswered -= 1;
}
