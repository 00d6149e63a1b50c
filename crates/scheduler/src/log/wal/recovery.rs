//! From the files of a directory to what can be read, whatever happened when the log was last in use.
//!
//! A segment is ended by the next one: what it holds from the first event of the next one on was never acknowledged,
//! and does not count. Up to there it was on the disk before the next one was begun, so everything has to be there.
//!
//! The end of the last segment may be torn: what was being written when the machine stopped is there in any of its
//! parts. That is told from damage by what stands behind it. A header that says that the segment was durable beyond a
//! place proves that this place was whole once; without one, nothing from that place on was acknowledged, or the
//! machine has lost it with the proof. An append acknowledged to a process that was killed has its proof: the mark
//! behind it, which is written first.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::directory::Directory;
use super::frame::{Kind, RECORD_HEADER, RecordHeader, SEGMENT_HEADER};
use super::segment::{Segment, Stop};
use super::segments::Readable;
use crate::log::{Error, Flaw};

/// How much is read at once.
const WINDOW: usize = 1 << 20;

/// What was cut off when the log was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file that it stood in.
    pub path: PathBuf,
    /// Where the file ends now.
    pub offset: u64,
    /// How long it was.
    pub bytes: u64,
}

/// What was found in a directory.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) segments: VecDeque<Readable>,
    /// The number that will be given next.
    pub(super) next: u64,
    pub(super) cut: Option<Cut>,
}

/// Checks all records of all segments, and makes them durable. Cuts a torn end. O(bytes).
pub(super) fn recover(directory: &Directory) -> Result<Recovered, Error> {
    let firsts = directory.segments()?;
    let mut recovered = Recovered { segments: VecDeque::new(), next: firsts.first().copied().unwrap_or(1), cut: None };
    for (at, first) in firsts.iter().enumerate() {
        let mut scan = Scan::of(Segment::open(directory, *first)?)?;
        match firsts.get(at + 1) {
            Some(next) => scan.up_to(*next)?,
            None => recovered.cut = scan.take_all()?,
        }
        recovered.next = scan.next;
        recovered.segments.push_back(scan.readable);
    }
    // What a process that was killed has written is only in memory until now, and so may the names be.
    directory.sync()?;
    Ok(recovered)
}

/// How far a segment is whole.
struct Scan {
    readable: Readable,
    /// The number behind the last whole append.
    next: u64,
    length: u64,
}

/// Where a segment stops making sense, and how.
struct End {
    offset: u64,
    flaw: Option<Flaw>,
}

impl Scan {
    fn of(segment: Segment) -> Result<Scan, Error> {
        let length = segment.file.metadata().map_err(|source| Error::io("read", &segment.path, source))?.len();
        let next = segment.first;
        Ok(Scan { readable: Readable::empty(Arc::new(segment)), next, length })
    }

    /// Everything before an event has to be there.
    fn up_to(&mut self, until: u64) -> Result<(), Error> {
        let End { offset, flaw } = self.go(Some(until))?;
        if self.next == until {
            return Ok(());
        }
        let flaw = flaw.unwrap_or(Flaw::EndsEarly(self.next));
        Err(self.readable.segment.error(offset, Stop::Flaw(flaw)))
    }

    /// Takes what there is, and cuts off what is torn.
    fn take_all(&mut self) -> Result<Option<Cut>, Error> {
        let End { offset, flaw } = self.go(None)?;
        let (segment, end) = (&self.readable.segment, self.readable.end);
        let failed = |action, source| Error::io(action, &segment.path, source);
        let traces = self.traces(offset).map_err(|source| failed("read", source))?;
        if traces.durable > end {
            let flaw = flaw.unwrap_or(Flaw::EndsEarly(self.next));
            return Err(segment.error(offset, Stop::Flaw(flaw)));
        }
        let is_clean = end == self.length || traces.is_marked && end + RECORD_HEADER as u64 == self.length;
        if !is_clean {
            segment.file.set_len(end).map_err(|source| failed("cut", source))?;
        }
        segment.file.sync_all().map_err(|source| failed("sync", source))?;
        let cut = Cut { path: segment.path.clone(), offset: end, bytes: self.length - end };
        Ok(Some(cut).filter(|_| !is_clean))
    }

    /// Goes through the records, up to an event or as far as they go.
    fn go(&mut self, until: Option<u64>) -> Result<End, Error> {
        let segment = self.readable.segment.clone();
        let mut records = segment.records(SEGMENT_HEADER as u64..self.length, segment.first, WINDOW);
        while until.is_none_or(|until| self.next < until) {
            match records.next() {
                Ok(Some(entry)) => {
                    self.readable.note(entry.sequence, entry.offset);
                    if entry.is_last {
                        (self.readable.end, self.next) = (records.offset, records.sequence);
                    }
                }
                Ok(None) => return Ok(End { offset: records.offset, flaw: None }),
                Err(Stop::Flaw(flaw)) => return Ok(End { offset: records.offset, flaw: Some(flaw) }),
                Err(stop) => return Err(segment.error(records.offset, stop)),
            }
        }
        Ok(End { offset: records.offset, flaw: None })
    }

