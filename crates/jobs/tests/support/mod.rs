//! A real database, real backends, and runners between them.
#![allow(dead_code, unused_imports, reason = "each test uses a part")]

pub mod backend;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use database::{Database, SchemaOptions};
use embedded::{Server, Storage};
use jobs::{Guard, Mode, Runner, Settings, Stopper};
use protocol::Names;
use serde_json::Value as Json;
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::{Client, Ws};
use surrealdb::opt::auth::Root;
use surrealdb::types::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub use backend::{Backend, Call};

/// How long anything may take on a machine that has much else to do.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A database server of its own for a test, with the job table `job` and one more for each name.
pub struct World {
    /// `None` while it is killed.
    server: Option<Server>,
    settings: embedded::Settings,
    /// What the server keeps on disk.
    _folder: Option<TempDir>,
    pub client: Surreal<Client>,
}

impl World {
    pub async fn start(tables: &[&str]) -> World {
        Self::start_with(embedded::Settings::for_tests(), None, tables).await
    }

    /// As [`World::start`], with a database that is still there after [`World::kill_database`].
    pub async fn start_on_disk(tables: &[&str]) -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Storage::RocksDb(folder.path().join("database"));
        Self::start_with(embedded::Settings { storage, ..embedded::Settings::for_tests() }, Some(folder), tables).await
    }

    async fn start_with(mut settings: embedded::Settings, folder: Option<TempDir>, tables: &[&str]) -> World {
        let server = Server::start(settings.clone()).await.expect("the embedded database starts");
        settings.port = server.address().port();
        let client = Surreal::new::<Ws>(server.address().to_string()).await.expect("the database answers");
        let root = Root { username: "root".to_owned(), password: "root".to_owned() };
        client.signin(root).await.expect("the database lets us in");
        client.use_ns("test").use_db("test").await.expect("the database exists");
        let world = World { server: Some(server), settings, _folder: folder, client };
        world.apply(tables).await;
        world
    }

    /// Where the database is, also while it is killed.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.settings.port))
    }

    /// Ends the database as the kernel would.
    pub fn kill_database(&mut self) {
        // Dropping a server is SIGKILL.
        self.server = None;
    }

    /// Starts the database again, where it was.
    pub async fn start_database(&mut self) {
        self.server = Some(Server::start(self.settings.clone()).await.expect("the database starts again"));
    }

    pub async fn apply(&self, tables: &[&str]) {
        let mut options = SchemaOptions::new(Names::default(), "http://127.0.0.1:9", "secret");
        options.job_tables = tables.iter().map(|table| (*table).to_owned()).collect();
        self.database().await.apply(&options).await.expect("the schema applies");
    }

    /// A connection of its own.
    pub async fn database(&self) -> Database {
        connect(self.address(), None).await
    }

    /// Runs statements as the application; answers what the last one does.
    pub async fn run(&self, surql: &str) -> Json {
        self.try_run(surql).await.unwrap_or_else(|error| panic!("{surql}: {error}"))
    }

    /// As [`World::run`], again and again while the database is away: for what may happen twice.
    pub async fn insist(&self, surql: &str) -> Json {
        const ANSWER: Duration = Duration::from_secs(5);
        let started = Instant::now();
        loop {
            let failed = match tokio::time::timeout(ANSWER, self.try_run(surql)).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(error)) => error,
                Err(_) => "no answer".to_owned(),
            };
            assert!(started.elapsed() < LIMIT, "{surql}: {failed}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn try_run(&self, surql: &str) -> Result<Json, String> {
        let mut answer = self.client.query(surql.to_owned()).await.map_err(|error| error.to_string())?;
        let errors = answer.take_errors();
        if !errors.is_empty() {
            return Err(format!("{errors:?}"));
        }
        let last = answer.num_statements() - 1;
        Ok(answer.take::<Value>(last).map_err(|error| error.to_string())?.into_json_value())
    }

    /// A runner for some backends, with short leases.
    pub async fn runner(&self, backends: Vec<jobs::Backend>) -> Running {
        self.runner_with(settings(backends)).await
    }

    pub async fn runner_with(&self, settings: Settings) -> Running {
        let metrics = telemetry::Metrics::new("test", "test", None).expect("metrics");
        let runner = Runner::new(settings, self.database().await, &metrics.meter()).expect("a runner");
        Running::start(runner, metrics)
    }

    /// A runner whose executors call back, and the address that they call.
    pub async fn runner_with_spi(&self, backends: Vec<jobs::Backend>, guard: Guard) -> (Running, String) {
        run_with_spi(settings(backends), self.database().await, guard).await
    }

    /// Waits until a statement answers `true`.
    pub async fn until(&self, surql: &str) {
        let started = Instant::now();
        while self.run(surql).await != Json::Bool(true) {
            if started.elapsed() > LIMIT {
                panic!("{surql} does not come true: {:#}", self.run("SELECT * FROM job LIMIT 10").await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a job has one of the final states, and answers it.
    pub async fn finished(&self, id: &str) -> Json {
        self.until(&format!("RETURN {id}.status IN ['success', 'completed', 'failed']")).await;
        self.job(id).await
    }

    pub async fn job(&self, id: &str) -> Json {
        self.run(&format!("SELECT * FROM ONLY {id}")).await
    }
}

pub fn settings(backends: Vec<jobs::Backend>) -> Settings {
    Settings { lease: Duration::from_secs(6), drain: Duration::from_secs(30), ..Settings::new(backends) }
}

/// A connection to the database at an address, which waits for answers as long as usual, or as said.
pub async fn connect(address: SocketAddr, request_timeout: Option<Duration>) -> Database {
    let endpoint = format!("ws://{address}").parse().expect("an address");
    let mut settings = database::Settings::new(endpoint, "test", "test", "root", "root");
    settings.request_timeout = request_timeout.unwrap_or(settings.request_timeout);
    Database::connect(settings, Names::default()).await.expect("the database answers")
}

/// A runner whose executors call back, and the address that they call.
pub async fn run_with_spi(settings: Settings, database: Database, guard: Guard) -> (Running, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}/spi", listener.local_addr().expect("an address"));
    let metrics = telemetry::Metrics::new("test", "test", None).expect("metrics");
    let settings = Settings { callback_base: Some(base.clone()), ..settings };
    let runner = Runner::new(settings, database, &metrics.meter()).expect("a runner");
    let service = runner.spi(guard).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    (Running::start(runner, metrics), base)
}

/// Waits until something is so.
pub async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LIMIT, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The backend of a table, which is tried again soon.
pub fn of_table(table: &str, backend: &Backend) -> jobs::Backend {
    jobs::Backend { retry_delay: Duration::from_millis(50), ..jobs::Backend::new(table, backend.url(), Mode::Request) }
}

/// The codes of a job's errors.
pub fn codes(job: &Json) -> Vec<&str> {
    job["errors"].as_array().expect("errors").iter().map(|error| error["code"].as_str().expect("a code")).collect()
}

/// A runner at work.
pub struct Running {
    pub stopper: Stopper,
    pub healths: jobs::Healths,
    pub dispatcher: jobs::Dispatcher,
    pub metrics: telemetry::Metrics,
    pub task: JoinHandle<()>,
}

impl Running {
    fn start(runner: Runner, metrics: telemetry::Metrics) -> Running {
        let (stopper, healths, dispatcher) = (runner.stopper(), runner.healths(), runner.dispatcher());
        Running { stopper, healths, dispatcher, metrics, task: tokio::spawn(runner.run()) }
    }

    /// Stops in good order.
    pub async fn stop(self) {
        self.stopper.stop();
        self.task.await.expect("the runner ends");
    }

    /// Ends as a crash would: nothing is said to anybody.
    pub async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}
