//! Events that are taken in together: of each record its last state, and the parts of tables that were read anew.

use std::collections::{BTreeMap, HashMap};

use circuit::{Change, RecordId, SameRecord, row_hash};
use cluster::{Event, Read};
use surrealdb::types as sdk;

use crate::chunks::size_of_value;
use crate::convert::object_to_sdk;
use crate::error::Result;
use crate::pages::converting;
use crate::replica::ACTION;

/// How many records are written in one transaction.
pub(super) const ROWS: usize = 4_000;
/// About how many bytes are.
pub(super) const BYTES: usize = 8 << 20;

/// What a record is to be.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) hash: u128,
    pub(super) row: sdk::Object,
    /// About how many bytes it takes.
    pub(super) size: usize,
}

/// A part of a table: all keys behind `after`, up to `last` or to the end.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) table: String,
    pub(super) after: Option<RecordId>,
    pub(super) last: Option<RecordId>,
}

/// What a record is to be after a batch.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) version: u64,
    /// Nothing if it is gone.
    pub(super) put: Option<Put>,
    /// Whether it may be outside of the parts that were read.
    pub(super) is_loose: bool,
}

/// The net effect of events that follow each other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) records: HashMap<SameRecord, Target>,
    /// Records within these that are not among the records above are gone.
    pub(super) spans: Vec<Span>,
    /// The tables of both, with the record that the next part of a table has to begin behind, if that may join.
    tables: BTreeMap<String, Option<RecordId>>,
    bytes: usize,
}

impl Batch {
    /// That a table has no records.
    pub(super) fn all_of(table: &str) -> Batch {
        let span = Span { table: table.to_owned(), after: None, last: None };
        Batch { spans: vec![span], ..Batch::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= ROWS || self.bytes >= BYTES
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// Whether the event can't be summed up with those before: a part of a table says what is not there, and only the
    /// database knows which of the records before are meant.
    pub(super) fn must_end_before(&self, event: &Event) -> bool {
        match event {
            Event::Read(read) => match self.tables.get(&read.table) {
                None => false,
                Some(None) => true,
                Some(Some(last)) => !read.after.as_ref().is_some_and(|after| after.is_same_record(last)),
            },
            Event::Gone { .. } => !self.is_empty(),
            Event::Committed { .. }
            | Event::Began { .. }
            | Event::Whole
            | Event::Announced { .. }
            | Event::GivenUp { .. } => false,
        }
    }

    /// Takes an event in. O(size).
    pub(super) fn take_in(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Committed { changes, .. } => {
                for change in changes {
                    // What comes behind is not what a part of the table can join.
                    match self.tables.get_mut(&*change.id.table) {
                        Some(next) => *next = None,
                        None => drop(self.tables.insert(change.id.table.to_string(), None)),
                    }
                    self.put(change, true)?;
                }
            }
            Event::Read(Read { table, after, rows, is_last, .. }) => {
                rows.iter().try_for_each(|row| self.put(row, false))?;
                let last = rows.last().map(|row| row.id.clone());
                self.tables.insert(table.clone(), last.clone().filter(|_| !is_last));
                if *is_last || last.is_some() {
                    let last = last.filter(|_| !is_last);
                    self.spans.push(Span { table: table.clone(), after: after.clone(), last });
                }
            }
            Event::Began { .. }
            | Event::Whole
            | Event::Gone { .. }
            | Event::Announced { .. }
            | Event::GivenUp { .. } => {}
        }
        Ok(())
    }

    fn put(&mut self, change: &Change, is_loose: bool) -> Result<()> {
        let put = match &change.content {
            None => None,
            Some(content) => {
                let mut row = object_to_sdk(content).map_err(converting(ACTION))?;
                // A record has its id whatever its content says.
                row.insert("id", crate::convert::record_id_to_sdk(&change.id).map_err(converting(ACTION))?);
                let row = sdk::Value::Object(row);
                let size = size_of_value(&row);
                let sdk::Value::Object(row) = row else { return Ok(()) };
                Some(Put { hash: row_hash(&change.id, content), row, size })
            }
        };
        // What is gone costs its id, here and in the transaction.
        const GONE: usize = 100;
        self.bytes += put.as_ref().map_or(GONE, |put| put.size);
        self.records.insert(change.id.clone().into(), Target { version: change.version, put, is_loose });
        Ok(())
    }
}

impl Put {
    /// The ends of a graph edge, if this may be one: SurrealDB's edges are records with ids in `in` and `out`, and an event
    /// does not say whether a table holds edges or has fields of these names.
    pub(super) fn ends(&self) -> Option<[&sdk::RecordId; 2]> {
        Some([end(self.row.get("in"))?, end(self.row.get("out"))?])
    }
}

/// The end of an edge: a link to one record.
pub(super) fn end(value: Option<&sdk::Value>) -> Option<&sdk::RecordId> {
    match value {
        Some(sdk::Value::RecordId(id)) if !matches!(id.key, sdk::RecordIdKey::Range(_)) => Some(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use circuit::{Key, Object, Value};

    use super::*;

    fn change(key: i64, is_there: bool) -> Change {
        let content = is_there.then(|| Object::from_iter([("n".into(), Value::from(key))]));
        Change { id: RecordId::new("t", Key::Int(key)), version: 1, content }
    }

    fn read(after: Option<i64>, keys: &[i64], is_last: bool) -> Event {
        let after = after.map(|key| RecordId::new("t", Key::Int(key)));
        let rows = keys.iter().map(|key| change(*key, true)).collect();
        Event::Read(Read { table: "t".to_owned(), id: 1, after, rows, is_last })
    }

    fn committed(keys: &[i64]) -> Event {
        let changes = keys.iter().map(|key| change(*key, false)).collect();
        Event::Committed { stamp: 1, continues: false, changes }
    }

    #[test]
    fn only_parts_that_follow_each_other_are_summed_up() {
        let mut batch = Batch::default();
        assert!(!batch.must_end_before(&read(None, &[1, 2], false)));
        batch.take_in(&read(None, &[1, 2], false)).unwrap();
        assert!(!batch.must_end_before(&read(Some(2), &[3], false)));
        assert!(batch.must_end_before(&read(Some(1), &[3], false)));
        assert!(batch.must_end_before(&read(None, &[3], false)));
        assert!(!batch.must_end_before(&committed(&[1])));
        batch.take_in(&committed(&[1])).unwrap();
        assert!(batch.must_end_before(&read(Some(2), &[3], false)));
        assert!(batch.must_end_before(&Event::Gone { table: "other".to_owned() }));
        assert_eq!((batch.records.len(), batch.spans.len()), (2, 1));
        assert!(batch.records[&SameRecord::from(RecordId::new("t", Key::Int(1)))].put.is_none(), "the last one wins");
    }

    #[test]
    fn a_part_that_is_the_end_is_not_continued() {
        let mut batch = Batch::default();
        batch.take_in(&read(None, &[1], true)).unwrap();
        assert!(batch.must_end_before(&read(Some(1), &[2], false)));
        assert!(batch.spans[0].last.is_none());
        let mut batch = Batch::default();
        batch.take_in(&read(None, &[], false)).unwrap();
        assert!(batch.spans.is_empty(), "a part without rows and without an end says nothing");
    }
}
