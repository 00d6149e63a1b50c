//! Relations: the committed rows of each table, and the rows that are derived from results.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::collection::shrink::{Shrink, shrink_table};
use crate::collection::slab::Slab;
use crate::collection::spread;
use crate::dependent::virtual_column::VirtualColumn;
use crate::derived::operator::VALUE_FIELD;
use crate::expr::RowContent;
use crate::store::arrangement::Arrangements;
use crate::value::{Key, Object, RecordId, Value};

/// One record as it was last committed, or a row that was derived from others.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: Arc<RecordId>,
    /// Counts the changes of this record.
    pub version: u64,
    /// All fields, `id` among them.
    pub content: Object,
}

impl Row {
    /// The row as expressions see it.
    pub(crate) fn shown(&self) -> RowContent<'_> {
        shown(&self.content)
    }
}

/// A row's content as expressions see it: of a derived row that is no object, the value that it is.
pub(crate) fn shown(content: &Object) -> RowContent<'_> {
    match content.only() {
        Some((VALUE_FIELD, value)) => RowContent::Value(value),
        _ => RowContent::Fields(content),
    }
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

/// The values of a row's virtual columns, by column number. A column that could not be computed has none.
pub(crate) type Virtuals = Box<[Option<Value>]>;

/// A row with its virtual columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowView<'a> {
    pub(crate) row: &'a Row,
    pub(crate) virtuals: &'a [Option<Value>],
}

/// The number of a row, with the hash of its key: the table grows and is searched without looking at the rows.
#[derive(Clone, Copy, Debug)]
struct Keyed {
    hash: u32,
    row: u32,
}

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0x7ab1e);

/// The rows of one relation, numbered. A number stays with its row; that of a removed row is used again after the step.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: Arc<str>,
    rows: Slab<Row>,
    /// By row; empty while there is no virtual column.
    virtuals: Vec<Virtuals>,
    /// Rows that were removed in this step.
    vacated: Vec<u32>,
    /// The rows of a table by their keys. Derived rows are known to their operator instead.
    by_key: HashTable<Keyed>,
    /// Indexes of the rows, shared by all templates that read this relation.
    pub(crate) arrangements: Arrangements,
    /// Columns that depend on more than the row.
    pub(crate) virtual_columns: Slab<VirtualColumn>,
    /// The templates over this relation, ascending.
    pub(crate) templates: Vec<u32>,
    /// The sum of the hashes of its rows, where the circuit keeps these.
    pub(crate) hash: u128,
}

impl Table {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Table {
            name,
            rows: Slab::default(),
            virtuals: Vec::new(),
            vacated: Vec::new(),
            by_key: HashTable::new(),
            arrangements: Arrangements::default(),
            virtual_columns: Slab::default(),
            templates: Vec::new(),
            hash: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// One more than the highest number of a row.
    pub(crate) fn places(&self) -> u32 {
        self.rows.capacity() as u32
    }

    pub(crate) fn row(&self, number: u32) -> Option<&Row> {
        self.rows.get(number)
    }

    /// A row with its virtual columns.
    pub(crate) fn view(&self, number: u32) -> Option<RowView<'_>> {
        let row = self.row(number)?;
        Some(RowView { row, virtuals: self.virtuals_of(number) })
    }

    pub(crate) fn virtuals_of(&self, number: u32) -> &[Option<Value>] {
        self.virtuals.get(number as usize).map_or(&[], |values| values)
    }

