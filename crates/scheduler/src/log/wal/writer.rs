//! The only one that writes: a thread, so that waiting for the disk holds up nobody else.
//!
//! All appends that have come while the disk was busy are a group: they are written at once, and one `fdatasync` makes
//! all of them durable. A group ends where a segment does.
//!
//! # When the disk does not do what it is told
//! When `fdatasync` fails, Linux may forget what it could not write: the pages count as clean, and the next `fdatasync`
//! succeeds without them (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). So a file
//! that has failed once is never written again. Its last group is not acknowledged, and the next append begins a new
//! segment, whose first number says where the old one ends. The same is done when there is no room, as a part of the
//! group may have been written: one way back from every failure, taken anew with every append, until it works.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::directory::Directory;
use super::frame::{Kind, RECORD_HEADER, RecordHeader, SEGMENT_HEADER};
use super::segment::Segment;
use super::segments::Segments;
use crate::log::Error;

/// The most appends in a group.
const GROUP: usize = 4_096;
/// What a group's buffer keeps for the next one.
const BUFFER: usize = 1 << 20;

/// Payloads that wait to be appended.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) payloads: Vec<Bytes>,
    pub(super) reply: oneshot::Sender<Result<u64, Error>>,
    /// What it takes of the room for all that wait; none in tests.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// The writer's state. [`Writer::run`] is the body of its thread.
#[derive(Debug)]
pub(super) struct Writer {
    directory: Arc<Directory>,
    segments: Arc<Segments>,
    segment_bytes: u64,
    /// The segment that is written to. None at the start and after a failure: the next append begins one.
    active: Option<Active>,
    /// The number behind all that is durable.
    next: u64,
    group: Group,
    syncs: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Active {
    segment: Arc<Segment>,
    /// Where its durable records end.
    end: u64,
}

/// Appends that are written together.
#[derive(Debug, Default)]
struct Group {
    bytes: Vec<u8>,
    /// The number and the place of each record.
    places: Vec<(u64, u64)>,
    /// Who waits, and for which number.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    first: u64,
    reply: oneshot::Sender<Result<u64, Error>>,
    _room: Option<OwnedSemaphorePermit>,
}

/// The bytes that payloads take in a segment.
pub(super) fn size_of(payloads: &[Bytes]) -> usize {
    payloads.iter().map(|payload| RECORD_HEADER + payload.len()).sum()
}

impl Writer {
    pub(super) fn new(
        directory: Arc<Directory>,
        segments: Arc<Segments>,
        segment_bytes: u64,
        syncs: Arc<AtomicU64>,
    ) -> Writer {
        let next = segments.range().end;
        Writer { directory, segments, segment_bytes, active: None, next, group: Group::default(), syncs }
    }

    /// Works until nobody can append any more, and everything that was given is written.
    pub(super) fn run(mut self, mut appends: mpsc::Receiver<Append>) {
        let mut batch = Vec::new();
        while appends.blocking_recv_many(&mut batch, GROUP) > 0 {
            for append in batch.drain(..) {
                self.take(append);
            }
            self.commit();
        }
        // For the mark: everything else is durable.
        if let Some(active) = &self.active {
            let _ = active.segment.file.sync_data();
        }
    }

    /// Takes an append into the group. Writes the group first if the append belongs to the next segment.
    pub(super) fn take(&mut self, append: Append) {
        if self.is_full(size_of(&append.payloads)) {
            self.commit();
            self.active = None;
        }
        match self.begin() {
            Ok((seed, end)) => self.group.push(append, self.next, seed, end),
            Err(error) => answer(append.reply, Err(error)),
        }
    }

    /// Makes the group durable, and answers all that wait for it.
    pub(super) fn commit(&mut self) {
        let Some(active) = &mut self.active else { return };
        if self.group.waiting.is_empty() {
            return;
        }
        let written = active.write(&self.group.bytes, &self.syncs);
        let waiting = std::mem::take(&mut self.group.waiting);
        match written {
            Ok(()) => {
                self.next += self.group.places.len() as u64;
                active.mark(self.next);
                self.segments.publish(&self.group.places, active.end);
                for waiting in waiting {
                    answer(waiting.reply, Ok(waiting.first));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a segment of the log is given up, and ends before what has failed");
                // Room for others. It does not matter whether this succeeds: the next segment says where this one ends.
                let _ = active.segment.file.set_len(active.end);
                self.active = None;
                for waiting in waiting {
                    answer(waiting.reply, Err(error.clone()));
                }
            }
        }
        self.group.clear();
    }

    /// Whether the segment ends before an append of some bytes.
    fn is_full(&self, bytes: usize) -> bool {
        let Some(active) = &self.active else { return false };
        let end = active.end + self.group.bytes.len() as u64;
        end > SEGMENT_HEADER as u64 && end + bytes as u64 > self.segment_bytes
    }

    /// The seed of the active segment and the end of what is durable in it.
    fn begin(&mut self) -> Result<(u64, u64), Error> {
        let active = match &mut self.active {
            Some(active) => active,
            none => {
                let segment = Arc::new(Segment::create(&self.directory, self.next)?);
                self.segments.begin(segment.clone());
                none.insert(Active { segment, end: SEGMENT_HEADER as u64 })
            }
        };
        Ok((active.segment.seed, active.end))
    }
}

impl Active {
    /// Writes a group and waits until the disk has it.
    fn write(&mut self, bytes: &[u8], syncs: &AtomicU64) -> Result<(), Error> {
        let Segment { file, path, .. } = &*self.segment;
        file.write_all_at(bytes, self.end).map_err(|source| Error::io("write to", path, source))?;
        syncs.fetch_add(1, Ordering::Relaxed);
        file.sync_data().map_err(|source| Error::io("sync", path, source))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Proves that everything so far is durable, also to whoever comes after this process was killed. The next group is
    /// written over it, and proves the same.
    fn mark(&self, next: u64) {
        let mark = RecordHeader::of(&[], next, self.end, Kind::Mark).written(self.segment.seed);
        // Without it, damage at the end of the last segment is taken for a torn end. Nothing else depends on it.
        let _ = self.segment.file.write_all_at(&mark, self.end);
    }
}

impl Group {
    /// Adds an append behind `next` and all that is in the group, which begins at `durable`. O(payloads).
    fn push(&mut self, append: Append, next: u64, seed: u64, durable: u64) {
        let Append { payloads, reply, room } = append;
        let first = next + self.places.len() as u64;
        let last = payloads.len().saturating_sub(1);
        self.bytes.reserve(size_of(&payloads));
        for (at, payload) in payloads.iter().enumerate() {
            let sequence = first + at as u64;
            let kind = if at == last { Kind::Last } else { Kind::Continued };
            self.places.push((sequence, durable + self.bytes.len() as u64));
            self.bytes.extend_from_slice(&RecordHeader::of(payload, sequence, durable, kind).written(seed));
            self.bytes.extend_from_slice(payload);
        }
        self.waiting.push(Waiting { first, reply, _room: room });
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(BUFFER);
        self.places.clear();
        self.places.shrink_to(GROUP);
    }
}

fn answer(reply: oneshot::Sender<Result<u64, Error>>, outcome: Result<u64, Error>) {
    // Whoever does not wait any more has been told so: the append may be there or not.
    let _ = reply.send(outcome);
}
