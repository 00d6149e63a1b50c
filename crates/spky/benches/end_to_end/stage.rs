//! The processes: a database server, and sidecars and schedulers on its databases.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use database::{Capture, Database, SchemaOptions};
use embedded::Server;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::{Names, PoolStatus};
use serde_json::{Value as Json, json};
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::Client;
use tempfile::TempDir;

use crate::support::{self, Application, Guard, SECRET};

/// How long a sidecar may take to become ready.
const LIMIT: Duration = Duration::from_secs(1_800);

/// Where the database keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Storage {
    Memory,
    Rocksdb,
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Storage::Memory => "in memory",
            Storage::Rocksdb => "on RocksDB",
        })
    }
}

/// How many databases can push their changes.
const RECEIVERS: usize = 4;

pub struct Stage {
    server: Server,
    folder: TempDir,
    /// Addresses that the database may call.
    receivers: Vec<SocketAddr>,
    /// Databases that push their changes, and where to.
    pushed: Mutex<BTreeMap<String, SocketAddr>>,
}

impl Stage {
    pub async fn start(storage: &Storage) -> Stage {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = match storage {
            Storage::Memory => embedded::Storage::Memory,
            Storage::Rocksdb => embedded::Storage::RocksDb(folder.path().join("database")),
        };
        let receivers: Vec<SocketAddr> = (0..RECEIVERS).map(|_| free_address()).collect();
        let settings = embedded::Settings {
            executable: Some(env!("CARGO_BIN_EXE_spky").into()),
            storage,
            allow_net: receivers.clone(),
            ..Default::default()
        };
        let server = Server::start(settings).await.expect("the database starts");
        Stage { server, folder, receivers, pushed: Mutex::default() }
    }

    /// A client of one database, with a connection of its own.
    pub async fn client(&self, name: &str) -> Surreal<Client> {
        support::client(self.server.address(), name).await
    }

    /// A database with nothing of Sp00ky's.
    pub async fn bare(&self, name: &str, schema: &str) -> Application {
        let settings = support::database_settings(self.server.address(), name);
        let client = self.client(name).await;
        let database = Database::connect(settings, Names::default()).await.expect("the database answers");
        database.import(schema).await.expect("the schema applies");
        Application { client, database }
    }

    /// A database of which the tables are captured.
    pub async fn captured(&self, name: &str, schema: &str) -> Application {
        let application = self.bare(name, schema).await;
        capture(&application).await;
        application
    }

    /// A database that pushes its changes to the service that is started for it next.
    pub async fn pushed(&self, name: &str, schema: &str) -> Application {
        let application = self.bare(name, schema).await;
        let address = {
            let mut pushed = self.pushed.lock().expect("nobody panics");
            let address = self.receivers[pushed.len()];
            pushed.insert(name.to_owned(), address);
            address
        };
        let options = SchemaOptions::new(Names::default(), format!("http://{address}"), SECRET);
        let options = SchemaOptions { capture: Capture::Push, ..options };
        application.database.apply(&options).await.expect("the system schema applies");
        application
    }

    /// Starts a sidecar, and waits until it is ready.
    pub async fn sidecar(&self, name: &str, throttle: u64) -> Service {
        let (mut command, starting) = self.command("ssp", name, name, true);
        command
            .env("SPKY_SSP_LISTEN_ADDR", starting.address.to_string())
            .env("SPKY_PERSISTENCE_FILE", self.state(name))
            .env("SPKY_SSP_QUERY_UPDATE_THROTTLE_MS", throttle.to_string());
        starting.spawn(command).await
    }

    /// Where a sidecar saves its state when it stops.
    pub fn state(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.state"))
    }

    /// Starts a scheduler, with a log and a replica of its own, and waits until sidecars can join.
    pub async fn scheduler(&self, name: &str) -> Service {
        let own = format!("{name}.scheduler");
        let (mut command, starting) = self.command("scheduler", name, &own, true);
        let folder = self.folder.path().join(own);
        command
            .env("SPKY_SCHEDULER_LISTEN_ADDR", starting.address.to_string())
            .env("SPKY_SCHEDULER_WAL_PATH", folder.join("log"))
            .env("SPKY_SCHEDULER_REPLICA_DB_PATH", folder.join("replica"))
            // Whoever is stopped for a while is not to be taken for dead.
            .env("SPKY_SCHEDULER_HEARTBEAT_TIMEOUT_MS", "3600000")
            .env("SPKY_SCHEDULER_BOOTSTRAP_TIMEOUT_SECS", "3600");
        starting.spawn(command).await
    }

