//! Base relations: the committed rows of each table.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::{HashMap, HashTable};

use crate::arrangement::Arrangements;
use crate::links::LinkIndex;
use crate::path::Links;
use crate::value::{Interner, Key, Object, RecordId, Value};

/// One record as it was last committed.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: Arc<RecordId>,
    /// Counts the changes of this record.
    pub version: u64,
    /// All fields, `id` among them.
    pub content: Object,
}

/// A committed change of one record: the engine's only input.
#[derive(Clone, Debug)]
pub struct Change {
    pub id: RecordId,
    pub version: u64,
    /// The whole record after the change; `None` if it was deleted.
    pub content: Option<Object>,
}

pub(crate) type TableId = u32;

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0x7ab1e);

/// The rows of one table, numbered. A number stays with its row; that of a deleted row is used again after the step.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: Arc<str>,
    rows: Vec<Option<Row>>,
    vacant: Vec<u32>,
    vacated: Vec<u32>,
    by_key: HashTable<u32>,
    /// Indexes of the rows, shared by all templates that read this table.
    pub(crate) arrangements: Arrangements,
    /// Which rows read which linked records.
    pub(crate) links: LinkIndex,
    /// The templates over this table.
    pub(crate) templates: Vec<u32>,
}

impl Table {
    fn new(name: Arc<str>) -> Self {
        Table {
            name,
            rows: Vec::new(),
            vacant: Vec::new(),
            vacated: Vec::new(),
            by_key: HashTable::new(),
            arrangements: Arrangements::default(),
            links: LinkIndex::default(),
            templates: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn row(&self, number: u32) -> Option<&Row> {
        self.rows.get(number as usize)?.as_ref()
    }

    /// All rows with their numbers, in no particular order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u32, &Row)> {
        self.rows.iter().enumerate().filter_map(|(number, row)| Some((number as u32, row.as_ref()?)))
    }

    pub(crate) fn find(&self, key: &Key) -> Option<u32> {
        let rows = &self.rows;
        let is_key = |number: &u32| rows[*number as usize].as_ref().is_some_and(|row| row.id.key.is_identical(key));
        self.by_key.find(hash_key(key), is_key).copied()
    }

    /// Replaces the row with this number.
    pub(crate) fn replace(&mut self, number: u32, row: Row) -> Option<Row> {
        self.rows.get_mut(number as usize)?.replace(row)
    }

    /// Adds a row whose key is new. O(1).
    pub(crate) fn insert(&mut self, row: Row) -> u32 {
        let hash = hash_key(&row.id.key);
        let number = match self.vacant.pop() {
            Some(number) => {
                self.rows[number as usize] = Some(row);
                number
            }
            None => {
                self.rows.push(Some(row));
                (self.rows.len() - 1) as u32
            }
        };
        let rows = &self.rows;
        let rehash = |number: &u32| rows[*number as usize].as_ref().map_or(0, |row| hash_key(&row.id.key));
        self.by_key.insert_unique(hash, number, rehash);
        number
    }

    /// Removes a row. Its number is not used again before [`Table::recycle`].
    pub(crate) fn remove(&mut self, number: u32) -> Option<Row> {
        let row = self.rows.get_mut(number as usize)?.take()?;
        if let Ok(entry) = self.by_key.find_entry(hash_key(&row.id.key), |other| *other == number) {
            entry.remove();
        }
        self.vacated.push(number);
        Some(row)
    }

    /// Makes the numbers of removed rows available again.
    pub(crate) fn recycle(&mut self) {
        self.vacant.append(&mut self.vacated);
    }
}

fn hash_key(key: &Key) -> u64 {
    let mut hasher = HASHER.build_hasher();
    key.hash_identity(&mut hasher);
    hasher.finish()
}

/// All tables.
#[derive(Debug, Default)]
pub(crate) struct Store {
    tables: Vec<Table>,
    by_name: HashMap<Arc<str>, TableId, foldhash::fast::FixedState>,
    interner: Interner,
}

impl Store {
    /// The number of the table with this name; the table is made if it is new.
    pub(crate) fn table_id(&mut self, name: &Arc<str>) -> TableId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = self.tables.len() as TableId;
        self.tables.push(Table::new(name.clone()));
        self.by_name.insert(name.clone(), id);
        id
    }

    pub(crate) fn table(&self, id: TableId) -> &Table {
        &self.tables[id as usize]
    }

    pub(crate) fn table_mut(&mut self, id: TableId) -> &mut Table {
        &mut self.tables[id as usize]
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Table> {
        self.by_name.get(name).map(|id| self.table(*id))
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = (TableId, &Table)> {
        self.tables.iter().enumerate().map(|(id, table)| (id as TableId, table))
    }

    /// The current row of a record.
    pub(crate) fn find(&self, id: &RecordId) -> Option<&Row> {
        let table = self.named(&id.table)?;
        table.row(table.find(&id.key)?)
    }

    /// The records that a row reads through the paths in use.
    pub(crate) fn links_of(&self, table: TableId, number: u32) -> Vec<Arc<RecordId>> {
        let table = self.table(table);
        let Some(row) = table.row(number) else { return Vec::new() };
        let mut reader = LinkReader::new(self);
        for path in table.links.paths() {
            path.get(&row.content, &mut reader);
        }
        reader.read
    }

    /// A row for storage, with names shared.
    pub(crate) fn intern(&mut self, id: RecordId, version: u64, content: Object) -> Row {
        let id = Arc::new(self.interner.record_id(id));
        Row { id, version, content: self.interner.object(content) }
    }
}

/// Follows record links through the stored rows, and notes which records it asked for.
pub(crate) struct LinkReader<'a> {
    pub(crate) store: &'a Store,
    pub(crate) read: Vec<Arc<RecordId>>,
}

impl<'a> LinkReader<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        LinkReader { store, read: Vec::new() }
    }
}

impl Links for LinkReader<'_> {
    fn field_of(&mut self, id: &Arc<RecordId>, field: &str) -> Value {
        self.read.push(id.clone());
        self.store.find(id).and_then(|row| row.content.get(field)).cloned().unwrap_or_default()
    }
}
