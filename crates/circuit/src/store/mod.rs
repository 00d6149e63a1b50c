//! All relations, and reading across them.

pub(crate) mod arrangement;
pub(crate) mod content;
pub(crate) mod edges;
pub(crate) mod table;

use std::sync::Arc;

use hashbrown::HashMap;

use crate::collection::shrink::Shrink;
use crate::collection::slab::Slab;
use crate::dependent::read::{Aspect, Read};
use crate::expr::reader::{Direction, Reader};
use crate::store::content::row_hash;
use crate::store::edges::EdgeIndex;
use crate::store::table::{Row, Table, TableId};
use crate::value::{Interner, Object, RecordId, Value};

/// All tables and derived relations.
#[derive(Debug, Default)]
pub(crate) struct Store {
    relations: Slab<Table>,
    /// The tables of the database.
    by_name: HashMap<Arc<str>, TableId, foldhash::fast::FixedState>,
    /// The edges at each record.
    pub(crate) edges: EdgeIndex,
    interner: Interner,
}

impl Store {
    /// The number of the table with this name; the table is made if it is new.
    pub(crate) fn table_id(&mut self, name: &Arc<str>) -> TableId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = self.relations.insert(Table::new(name.clone()));
        self.by_name.insert(name.clone(), id);
        id
    }

    /// Adds a relation of derived rows.
    pub(crate) fn add_derived(&mut self) -> TableId {
        self.relations.insert(Table::new("".into()))
    }

    /// Removes a relation of derived rows.
    pub(crate) fn remove_derived(&mut self, id: TableId) {
        self.relations.remove(id);
    }

    /// Forgets a table without rows that nobody reads. A client may ask for any name.
    pub(crate) fn forget_unused(&mut self, id: TableId) {
        let Some(table) = self.relations.get(id).filter(|table| table.is_unused()) else { return };
        if self.by_name.get(&table.name) == Some(&id) {
            self.by_name.remove(&table.name);
            self.by_name.shrink();
            self.relations.remove(id);
        }
    }

    pub(crate) fn get(&self, id: TableId) -> Option<&Table> {
        self.relations.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: TableId) -> Option<&mut Table> {
        self.relations.get_mut(id)
    }

    pub(crate) fn named(&self, name: &str) -> Option<(TableId, &Table)> {
        let id = *self.by_name.get(name)?;
        Some((id, self.relations.get(id)?))
    }

    /// The tables of the database.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (TableId, &Table)> {
        self.by_name.values().filter_map(|id| Some((*id, self.relations.get(*id)?)))
    }

    /// The first table of the database whose number is not below this one.
    pub(crate) fn table_from(&self, first: TableId) -> Option<(TableId, &Table)> {
        let is_named = |id: TableId, table: &Table| self.by_name.get(&table.name) == Some(&id);
        self.relations.iter_from(first).find(|(id, table)| is_named(*id, table))
    }

    /// Computes the hashes of all tables of the database. O(rows).
    pub(crate) fn hash_all(&mut self) {
        for id in self.by_name.values() {
            if let Some(table) = self.relations.get_mut(*id) {
                let hashes = table.rows().map(|(_, row)| row_hash(&row.id, &row.content));
                table.hash = hashes.fold(0, u128::wrapping_add);
            }
        }
    }

    /// All relations.
    pub(crate) fn relations(&self) -> impl Iterator<Item = (TableId, &Table)> {
        self.relations.iter()
    }

    /// The current row of a record. O(1).
    pub(crate) fn find(&self, id: &RecordId) -> Option<&Row> {
        let (_, table) = self.named(&id.table)?;
        table.row(table.find(&id.key)?)
    }

    /// The shared form of a name.
    pub(crate) fn share_name(&mut self, mut name: Arc<str>) -> Arc<str> {
        self.interner.share_name(&mut name);
        name
    }

    /// Replaces the slots of a binding by values that take little memory of their own: a record id is that of the stored
    /// row, where there is one.
    pub(crate) fn share<'a>(&mut self, values: impl Iterator<Item = &'a mut Value>) {
        for value in values {
            match value {
                Value::RecordId(id) => {
                    *id = match self.find(id) {
                        Some(row) => row.id.clone(),
                        None => Arc::new(self.interner.record_id((**id).clone())),
                    };
                }
                other => self.interner.share_value(other),
            }
        }
    }

    /// A row for storage, with names shared.
    pub(crate) fn intern(&mut self, id: RecordId, version: u64, content: Object) -> Row {
        let (id, content) = self.interner.record(id, content);
        Row { id, version, content }
    }
}

/// Reads records and edges for expressions, and notes what they asked for.
pub(crate) struct StoreReader<'a> {
    store: &'a Store,
    pub(crate) reads: Vec<Read>,
}

impl<'a> StoreReader<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        StoreReader { store, reads: Vec::new() }
    }
}

impl Reader for StoreReader<'_> {
    fn record(&mut self, id: &Arc<RecordId>) -> Option<Object> {
        self.reads.push(Read::new(id, Aspect::WHOLE));
        self.store.find(id).map(|row| row.content.clone())
    }

    fn edges(&mut self, id: &Arc<RecordId>, direction: Direction, table: Option<&str>) -> Vec<Arc<RecordId>> {
        self.reads.push(Read::new(id, Aspect::edges(direction, table)));
        self.store.edges.of(id, direction, table)
    }

    fn field_of(&mut self, id: &Arc<RecordId>, field: &str) -> Value {
        self.reads.push(Read::new(id, Aspect::field(field)));
        self.store.find(id).and_then(|row| row.content.get(field)).cloned().unwrap_or_default()
    }
}
