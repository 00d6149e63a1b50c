//! From movements of rows to the net change of each result.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::digest::{Digest, ResultId, entry_hash};
use crate::registry::Registry;
use crate::table::{Row, Store, TableId};
use crate::value::RecordId;

/// The net change of one result in one step.
#[derive(Debug)]
pub struct ResultDelta {
    pub result: ResultId,
    /// At most one change a row.
    pub changes: Vec<RowChange>,
    /// The result after the change.
    pub digest: Digest,
}

/// What happened to one row of a result.
#[derive(Clone, Debug)]
pub struct RowChange {
    pub kind: ChangeKind,
    pub id: Arc<RecordId>,
    /// The version of the record now; of a row that left because it was deleted, the last one.
    pub version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The row was not in the result before, and is now.
    Enter,
    /// The row was in the result before, and is not any more.
    Leave,
    /// The row is in the result as before, and has new content.
    Update,
}

/// A Z-set over (result, row): weights of the movements in one step.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    entries: Vec<Mark>,
    changed: HashMap<(TableId, u32), Former, foldhash::fast::FixedState>,
}

#[derive(Debug)]
struct Mark {
    result: u32,
    row: u32,
    weight: i32,
    table: TableId,
}

/// What a changed row was before the step.
#[derive(Debug)]
struct Former {
    /// `None` if there was no such row.
    version: Option<u64>,
    id: Option<Arc<RecordId>>,
}

impl Marks {
    /// Notes that the content of a row changed, and what it was.
    pub(crate) fn changed(&mut self, table: TableId, row: u32, old: Option<Row>) {
        let (id, version) = old.map(|old| (old.id, old.version)).unzip();
        self.changed.insert((table, row), Former { version, id });
    }

    /// Adds to the weight of a row in a result. Weight 0 says that the row is in the result and stays there.
    pub(crate) fn mark(&mut self, result: u32, table: TableId, row: u32, weight: i32) {
        self.entries.push(Mark { result, row, weight, table });
    }

    /// The net change of each result; brings the digests up to date. O(marks · log marks).
    pub(crate) fn into_deltas(mut self, store: &Store, registry: &mut Registry) -> Vec<ResultDelta> {
        // Stable: the first mark of a row tells whether the result showed it before the step.
        self.entries.sort_by_key(|mark| (mark.result, mark.row));
        let mut hashes = EntryHashes { store, changed: &self.changed, known: HashMap::default() };
        let mut deltas = Vec::new();
        for of_result in self.entries.chunk_by(|a, b| a.result == b.result) {
            let result = of_result[0].result;
            let Some(digest) = registry.digest_mut(result) else {
                continue;
            };
            let mut changes = Vec::with_capacity(of_result.len());
            for of_row in of_result.chunk_by(|a, b| a.row == b.row) {
                let was_shown = of_row[0].weight <= 0;
                let weight = i32::from(was_shown) + of_row.iter().map(|mark| mark.weight).sum::<i32>();
                changes.extend(hashes.change((of_row[0].table, of_row[0].row), was_shown, weight > 0, digest));
            }
            if !changes.is_empty() {
                deltas.push(ResultDelta { result: ResultId(result), changes, digest: *digest });
            }
        }
        deltas
    }
}

/// Hashes of the rows before and after the step, each computed once for all results that show the row.
struct EntryHashes<'a> {
    store: &'a Store,
    changed: &'a HashMap<(TableId, u32), Former, foldhash::fast::FixedState>,
    known: HashMap<(TableId, u32), Entry, foldhash::fast::FixedState>,
}

#[derive(Clone)]
struct Entry {
    id: Arc<RecordId>,
    /// Version and hash before the step.
    old: Option<(u64, u128)>,
    /// Version and hash after the step.
    new: Option<(u64, u128)>,
    has_changed: bool,
}

impl EntryHashes<'_> {
    fn change(
        &mut self,
        row: (TableId, u32),
        was_shown: bool,
        is_shown: bool,
        digest: &mut Digest,
    ) -> Option<RowChange> {
        let entry = match self.known.get(&row) {
            Some(entry) => entry,
            None => {
                let entry = self.entry(row)?;
                self.known.entry(row).insert(entry).into_mut()
            }
        };
        let change = |kind, version| Some(RowChange { kind, id: entry.id.clone(), version });
        match (was_shown, is_shown, entry.old, entry.new) {
            (false, true, _, Some((version, hash))) => {
                digest.add(hash);
                change(ChangeKind::Enter, version)
            }
            (true, false, Some((version, hash)), _) => {
                digest.remove(hash);
                change(ChangeKind::Leave, version)
            }
            (true, true, Some((_, old)), Some((version, new))) if entry.has_changed => {
                digest.remove(old);
                digest.add(new);
                change(ChangeKind::Update, version)
            }
            _ => None,
        }
    }

    fn entry(&self, row: (TableId, u32)) -> Option<Entry> {
        let now = self.store.table(row.0).row(row.1);
        let former = self.changed.get(&row);
        let id = now.map(|row| &row.id).or_else(|| former?.id.as_ref())?.clone();
        let new = now.map(|row| (row.version, entry_hash(&id, row.version)));
        let old = match former {
            None => new,
            Some(former) => former.version.map(|version| (version, entry_hash(&id, version))),
        };
        Some(Entry { id, old, new, has_changed: former.is_some() })
    }
}
