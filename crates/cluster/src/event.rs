//! Events: what the log holds under one number each.
//!
//! ```text
//! kind 1 | what belongs to the kind | changes …
//! ```
//!
//! All numbers are little-endian. The log has checksums, so an event has none; its kind tells its format, and a format
//! that changes gets another kind.

use bytes::{Buf, BufMut, Bytes};
use circuit::{Change, Malformed, Object, RecordId, SaveError, decode_changes, encode_changes};
use uuid::Uuid;

use crate::announced::{Announcement, Goal};

/// The most bytes of changes that are encoded together. What one transaction changed beyond that is more than one event.
const FULL: usize = 4 << 20;
/// The most bytes of an event. Only that of a single record is larger than 4 MiB. A record comes in one message of the database,
/// which has 120 MiB at most, and takes less here than there.
pub const MAX_EVENT: usize = 128 << 20;

/// Something that whoever holds rows has to take in.
#[derive(Clone, Debug)]
pub enum Event {
    /// Tables are read from here on, because nothing is known of them or changes were lost. What is known of a table stays
    /// until it has been read again.
    Began {
        /// Which database it is, by its content.
        instance: Uuid,
        /// From where on its changefeed is followed afterwards; 0 where changes are announced instead.
        cursor: u64,
    },
    /// What a transaction changed, or what was found to have changed when announced records were read.
    Committed {
        /// Its place in the changefeed; 0 if it was read, and then it says nothing of where the changefeed goes on.
        stamp: u64,
        /// Whether the rest of the transaction is in the next event.
        continues: bool,
        /// The net change of each record.
        changes: Vec<Change>,
    },
    /// A part of a table, as it was read.
    Read(Read),
    /// All tables that there were have been read since [`Event::Began`].
    Whole,
    /// A table is gone, with all its rows.
    Gone {
        /// Its name.
        table: String,
    },
    /// Records may be about to change. It changes no row.
    Announced {
        /// The records.
        records: Vec<Announcement>,
    },
    /// Announced changes have not come in time: their transactions have failed. It changes no row.
    GivenUp {
        /// The records, each with the number of the event that announced it.
        records: Vec<(RecordId, u64)>,
    },
}

/// A part of a table: all rows that it has behind a record, up to the last of these rows or to its end.
#[derive(Clone, Debug)]
pub struct Read {
    /// The table.
    pub table: String,
    /// Which table had the name, as the database counts them.
    pub id: u64,
    /// The record behind which this part begins; nothing at the beginning of the table.
    pub after: Option<RecordId>,
    /// In the order of their keys.
    pub rows: Vec<Change>,
    /// Whether the table ends here.
    pub is_last: bool,
}

/// Something can't become an event.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A value is nested too deeply.
    #[error(transparent)]
    TooDeep(#[from] SaveError),
    /// A record has more bytes than an event may.
    #[error("a record has {bytes} bytes, and may have {MAX_EVENT}: {id:?}")]
    TooLarge {
        /// Which record.
        id: Box<RecordId>,
        /// How large its event would be.
        bytes: usize,
    },
}

/// Bytes are no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It ends too early, or has more than it should.
    #[error("the event is not complete")]
    Incomplete,
    /// It was written by a later version.
    #[error("the event is of the unknown kind {0}")]
    UnknownKind(u8),
    /// The name of a table is no text.
    #[error("the name of a table is not UTF-8")]
    Name,
    /// What should be changes are none.
    #[error("the changes of an event are malformed: {0}")]
    Changes(#[from] Malformed),
}

mod kind {
    pub(super) const BEGAN: u8 = 1;
    pub(super) const COMMITTED: u8 = 2;
    pub(super) const READ: u8 = 3;
    pub(super) const GONE: u8 = 4;
    pub(super) const WHOLE: u8 = 5;
    pub(super) const ANNOUNCED: u8 = 6;
    pub(super) const GIVEN_UP: u8 = 7;
}

mod flag {
    pub(super) const IS_LAST: u8 = 1;
    pub(super) const HAS_AFTER: u8 = 2;
    pub(super) const CONTINUES: u8 = 4;
}

