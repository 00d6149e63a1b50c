//! The directory of a log: who may use it, and which files are its segments.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::log::Error;

const LOCK: &str = "lock";
/// A segment that is being made. It counts once it has its name.
const UNFINISHED: &str = "segment.new";
const EXTENSION: &str = "wal";
/// Enough for every number, so that names are in the order of the numbers.
const DIGITS: usize = 20;

/// A directory that nobody else has open as a log, until this is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Locked as long as it is open, also when the process is killed.
    _lock: File,
}

impl Directory {
    /// Takes possession of a directory, which is created if it does not exist.
    pub(super) fn open(path: &Path) -> Result<Directory, Error> {
        create(path)?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(|source| Error::io("open", &lock_path, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", &lock_path, source)),
        }
        let directory = Directory { path: path.to_owned(), _lock: lock };
        remove(&directory.unfinished())?;
        Ok(directory)
    }

    pub(super) fn unfinished(&self) -> PathBuf {
        self.path.join(UNFINISHED)
    }

    /// The file of the segment that begins with an event.
    pub(super) fn segment(&self, first: u64) -> PathBuf {
        self.path.join(format!("{first:0DIGITS$}.{EXTENSION}"))
    }

    /// The first events of all segments, in ascending order.
    pub(super) fn segments(&self) -> Result<Vec<u64>, Error> {
        let failed = |source| Error::io("list", &self.path, source);
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            segments.extend(name.to_str().and_then(first_event));
        }
        segments.sort_unstable();
        Ok(segments)
    }

    /// Makes names that were given or taken away durable.
    pub(super) fn sync(&self) -> Result<(), Error> {
        sync(&self.path)
    }

    /// Removes a segment for good. It does not matter whether it is there.
    pub(super) fn remove_segment(&self, first: u64) -> Result<(), Error> {
        remove(&self.segment(first))?;
        self.sync()
    }
}

fn first_event(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}

fn sync(directory: &Path) -> Result<(), Error> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|source| Error::io("sync", directory, source))
}

/// Creates a directory and those it is in. Each is only safe when the one that it is in is.
fn create(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::io("create", path, error)),
        _ => sync(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_those_of_segments() {
        assert_eq!(first_event("00000000000000000042.wal"), Some(42));
        assert_eq!(first_event("18446744073709551615.wal"), Some(u64::MAX));
        for other in ["42.wal", "00000000000000000042.wal.old", "+0000000000000000042.wal", "lock", "segment.new"] {
            assert_eq!(first_event(other), None, "{other}");
        }
    }

    #[test]
    fn directories_are_created_as_deep_as_it_takes() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("data/scheduler/wal");
        let directory = Directory::open(&path).expect("an open directory");
        assert!(path.is_dir() && directory.segments().expect("a list").is_empty());
        assert!(matches!(Directory::open(&path), Err(Error::InUse { .. })));
        drop(directory);
        Directory::open(&path).expect("free again");
    }
}