    /// All rows with their numbers, in no particular order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u32, &Row)> {
        self.rows.iter()
    }

    /// All rows with their numbers and virtual columns, in no particular order.
    pub(crate) fn views(&self) -> impl Iterator<Item = (u32, RowView<'_>)> {
        self.rows().map(|(number, row)| (number, RowView { row, virtuals: self.virtuals_of(number) }))
    }

    pub(crate) fn find(&self, key: &Key) -> Option<u32> {
        let rows = &self.rows;
        let hash = hash_key(key);
        let is_key =
            |entry: &Keyed| entry.hash == hash && rows.get(entry.row).is_some_and(|row| row.id.key.is_identical(key));
        self.by_key.find(spread(hash), is_key).map(|entry| entry.row)
    }

    /// Replaces the row with this number.
    pub(crate) fn replace(&mut self, number: u32, row: Row) -> Option<Row> {
        self.rows.replace(number, row)
    }

    /// Adds a record whose key is new. O(1).
    pub(crate) fn insert(&mut self, row: Row) -> u32 {
        let hash = hash_key(&row.id.key);
        let number = self.insert_unkeyed(row);
        self.by_key.insert_unique(spread(hash), Keyed { hash, row: number }, |entry| spread(entry.hash));
        number
    }

    /// Adds a derived row. O(1).
    pub(crate) fn insert_unkeyed(&mut self, row: Row) -> u32 {
        let number = self.rows.insert(row);
        if self.virtual_columns.capacity() > 0 {
            self.set_virtuals(number, vec![None; self.virtual_columns.capacity()].into());
        }
        number
    }

    /// Removes a row. Its number is not used again before [`Table::recycle`].
    pub(crate) fn remove(&mut self, number: u32) -> Option<Row> {
        let row = self.rows.take(number)?;
        let hash = hash_key(&row.id.key);
        if let Ok(entry) = self.by_key.find_entry(spread(hash), |other| other.row == number) {
            entry.remove();
            shrink_table(&mut self.by_key, |entry| spread(entry.hash));
        }
        self.vacated.push(number);
        Some(row)
    }

    /// Replaces all virtual values of a row, and answers those it had.
    pub(crate) fn set_virtuals(&mut self, number: u32, values: Virtuals) -> Virtuals {
        if self.virtuals.len() <= number as usize {
            self.virtuals.resize_with(number as usize + 1, Virtuals::default);
        }
        std::mem::replace(&mut self.virtuals[number as usize], values)
    }

    /// Replaces the value of one virtual column of a row.
    pub(crate) fn set_virtual(&mut self, number: u32, column: u32, value: Option<Value>) {
        let width = self.virtual_columns.capacity();
        let known = self.virtuals.get_mut(number as usize).and_then(|values| values.get_mut(column as usize));
        if let Some(known) = known {
            *known = value;
            return;
        }
        let mut values = self.virtuals_of(number).to_vec();
        values.resize(width.max(column as usize + 1), None);
        values[column as usize] = value;
        self.set_virtuals(number, values.into());
    }

    /// Works on the arrangements with the rows at hand. O(1).
    pub(crate) fn arrange(&mut self, work: impl FnOnce(&Table, &mut Arrangements)) {
        let mut arrangements = std::mem::take(&mut self.arrangements);
        work(self, &mut arrangements);
        self.arrangements = arrangements;
    }

    /// The number of virtual columns that are computed.
    pub(crate) fn computed_columns(&self) -> usize {
        self.virtual_columns.iter().filter(|(_, column)| !column.is_given()).count()
    }

    /// Gives back the memory of virtual values when there is no virtual column any more.
    pub(crate) fn drop_virtuals(&mut self) {
        self.virtuals = Vec::new();
    }

    /// Makes the numbers of removed rows available again.
    pub(crate) fn recycle(&mut self) {
        for number in std::mem::take(&mut self.vacated) {
            if let Some(values) = self.virtuals.get_mut(number as usize) {
                *values = Virtuals::default();
            }
            self.rows.free(number);
        }
        self.virtuals.truncate(self.rows.capacity());
        self.virtuals.shrink();
    }

    /// Whether nothing is kept here, and nobody reads it.
    pub(crate) fn is_unused(&self) -> bool {
        self.rows.capacity() == 0 && self.templates.is_empty() && self.virtual_columns.len() == 0
    }
}

fn hash_key(key: &Key) -> u32 {
    let mut hasher = HASHER.build_hasher();
    key.hash_identity(&mut hasher);
    hasher.finish() as u32
}
