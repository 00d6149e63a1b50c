//! Lists of rows, with the rows under them, and what leads from one to another.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::step::delta::{ChangeKind, Nested, NestedChanges, RowChange};
use crate::value::{RecordId, SameRecord};

/// What leads from one list of rows to another. Both are as if all rows had just entered. O(rows).
pub(super) fn difference(before: Vec<RowChange>, now: Vec<RowChange>) -> Vec<RowChange> {
    match (before.is_empty(), now.is_empty()) {
        (true, _) => return now,
        (_, true) => return before.into_iter().map(RowChange::into_leave).collect(),
        _ => {}
    }
    let mut changes = Vec::new();
    let mut gone = Listing::of(before);
    for row in now {
        match gone.take(&row.id) {
            Some(was) => changes.extend(became(was, row)),
            None => changes.push(row),
        }
    }
    changes.extend(gone.into_rows().map(RowChange::into_leave));
    changes
}

/// What happened to a row that is in both lists.
fn became(was: RowChange, row: RowChange) -> Option<RowChange> {
    let mut before = was.nested.into_iter().peekable();
    let mut now = row.nested.into_iter().peekable();
    let mut nested = NestedChanges::new();
    // Both have their subqueries in ascending order.
    while let Some(child) = before.peek().into_iter().chain(now.peek()).map(|nested| nested.child).min() {
        let rows = |nested: Option<Nested>| nested.map(|nested| nested.changes).unwrap_or_default();
        let gone = rows(before.next_if(|nested| nested.child == child));
        let changes = difference(gone, rows(now.next_if(|nested| nested.child == child)));
        if !changes.is_empty() {
            nested.push(Nested { child, changes });
        }
    }
    let kind = if was.version == row.version { ChangeKind::Stay } else { ChangeKind::Update };
    let is_change = kind == ChangeKind::Update || !nested.is_empty();
    is_change.then_some(RowChange { kind, former: was.version, nested, ..row })
}

/// Changes of a result whose rows were derived again: what left and came back under its id has stayed. O(changes).
pub(super) fn of_same_rows(changes: Vec<RowChange>) -> Vec<RowChange> {
    let (mut gone, mut come, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        match change.kind {
            ChangeKind::Leave => gone.push(change),
            ChangeKind::Enter => come.push(change),
            ChangeKind::Update | ChangeKind::Stay => changed.push(change),
        }
    }
    gone.iter_mut().for_each(enter);
    changed.extend(difference(gone, come));
    changed
}

/// The rows before some changes. O(rows and changes).
pub(super) fn undo(rows: Vec<RowChange>, changes: &[RowChange]) -> Vec<RowChange> {
    let mut rows = Listing::of(rows);
    let mut left = Vec::new();
    for change in changes {
        match change.kind {
            ChangeKind::Enter => drop(rows.take_version(&change.id, change.version)),
            ChangeKind::Leave => {
                let mut row = change.clone();
                enter(&mut row);
                left.push(row);
            }
            ChangeKind::Update | ChangeKind::Stay => {
                let Some(row) = rows.get_mut(&change.id, change.version) else { continue };
                (row.version, row.former) = (change.former, change.former);
                change.nested.iter().for_each(|nested| undo_under(row, nested));
            }
        }
    }
    rows.into_rows().chain(left).collect()
}

/// Takes changes of one subquery back from what is under a row.
fn undo_under(row: &mut RowChange, nested: &Nested) {
    let position = row.nested.partition_point(|known| known.child < nested.child);
    match row.nested.get_mut(position).filter(|known| known.child == nested.child) {
        Some(known) => known.changes = undo(std::mem::take(&mut known.changes), &nested.changes),
        None => {
            let changes = undo(Vec::new(), &nested.changes);
            row.nested.insert(position, Nested { child: nested.child, changes });
        }
    }
}

/// Makes a row that left, and all that left with it, into one that enters.
fn enter(row: &mut RowChange) {
    row.kind = ChangeKind::Enter;
    row.nested.iter_mut().flat_map(|nested| &mut nested.changes).for_each(enter);
}

/// Rows that are found by their ids. Of derived rows several may have the same: they are taken in their order.
struct Listing {
    rows: Vec<Option<RowChange>>,
    /// The positions of the rows, the last one first.
    by_id: HashMap<SameRecord, SmallVec<[usize; 1]>, foldhash::fast::FixedState>,
}

impl Listing {
    fn of(rows: Vec<RowChange>) -> Listing {
        let mut by_id: HashMap<_, SmallVec<_>, _> = HashMap::with_capacity_and_hasher(rows.len(), Default::default());
        for (position, row) in rows.iter().enumerate().rev() {
            by_id.entry(SameRecord(row.id.clone())).or_default().push(position);
        }
        Listing { rows: rows.into_iter().map(Some).collect(), by_id }
    }

    fn take(&mut self, id: &Arc<RecordId>) -> Option<RowChange> {
        let position = self.by_id.get_mut(&SameRecord(id.clone()))?.pop()?;
        self.rows[position].take()
    }

    /// As [`Listing::take`], of a row that has this version: rows of the same record that have the same are alike.
    fn take_version(&mut self, id: &Arc<RecordId>, version: u64) -> Option<RowChange> {
        let rows = &self.rows;
        let positions = self.by_id.get_mut(&SameRecord(id.clone()))?;
        let has_version = |position: &usize| rows[*position].as_ref().is_some_and(|row| row.version == version);
        let place = positions.iter().rposition(has_version)?;
        let position = positions.remove(place);
        self.rows[position].take()
    }

    fn get_mut(&mut self, id: &Arc<RecordId>, version: u64) -> Option<&mut RowChange> {
        let rows = &self.rows;
        let has_version = |position: &&usize| rows[**position].as_ref().is_some_and(|row| row.version == version);
        let position = *self.by_id.get(&SameRecord(id.clone()))?.iter().rev().find(has_version)?;
        self.rows[position].as_mut()
    }

    /// The rows that were not taken, in their order.
    fn into_rows(self) -> impl Iterator<Item = RowChange> {
        self.rows.into_iter().flatten()
    }
}
