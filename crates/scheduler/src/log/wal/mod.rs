//! The log in files of one machine: a write-ahead log.
//!
//! ```text
//!   append ──▶ queue ──▶ group ──▶ write ──▶ fdatasync ──▶ mark ──▶ published, acknowledged
//!              bounded   one thread                                        │
//!                                                                          ▼
//!   read ────────────────────────────────────────────────▶ the files, up to what is published
//! ```
//!
//! A directory holds segments: files that are named after their first event, written one after the other and never
//! changed where records have been acknowledged. `frame` has the format, `writer` how records come to the disk and what
//! happens when it fails, `recovery` what is believed after a crash.
//!
//! **Why a thread, and not a task.** There is no asynchronous `fdatasync`; whoever calls it waits. One thread of its
//! own waits for all, owns the end of the log, and finds its next group in its queue, as the engine of a sidecar does.
//! Readers share nothing with it but a list of segments, and read on threads of the runtime's that may block.
//!
//! **What is promised.** An append is acknowledged when `fdatasync` has returned. What was acknowledged survives the
//! end of the process at any moment, and the end of the machine as far as the disk keeps what it has confirmed. Damage
//! is an error with a file and an offset, at the start and whenever a record is read. It goes unnoticed only where
//! nothing can tell: when files are missing at either end of the log, or the last one is shorter than it was. And after
//! the machine has stopped, damage in the group that was written last looks as if it were torn: it is cut off, and that
//! is reported.
//!
//! Opening reads everything: O(bytes). So truncate.

mod directory;
mod frame;
mod recovery;
mod segment;
mod segments;
mod writer;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::log::{Error, EventLog, Limit, Record};
use directory::Directory;
pub(crate) use frame::VERSION;
pub use recovery::Cut;
use segments::Segments;
use writer::{Append, Writer, size_of};

/// The most bytes of one payload. The format has room for 4 GiB; what limits it is memory: payloads are kept in it while they are
/// written, and read, whole.
pub const MAX_PAYLOAD: usize = 128 << 20;
/// The most payloads of one append.
pub const MAX_PAYLOADS: usize = 65_536;
/// The most bytes of one append, of which each record takes 40 beside its payload.
pub const MAX_APPEND: usize = 144 << 20;

/// The most appends that wait to be written. Who comes later waits until there is room.
const QUEUE: usize = 4_096;
/// The most bytes that wait to be written.
const QUEUE_BYTES: usize = 2 * MAX_APPEND;

/// Where a log is kept, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its directory, which is created if it does not exist.
    pub directory: PathBuf,
    /// The size from which on a segment is ended, and the next one begun. One append that is larger has a segment of
    /// its own.
    ///
    /// What is truncated goes by whole segments. Each takes a file descriptor.
    pub segment_bytes: u64,
}

impl Settings {
    /// Segments of 64 MiB in a directory.
    pub fn new(directory: impl Into<PathBuf>) -> Settings {
        Settings { directory: directory.into(), segment_bytes: 64 << 20 }
    }
}

/// A write-ahead log. Dropping it ends its writer once what was given to it is written.
#[derive(Debug)]
pub struct Wal {
    appends: mpsc::Sender<Append>,
    /// The bytes that may still join the queue.
    room: Arc<Semaphore>,
    segments: Arc<Segments>,
    directory: Arc<Directory>,
    /// Segments are removed by one at a time, so that none is missing between two.
    truncation: Arc<Mutex<()>>,
    writer: JoinHandle<()>,
    cut: Option<Cut>,
    syncs: Arc<AtomicU64>,
}

impl Wal {
    /// Opens a log, and checks all of it. A torn end is cut off ([`Wal::cut`]). O(bytes).
    ///
    /// # Errors
    /// [`Error::InUse`] if somebody has it open; [`Error::Damaged`], and nothing is changed; [`Error::Full`] and
    /// [`Error::Io`].
    pub async fn open(settings: Settings) -> Result<Wal, Error> {
        blocking(move || Wal::open_blocking(&settings)).await
    }

