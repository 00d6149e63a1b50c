//! A database and a sidecar as processes, which can be killed at any moment and started again.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use database::{Database, SchemaOptions};
use embedded::{Log, Server, Storage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::Names;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::{Application, Guard, SECRET, client, database_settings};

/// How long a process may take until it serves again. A loaded machine takes its time.
const LIMIT: Duration = Duration::from_secs(180);
pub const DATABASE: &str = "crash";

pub struct Machine {
    folder: TempDir,
    database_address: SocketAddr,
    sidecar_address: SocketAddr,
    database: Option<Server>,
    sidecar: Option<Guard>,
    /// Settings of the sidecar that are not the usual ones.
    environment: Vec<(&'static str, String)>,
    http: reqwest::Client,
}

impl Machine {
    /// A database on RocksDB with a schema, and no sidecar yet.
    pub async fn start(schema: &str, environment: Vec<(&'static str, String)>) -> (Machine, Application) {
        let address = || SocketAddr::from(([127, 0, 0, 1], embedded::free_port().expect("a free port")));
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().expect("a client");
        let mut machine = Machine {
            folder: tempfile::tempdir().expect("a folder"),
            database_address: address(),
            sidecar_address: address(),
            database: None,
            sidecar: None,
            environment,
            http,
        };
        machine.start_database().await;
        let client = client(machine.database_address, DATABASE).await;
        let settings = database_settings(machine.database_address, DATABASE);
        let database = Database::connect(settings, Names::default()).await.expect("the database answers");
        database.import(schema).await.expect("the schema applies");
        let options = SchemaOptions::new(Names::default(), machine.url(""), SECRET);
        database.apply(&options).await.expect("the system schema applies");
        (machine, Application { client, database })
    }

    pub async fn start_database(&mut self) {
        let settings = embedded::Settings {
            port: self.database_address.port(),
            storage: Storage::RocksDb(self.folder.path().join("database")),
            log: Log::File(self.folder.path().join("database.log")),
            start_limit: LIMIT,
            executable: Some(env!("CARGO_BIN_EXE_spky").into()),
            ..embedded::Settings::default()
        };
        self.database = Some(Server::start(settings).await.expect("the database starts again"));
    }

    /// Ends the database as the kernel would: nothing of it runs any more when this is done.
    pub fn kill_database(&mut self) {
        let Some(server) = self.database.take() else { return };
        let process = server.id().and_then(|id| i32::try_from(id).ok()).expect("a running process");
        kill(Pid::from_raw(process), Signal::SIGKILL).expect("it is our process");
        drop(server);
    }

    pub fn start_sidecar(&mut self) {
        let log = File::options().create(true).append(true).open(self.sidecar_log()).expect("the folder is ours");
        let mut command = Command::new(env!("CARGO_BIN_EXE_spky"));
        let inherited = std::env::vars().map(|(name, _)| name);
        inherited.filter(|name| name.starts_with("SPKY_")).for_each(|name| {
            command.env_remove(name);
        });
        command
            .arg("ssp")
            .current_dir(self.folder.path())
            .env("SPKY_SSP_LISTEN_ADDR", self.sidecar_address.to_string())
            .env("SPKY_AUTH_SECRET", SECRET)
            .env("SPKY_DB_URL", format!("ws://{}", self.database_address))
            .env("SPKY_DB_NS", "test")
            .env("SPKY_DB_NAME", DATABASE)
            .env("SPKY_PERSISTENCE_FILE", self.state_file())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(log);
        self.sidecar = Some(Guard(command.spawn().expect("the sidecar starts")));
    }

    pub fn kill_sidecar(&mut self) {
        // The guard kills with SIGKILL.
        self.sidecar = None;
    }

    /// Waits until the sidecar serves. One that has ended because it did not find the database is started again, as whoever
    /// runs services does.
    pub async fn ready(&mut self) {
        let started = Instant::now();
        loop {
            if let Ok(answer) = self.http.get(self.url("/health")).send().await
                && answer.status().is_success()
            {
                return;
            }
            let has_ended = |Guard(child): &mut Guard| child.try_wait().expect("it is our child").is_some();
            if self.sidecar.as_mut().is_some_and(has_ended) {
                self.start_sidecar();
            }
            assert!(started.elapsed() < LIMIT, "the sidecar does not become ready:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Registers a view, as often as it takes.
    pub async fn register(&mut self, id: &str, surql: &str, params: &str) {
        let body = json!({ "id": id, "surql": surql, "params": params, "clientId": "test", "ttl": "24h" });
        let started = Instant::now();
        loop {
            let request = self.http.post(self.url("/view/register")).bearer_auth(SECRET).json(&body);
            let answer = match request.send().await {
                Ok(answer) if answer.status().is_success() => return,
                Ok(answer) => answer.json::<Json>().await.unwrap_or_default(),
                Err(error) => json!(error.to_string()),
            };
            assert!(started.elapsed() < LIMIT, "{surql} is not registered: {answer}\n{}", self.log());
            self.ready().await;
        }
    }

    /// The processes of the database and of the sidecar, while they run.
    pub fn processes(&mut self) -> Option<[u32; 2]> {
        let Guard(sidecar) = self.sidecar.as_mut()?;
        let has_ended = sidecar.try_wait().expect("it is our child").is_some();
        Some([self.database.as_ref()?.id()?, sidecar.id()]).filter(|_| !has_ended)
    }

    pub fn database_address(&self) -> SocketAddr {
        self.database_address
    }

    pub fn state_file(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The end of what the sidecars have logged.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.sidecar_log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    pub fn sidecar_log(&self) -> PathBuf {
        self.folder.path().join("sidecar.log")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.sidecar_address)
    }
}
