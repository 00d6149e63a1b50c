//! The server that the replica is in: a process of its own, which is started again when it ends.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use embedded::{Log, Server, Storage};
use protocol::Names;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::replica::error::Error;
use crate::replica::home::{Home, Host};

/// The user that owns the replica's database.
const OWNER: &str = "replica";
/// Namespace and database within the server.
const PLACE: &str = "replica";
/// The largest message: an event with the largest record, and what is written with it.
const MESSAGE_BYTES: usize = cluster::MAX_EVENT + (32 << 20);
/// How long it takes until a server that ended is started again, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// A directory with the rows and the password of their owner.
#[derive(Clone, Debug)]
pub struct Place {
    directory: PathBuf,
    /// As of the process that started the server last.
    executable: Option<PathBuf>,
}

#[async_trait]
impl Home for Place {
    async fn open(&self) -> Result<Box<dyn Host>, Error> {
        Ok(Box::new(Keeper::start(self).await?))
    }

    fn wipe(&self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::directory("remove", &self.directory)(error))
            }
            _ => Ok(()),
        }
    }
}

impl Place {
    /// In a directory of which everything is the replica's, with a server by this executable, or by the one that is running now.
    pub fn new(directory: PathBuf, executable: Option<PathBuf>) -> Place {
        Place { directory, executable }
    }

    fn rows(&self) -> PathBuf {
        self.directory.join("rows")
    }

    /// The password of the owner, who is made with the storage. Without it the rows are of no use, and are removed.
    fn password(&self) -> Result<String, Error> {
        let path = self.directory.join("password");
        match fs::read_to_string(&path) {
            Ok(password) if !password.is_empty() => return Ok(password),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::directory("read", path)(error)),
        }
        self.wipe()?;
        fs::create_dir_all(&self.directory).map_err(Error::directory("create", &self.directory))?;
        let password = uuid::Uuid::new_v4().to_string();
        write_secret(&path, &password).map_err(Error::directory("write", &path))?;
        Ok(password)
    }
}

fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    // The entry of the file has to be there when the rows are.
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::File::open(directory)?.sync_all()
}

/// Keeps a server running until it is stopped or dropped.
#[derive(Debug)]
struct Keeper {
    settings: database::Settings,
    process: watch::Receiver<Option<u32>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), embedded::Error>>,
}

impl Keeper {
    async fn start(place: &Place) -> Result<Keeper, Error> {
        let password = place.password()?;
        let mut settings = embedded::Settings {
            executable: place.executable.clone(),
            storage: Storage::RocksDb(place.rows()),
            username: OWNER.to_owned(),
            password: password.clone(),
            message_bytes: MESSAGE_BYTES,
            log: Log::File(place.directory.join("database.log")),
            ..embedded::Settings::default()
        };
        let server = start(&settings).await?;
        // The connections find it there again.
        settings.port = server.address().port();
        let endpoint = format!("ws://{}", server.address());
        let endpoint = endpoint.parse().map_err(|error: database::EndpointError| {
            Error::from(embedded::Error::Executable { reason: error.to_string() })
        })?;
        let (stop, stopped) = oneshot::channel();
        let (process, watched) = watch::channel(server.id());
        let task = tokio::spawn(keep(server, settings, process, stopped));
        let settings = database::Settings {
            max_message_bytes: MESSAGE_BYTES,
            ..database::Settings::new(endpoint, PLACE, PLACE, OWNER, password)
        };
        Ok(Keeper { settings, process: watched, stop: Some(stop), task })
    }
}

#[async_trait]
impl Host for Keeper {
    async fn connect(&self, names: Names) -> Result<database::Database, Error> {
        Ok(database::Database::connect(self.settings.clone(), names).await?)
    }

    fn id(&self) -> Option<u32> {
        *self.process.borrow()
    }

    async fn stop(mut self: Box<Self>) -> Result<(), Error> {
        // If the task has ended nobody hears this.
        let _ = self.stop.take().map(|stop| stop.send(()));
        match (&mut self.task).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Error::Stopped),
        }
    }
}

impl Drop for Keeper {
    /// The server is killed with the task that owns it.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a server. One that a former process has left behind may still have the directory, while it ends.
async fn start(settings: &embedded::Settings) -> Result<Server, embedded::Error> {
    let until = tokio::time::Instant::now() + 2 * settings.stop_limit;
    loop {
        match Server::start(settings.clone()).await {
            Err(embedded::Error::Exited { status, .. }) if tokio::time::Instant::now() < until => {
                tracing::warn!(%status, "the server of the replica does not start, trying again");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            outcome => return outcome,
        }
    }
}

async fn keep(
    mut server: Server,
    settings: embedded::Settings,
    process: watch::Sender<Option<u32>>,
    mut stop: oneshot::Receiver<()>,
) -> Result<(), embedded::Error> {
    loop {
        let since = tokio::time::Instant::now();
        tokio::select! {
            _ = &mut stop => return server.stop().await,
            ended = server.ended() => {
                process.send_replace(None);
                let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                tracing::warn!(status, log = server.last_words(), "the server of the replica has ended, starting another one");
            }
        }
        // One that has run for a while has not ended because it was started too early.
        let [mut pause, longest] = PAUSES;
        if since.elapsed() < longest {
            tokio::time::sleep(pause).await;
        }
        loop {
            let started = tokio::select! {
                _ = &mut stop => return Ok(()),
                started = Server::start(settings.clone()) => started,
            };
            match started {
                Ok(started) => {
                    server = started;
                    process.send_replace(server.id());
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, ?pause, "the server of the replica does not start");
                    tokio::select! {
                        _ = &mut stop => return Ok(()),
                        () = tokio::time::sleep(pause) => pause = longest.min(pause * 2),
                    }
                }
            }
        }
    }
}
