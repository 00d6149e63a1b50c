use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::log::wal::VERSION;

/// Why the log did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The event was removed.
    #[error("event {asked} is not in the log any more, which begins at {first}")]
    Truncated {
        /// The number that was asked for.
        asked: u64,
        /// The lowest that can be read.
        first: u64,
    },
    /// No such event was ever given its number.
    #[error("event {asked} is beyond the log, which goes on at {next}")]
    Beyond {
        /// The number that was asked for.
        asked: u64,
        /// The number that will be given next.
        next: u64,
    },
    /// An append without payloads.
    #[error("there is nothing to append")]
    Empty,
    /// An append of more payloads than can be kept or lost together.
    #[error("{payloads} payloads can't be appended at once, and {limit} can")]
    TooMany {
        /// How many there were.
        payloads: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A payload, or all of an append together.
    #[error("{what} has {bytes} bytes, and may have {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The disk, a quota or the largest size of a file.
    #[error("there is no room to {action} {}: {source}", .path.display())]
    Full {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Anything else that the system refuses.
    #[error("can't {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// What was stored is not what was written.
    #[error("{} is damaged at byte {offset}: {flaw}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where what makes no sense begins.
        offset: u64,
        /// What is wrong there.
        flaw: Flaw,
    },
    /// Somebody else has the log open.
    #[error("the log in {} is in use already", .path.display())]
    InUse {
        /// The directory of the log.
        path: PathBuf,
    },
    /// The log was closed meanwhile.
    #[error("the log is closed")]
    Closed,
}

/// What makes no sense in a file of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The file does not begin as a segment does.
    #[error("this is no segment of a log")]
    NoSegment,
    /// The file was written by another version.
    #[error("the format has version {0}, and only version {VERSION} is known")]
    UnsupportedVersion(u32),
    /// The header of the segment is not what was written.
    #[error("the header does not match its checksum")]
    Header,
    /// The file has the name of another segment.
    #[error("the header is that of the segment from event {0} on")]
    Misplaced(u64),
    /// There is no header of a record where one has to be.
    #[error("no record begins here")]
    NoRecord,
    /// The header is that of another event.
    #[error("this is event {0}, which does not belong here")]
    OutOfOrder(u64),
    /// The payload is not what was written.
    #[error("event {0} does not match its checksum")]
    Payload(u64),
    /// The file ends within an event, or before one that must be in it.
    #[error("event {0} is missing, or not complete")]
    EndsEarly(u64),
}

impl Error {
    /// What the system said, told apart by whether room would help.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        let (path, kind) = (path.to_owned(), source.kind());
        let source = Arc::new(source);
        match kind {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Error::Full { action, path, source }
            }
            _ => Error::Io { action, path, source },
        }
    }
}
