//! The processes of a cluster: a database, a scheduler, and sidecars.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use database::{Capture, Database, SchemaOptions};
use embedded::Server;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::{Names, PoolStatus};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::disk::Disk;
use crate::support::{Application, SECRET, client, database_settings};

/// The database that everything is about.
pub const NAME: &str = "app";
/// How long a cluster may take to do what it is to do.
pub const LIMIT: Duration = Duration::from_secs(90);

/// A process of ours, which ends with this value.
pub struct Process {
    name: String,
    child: Option<Child>,
    pub address: SocketAddr,
}

/// A cluster. All of it ends with this value.
pub struct Cluster {
    pub server: Server,
    pub application: Application,
    pub scheduler: Process,
    pub ssps: Vec<Process>,
    /// What is installed in the database.
    pub options: SchemaOptions,
    http: reqwest::Client,
    folder: TempDir,
    /// Where the scheduler's log is, if not with everything else.
    disk: Option<Disk>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
            kill(pid, signal).expect("it is our process");
        }
    }

    /// SIGKILL, at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself, which the next look at it tells.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, and what it takes to end.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        if let Some(mut child) = self.child.take() {
            let status = child.wait().expect("it is our child");
            assert!(status.success(), "{} ended with {status}", self.name);
        }
    }

    /// SIGSTOP for as long as `meanwhile` takes.
    pub async fn paused(&self, meanwhile: impl Future<Output = ()>) {
        self.signal(Signal::SIGSTOP);
        meanwhile.await;
        self.signal(Signal::SIGCONT);
    }
}

impl Cluster {
    /// A cluster with so many sidecars, which are all ready.
    pub async fn start(sidecars: usize, schema: &str) -> Cluster {
        Cluster::start_with(sidecars, schema, "", &[]).await
    }

    /// As [`Cluster::start`], with a configuration file, and tables for the jobs in it.
    pub async fn start_with(sidecars: usize, schema: &str, configuration: &str, job_tables: &[&str]) -> Cluster {
        Cluster::begin(Capture::Feed, sidecars, schema, configuration, job_tables, None).await
    }

    /// As [`Cluster::start`], with the log on a disk of its own.
    pub async fn start_on(disk: Disk, sidecars: usize, schema: &str) -> Cluster {
        Cluster::begin(Capture::Feed, sidecars, schema, "", &[], Some(disk)).await
    }

    /// As [`Cluster::start`], with changes captured in one way or the other.
    pub async fn start_by(capture: Capture, sidecars: usize, schema: &str) -> Cluster {
        Cluster::begin(capture, sidecars, schema, "", &[], None).await
    }

