//! What follows from all events up to one: which rows whoever has taken them in can rely on.

use std::collections::BTreeMap;

use circuit::{RecordId, SameRecord};
use uuid::Uuid;

use crate::event::{Event, Read};

/// What the log says of the database, beside its rows.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Which database it is; nothing before the first event.
    pub instance: Option<Uuid>,
    /// From where on its changefeed is to be followed; 0 where changes are announced instead.
    pub cursor: u64,
    /// Whether all tables have been read since changes were lost last.
    pub is_whole: bool,
    /// Tables that have been read, and which table had the name then.
    pub tables: BTreeMap<String, u64>,
    /// Tables of which rows are known that may be wrong: they are to be read again, or are gone.
    pub doubtful: BTreeMap<String, u64>,
    /// The table that is being read.
    pub reading: Option<Reading>,
    /// The records of the transactions behind a stamp, which is what a feed that is opened again has to know.
    pub recent: BTreeMap<u64, Vec<SameRecord>>,
}

/// How far a table has been read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The table.
    pub table: String,
    /// Which table had the name.
    pub id: u64,
    /// The last record that was read.
    pub last: RecordId,
}

impl Known {
    /// Takes an event in. O(records of the event); [`Event::Began`] O(tables).
    pub fn take_in(&mut self, event: &Event) {
        match event {
            Event::Began { instance, cursor } => {
                (self.instance, self.cursor) = (Some(*instance), *cursor);
                self.doubtful.append(&mut self.tables);
                (self.reading, self.is_whole) = (None, false);
                self.recent.clear();
            }
            // It is of no changefeed.
            Event::Committed { stamp: 0, .. } => {}
            Event::Committed { stamp, changes, .. } => {
                self.cursor = self.cursor.max(stamp + 1);
                let records = changes.iter().map(|change| SameRecord::from(change.id.clone()));
                self.recent.entry(*stamp).or_default().extend(records);
            }
            Event::Whole => self.is_whole = true,
            Event::Read(Read { table, id, is_last: true, .. }) => {
                self.doubtful.remove(table);
                self.tables.insert(table.clone(), *id);
                self.reading = None;
            }
            Event::Read(Read { table, id, rows, is_last: false, .. }) => {
                // It may have been known as another table, or as it was before.
                if let Some(id) = self.tables.remove(table) {
                    self.doubtful.insert(table.clone(), id);
                }
                match rows.last() {
                    Some(last) => {
                        self.reading = Some(Reading { table: table.clone(), id: *id, last: last.id.clone() });
                    }
                    // It is to be read from its beginning, whatever was read of it.
                    None => {
                        self.doubtful.insert(table.clone(), *id);
                        self.reading.take_if(|reading| reading.table == *table);
                    }
                }
            }
            Event::Gone { table } => {
                self.tables.remove(table);
                self.doubtful.remove(table);
                self.reading.take_if(|reading| reading.table == *table);
            }
            Event::Announced { .. } | Event::GivenUp { .. } => {}
        }
    }

    /// Whether rows of a table are known, be it that they are doubtful, or not all of them.
    pub fn has_rows_of(&self, table: &str) -> bool {
        let is_read = self.reading.as_ref().is_some_and(|reading| reading.table == table);
        is_read || self.tables.contains_key(table) || self.doubtful.contains_key(table)
    }

    /// Forgets the records of transactions with stamps below one. O(transactions).
    pub fn forget_before(&mut self, stamp: u64) {
        self.recent = self.recent.split_off(&stamp);
    }
}

#[cfg(test)]
mod tests {
    use circuit::{Change, Key};

    use super::*;

    fn read(table: &str, id: u64, last: Option<i64>) -> Event {
        let row = |key| Change { id: RecordId::new(table, Key::Int(key)), version: 1, content: None };
        let rows = last.map(row).into_iter().collect();
        Event::Read(Read { table: table.to_owned(), id, after: None, rows, is_last: last.is_none() })
    }