    /// Starts a sidecar of a scheduler, and waits until it is ready.
    pub async fn member(&self, name: &str, scheduler: &Service, number: usize, throttle: u64) -> Service {
        let own = format!("{name}.ssp-{number}");
        let (mut command, starting) = self.command("ssp", name, &own, false);
        command
            .env("SPKY_SSP_LISTEN_ADDR", starting.address.to_string())
            .env("SPKY_SSP_ID", format!("ssp-{number}"))
            .env("SPKY_SPI_LISTEN_ADDR", "127.0.0.1:0")
            .env("SPKY_SCHEDULER_URL", format!("http://{}", scheduler.address))
            .env("SPKY_SSP_QUERY_UPDATE_THROTTLE_MS", throttle.to_string());
        starting.spawn(command).await
    }

    /// A command for a service on the database `name`, and the service that it is to become. What the database pushes, if it
    /// does, goes to the service that is `told`.
    fn command(&self, role: &str, name: &str, own: &str, told: bool) -> (Command, Starting) {
        let receiver = self.pushed.lock().expect("nobody panics").get(name).copied();
        let capture = if receiver.is_some() { "push" } else { "feed" };
        let address = receiver.filter(|_| told).unwrap_or_else(free_address);
        let log = self.folder.path().join(format!("{own}.log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_spky"));
        let inherited = std::env::vars().map(|(name, _)| name);
        inherited.filter(|name| name.starts_with("SPKY_")).for_each(|name| {
            command.env_remove(name);
        });
        command
            .arg(role)
            .current_dir(self.folder.path())
            .env("SPKY_CAPTURE", capture)
            .env("SPKY_AUTH_SECRET", SECRET)
            .env("SPKY_DB_URL", format!("ws://{}", self.server.address()))
            .env("SPKY_DB_NS", "test")
            .env("SPKY_DB_NAME", name)
            .env("SPKY_LOG", "warn")
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("the folder is ours"));
        (command, Starting { address, log })
    }
}

fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], embedded::free_port().expect("a free port")))
}

/// A service that is about to start.
struct Starting {
    address: SocketAddr,
    log: PathBuf,
}

impl Starting {
    /// Starts it, and waits until it is ready.
    async fn spawn(self, mut command: Command) -> Service {
        let Starting { address, log } = self;
        let started = Instant::now();
        let process = Guard(command.spawn().expect("the service starts"));
        let mut service = Service { process, http: reqwest::Client::new(), address, log, took: Duration::ZERO };
        service.ready().await;
        service.took = started.elapsed();
        service
    }
}

/// Lets the tables of a database be captured.
pub async fn capture(application: &Application) {
    let options = SchemaOptions::new(Names::default(), "http://127.0.0.1:1", SECRET);
    application.database.apply(&options).await.expect("the system schema applies");
}

/// A sidecar, or a scheduler.
pub struct Service {
    process: Guard,
    http: reqwest::Client,
    pub address: SocketAddr,
    log: PathBuf,
    /// How long it took to become ready.
    pub took: Duration,
}

impl Service {
    async fn ready(&mut self) {
        let started = Instant::now();
        let url = format!("http://{}/health", self.address);
        loop {
            if self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            let has_ended = self.process.0.try_wait().expect("it is our child").is_some();
            assert!(!has_ended && started.elapsed() < LIMIT, "the service does not become ready:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Registers a view that lives as long as the benchmark.
    pub async fn register(&self, id: &str, surql: &str, params: &str) {
        let body = json!({ "id": id, "surql": surql, "params": params, "clientId": CLIENT, "ttl": "24h" });
        self.post("/view/register", &body).await;
    }

    pub async fn unregister(&self, id: &str) {
        self.post("/view/unregister", &json!({ "id": id })).await;
    }

    async fn post(&self, path: &str, body: &Json) {
        let request = self.http.post(format!("http://{}{path}", self.address)).bearer_auth(SECRET).json(body);
        let answer = request.send().await.expect("the service answers");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{body}: {status} {text}\n{}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What a scheduler says of itself.
    pub async fn status(&self) -> PoolStatus {
        let request = self.http.get(format!("http://{}/status", self.address)).bearer_auth(SECRET);
        request.send().await.expect("the service answers").json().await.expect("the state of a pool")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.process.0.id()).expect("a process id");
        kill(Pid::from_raw(process), signal).expect("it is our process");
    }

    /// Stops it as a service manager does, so that it saves its state.
    pub async fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        tokio::task::spawn_blocking(move || self.process.0.wait()).await.expect("it ends").expect("it is our child");
    }
}

/// The client that views are registered for.
pub const CLIENT: &str = "bench";