    /// What headers behind an offset tell, wherever they begin. O(bytes behind it).
    fn traces(&self, offset: u64) -> io::Result<Traces> {
        let segment = &self.readable.segment;
        let mut traces = Traces::default();
        let mut window = vec![0; WINDOW];
        let mut at = offset;
        while self.length - at >= RECORD_HEADER as u64 {
            let size = (self.length - at).min(WINDOW as u64) as usize;
            segment.file.read_exact_at(&mut window[..size], at)?;
            for (place, bytes) in (at..).zip(window[..size].windows(RECORD_HEADER)) {
                let header = bytes.first_chunk().and_then(|bytes| RecordHeader::read(bytes, segment.seed));
                if let Some(header) = header {
                    traces.durable = traces.durable.max(header.durable);
                    traces.is_marked |= header.kind == Kind::Mark && place == self.readable.end;
                }
            }
            // The next window begins with all headers that this one holds only a part of.
            at += (size - (RECORD_HEADER - 1)) as u64;
        }
        Ok(traces)
    }
}

#[derive(Default)]
struct Traces {
    /// How far the segment was durable, by what is left of its records.
    durable: u64,
    /// Whether a mark stands where the whole records end.
    is_marked: bool,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::*;
    use crate::log::Limit;
    use crate::log::wal::segments::Segments;
    use crate::log::wal::writer::{Append, Writer};

    /// What every payload of these tests takes.
    const RECORD: usize = RECORD_HEADER + 6;

    /// Writes groups of appends of one event each, and answers the directory and the file.
    fn written(groups: &[u64]) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().expect("a directory");
        let directory = Arc::new(Directory::open(root.path()).expect("a directory of a log"));
        let segments = Arc::new(Segments::new(VecDeque::new(), 1));
        let mut writer = Writer::new(directory.clone(), segments.clone(), 1 << 20, Arc::default());
        let mut next = 1;
        for appends in groups {
            let mut answers = Vec::new();
            for number in next..next + appends {
                let (reply, answer) = oneshot::channel();
                writer.take(Append { payloads: vec![payload(number)], reply, room: None });
                answers.push(answer);
            }
            writer.commit();
            for (mut answer, number) in answers.into_iter().zip(next..) {
                let first = answer.try_recv().expect("an answer");
                assert_eq!(first.expect("an append"), number);
            }
            next += appends;
        }
        assert_eq!(segments.range(), 1..next);
        let path = directory.segment(1);
        (root, path)
    }

    fn payload(number: u64) -> Bytes {
        Bytes::from(format!("{number:06}"))
    }

    fn recovered(root: &Path) -> Result<(Segments, Option<Cut>), Error> {
        let directory = Directory::open(root)?;
        let Recovered { segments, next, cut } = recover(&directory)?;
        Ok((Segments::new(segments, next), cut))
    }

    /// Fills a record with zeros, as if it had not come to the disk.
    fn lose(path: &Path, record: usize) {
        let mut bytes = fs::read(path).expect("a segment");
        bytes[SEGMENT_HEADER + record * RECORD..][..RECORD].fill(0);
        fs::write(path, bytes).expect("a segment");
    }

    fn remove_mark(path: &Path) {
        let bytes = fs::read(path).expect("a segment");
        fs::write(path, &bytes[..bytes.len() - RECORD_HEADER]).expect("a segment");
    }

    /// The parts of a group come to the disk in any order. Catches a machine that doesn't start after a power cut.
    #[test]
    fn a_group_that_is_torn_in_the_middle_is_cut_there() {
        let (root, path) = written(&[2, 3]);
        remove_mark(&path);
        lose(&path, 3);
        let (segments, cut) = recovered(root.path()).expect("the whole part");
        assert_eq!(segments.range(), 1..4);
        let offset = (SEGMENT_HEADER + 3 * RECORD) as u64;
        assert_eq!(cut, Some(Cut { path: path.clone(), offset, bytes: 2 * RECORD as u64 }));
        assert_eq!(fs::metadata(&path).expect("a segment").len(), offset);
        assert_eq!(recovered(root.path()).expect("the same").1, None, "it is cut for good");
    }

    /// Catches an acknowledged append that is cut off with whatever follows it.
    #[test]
    fn what_a_later_group_or_the_mark_proves_is_not_cut() {
        let refused = |root: &Path, record: usize| {
            let error = recovered(root).expect_err("damage");
            let at = (SEGMENT_HEADER + record * RECORD) as u64;
            assert!(matches!(error, Error::Damaged { offset, flaw: Flaw::NoRecord, .. } if offset == at), "{error}");
        };
        // The mark proves the last group.
        let (root, path) = written(&[2, 3]);
        lose(&path, 3);
        refused(root.path(), 3);
        // The last group proves the one before, even where it is torn itself.
        let (root, path) = written(&[2, 3]);
        remove_mark(&path);
        lose(&path, 1);
        lose(&path, 2);
        lose(&path, 4);
        refused(root.path(), 1);
    }

    /// Catches an append that failed, was written nevertheless, and comes back when its number has gone to another.
    #[test]
    fn a_segment_ends_where_the_next_one_begins() {
        let (root, path) = written(&[2, 2]);
        let directory = Directory::open(root.path()).expect("a directory");
        // As the writer does after the second group has failed.
        Segment::create(&directory, 3).expect("the next segment");
        drop(directory);
        for _ in 0..2 {
            let (segments, cut) = recovered(root.path()).expect("the log");
            assert_eq!((segments.range(), cut), (1..3, None));
            let records = segments.read(1, Limit { records: 9, bytes: 999 }).expect("records");
            let payloads: Vec<Bytes> = records.into_iter().map(|record| record.payload).collect();
            assert_eq!(payloads, [payload(1), payload(2)]);
            // Nor does it matter in which state the rest is.
            remove_mark(&path);
            lose(&path, 2);
        }
        lose(&path, 1);
        assert!(matches!(recovered(root.path()), Err(Error::Damaged { .. })));
    }
}
