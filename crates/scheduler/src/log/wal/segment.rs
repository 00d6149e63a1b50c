//! One file of the log: records of consecutive numbers behind a header.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::directory::Directory;
use super::frame::{Kind, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader};
use crate::log::{Error, Flaw};

/// A segment, open for as long as anybody reads it: it may be removed meanwhile.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// The number of its first event.
    pub(super) first: u64,
    pub(super) seed: u64,
}

impl Segment {
    /// Creates a segment without records, in place of one that has the same name and none either. It is made beside its
    /// place, so that the name never stands for a part of a header.
    pub(super) fn create(directory: &Directory, first: u64) -> Result<Segment, Error> {
        let (beside, path) = (directory.unfinished(), directory.segment(first));
        let header = SegmentHeader { first, seed: rand::random() };
        let made = make(&beside, &path, header);
        let file = match made {
            Ok(file) => file,
            Err(source) => {
                // Of no use, and in the way where the disk is full.
                let _ = fs::remove_file(&beside);
                return Err(Error::io("create", &path, source));
            }
        };
        directory.sync()?;
        Ok(Segment { path, file, first, seed: header.seed })
    }

    /// Opens a segment, and believes it to be what its name says only if its header does, too.
    pub(super) fn open(directory: &Directory, first: u64) -> Result<Segment, Error> {
        let path = directory.segment(first);
        let mut bytes = [0; SEGMENT_HEADER];
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let file = opened.map_err(|source| Error::io("open", &path, source))?;
        let read = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => SegmentHeader::read(&bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Flaw::NoSegment),
            Err(source) => return Err(Error::io("read", &path, source)),
        };
        match read {
            Ok(header) if header.first == first => Ok(Segment { path, file, first, seed: header.seed }),
            Ok(header) => Err(Error::Damaged { path, offset: 0, flaw: Flaw::Misplaced(header.first) }),
            Err(flaw) => Err(Error::Damaged { path, offset: 0, flaw }),
        }
    }

    /// The records in a part of the file, the first of which has a number. About `window` bytes are read at once.
    pub(super) fn records(&self, bytes: Range<u64>, sequence: u64, window: usize) -> Records<'_> {
        let Range { start: offset, end } = bytes;
        Records {
            segment: self,
            offset,
            sequence,
            end,
            window: Bytes::new(),
            window_offset: offset,
            window_size: window,
        }
    }

    /// The error that something in this file is.
    pub(super) fn error(&self, offset: u64, stop: Stop) -> Error {
        match stop {
            Stop::Io(source) => Error::io("read", &self.path, source),
            Stop::Flaw(flaw) => Error::Damaged { path: self.path.clone(), offset, flaw },
        }
    }
}

fn make(beside: &Path, path: &Path, header: SegmentHeader) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(beside)?;
    file.write_all_at(&header.written(), 0)?;
    file.sync_all()?;
    fs::rename(beside, path)?;
    Ok(file)
}

/// Why there is no further record.
#[derive(Debug)]
pub(super) enum Stop {
    Io(io::Error),
    Flaw(Flaw),
}

/// An event as it stands in the file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    /// Where its record begins.
    pub(super) offset: u64,
    /// Whether the append ends with it.
    pub(super) is_last: bool,
    pub(super) payload: Bytes,
}

/// Goes through records, each of which must be whole and have the number that is due.
#[derive(Debug)]
pub(super) struct Records<'a> {
    segment: &'a Segment,
    /// Where the next record begins, or what is no record.
    pub(super) offset: u64,
    /// The number of the next event.
    pub(super) sequence: u64,
    end: u64,
    /// Read from the file and not used up. What it says of the file stays true: nobody writes where records are read.
    window: Bytes,
    window_offset: u64,
    window_size: usize,
}

impl Records<'_> {
    /// The next event; nothing at the end. O(its record).
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Stop> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let bytes = self.bytes(self.offset, RECORD_HEADER)?;
        let header = bytes.first_chunk().and_then(|bytes| RecordHeader::read(bytes, self.segment.seed));
        let Some(header) = header.filter(|header| header.kind != Kind::Mark) else {
            return Err(Stop::Flaw(Flaw::NoRecord));
        };
        if header.sequence != self.sequence {
            return Err(Stop::Flaw(Flaw::OutOfOrder(header.sequence)));
        }
        let payload = self.bytes(self.offset + RECORD_HEADER as u64, header.length as usize)?;
        if !header.fits(&payload) {
            return Err(Stop::Flaw(Flaw::Payload(header.sequence)));
        }
        let (sequence, offset) = (self.sequence, self.offset);
        self.sequence += 1;
        self.offset += (RECORD_HEADER + payload.len()) as u64;
        Ok(Some(Entry { sequence, offset, is_last: header.kind == Kind::Last, payload }))
    }

    fn bytes(&mut self, offset: u64, length: usize) -> Result<Bytes, Stop> {
        let left = self.end - offset;
        if left < length as u64 {
            return Err(Stop::Flaw(Flaw::EndsEarly(self.sequence)));
        }
        let skipped = (offset - self.window_offset) as usize;
        if skipped + length <= self.window.len() {
            return Ok(self.window.slice(skipped..skipped + length));
        }
        let size = left.min(length.max(self.window_size) as u64) as usize;
        let mut window = vec![0; size];
        match self.segment.file.read_exact_at(&mut window, offset) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Stop::Flaw(Flaw::EndsEarly(self.sequence)));
            }
            Err(error) => return Err(Stop::Io(error)),
        }
        (self.window, self.window_offset) = (Bytes::from(window), offset);
        Ok(self.window.slice(..length))
    }
}