    fn after(events: &[Event]) -> Known {
        let mut known = Known::default();
        events.iter().for_each(|event| known.take_in(event));
        known
    }

    fn began() -> Event {
        Event::Began { instance: Uuid::from_u128(1), cursor: 100 }
    }

    #[test]
    fn a_table_is_known_once_it_has_been_read_to_its_end() {
        let known = after(&[began(), read("a", 1, Some(5))]);
        assert!(known.tables.is_empty() && !known.is_whole);
        assert_eq!(known.reading.map(|reading| (reading.table, reading.id)), Some(("a".to_owned(), 1)));
        let known = after(&[began(), read("a", 1, Some(5)), read("a", 1, None), Event::Whole]);
        assert_eq!((known.tables, known.is_whole), (BTreeMap::from([("a".to_owned(), 1)]), true));
        assert!(known.reading.is_none());
    }

    #[test]
    fn tables_are_doubtful_where_changes_were_lost_and_while_they_are_read_again() {
        let whole = [began(), read("a", 1, None), read("b", 2, None), Event::Whole];
        let lost = [&whole[..], &[began()]].concat();
        let known = after(&lost);
        assert_eq!((known.tables.len(), known.doubtful.len(), known.is_whole), (0, 2, false));
        let known = after(&[&lost[..], &[read("a", 3, None), Event::Gone { table: "b".to_owned() }]].concat());
        assert_eq!((known.tables, known.doubtful.len()), (BTreeMap::from([("a".to_owned(), 3)]), 0));
        let known = after(&[&whole[..], &[read("a", 1, Some(1))]].concat());
        assert_eq!((known.tables.len(), known.doubtful.len(), known.is_whole), (1, 1, true));
    }

    #[test]
    fn a_table_is_to_be_read_from_its_beginning_when_that_is_said() {
        let begun = Event::Read(Read { table: "a".to_owned(), id: 1, after: None, rows: Vec::new(), is_last: false });
        for before in [read("a", 1, None), read("a", 1, Some(5))] {
            let known = after(&[began(), before, begun.clone()]);
            assert!(known.reading.is_none() && known.tables.is_empty());
            assert_eq!(known.doubtful, BTreeMap::from([("a".to_owned(), 1)]));
        }
    }

    #[test]
    fn what_was_read_says_nothing_of_a_changefeed() {
        let found = Event::Committed { stamp: 0, continues: false, changes: Vec::new() };
        let announced = Event::Began { instance: Uuid::from_u128(1), cursor: 0 };
        let known = after(&[announced, found.clone()]);
        assert_eq!((known.cursor, known.recent.len()), (0, 0));
        assert_eq!(after(&[began(), found]).cursor, 100);
    }

    #[test]
    fn rows_are_known_of_tables_that_are_read_or_being_read() {
        let lost = [began(), read("a", 1, None), began(), read("b", 2, Some(5))];
        let known = after(&lost);
        assert_eq!(["a", "b", "c"].map(|table| known.has_rows_of(table)), [true, true, false]);
        let gone = ["a", "b"].map(|table| Event::Gone { table: table.to_owned() });
        let known = after(&[&lost[..], &gone[..]].concat());
        assert_eq!(["a", "b"].map(|table| known.has_rows_of(table)), [false, false]);
    }

    #[test]
    fn a_feed_goes_on_behind_the_last_transaction_and_knows_the_recent_ones() {
        let committed = |stamp| {
            let id = RecordId::new("a", Key::Int(stamp as i64));
            Event::Committed { stamp, continues: false, changes: vec![Change { id, version: 1, content: None }] }
        };
        let mut known = after(&[began(), committed(110), committed(105)]);
        assert_eq!(known.cursor, 111);
        assert_eq!(known.recent.keys().copied().collect::<Vec<_>>(), [105, 110]);
        known.forget_before(106);
        assert_eq!(known.recent.keys().copied().collect::<Vec<_>>(), [110]);
    }
}
