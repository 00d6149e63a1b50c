//! The tables that are captured and have been read.
//!
//! A record makes its table, where nothing forbids it, and such a table has no changefeed: nothing tells of it. Nor does
//! anything tell that a table was removed, or defined again. So tables are looked at now and then, and when a view asks
//! for one that is not known.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use database::{Capture, TableInfo};
use tokio::sync::oneshot;

use crate::computed::Computed;
use crate::errand::{Errand, Errands};

/// The tables that are captured and have been read, known to all.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// Which table had the name, as the database counts them: one that is removed and defined again is another one.
    known: Arc<RwLock<BTreeMap<String, u64>>>,
    /// What can't be followed.
    computed: Arc<RwLock<Arc<Computed>>>,
    errands: Errands,
}

/// What there is to do so that we know what the database has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Tables that are new, or others than those that were read, or not captured any more.
    pub(crate) unread: Vec<TableInfo>,
    /// Tables that were read, and are gone.
    pub(crate) gone: Vec<String>,
}

impl Tables {
    /// Nothing is known; what is missed is asked for with `errands`.
    pub(crate) fn new(errands: Errands) -> Self {
        Tables { known: Arc::default(), computed: Arc::default(), errands }
    }

    pub(crate) fn add(&self, table: &TableInfo) {
        self.write().insert(table.name.clone(), table.id);
    }

    pub(crate) fn remove(&self, table: &str) {
        self.write().remove(table);
    }

    /// Lets a table count as another one than that which was read.
    pub(crate) fn doubt(&self, table: &str) {
        if let Some(id) = self.write().get_mut(table) {
            *id = u64::MAX;
        }
    }

    /// All of them, for the saved state.
    pub(crate) fn all(&self) -> BTreeMap<String, u64> {
        self.read().clone()
    }

    /// Takes over what a saved state has.
    pub(crate) fn set(&self, tables: BTreeMap<String, u64>) {
        *self.write() = tables;
    }

    /// Takes over what the database computes. Answers it if that is not what it was.
    pub(crate) fn set_computed(&self, computed: Computed) -> Option<Arc<Computed>> {
        let mut current = self.computed.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if **current == computed {
            return None;
        }
        *current = Arc::new(computed);
        Some(current.clone())
    }

    /// What the database computed when that was looked at last.
    pub(crate) fn computed(&self) -> Arc<Computed> {
        self.computed.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Compares what is known with the application's tables as they are.
    pub(crate) fn survey(&self, tables: &[TableInfo], capture: Capture) -> Survey {
        let known = self.read();
        let is_read = |table: &&TableInfo| table.is_captured(capture) && known.get(&table.name) == Some(&table.id);
        let is_there = |name: &&String| tables.iter().any(|table| table.name == **name);
        Survey {
            unread: tables.iter().filter(|table| !is_read(table)).cloned().collect(),
            gone: known.keys().filter(|name| !is_there(name)).cloned().collect(),
        }
    }

    /// Waits until a table is captured and has been read, if it is not yet; false if that is not possible. A table whose
    /// rows the database computes is never read.
    pub(crate) async fn require(&self, table: &str) -> bool {
        if self.read().contains_key(table) {
            return true;
        }
        let (done, adopted) = oneshot::channel();
        let errand = Errand::Adopt { table: table.to_owned(), done };
        self.errands.send(errand).await.is_ok() && adopted.await.is_ok()
    }

    // The map is whole even if somebody panicked while holding it.

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, u64>> {
        self.known.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, u64>> {
        self.known.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn table(name: &str, id: u64, has_changefeed: bool) -> TableInfo {
        TableInfo { name: name.to_owned(), id, has_changefeed, event: Some(Capture::Feed), is_view: false }
    }

    #[test]
    fn a_survey_finds_what_is_not_as_it_was_read() {
        let tables = Tables::new(mpsc::channel(1).0);
        let [same, other, uncaptured, gone] =
            [("same", 1), ("other", 2), ("uncaptured", 3), ("gone", 4)].map(|(name, id)| table(name, id, true));
        [&same, &other, &uncaptured, &gone].into_iter().for_each(|table| tables.add(table));
        let again = table("other", 7, true);
        let overwritten = table("uncaptured", 3, false);
        let new = table("new", 8, false);
        let uncounted = TableInfo { event: None, ..table("uncounted", 5, true) };
        tables.add(&uncounted);
        let found = [same, again.clone(), overwritten.clone(), new.clone(), uncounted.clone()];
        let survey = tables.survey(&found, Capture::Feed);
        assert_eq!(survey, Survey { unread: vec![again, overwritten, new, uncounted], gone: vec!["gone".to_owned()] });
    }
}
