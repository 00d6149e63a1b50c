//! Which rows of a table read which other records through links.
//!
//! A path such as `author.name` makes a row depend on the record it links to. The index answers, for a changed record,
//! which rows have to be looked at again: the join on the link, seen from its other side.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::{HashMap, HashTable};

use crate::id_set::IdSet;
use crate::path::Path;
use crate::value::RecordId;

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0x11_4b);

/// The links of one table's rows, as far as the paths in use follow them.
#[derive(Debug, Default)]
pub(crate) struct LinkIndex {
    /// The paths that may follow links, with the number of their readers.
    paths: Vec<(Path, usize)>,
    read_by_row: HashMap<u32, Box<[Arc<RecordId>]>, foldhash::fast::FixedState>,
    rows_by_record: HashTable<(Arc<RecordId>, IdSet)>,
}

impl LinkIndex {
    /// Counts one more reader of a path; answers whether the path is new, and the rows have to be indexed again.
    pub(crate) fn add_path(&mut self, path: &Path) -> bool {
        match self.paths.iter_mut().find(|(known, _)| known == path) {
            Some((_, readers)) => {
                *readers += 1;
                false
            }
            None => {
                self.paths.push((path.clone(), 1));
                true
            }
        }
    }

    /// Counts one reader less. The dependencies of a path without readers go when no path is left.
    pub(crate) fn remove_path(&mut self, path: &Path) {
        if let Some(position) = self.paths.iter().position(|(known, _)| known == path) {
            self.paths[position].1 -= 1;
            if self.paths[position].1 == 0 {
                self.paths.swap_remove(position);
            }
        }
        if self.paths.is_empty() {
            *self = LinkIndex::default();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(|(path, _)| path)
    }

    /// Sets the records that a row reads now. O(records).
    pub(crate) fn set(&mut self, row: u32, mut records: Vec<Arc<RecordId>>) {
        if let Some(old) = self.read_by_row.remove(&row) {
            old.iter().for_each(|record| self.detach(row, record));
        }
        let mut distinct: Vec<Arc<RecordId>> = Vec::with_capacity(records.len());
        for record in records.drain(..) {
            if !distinct.iter().any(|known| known.is_same_record(&record)) {
                distinct.push(record);
            }
        }
        if distinct.is_empty() {
            return;
        }
        for record in &distinct {
            let entry = self.rows_by_record.entry(
                hash(record),
                |(known, _)| known.is_same_record(record),
                |(known, _)| hash(known),
            );
            entry.or_insert_with(|| (record.clone(), IdSet::default())).get_mut().1.insert(row);
        }
        self.read_by_row.insert(row, distinct.into());
    }

    /// Appends the rows that read a record.
    pub(crate) fn readers_of(&self, record: &RecordId, out: &mut Vec<u32>) {
        if let Some((_, rows)) = self.rows_by_record.find(hash(record), |(known, _)| known.is_same_record(record)) {
            rows.append_to(out);
        }
    }

    fn detach(&mut self, row: u32, record: &RecordId) {
        let found = self.rows_by_record.find_entry(hash(record), |(known, _)| known.is_same_record(record));
        if let Ok(mut entry) = found {
            entry.get_mut().1.remove(row);
            if entry.get().1.is_empty() {
                entry.remove();
            }
        }
    }
}

fn hash(record: &RecordId) -> u64 {
    let mut hasher = HASHER.build_hasher();
    record.hash_identity(&mut hasher);
    hasher.finish()
}