    fn open_blocking(settings: &Settings) -> Result<Wal, Error> {
        let directory = Arc::new(Directory::open(&settings.directory)?);
        let recovered = recovery::recover(&directory)?;
        if let Some(cut) = &recovered.cut {
            let Cut { path, offset, bytes } = cut;
            tracing::warn!(file = %path.display(), offset, bytes, "the end of the log was torn, and is cut off");
        }
        let segments = Arc::new(Segments::new(recovered.segments, recovered.next));
        let syncs = Arc::new(AtomicU64::new(0));
        let (appends, receiver) = mpsc::channel(QUEUE);
        let writer = Writer::new(directory.clone(), segments.clone(), settings.segment_bytes, syncs.clone());
        let thread = std::thread::Builder::new().name("log writer".to_owned()).spawn(move || writer.run(receiver));
        let writer = thread.map_err(|source| Error::io("start a thread for", &settings.directory, source))?;
        let room = Arc::new(Semaphore::new(QUEUE_BYTES));
        let truncation = Arc::default();
        Ok(Wal { appends, room, segments, directory, truncation, writer, cut: recovered.cut, syncs })
    }

    /// What was cut off when the log was opened: appends that had not been acknowledged when the machine stopped.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// How often groups of appends were brought to the disk since the log was opened.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Writes what was given to it, and ends. Then the log can be opened again.
    ///
    /// # Errors
    /// [`Error::Closed`] if the writer has ended before.
    pub async fn close(self) -> Result<(), Error> {
        let Wal { appends, directory, truncation, writer, .. } = self;
        drop(appends);
        // A truncation whose caller has gone away uses the directory, too.
        let truncated = truncation.lock_owned().await;
        blocking(move || {
            let _held = (directory, truncated);
            writer.join().map_err(|_| Error::Closed)
        })
        .await
    }
}

#[async_trait]
impl EventLog for Wal {
    /// One wait for the disk, shared with all that came at the same time.
    async fn append(&self, payloads: Vec<Bytes>) -> Result<u64, Error> {
        let bytes = checked(&payloads)?;
        let room = self.room.clone().acquire_many_owned(bytes).await.map_err(|_| Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        let append = Append { payloads, reply, room: Some(room) };
        self.appends.send(append).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// O(answer), and at most 64 KiB and one payload that are not wanted.
    async fn read(&self, from: u64, limit: Limit) -> Result<Vec<Record>, Error> {
        let segments = self.segments.clone();
        blocking(move || segments.read(from, limit)).await
    }

    async fn range(&self) -> Result<Range<u64>, Error> {
        Ok(self.segments.range())
    }

    /// Removes whole segments, the oldest first, so that none is missing in between whenever it is interrupted. One
    /// wait for the disk for each.
    async fn truncate_before(&self, sequence: u64) -> Result<(), Error> {
        let next = self.segments.range().end;
        if sequence > next {
            return Err(Error::Beyond { asked: sequence, next });
        }
        let (segments, directory) = (self.segments.clone(), self.directory.clone());
        let turn = self.truncation.clone().lock_owned().await;
        blocking(move || {
            let _turn = turn;
            while let Some(first) = segments.first_before(sequence) {
                directory.remove_segment(first)?;
                segments.forget(first);
            }
            Ok(())
        })
        .await
    }
}

/// The bytes that an append takes, if it may be one.
fn checked(payloads: &[Bytes]) -> Result<u32, Error> {
    if payloads.is_empty() {
        return Err(Error::Empty);
    }
    if payloads.len() > MAX_PAYLOADS {
        return Err(Error::TooMany { payloads: payloads.len(), limit: MAX_PAYLOADS });
    }
    if let Some(payload) = payloads.iter().find(|payload| payload.len() > MAX_PAYLOAD) {
        return Err(Error::TooLarge { what: "a payload", bytes: payload.len(), limit: MAX_PAYLOAD });
    }
    match size_of(payloads) {
        bytes if bytes > MAX_APPEND => Err(Error::TooLarge { what: "an append", bytes, limit: MAX_APPEND }),
        bytes => Ok(bytes as u32),
    }
}

/// Does what waits for the disk on a thread that may. Once begun it is done, whether or not anybody waits for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    // It does not panic, so the runtime is going down.
    spawn_blocking(work).await.unwrap_or(Err(Error::Closed))
}