    async fn begin(
        capture: Capture,
        sidecars: usize,
        schema: &str,
        configuration: &str,
        job_tables: &[&str],
        disk: Option<Disk>,
    ) -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("sp00ky.yml"), configuration).expect("the folder is ours");
        let address = || SocketAddr::from(([127, 0, 0, 1], embedded::free_port().expect("a free port")));
        let scheduler = Process { name: "scheduler".to_owned(), child: None, address: address() };
        let settings = embedded::Settings {
            executable: Some(env!("CARGO_BIN_EXE_spky").into()),
            storage: embedded::Storage::RocksDb(folder.path().join("database")),
            allow_net: vec![scheduler.address],
            ..embedded::Settings::for_tests()
        };
        let server = Server::start(settings).await.expect("the embedded database starts");
        let settings = database_settings(server.address(), NAME);
        let database = Database::connect(settings, Names::default()).await.expect("the database answers");
        database.import(schema).await.expect("the schema applies");
        let url = format!("http://{}", scheduler.address);
        let mut options = SchemaOptions { capture, ..SchemaOptions::new(Names::default(), url, SECRET) };
        options.job_tables = job_tables.iter().map(|table| (*table).to_owned()).collect();
        database.apply(&options).await.expect("the system schema applies");
        let application = Application { client: client(server.address(), NAME).await, database };
        let ssps =
            (0..sidecars).map(|number| Process { name: format!("ssp-{number}"), child: None, address: address() });
        let ssps = ssps.collect();
        let http = reqwest::Client::new();
        let mut cluster = Cluster { server, application, scheduler, ssps, options, http, folder, disk };
        cluster.start_scheduler();
        (0..sidecars).for_each(|number| cluster.start_ssp(number));
        cluster.all_ready(sidecars).await;
        cluster
    }

    fn command(&self, role: &str, name: &str) -> Command {
        let log = File::options().create(true).append(true).open(self.log(name)).expect("the folder is ours");
        let executable = env!("CARGO_BIN_EXE_spky");
        let mut command = match &self.disk {
            Some(disk) if role == "scheduler" => disk.command(executable),
            _ => Command::new(executable),
        };
        let inherited = std::env::vars().map(|(name, _)| name);
        inherited.filter(|name| name.starts_with("SPKY_")).for_each(|name| {
            command.env_remove(name);
        });
        let capture = match self.options.capture {
            Capture::Feed => "feed",
            Capture::Push => "push",
        };
        command
            .arg(role)
            .current_dir(self.folder.path())
            .env("SPKY_CAPTURE", capture)
            .env("SPKY_AUTH_SECRET", SECRET)
            .env("SPKY_DB_URL", format!("ws://{}", self.server.address()))
            .env("SPKY_DB_NS", "test")
            .env("SPKY_DB_NAME", NAME)
            .env("SPKY_LOG", "info,ssp::cluster=debug,ssp::writer=debug,ssp::engine=debug,scheduler=debug")
            .stdout(Stdio::null())
            .stderr(log);
        command
    }

    pub fn start_scheduler(&mut self) {
        let mut command = self.command("scheduler", "scheduler");
        let log = self.disk.as_ref().map_or(self.folder.path(), Disk::path).join("log");
        command
            .env("SPKY_SCHEDULER_LISTEN_ADDR", self.scheduler.address.to_string())
            .env("SPKY_SCHEDULER_ID", "scheduler")
            .env("SPKY_SCHEDULER_WAL_PATH", log)
            .env("SPKY_SCHEDULER_REPLICA_DB_PATH", self.folder.path().join("replica"))
            .env("SPKY_SNAPSHOT_UPDATE_INTERVAL_SECS", "1")
            .env("SPKY_SCHEDULER_HEARTBEAT_TIMEOUT_MS", "3000")
            .env("SPKY_SCHEDULER_SSP_POLL_INTERVAL_MS", "500");
        self.scheduler.child = Some(command.spawn().expect("the scheduler starts"));
    }

    pub fn start_ssp(&mut self, number: usize) {
        let ssp = &self.ssps[number];
        let mut command = self.command("ssp", &ssp.name);
        command
            .env("SPKY_SCHEDULER_URL", format!("http://{}", self.scheduler.address))
            .env("SPKY_SSP_LISTEN_ADDR", ssp.address.to_string())
            .env("SPKY_SSP_ID", &ssp.name)
            .env("SPKY_SPI_LISTEN_ADDR", "127.0.0.1:0")
            .env("SPKY_SSP_HEARTBEAT_INTERVAL_MS", "500")
            .env("SPKY_TTL_CLEANUP_INTERVAL_SECS", "1")
            .env("SPKY_SSP_QUERY_UPDATE_THROTTLE_MS", "5");
        self.ssps[number].child = Some(command.spawn().expect("a sidecar starts"));
    }

    /// The disk of the log.
    pub fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("the log has a disk of its own")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// Runs a command about this cluster. Answers its exit code and what it printed.
    pub fn spky(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let scheduler = format!("http://{}", self.scheduler.address);
        let mut command = Command::new(env!("CARGO_BIN_EXE_spky"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("SPKY_AUTH_SECRET", SECRET)
            .env("SPKY_DB_URL", format!("ws://{}", self.server.address()))
            .env("SPKY_DB_NS", "test")
            .env("SPKY_DB_NAME", NAME)
            .env("SPKY_SCHEDULER_URL", &scheduler);
        if arguments.contains(&"verify") {
            command.args(["--ssp", &scheduler]);
        }
        let output = command.output().expect("the command runs");
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = format!("{out}{err}");
        (output.status.code(), text)
    }

    /// What all processes have logged last.
    pub fn logs(&self) -> String {
        let names = self.ssps.iter().map(|ssp| ssp.name.as_str()).chain(["scheduler"]);
        let tail = |name: &str| {
            let text = std::fs::read_to_string(self.log(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(60)..].join("\n"))
        };
        names.map(tail).collect()
    }

    /// Everything that a process has logged.
    pub fn log_of(&self, name: &str) -> String {
        std::fs::read_to_string(self.log(name)).expect("it has a log")
    }

    pub async fn status(&self) -> Option<PoolStatus> {
        let request = self.http.get(format!("http://{}/status", self.scheduler.address)).bearer_auth(SECRET);
        request.send().await.ok()?.json().await.ok()
    }

    /// What the scheduler tells of itself.
    pub async fn metrics(&self) -> String {
        let request = self.http.get(format!("http://{}/metrics", self.scheduler.address)).bearer_auth(SECRET);
        request.send().await.expect("the scheduler answers").text().await.expect("a text")
    }

    /// Waits until so many sidecars are ready, and no others are there, and each view has one.
    pub async fn all_ready(&self, sidecars: usize) {
        self.until("all are ready", |status| {
            let ready = status.ssps.iter().filter(|ssp| ssp.state == "ready").count();
            ready == sidecars && status.ssps.len() == sidecars && status.unassigned == 0
        })
        .await;
    }

    /// Waits until the scheduler says something of its sidecars.
    pub async fn until(&self, what: &str, holds: impl Fn(&PoolStatus) -> bool) {
        let started = Instant::now();
        let mut last = None;
        while started.elapsed() < LIMIT {
            if let Some(status) = self.status().await {
                if holds(&status) {
                    return;
                }
                last = Some(status);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not come true that {what}: {last:#?}\n{}", self.logs());
    }

    /// Which registration of a sidecar counts; 0 if the scheduler has none.
    pub async fn epoch(&self, number: usize) -> u64 {
        let status = self.status().await.expect("the scheduler answers");
        let own = status.ssps.iter().find(|ssp| ssp.ssp_id == self.ssps[number].name);
        own.map_or(0, |ssp| ssp.epoch)
    }

    /// Stops a sidecar in good order and starts it again, and waits until it has joined again and all are ready.
    pub async fn restart_ssp(&mut self, number: usize) {
        let before = self.epoch(number).await;
        self.ssps[number].stop();
        self.start_ssp(number);
        let (name, all) = (self.ssps[number].name.clone(), self.ssps.len());
        let has_joined = |status: &PoolStatus| {
            status.ssps.iter().any(|ssp| ssp.ssp_id == name && ssp.epoch > before && ssp.state == "ready")
        };
        self.until(&format!("{name} has joined again"), has_joined).await;
        self.all_ready(all).await;
    }

    /// Stops the scheduler in good order and starts it again, and waits until all sidecars are with it.
    pub async fn restart_scheduler(&mut self) {
        self.scheduler.stop();
        self.start_scheduler();
        self.all_ready(self.ssps.len()).await;
    }

    /// Posts to the scheduler.
    pub async fn post(&self, path: &str, body: &Json) -> (u16, Json) {
        let url = format!("http://{}{path}", self.scheduler.address);
        let answer = self.http.post(url).bearer_auth(SECRET).json(body).send().await;
        let Ok(answer) = answer else { return (0, Json::Null) };
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_default();
        (status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }

    pub async fn try_register(&self, id: &str, surql: &str, params: &str) -> (u16, Json) {
        self.post("/query/register", &registration(id, surql, params)).await
    }

    /// Registers a view, as soon as that is possible.
    pub async fn register(&self, id: &str, surql: &str, params: &str) -> Json {
        self.register_as(&registration(id, surql, params)).await
    }

    /// As [`Cluster::register`], with everything that a registration says.
    pub async fn register_as(&self, registration: &Json) -> Json {
        let started = Instant::now();
        loop {
            let (status, body) = self.post("/query/register", registration).await;
            match status {
                200 => return body,
                0 | 502 | 503 | 504 if started.elapsed() < LIMIT => tokio::time::sleep(Duration::from_millis(50)).await,
                _ => panic!("{registration}: {status} {body}\n{}", self.logs()),
            }
        }
    }

    /// Waits until each of these views shows what SurrealDB answers. Nobody may write meanwhile.
    pub async fn agree(&self, views: &[(String, String, String)]) {
        let started = Instant::now();
        loop {
            let versions = self.application.versions().await;
            let shown = self.application.all_edges().await;
            let mut differing = Vec::new();
            for (id, surql, params) in views {
                let expected = self.application.oracle(surql, params, &versions).await.expect("the query is answered");
                let shown = shown.get(id).cloned().unwrap_or_default();
                if shown != expected {
                    differing.push(format!("{id} {surql} {params}:\n expected {expected:?}\n shown    {shown:?}"));
                }
            }
            if differing.is_empty() {
                return;
            }
            if started.elapsed() > LIMIT {
                let status = self.status().await;
                let owners = self.application.database.owners().await.expect("the database answers");
                println!("{owners:?}");
                panic!(
                    "{} of {} views are wrong, such as {}\n{status:#?}\n{}",
                    differing.len(),
                    views.len(),
                    differing[0],
                    self.logs()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn registration(id: &str, surql: &str, params: &str) -> Json {
    json!({ "id": id, "surql": surql, "params": params, "clientId": "test", "ttl": "1h" })
}
