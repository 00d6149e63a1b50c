//! Saving the state: some time after the last change, and when the service stops.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::adoption::Tables;
use crate::command::{Command, EngineSender, NotSaved};

/// How long nothing must have changed before the state is saved.
const QUIET: Duration = Duration::from_secs(2);
/// How long after the first change the state is saved although changes go on.
const LATEST: Duration = Duration::from_secs(30);
/// At most one part in this many of the time goes into saving.
const SHARE: u32 = 10;

/// The state of whoever saves. [`Saver::run`] is its task.
pub(crate) struct Saver {
    path: PathBuf,
    engine: EngineSender,
    tables: Tables,
    /// Counts the engine's changes.
    changes: watch::Receiver<u64>,
    /// Whether something has changed since the state was saved.
    is_due: bool,
    /// How long the last save took, and when it ended.
    took: Duration,
    ended: Instant,
}

/// Why the state was not saved.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("can't write {path}: {source}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Engine(#[from] NotSaved),
}

impl Saver {
    pub(crate) fn new(path: PathBuf, engine: EngineSender, tables: Tables, changes: watch::Receiver<u64>) -> Self {
        Saver { path, engine, tables, changes, is_due: false, took: Duration::ZERO, ended: Instant::now() }
    }

    /// Saves until the engine is gone or `stop` comes, and then once more. What can't be saved is reported, and tried again
    /// after the next change.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                _ = &mut stop => break,
                goes_on = self.wait() => if !goes_on { break },
            }
            self.save().await;
        }
        if self.is_due || self.changes.has_changed().unwrap_or(false) {
            self.save().await;
        }
    }

    /// Waits for a change, then for a time without any; false if the engine is gone.
    async fn wait(&mut self) -> bool {
        if self.changes.changed().await.is_err() {
            return false;
        }
        self.is_due = true;
        let earliest = self.ended + self.took * (SHARE - 1);
        let latest = (Instant::now() + LATEST).max(earliest);
        loop {
            let due = (Instant::now() + QUIET).max(earliest).min(latest);
            match tokio::time::timeout_at(due, self.changes.changed()).await {
                Err(_) => return true,
                Ok(Err(_)) => return false,
                Ok(Ok(())) => {}
            }
        }
    }

    async fn save(&mut self) {
        let started = Instant::now();
        self.changes.mark_unchanged();
        match self.write().await {
            Ok(bytes) => {
                self.is_due = false;
                tracing::debug!(bytes, took = ?started.elapsed(), "state saved");
            }
            Err(Error::Engine(NotSaved::NoPosition)) => tracing::debug!("the state has no place in the feed now"),
            Err(error) => tracing::error!(%error, "the state can't be saved"),
        }
        self.ended = Instant::now();
        self.took = self.ended - started;
    }

    /// Writes the state beside its place, and then puts it there. Answers its size.
    async fn write(&self) -> Result<u64, Error> {
        let beside = self.path.with_added_extension("new");
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Write { path, source }
        };
        let written = self.write_to(&beside).await;
        let written = match written {
            Ok(bytes) => bytes,
            Err(error) => {
                // Half a state is of no use, and where the disk is full it is in the way.
                let _ = fs::remove_file(&beside).await;
                return Err(error);
            }
        };
        fs::rename(&beside, &self.path).await.map_err(failed(&self.path))?;
        // The new name is only safe when its folder is.
        let folder = folder_of(&self.path);
        let folder_file = File::open(folder).await.map_err(failed(folder))?;
        folder_file.sync_all().await.map_err(failed(folder))?;
        Ok(written)
    }

    async fn write_to(&self, path: &Path) -> Result<u64, Error> {
        let failed = |source| Error::Write { path: path.to_owned(), source };
        fs::create_dir_all(folder_of(path)).await.map_err(failed)?;
        let mut file = File::create(path).await.map_err(failed)?;
        let mut bytes = 0;
        let mut is_first = true;
        while let Some(chunk) = self.chunk(is_first).await? {
            is_first = false;
            bytes += chunk.len() as u64;
            file.write_all(&chunk).await.map_err(failed)?;
        }
        file.sync_all().await.map_err(failed)?;
        Ok(bytes)
    }

    async fn chunk(&self, is_first: bool) -> Result<Option<Vec<u8>>, NotSaved> {
        let (reply, chunk) = oneshot::channel();
        let command = Command::Save { is_first, tables: self.tables.all(), reply };
        self.engine.send(command).await.map_err(|_| NotSaved::Stopped)?;
        chunk.await.map_err(|_| NotSaved::Stopped)?
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