impl Event {
    /// A transaction as events: one, unless it is larger than 4 MiB. O(size).
    ///
    /// # Errors
    /// If a value is nested too deeply, or a record too large.
    pub fn committed(stamp: u64, changes: &[Change]) -> Result<Vec<Bytes>, EncodeError> {
        let mut events = Vec::new();
        let mut parts = vec![changes];
        while let Some(part) = parts.pop() {
            let encoded = Event::encode_committed(stamp, !parts.is_empty(), part)?;
            if encoded.len() > FULL && part.len() > 1 {
                let (first, rest) = part.split_at(part.len() / 2);
                parts.extend([rest, first]);
            } else {
                events.push(checked(encoded, part)?);
            }
        }
        Ok(events)
    }

    /// A part of a table as events, each with what it says: one, unless it is larger than 4 MiB. O(size).
    ///
    /// # Errors
    /// If a value is nested too deeply, or a record too large.
    pub fn read(mut read: Read) -> Result<Vec<(Read, Bytes)>, EncodeError> {
        let mut events = Vec::new();
        let mut rest = Vec::new();
        loop {
            let encoded = read.encode()?;
            if encoded.len() > FULL && read.rows.len() > 1 {
                let later = read.rows.split_off(read.rows.len() / 2);
                let after = read.rows.last().map(|row| row.id.clone());
                rest.push(Read { table: read.table.clone(), id: read.id, after, rows: later, is_last: read.is_last });
                read.is_last = false;
                continue;
            }
            let encoded = checked(encoded, &read.rows)?;
            match rest.pop() {
                Some(next) => events.push((std::mem::replace(&mut read, next), encoded)),
                None => {
                    events.push((read, encoded));
                    return Ok(events);
                }
            }
        }
    }

    /// The event as bytes. O(size).
    ///
    /// # Errors
    /// If a value is nested too deeply.
    pub fn encode(&self) -> Result<Bytes, SaveError> {
        let mut out = Vec::new();
        match self {
            Event::Began { instance, cursor } => {
                out.put_u8(kind::BEGAN);
                out.put_slice(instance.as_bytes());
                out.put_u64_le(*cursor);
            }
            Event::Committed { stamp, continues, changes } => {
                return Event::encode_committed(*stamp, *continues, changes);
            }
            Event::Read(read) => return read.encode(),
            Event::Whole => out.put_u8(kind::WHOLE),
            Event::Gone { table } => {
                out.put_u8(kind::GONE);
                put_text(&mut out, table);
            }
            Event::Announced { records } => {
                out.put_u8(kind::ANNOUNCED);
                // A record that is to exist has a content, of which nothing is said.
                let changes = records.iter().map(|Announcement { id, goal }| {
                    let content = goal.exists.then(|| Object::from_iter([]));
                    Change { id: id.clone(), version: goal.version, content }
                });
                out = encode_changes(&changes.collect::<Vec<_>>(), out)?;
            }
            Event::GivenUp { records } => {
                out.put_u8(kind::GIVEN_UP);
                let changes =
                    records.iter().map(|(id, sequence)| Change { id: id.clone(), version: *sequence, content: None });
                out = encode_changes(&changes.collect::<Vec<_>>(), out)?;
            }
        }
        Ok(out.into())
    }

    fn encode_committed(stamp: u64, continues: bool, changes: &[Change]) -> Result<Bytes, SaveError> {
        let mut out = Vec::new();
        out.put_u8(kind::COMMITTED);
        out.put_u64_le(stamp);
        out.put_u8(if continues { flag::CONTINUES } else { 0 });
        Ok(encode_changes(changes, out)?.into())
    }

