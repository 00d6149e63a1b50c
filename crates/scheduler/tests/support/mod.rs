//! What all tests of the log need.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use scheduler::log::wal::{Settings, Wal};
use scheduler::log::{Error, EventLog, Limit, Record};
use tempfile::TempDir;

/// In front of the first record of a segment.
pub const SEGMENT_HEADER: usize = 36;
/// In front of a payload; a mark is no more than this.
pub const RECORD_HEADER: usize = 40;

pub const ALL: Limit = Limit { records: usize::MAX, bytes: usize::MAX };

pub async fn opened(directory: &Path, segment_bytes: u64) -> Result<Wal, Error> {
    Wal::open(Settings { segment_bytes, ..Settings::new(directory) }).await
}

/// A directory for tests that open thousands of logs, and ask no more of a disk than to be one: in memory where there is
/// such a disk, as waiting for a busy one takes minutes.
pub fn in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    directory.expect("a directory")
}

/// A payload that is different for each number.
pub fn payload(number: u64, length: usize) -> Bytes {
    let pattern = number.to_le_bytes().into_iter().cycle();
    pattern.zip(0..length).map(|(byte, at)| byte.wrapping_mul(31).wrapping_add(at as u8)).collect()
}

/// Everything from a number on, in as many answers as it takes.
pub async fn read_all(log: &impl EventLog, from: u64, limit: Limit) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    let mut next = from;
    loop {
        let answer = log.read(next, limit).await?;
        if answer.is_empty() {
            return Ok(records);
        }
        next += answer.len() as u64;
        records.extend(answer);
    }
}

/// The files of all segments, the oldest first.
pub fn segments(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut segments: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "wal")).collect();
    segments.sort();
    segments
}
