//! A database server as a child process: start, wait until it serves, stop.

use std::fmt;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep, timeout};

use crate::child::Child;
use crate::port::{check_port, free_port};
use crate::{COMMAND, Error, PARENT_VARIABLE};

/// Where the data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory: gone when the server ends.
    Memory,
    /// In this directory, with RocksDB. It is created if it isn't there.
    RocksDb(PathBuf),
}

/// Where the server's log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// To a temporary file without a name, of which the last lines are shown if the server fails.
    OnFailure,
    /// To this file, which is emptied first; its last lines are shown if the server fails.
    File(PathBuf),
    /// To this process's own standard output and error.
    Inherit,
}

/// How to run a server. It always listens on 127.0.0.1 only.
#[derive(Clone)]
pub struct Settings {
    /// The executable that holds the engine; `None` for the one that is running now.
    pub executable: Option<PathBuf>,
    /// The port; 0 for any free one.
    pub port: u16,
    /// Where the data is.
    pub storage: Storage,
    /// Name of the root user, which is made if the storage has none.
    pub username: String,
    /// Password of the root user.
    pub password: String,
    /// The addresses that `http::*` functions may reach; no others.
    pub allow_net: Vec<SocketAddr>,
    /// How many notifications of live queries may wait to be sent to a client. One that has more is taken for dead, and its
    /// connection is closed; a transaction that changes so many records at once does that to any client. SurrealDB's own
    /// default is 100.
    pub notification_queue: usize,
    /// The largest message that it takes. SurrealDB's own default is 128 MiB.
    pub message_bytes: usize,
    /// Where the log goes.
    pub log: Log,
    /// The least severe level that is logged: `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: String,
    /// How long it may take until the server answers.
    pub start_limit: Duration,
    /// How long an orderly stop may take; then the server is killed.
    pub stop_limit: Duration,
}