    /// Reads what was encoded. Of any other bytes it makes an error or another event. O(size).
    ///
    /// # Errors
    /// If the bytes are no event.
    pub fn decode(mut bytes: &[u8]) -> Result<Event, EventError> {
        let bytes = &mut bytes;
        let event = match u8_from(bytes)? {
            kind::BEGAN => {
                let instance = bytes.split_off(..16).ok_or(EventError::Incomplete)?;
                let instance = Uuid::from_slice(instance).map_err(|_| EventError::Incomplete)?;
                Event::Began { instance, cursor: u64_from(bytes)? }
            }
            kind::COMMITTED => {
                let stamp = u64_from(bytes)?;
                let continues = u8_from(bytes)? & flag::CONTINUES != 0;
                Event::Committed { stamp, continues, changes: decode_changes(std::mem::take(bytes))? }
            }
            kind::READ => {
                let id = u64_from(bytes)?;
                let flags = u8_from(bytes)?;
                let table = text_from(bytes)?;
                let mut rows = decode_changes(std::mem::take(bytes))?;
                let after = match flags & flag::HAS_AFTER != 0 {
                    true if rows.is_empty() => return Err(EventError::Incomplete),
                    true => Some(rows.remove(0).id),
                    false => None,
                };
                Event::Read(Read { table, id, after, rows, is_last: flags & flag::IS_LAST != 0 })
            }
            kind::WHOLE => Event::Whole,
            kind::GONE => Event::Gone { table: text_from(bytes)? },
            kind::ANNOUNCED => {
                let records =
                    decode_changes(std::mem::take(bytes))?.into_iter().map(|Change { id, version, content }| {
                        Announcement { id, goal: Goal { version, exists: content.is_some() } }
                    });
                Event::Announced { records: records.collect() }
            }
            kind::GIVEN_UP => {
                let records = decode_changes(std::mem::take(bytes))?;
                Event::GivenUp { records: records.into_iter().map(|record| (record.id, record.version)).collect() }
            }
            other => return Err(EventError::UnknownKind(other)),
        };
        if bytes.is_empty() { Ok(event) } else { Err(EventError::Incomplete) }
    }
}

impl Read {
    fn encode(&self) -> Result<Bytes, SaveError> {
        let mut out = Vec::new();
        out.put_u8(kind::READ);
        out.put_u64_le(self.id);
        let last = if self.is_last { flag::IS_LAST } else { 0 };
        out.put_u8(last | if self.after.is_some() { flag::HAS_AFTER } else { 0 });
        put_text(&mut out, &self.table);
        // The record behind which it begins is the first of the changes.
        let after = self.after.iter().map(|id| Change { id: id.clone(), version: 0, content: None });
        let changes: Vec<Change> = after.chain(self.rows.iter().cloned()).collect();
        Ok(encode_changes(&changes, out)?.into())
    }
}

