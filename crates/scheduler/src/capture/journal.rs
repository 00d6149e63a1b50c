//! The log as the one who captures writes it, and what follows from all that is in it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use cluster::{Event, Known, MAX_EVENT};
use tokio::sync::watch;

use super::Progress;
use super::announcer::Announcer;
use crate::error::Error;
use crate::log::wal::{MAX_APPEND, MAX_PAYLOAD};
use crate::log::{self, EventLog};

/// The bytes that are appended together, unless one transaction has more.
const APPENDED_AT_ONCE: usize = 8 << 20;

/// The log, and what it says.
pub(super) struct Journal {
    log: Arc<dyn EventLog>,
    pub(super) known: Known,
    /// The numbers of the transactions in `known.recent`, with their stamps.
    recent: VecDeque<(u64, u64)>,
    /// Who announces changes, if that is how they are captured.
    announcer: Option<Announcer>,
    progress: watch::Sender<Progress>,
}

impl Journal {
    /// Reads the log. `known` is what holds after `applied`. O(log).
    pub(super) async fn read(
        log: Arc<dyn EventLog>,
        (known, applied): (Known, u64),
        announcer: Option<Announcer>,
        progress: watch::Sender<Progress>,
    ) -> Result<Self, Error> {
        const LIMIT: log::Limit = log::Limit { records: 10_000, bytes: 16 << 20 };
        let mut journal = Journal { log, known, recent: VecDeque::new(), announcer, progress };
        let range = journal.log.range().await?;
        let mut from = range.start;
        while from < range.end {
            for record in journal.log.read(from, LIMIT).await? {
                let event = Event::decode(&record.payload)
                    .map_err(|source| Error::Event { sequence: record.sequence, source })?;
                if record.sequence > applied {
                    journal.note(record.sequence, &event);
                } else {
                    journal.note_again(record.sequence, &event);
                }
                from = record.sequence + 1;
            }
        }
        journal.publish(range.end - 1);
        Ok(journal)
    }

    /// The number of the last event that this task knows of.
    pub(super) fn head(&self) -> u64 {
        self.progress.borrow().head
    }

    /// Logs events, durably, and says so.
    pub(super) async fn append(&mut self, events: Vec<Event>) -> Result<(), Error> {
        let mut waiting: Vec<(Event, Vec<Bytes>)> = Vec::new();
        let mut bytes = 0;
        for event in events {
            for (event, payloads) in encoded(event)? {
                let size: usize = payloads.iter().map(Bytes::len).sum();
                if bytes + size > APPENDED_AT_ONCE {
                    self.append_payloads(std::mem::take(&mut waiting)).await?;
                    bytes = 0;
                }
                bytes += size;
                waiting.push((event, payloads));
            }
        }
        self.append_payloads(waiting).await
    }

    async fn append_payloads(&mut self, events: Vec<(Event, Vec<Bytes>)>) -> Result<(), Error> {
        let payloads: Vec<Bytes> = events.iter().flat_map(|(_, payloads)| payloads.iter().cloned()).collect();
        if payloads.is_empty() {
            return Ok(());
        }
        let mut sequence = self.log.append(payloads).await?;
        for (event, payloads) in events {
            self.note(sequence, &event);
            sequence += payloads.len() as u64;
        }
        self.publish(sequence - 1);
        Ok(())
    }

    fn note(&mut self, sequence: u64, event: &Event) {
        match event {
            Event::Committed { stamp, .. } if *stamp > 0 => self.recent.push_back((sequence, *stamp)),
            Event::Began { .. } => self.recent.clear(),
            _ => {}
        }
        self.known.take_in(event);
        if let Some(announcer) = &self.announcer {
            announcer.note(sequence, event);
        }
    }

    /// Takes in of an event what does not follow from what is known after a later one.
    fn note_again(&mut self, sequence: u64, event: &Event) {
        let cursor = self.known.cursor;
        match event {
            // What holds after it is known; which transaction it was, is not.
            Event::Committed { stamp, .. } if cursor > 0 && *stamp >= database::settled_before(cursor) => {
                self.note(sequence, event);
            }
            _ => {
                if let Some(announcer) = &self.announcer {
                    announcer.note(sequence, event);
                }
            }
        }
    }

    /// Forgets transactions that the feed won't deliver again.
    pub(super) fn forget_settled(&mut self) {
        let settled = database::settled_before(self.known.cursor);
        self.known.forget_before(settled);
        while self.recent.front().is_some_and(|(_, stamp)| *stamp < settled) {
            self.recent.pop_front();
        }
    }

    /// What there was is logged: nothing is in the way any more, and what is announced may have moved on.
    pub(super) fn goes_on(&self) {
        self.publish(self.head());
    }

    /// Nothing can be captured now. Answers whether that is news.
    pub(super) fn interrupted(&self) -> bool {
        self.progress.send_if_modified(|progress| !std::mem::replace(&mut progress.is_interrupted, true))
    }

    /// Says how far the log has come.
    fn publish(&self, head: u64) {
        let (head, announced) = match &self.announcer {
            Some(announcer) => announcer.reached(head),
            None => (head, None),
        };
        let recent = self.recent.front().map(|(sequence, _)| *sequence);
        let needed_from = [recent, announced].into_iter().flatten().min().unwrap_or(head + 1);
        let is_whole = self.known.is_whole;
        let progress = Progress { head, is_whole, needed_from, is_interrupted: false };
        self.progress.send_if_modified(|current| std::mem::replace(current, progress) != progress);
    }
}

/// What is logged of an event. A transaction is kept whole, in as many payloads as it takes; parts of a table are events for
/// themselves.
fn encoded(event: Event) -> Result<Vec<(Event, Vec<Bytes>)>, Error> {
    Ok(match event {
        Event::Committed { stamp, ref changes, .. } => {
            let payloads = Event::committed(stamp, changes)?;
            vec![(event, payloads)]
        }
        Event::Read(read) => {
            let parts = Event::read(read)?.into_iter();
            parts.map(|(part, payload)| (Event::Read(part), vec![payload])).collect()
        }
        other => {
            let payload = other.encode()?;
            vec![(other, vec![payload])]
        }
    })
}

// Whatever the database hands over in one message, the log takes.
const _: () = assert!(MAX_EVENT <= MAX_PAYLOAD && MAX_PAYLOAD + APPENDED_AT_ONCE < MAX_APPEND);
