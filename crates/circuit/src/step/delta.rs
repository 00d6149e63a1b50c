//! From movements of rows to the net change of each result.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::collection::numbered::Numbered;
use crate::step::changes::is_worth_keeping;
use crate::store::table::{Row, TableId};
use crate::value::digest::{Digest, ResultId};
use crate::value::{RecordId, SameRecord};

/// The net change of one result in one step.
#[derive(Debug)]
pub struct ResultDelta {
    pub result: ResultId,
    /// At most one change a row. The same record may be several rows, if
    /// [`Plan::may_repeat_rows`](crate::Plan::may_repeat_rows) says so.
    pub changes: Vec<RowChange>,
    /// The result after the change.
    pub digest: Digest,
}

/// What happened to one row of a result, and to the rows of subqueries under it.
#[derive(Clone, Debug)]
pub struct RowChange {
    pub kind: ChangeKind,
    pub id: Arc<RecordId>,
    /// The version of the record now; of a row that left because it was deleted, the last one.
    pub version: u64,
    /// The version before the step; of a row that entered, the present one.
    pub former: u64,
    /// Changes under this row. Of a row that entered or left, all that is under it enters or leaves with it.
    pub nested: NestedChanges,
}

/// Changes under one row, by subquery. Most often there are none, or those of one.
pub type NestedChanges = SmallVec<[Nested; 1]>;

/// Changes of one subquery under a row.
#[derive(Clone, Debug)]
pub struct Nested {
    /// The number of the subquery among [`Template::children`](crate::Template::children).
    pub child: u16,
    pub changes: Vec<RowChange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The row was not in the result before, and is now.
    Enter,
    /// The row was in the result before, and is not any more.
    Leave,
    /// The row is in the result as before, and has new content.
    Update,
    /// The row is as before; something under it has changed.
    Stay,
}

/// A Z-set over (result, row): weights of the movements in one stage of a step.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    entries: Vec<Mark>,
    /// Results that have got another binding, and the environment that they had.
    moved: HashMap<u32, u32, foldhash::fast::FixedState>,
    /// The bindings that they had: template and binding.
    released: Vec<(u32, u32)>,
    touched: Vec<Touched>,
}

#[derive(Debug)]
struct Mark {
    result: u32,
    row: u32,
    weight: i32,
    table: TableId,
}

/// A row that moved, or was looked at, in a result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touched {
    pub(crate) result: u32,
    pub(crate) table: TableId,
    pub(crate) row: u32,
    pub(crate) was_shown: bool,
    pub(crate) is_shown: bool,
}

impl Marks {
    /// Adds to the weight of a row in a result. Weight 0 says that the row is in the result and stays there.
    pub(crate) fn mark(&mut self, result: u32, table: TableId, row: u32, weight: i32) {
        self.entries.push(Mark { result, row, weight, table });
    }

    /// Notes that a result has got another binding. The former one is still needed until the difference is told.
    pub(crate) fn moved(&mut self, result: u32, former_environment: u32, former: (u32, u32)) {
        self.moved.insert(result, former_environment);
        self.released.push(former);
    }

    /// The bindings that nobody needs once the stage is over.
    pub(crate) fn take_released(&mut self) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.released)
    }

    /// The environment of a result before it got another binding. O(1).
    pub(crate) fn former_environment(&self, result: u32) -> Option<u32> {
        self.moved.get(&result).copied()
    }

    /// The net movement of each row in each result, by result. O(marks · log marks).
    pub(crate) fn net(&mut self) -> Vec<Touched> {
        let mut touched = std::mem::take(&mut self.touched);
        // Stable: the first mark of a row tells whether the result showed it before the step.
        self.entries.sort_by_key(|mark| (mark.result, mark.row));
        let rows = self.entries.chunk_by(|a, b| (a.result, a.row) == (b.result, b.row));
        touched.extend(rows.map(|marks| {
            let Mark { result, row, weight, table } = marks[0];
            let was_shown = weight <= 0;
            let net = i32::from(was_shown) + marks.iter().map(|mark| mark.weight).sum::<i32>();
            Touched { result, table, row, was_shown, is_shown: net > 0 }
        }));
        touched
    }

    /// Forgets all marks, and keeps the room that they took for the next stage unless this one had little use for it.
    pub(crate) fn clear(&mut self, mut touched: Vec<Touched>) {
        let is_wanted = is_worth_keeping(self.entries.len(), self.entries.capacity());
        touched.clear();
        self.entries.clear();
        self.moved.clear();
        if is_wanted {
            self.touched = touched;
        } else {
            self.entries = Vec::new();
        }
    }
}