/// Refuses what no log would take. It has one record: more would have been divided.
fn checked(encoded: Bytes, changes: &[Change]) -> Result<Bytes, EncodeError> {
    match changes.first() {
        Some(change) if encoded.len() > MAX_EVENT => {
            Err(EncodeError::TooLarge { id: Box::new(change.id.clone()), bytes: encoded.len() })
        }
        _ => Ok(encoded),
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.put_u64_le(text.len() as u64);
    out.put_slice(text.as_bytes());
}

fn u8_from(bytes: &mut &[u8]) -> Result<u8, EventError> {
    bytes.try_get_u8().map_err(|_| EventError::Incomplete)
}

fn u64_from(bytes: &mut &[u8]) -> Result<u64, EventError> {
    bytes.try_get_u64_le().map_err(|_| EventError::Incomplete)
}

fn text_from(bytes: &mut &[u8]) -> Result<String, EventError> {
    let length = usize::try_from(u64_from(bytes)?).map_err(|_| EventError::Incomplete)?;
    let text = bytes.split_off(..length).ok_or(EventError::Incomplete)?;
    String::from_utf8(text.to_owned()).map_err(|_| EventError::Name)
}

#[cfg(test)]
mod tests {
    use circuit::{Key, Object, Value};

    use super::*;

    fn row(number: i64, text: &str) -> Change {
        let id = RecordId::new("thread", Key::Int(number));
        let fields = [("id", id.clone().into()), ("title", Value::from(text))];
        let content = fields.into_iter().map(|(name, value)| (name.into(), value)).collect::<Object>();
        Change { id, version: 2, content: Some(content) }
    }

    fn announced(version: u64, exists: bool) -> Announcement {
        let key = Key::Array([Value::from("a"), Value::from(3)].into());
        Announcement { id: RecordId::new("thread", key), goal: Goal { version, exists } }
    }

    fn events() -> Vec<Event> {
        let gone = Change { id: RecordId::new("thread", Key::Int(9)), version: 5, content: None };
        let after = Some(RecordId::new("thread", Key::Int(0)));
        let read = |after, is_last| Read { table: "thread".to_owned(), id: 7, after, rows: vec![row(1, "a")], is_last };
        vec![
            Event::Began { instance: Uuid::from_u128(5), cursor: 1 << 60 },
            Event::Committed { stamp: 12, continues: true, changes: vec![row(1, "a"), gone] },
            Event::Committed { stamp: 12, continues: false, changes: Vec::new() },
            Event::Read(read(None, false)),
            Event::Read(read(after, true)),
            Event::Whole,
            Event::Gone { table: "thread".to_owned() },
            Event::Announced { records: vec![announced(1, true), announced(u64::MAX, false)] },
            Event::GivenUp { records: vec![(announced(1, true).id, 1 << 40)] },
        ]
    }

    #[test]
    fn events_come_back() {
        for event in events() {
            let decoded = Event::decode(&event.encode().unwrap()).unwrap();
            assert_eq!(format!("{decoded:?}"), format!("{event:?}"));
        }
    }

    #[test]
    fn what_is_cut_off_is_no_panic_and_what_follows_an_event_is_refused() {
        for event in events() {
            let bytes = event.encode().unwrap();
            for len in 0..bytes.len() {
                // Some are shorter events; none may be read beyond its end.
                let _ = Event::decode(&bytes[..len]);
            }
            assert!(Event::decode(&[&bytes[..], &[0xff; 3]].concat()).is_err(), "{event:?}");
        }
        assert_eq!(Event::decode(&[99]).unwrap_err(), EventError::UnknownKind(99));
        assert_eq!(Event::decode(&[]).unwrap_err(), EventError::Incomplete);
    }

    #[test]
    fn a_large_part_of_a_table_is_several_that_follow_each_other() {
        let text = "x".repeat(FULL / 3);
        let rows: Vec<Change> = (0..10).map(|number| row(number, &text)).collect();
        let whole = Read { table: "thread".to_owned(), id: 7, after: None, rows, is_last: true };
        let events = Event::read(whole.clone()).unwrap();
        assert!(events.len() > 2 && events.iter().all(|(_, event)| event.len() <= FULL), "{}", events.len());
        let mut last: Option<RecordId> = None;
        let mut rows = Vec::new();
        for (index, (said, event)) in events.iter().enumerate() {
            let Event::Read(part) = Event::decode(event).unwrap() else { panic!("another event") };
            assert_eq!(format!("{part:?}"), format!("{said:?}"));
            assert_eq!(format!("{:?}", part.after), format!("{last:?}"), "none is left out between two");
            assert_eq!(part.is_last, index + 1 == events.len());
            last = part.rows.last().map(|row| row.id.clone());
            rows.extend(part.rows);
        }
        assert_eq!(format!("{rows:?}"), format!("{:?}", whole.rows));
    }

    #[test]
    fn a_large_transaction_is_several_events_in_its_order() {
        let text = "x".repeat(FULL / 3);
        let changes: Vec<Change> = (0..10).map(|number| row(number, &text)).collect();
        let events = Event::committed(3, &changes).unwrap();
        assert!(events.len() > 2 && events.iter().all(|event| event.len() <= FULL), "{}", events.len());
        let mut read = Vec::new();
        for (index, event) in events.iter().enumerate() {
            let Event::Committed { stamp: 3, continues, changes } = Event::decode(event).unwrap() else {
                panic!("another event")
            };
            assert_eq!(continues, index + 1 < events.len());
            read.extend(changes);
        }
        assert_eq!(format!("{read:?}"), format!("{changes:?}"));
    }

    #[test]
    fn a_large_record_is_an_event_of_its_own_and_a_larger_one_is_named() {
        let large = row(2, &"x".repeat(MAX_EVENT - 200));
        let events = Event::committed(3, &[row(1, "a"), large.clone(), row(3, "c")]).unwrap();
        let sizes: Vec<usize> = events.iter().map(Bytes::len).collect();
        assert_eq!(sizes.iter().filter(|size| **size > FULL).count(), 1, "{sizes:?}");
        let read = |rows| Read { table: "thread".to_owned(), id: 7, after: None, rows, is_last: true };
        assert_eq!(Event::read(read(vec![row(1, "a"), large])).unwrap().len(), 2);
        let larger = row(2, &"x".repeat(MAX_EVENT));
        for error in [
            Event::committed(3, &[row(1, "a"), larger.clone()]).unwrap_err(),
            Event::read(read(vec![row(1, "a"), larger])).unwrap_err(),
        ] {
            assert!(
                matches!(&error, EncodeError::TooLarge { id, .. } if id.is_same_record(&RecordId::new("thread", Key::Int(2)))),
                "{error}"
            );
        }
    }
}