impl Default for Settings {
    /// In memory, on any free port, with the root user `root` and password `root`, which no network function can leave.
    fn default() -> Self {
        Self {
            executable: None,
            port: 0,
            storage: Storage::Memory,
            username: "root".to_owned(),
            password: "root".to_owned(),
            allow_net: Vec::new(),
            notification_queue: 100_000,
            message_bytes: 128 << 20,
            log: Log::OnFailure,
            log_level: "warn".to_owned(),
            start_limit: Duration::from_secs(60),
            stop_limit: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// The defaults, with the executable `spky` of the build that the running test belongs to.
    ///
    /// That is the file that `cargo build -p spky` makes, two directories above the test; or what the variable
    /// `SPKY_TEST_EXECUTABLE` names.
    pub fn for_tests() -> Self {
        let named = std::env::var_os("SPKY_TEST_EXECUTABLE").map(PathBuf::from);
        let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("spky"));
        Self { executable: named.or_else(beside), ..Self::default() }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("executable", &self.executable)
            .field("port", &self.port)
            .field("storage", &self.storage)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// A running server.
///
/// It is in a process group of its own, so that Ctrl-C in the terminal reaches only us, and we stop the database last.
/// It ends with us whatever happens: dropping this kills it, and if this process is killed the kernel stops it (on
/// Linux).
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: Option<File>,
    stop_limit: Duration,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).field("process", &self.id()).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server and waits until it answers. Takes about a second, most of which is hashing the password.
    ///
    /// # Errors
    ///
    /// [`Error::PortInUse`] before anything is started; [`Error::Exited`] and [`Error::NotReady`] with the end of its
    /// log.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        // Somebody may take a free port between the moment it is found and the moment the server listens on it.
        const ATTEMPTS: u32 = 3;
        let mut attempt = 1;
        loop {
            let port = if settings.port == 0 { free_port()? } else { settings.port };
            check_port(port)?;
            match Self::start_on(port, &settings).await {
                Err(Error::Exited { .. }) if settings.port == 0 && attempt < ATTEMPTS && check_port(port).is_err() => {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn start_on(port: u16, settings: &Settings) -> Result<Self, Error> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (command, log) = command(address, settings)?;
        let executable = PathBuf::from(command.get_program());
        let child = Child::spawn(command).await.map_err(|source| Error::Spawn { path: executable, source })?;
        let server = Self { child, address, log, stop_limit: settings.stop_limit };

        let limit = settings.start_limit;
        let ready = timeout(limit, answers(address));
        tokio::select! {
            // Looked at first: when the process has ended, whoever answers on its port is somebody else.
            biased;
            ended = server.child.ended() => {
                let status = ended.map_err(Error::Signal)?;
                Err(Error::Exited { status, log: server.last_words() })
            }
            ready = ready => match ready {
                Ok(()) => Ok(server),
                Err(_) => {
                    server.child.signal(Signal::SIGKILL).map_err(Error::Signal)?;
                    server.child.ended().await.map_err(Error::Signal)?;
                    Err(Error::NotReady { limit, log: server.last_words() })
                }
            },
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process id; `None` after the process has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the process ends by itself, and tells how. May be cancelled.
    ///
    /// # Errors
    ///
    /// [`Error::Signal`] if the system can't tell.
    pub async fn ended(&self) -> Result<ExitStatus, Error> {
        self.child.ended().await.map_err(Error::Signal)
    }

    /// The last lines of the log, for an error; empty if the log goes elsewhere.
    pub fn last_words(&self) -> String {
        self.log.as_ref().and_then(|log| tail(log).ok()).unwrap_or_default()
    }

    /// Stops the server in good order: it closes its connections and its storage. Kills it if that takes too long.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it ended with an error of its own; not if it had to be killed.
    pub async fn stop(&mut self) -> Result<(), Error> {
        // The first signal lets it wait for its clients to go, without limit. The second one makes it close their
        // connections; the storage is still closed properly.
        const PATIENCE_WITH_CLIENTS: Duration = Duration::from_millis(500);
        let patience = [PATIENCE_WITH_CLIENTS.min(self.stop_limit), self.stop_limit];
        for limit in patience {
            self.child.signal(Signal::SIGTERM).map_err(Error::Signal)?;
            if let Ok(ended) = timeout(limit, self.child.ended()).await {
                let status = ended.map_err(Error::Signal)?;
                return match status.success() {
                    true => Ok(()),
                    false => Err(Error::Failed { status, log: self.last_words() }),
                };
            }
        }
        self.kill().await
    }

    /// Kills the server at once, as a crash would.
    ///
    /// # Errors
    ///
    /// [`Error::Signal`] if the system refuses.
    pub async fn kill(&mut self) -> Result<(), Error> {
        self.child.signal(Signal::SIGKILL).map_err(Error::Signal)?;
        self.child.ended().await.map(drop).map_err(Error::Signal)
    }
}

/// The command that runs the server, and the file that its log goes to.
fn command(address: SocketAddr, settings: &Settings) -> Result<(Command, Option<File>), Error> {
    let executable = match &settings.executable {
        Some(path) if path.is_file() => path.clone(),
        Some(path) => {
            let reason = format!("there is no file {} (build it with `cargo build -p spky`)", path.display());
            return Err(Error::Executable { reason });
        }
        None => std::env::current_exe().map_err(|error| Error::Executable { reason: error.to_string() })?,
    };
    let mut command = Command::new(executable);
    command.arg0(COMMAND).process_group(0).stdin(Stdio::null());

    // The server is what the settings say, whatever the environment of this process is set to. And what it calls is on
    // this machine, never behind a proxy.
    let foreign = |name: &str| name.starts_with("SURREAL_") || name.to_ascii_lowercase().ends_with("_proxy");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(foreign)) {
        command.env_remove(name);
    }
    // Not as arguments, which every user of the machine can read.
    command.env("SURREAL_USER", &settings.username).env("SURREAL_PASS", &settings.password);
    command.env("SURREAL_ONLINE_VERSION_CHECK", "false").env("SURREAL_LOG", &settings.log_level);
    command.env("SURREAL_WEBSOCKET_RESPONSE_CHANNEL_SIZE", settings.notification_queue.to_string());
    command.env("SURREAL_WEBSOCKET_MAX_MESSAGE_SIZE", settings.message_bytes.to_string());
    command.env(PARENT_VARIABLE, std::process::id().to_string());

    command.args(["start", "--no-banner", "--bind"]).arg(address.to_string());
    if !settings.allow_net.is_empty() {
        let targets: Vec<String> = settings.allow_net.iter().map(SocketAddr::to_string).collect();
        command.arg("--allow-net").arg(targets.join(","));
    }
    command.arg("--").arg(storage_path(&settings.storage));

    let log = log_file(&settings.log)?;
    if let Some(log) = &log {
        let failed = |source| Error::Log { path: log_path(&settings.log), source };
        command.stdout(log.try_clone().map_err(failed)?).stderr(log.try_clone().map_err(failed)?);
    }
    Ok((command, log))
}

fn storage_path(storage: &Storage) -> std::ffi::OsString {
    match storage {
        Storage::Memory => "memory".into(),
        Storage::RocksDb(directory) => {
            let mut path = std::ffi::OsString::from("rocksdb://");
            path.push(directory);
            path
        }
    }
}

fn log_path(log: &Log) -> Option<PathBuf> {
    match log {
        Log::File(path) => Some(path.clone()),
        Log::OnFailure | Log::Inherit => None,
    }
}

fn log_file(log: &Log) -> Result<Option<File>, Error> {
    let file = match log {
        Log::Inherit => return Ok(None),
        Log::OnFailure => tempfile::tempfile(),
        Log::File(path) => create(path),
    };
    file.map(Some).map_err(|source| Error::Log { path: log_path(log), source })
}

fn create(path: &Path) -> std::io::Result<File> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    File::options().read(true).write(true).create(true).truncate(true).open(path)
}

/// Waits until the server at `address` answers that it is healthy.
async fn answers(address: SocketAddr) {
    const INTERVAL: Duration = Duration::from_millis(20);
    let url = format!("http://{address}/health");
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build();
    loop {
        let next = Instant::now() + INTERVAL;
        if let Ok(client) = &client
            && let Ok(answer) = client.get(&url).send().await
            && answer.status().is_success()
        {
            return;
        }
        sleep(next.saturating_duration_since(Instant::now())).await;
    }
}

/// The last lines of a log. Reads without moving the position, which the process that writes shares.
fn tail(log: &File) -> std::io::Result<String> {
    const BYTES: u64 = 4096;
    const LINES: usize = 20;
    let length = log.metadata()?.len();
    let mut bytes = vec![0; usize::try_from(length.min(BYTES)).unwrap_or_default()];
    log.read_exact_at(&mut bytes, length.saturating_sub(BYTES))?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(lines[lines.len().saturating_sub(LINES)..].join("\n"))
}