impl Numbered for ResultDelta {
    fn number(&self) -> u32 {
        self.result.0
    }
}

impl Nested {
    /// Adds later changes of the same subquery. O(changes).
    fn add(&mut self, later: Vec<RowChange>) {
        let mut net = NetChanges::default();
        net.add(std::mem::take(&mut self.changes));
        net.add(later);
        self.changes = net.into_changes().collect();
    }
}

/// The net change of each row, over several steps. A record may be several rows, each with a change of its own.
#[derive(Debug, Default)]
pub(crate) struct NetChanges {
    /// By record, each with the number of the step that was added last.
    rows: HashMap<SameRecord, SmallVec<[(u64, RowChange); 1]>, foldhash::fast::FixedState>,
    steps: u64,
}

impl NetChanges {
    /// Adds the changes of a later step. O(changes).
    pub(crate) fn add(&mut self, changes: Vec<RowChange>) {
        self.steps += 1;
        for change in changes {
            self.add_one(change);
        }
    }

    fn add_one(&mut self, later: RowChange) {
        let id = SameRecord(later.id.clone());
        let known = self.rows.entry(id.clone()).or_default();
        // What enters takes the place of what has left; anything else goes on from what the row has become. All rows of
        // a record are as each other, so it does not matter which of them is meant.
        let is_same_row = |(step, earlier): &(u64, RowChange)| {
            let fits = match (later.kind, earlier.kind) {
                (ChangeKind::Enter, kind) => kind == ChangeKind::Leave,
                (_, kind) => kind != ChangeKind::Leave && earlier.version == later.former,
            };
            fits && *step < self.steps
        };
        let change = match known.iter().position(is_same_row) {
            Some(position) => known.remove(position).1.then(later),
            None => Some(later),
        };
        known.extend(change.map(|change| (self.steps, change)));
        if known.is_empty() {
            self.rows.remove(&id);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn into_changes(self) -> impl Iterator<Item = RowChange> {
        self.rows.into_values().flatten().map(|(_, change)| change)
    }
}

impl RowChange {
    /// A row that enters, with all under it.
    pub(crate) fn enter(row: &Row, nested: NestedChanges) -> RowChange {
        let (id, version) = (row.id.clone(), row.version);
        RowChange { kind: ChangeKind::Enter, id, version, former: version, nested }
    }

    /// The one change that stands for this one and a later one of the same row; `None` if they cancel out.
    ///
    /// A row that leaves and enters again counts as updated even if its version is the same: what is shown of it may
    /// follow linked records, and a record that nobody counts keeps its version.
    pub(crate) fn then(self, later: RowChange) -> Option<RowChange> {
        let kind = match (self.kind, later.kind) {
            (ChangeKind::Enter, ChangeKind::Leave) => return None,
            (ChangeKind::Enter, _) => ChangeKind::Enter,
            (_, ChangeKind::Leave) => ChangeKind::Leave,
            (_, ChangeKind::Enter | ChangeKind::Update) | (ChangeKind::Update, ChangeKind::Stay) => ChangeKind::Update,
            (earlier, ChangeKind::Stay) => earlier,
        };
        let mut nested = self.nested;
        for Nested { child, changes } in later.nested {
            match nested.iter().position(|known| known.child == child) {
                Some(position) => nested[position].add(changes),
                None => nested.push(Nested { child, changes }),
            }
        }
        nested.retain(|nested| !nested.changes.is_empty());
        if kind == ChangeKind::Stay && nested.is_empty() {
            return None;
        }
        let former = match kind {
            ChangeKind::Enter => later.version,
            _ => self.former,
        };
        Some(RowChange { kind, nested, former, ..later })
    }

    /// The same row and all under it, as if it had just left.
    pub(crate) fn into_leave(self) -> RowChange {
        let nested = self.nested.into_iter().map(|nested| Nested {
            changes: nested.changes.into_iter().map(RowChange::into_leave).collect(),
            ..nested
        });
        RowChange { kind: ChangeKind::Leave, nested: nested.collect(), ..self }
    }
}
