//! What has happened to the tables of an application since they were read.

use std::collections::BTreeMap;

use crate::schema::{Capture, TableInfo};

/// What there is to do so that whoever holds rows has those that the database has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Tables that are new, or others than those that were read, or not captured any more.
    pub unread: Vec<TableInfo>,
    /// Tables that were read, and are gone.
    pub gone: Vec<String>,
}

impl Survey {
    /// Compares tables that have been read, each with the number of the table that had the name then, with all those that the
    /// application has now. O(tables).
    pub fn of(known: &BTreeMap<String, u64>, tables: &[TableInfo], capture: Capture) -> Survey {
        let names: std::collections::BTreeSet<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let is_read = |table: &&TableInfo| table.is_captured(capture) && known.get(&table.name) == Some(&table.id);
        Survey {
            unread: tables.iter().filter(|table| !is_read(table)).cloned().collect(),
            gone: known.keys().filter(|name| !names.contains(name.as_str())).cloned().collect(),
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.gone.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, id: u64, has_changefeed: bool) -> TableInfo {
        TableInfo { name: name.to_owned(), id, has_changefeed, event: Some(Capture::Feed), is_view: false }
    }

    #[test]
    fn a_survey_finds_what_is_not_as_it_was_read() {
        let known = [("same", 1), ("other", 2), ("uncaptured", 3), ("gone", 4), ("uncounted", 5)];
        let known = known.map(|(name, id)| (name.to_owned(), id)).into();
        let [same, again] = [table("same", 1, true), table("other", 7, true)];
        let [overwritten, new] = [table("uncaptured", 3, false), table("new", 8, false)];
        let uncounted = TableInfo { event: None, ..table("uncounted", 5, true) };
        let found = [same.clone(), again.clone(), overwritten.clone(), new.clone(), uncounted.clone()];
        let survey = Survey::of(&known, &found, Capture::Feed);
        assert_eq!(survey, Survey { unread: vec![again, overwritten, new, uncounted], gone: vec!["gone".to_owned()] });
        assert!(Survey::of(&[("same".to_owned(), 1)].into(), &[same], Capture::Feed).is_empty());
    }
}
