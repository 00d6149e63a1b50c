//! The tables that are captured and have been read.
//!
//! A record makes its table, where nothing forbids it, and such a table has no changefeed: nothing tells of it. Nor does
//! anything tell that a table was removed, or defined again. So tables are looked at now and then, and when a view asks
//! for one that is not known.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use database::{Capture, Survey, TableInfo};
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

impl Tables {
    /// Nothing is known; what is missed is asked for with `errands`.
    pub(crate) fn new(errands: Errands) -> Self {
        Tables { known: Arc::default(), computed: Arc::default(), errands }
    }

    pub(crate) fn add(&self, table: &TableInfo) {
        self.insert(table.name.clone(), table.id);
    }

    pub(crate) fn insert(&self, name: String, id: u64) {
        self.write().insert(name, id);
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
        Survey::of(&self.read(), tables, capture)
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
