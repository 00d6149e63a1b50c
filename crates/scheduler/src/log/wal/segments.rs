//! What can be read: the segments with the ends of what is durable in them. Shared by the writer and all readers.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::frame::SEGMENT_HEADER;
use super::segment::Segment;
use crate::log::{Error, Limit, Record};

/// How far apart the records are that the index of a segment knows: what is read and not wanted, at most.
const STRIDE: u64 = 64 << 10;
/// The most that is read at once when an answer may be as large or larger.
const WINDOW: usize = 1 << 20;

/// All segments of a log. Nothing is read or written while it is locked.
#[derive(Debug)]
pub(super) struct Segments(RwLock<State>);

#[derive(Debug)]
struct State {
    /// In ascending order. Only the last may be without records.
    segments: VecDeque<Readable>,
    /// The number that will be given next.
    next: u64,
}

/// What can be read of a segment.
#[derive(Debug)]
pub(super) struct Readable {
    pub(super) segment: Arc<Segment>,
    /// Where its records end.
    pub(super) end: u64,
    /// The numbers and the places of some records, about [`STRIDE`] apart; of the first one if there is any.
    index: Vec<(u64, u64)>,
}

impl Readable {
    pub(super) fn empty(segment: Arc<Segment>) -> Readable {
        Readable { segment, end: SEGMENT_HEADER as u64, index: Vec::new() }
    }

    /// Takes a record into the index if it is far enough from the one before. O(1).
    pub(super) fn note(&mut self, sequence: u64, offset: u64) {
        if self.index.last().is_none_or(|(_, last)| offset - last >= STRIDE) {
            self.index.push((sequence, offset));
        }
    }
}

/// Where to start reading.
struct Place {
    segment: Arc<Segment>,
    sequence: u64,
    bytes: Range<u64>,
}

impl Segments {
    pub(super) fn new(segments: VecDeque<Readable>, next: u64) -> Segments {
        Segments(RwLock::new(State { segments, next }))
    }

    /// The numbers of the events that can be read.
    pub(super) fn range(&self) -> Range<u64> {
        self.shared().range()
    }

    /// As [`EventLog::read`](crate::log::EventLog::read). O(answer + [`STRIDE`]) and O(log n) of the log.
    pub(super) fn read(&self, from: u64, limit: Limit) -> Result<Vec<Record>, Error> {
        let Some(Place { segment, sequence, bytes }) = self.find(from)? else { return Ok(Vec::new()) };
        let window = limit.bytes.saturating_add(STRIDE as usize).min(WINDOW);
        let mut records = segment.records(bytes, sequence, window);
        let mut answer = Vec::new();
        let mut size = 0;
        while answer.len() < limit.records.max(1) {
            let entry = match records.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                // What comes before is good. Whoever reads on is told.
                Err(_) if !answer.is_empty() => break,
                Err(stop) => return Err(segment.error(records.offset, stop)),
            };
            if entry.sequence < from {
                continue;
            }
            size += entry.payload.len();
            if size > limit.bytes && !answer.is_empty() {
                break;
            }
            answer.push(Record { sequence: entry.sequence, payload: entry.payload });
        }
        Ok(answer)
    }

    fn find(&self, from: u64) -> Result<Option<Place>, Error> {
        let state = self.shared();
        let Range { start, end } = state.range();
        if from < start {
            return Err(Error::Truncated { asked: from, first: start });
        }
        if from > end {
            return Err(Error::Beyond { asked: from, next: end });
        }
        let behind = state.segments.partition_point(|readable| readable.segment.first <= from);
        let readable = behind.checked_sub(1).and_then(|at| state.segments.get(at)).filter(|_| from < end);
        Ok(readable.map(|Readable { segment, end, index }| {
            let behind = index.partition_point(|(sequence, _)| *sequence <= from);
            let first = (segment.first, SEGMENT_HEADER as u64);
            let (sequence, offset) = behind.checked_sub(1).map_or(first, |at| index[at]);
            Place { segment: segment.clone(), sequence, bytes: offset..*end }
        }))
    }

    /// Adds a segment without records behind all others, in place of one that begins with the same event and so has
    /// none.
    pub(super) fn begin(&self, segment: Arc<Segment>) {
        let mut state = self.exclusive();
        if state.segments.back().is_some_and(|last| last.segment.first == segment.first) {
            state.segments.pop_back();
        }
        state.segments.push_back(Readable::empty(segment));
    }

    /// Lets the records of the last segment be read up to an end, with those at the given places. O(places).
    pub(super) fn publish(&self, places: &[(u64, u64)], end: u64) {
        let mut state = self.exclusive();
        state.next += places.len() as u64;
        if let Some(last) = state.segments.back_mut() {
            last.end = end;
            for (sequence, offset) in places {
                last.note(*sequence, *offset);
            }
        }
    }

    /// The first event of the oldest segment, if all its events are before a number and another one follows it.
    pub(super) fn first_before(&self, sequence: u64) -> Option<u64> {
        let state = self.shared();
        let second = state.segments.get(1)?;
        if second.segment.first > sequence {
            return None;
        }
        state.segments.front().map(|oldest| oldest.segment.first)
    }

    /// Forgets the oldest segment, if it begins with an event. Whoever reads it goes on.
    pub(super) fn forget(&self, first: u64) {
        let mut state = self.exclusive();
        if state.segments.front().is_some_and(|oldest| oldest.segment.first == first) {
            state.segments.pop_front();
        }
    }

    fn shared(&self) -> RwLockReadGuard<'_, State> {
        // Nothing that is done to it can stop in the middle.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn range(&self) -> Range<u64> {
        self.segments.front().map_or(self.next, |oldest| oldest.segment.first)..self.next
    }
}
