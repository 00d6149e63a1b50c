//! The ordered rows of one binding, and the windows that views have on them.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::collection::ranked::Ranked;
use crate::derived::scan_key::{compare_keys, compare_records};
use crate::plan::{OrderKey, Window};
use crate::value::{RecordId, Value};

/// A row's place in the order of a template.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    /// The values of the order keys.
    pub(crate) keys: SmallVec<[Value; 1]>,
    pub(crate) id: Arc<RecordId>,
    pub(crate) row: u32,
}

/// The rows that satisfy a binding, in order. Views with different windows on the same rows share it.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    rows: Ranked<Position>,
    /// The windows and the results that show them.
    pub(crate) windows: SmallVec<[(Window, u32); 1]>,
}

/// Called with a result, a row, and whether the row enters (or leaves) it.
pub(crate) trait Moves: FnMut(u32, u32, bool) {}

impl<F: FnMut(u32, u32, bool)> Moves for F {}

impl Partition {
    /// A partition of the given rows, in any order. O(n log n).
    pub(crate) fn of(mut positions: Vec<Position>, order: &[OrderKey]) -> Self {
        positions.sort_unstable_by(|a, b| compare(a, b, order));
        Partition { rows: Ranked::from_sorted(positions), windows: SmallVec::new() }
    }

    /// The rows of a window, in order.
    pub(crate) fn window(&self, window: Window) -> impl Iterator<Item = u32> {
        let (start, end) = ranks(window);
        self.rows.range(start, end).map(|position| position.row)
    }

    /// The results whose window shows the row at this position. O(log n).
    pub(crate) fn results_at(&self, position: &Position, order: &[OrderKey]) -> impl Iterator<Item = u32> {
        let rank = self.rows.rank(position, &|a: &Position, b: &Position| compare(a, b, order));
        self.windows.iter().filter_map(move |(window, result)| {
            let (start, end) = ranks(*window);
            (start..end).contains(&rank?).then_some(*result)
        })
    }

    /// Adds a row, and reports what enters and leaves each window. O(log n) and O(1) windows of this partition.
    pub(crate) fn insert(&mut self, position: Position, order: &[OrderKey], moves: &mut impl Moves) {
        let Some(rank) = self.rows.insert(position, &|a: &Position, b: &Position| compare(a, b, order)) else {
            return;
        };
        for (window, result) in &self.windows {
            let (start, end) = ranks(*window);
            if rank >= end || start == end {
                continue;
            }
            if let Some(entering) = self.rows.get(rank.max(start)) {
                moves(*result, entering.row, true);
            }
            // Everything from `rank` on has moved up by one: what stands at the end now stood inside before.
            if let Some(leaving) = self.rows.get(end) {
                moves(*result, leaving.row, false);
            }
        }
    }

    /// Removes a row, and reports what enters and leaves each window. O(log n) and O(1) windows of this partition.
    pub(crate) fn remove(&mut self, position: &Position, order: &[OrderKey], moves: &mut impl Moves) {
        let Some(rank) = self.rows.remove(position, &|a: &Position, b: &Position| compare(a, b, order)) else {
            return;
        };
        for (window, result) in &self.windows {
            let (start, end) = ranks(*window);
            if rank >= end || start == end {
                continue;
            }
            // The row that left the window stood at `max(rank, start)`: it is the removed one, or has moved down by
            // one.
            if rank >= start {
                moves(*result, position.row, false);
            } else if let Some(leaving) = self.rows.get(start - 1) {
                moves(*result, leaving.row, false);
            }
            if let Some(entering) = self.rows.get(end - 1) {
                moves(*result, entering.row, true);
            }
        }
    }
}

fn ranks(window: Window) -> (usize, usize) {
    let clamp = |rank: u64| usize::try_from(rank).unwrap_or(usize::MAX);
    (clamp(window.start), clamp(window.end()))
}

/// The order of a template's rows: by its keys, then by ascending record id.
pub(crate) fn compare(a: &Position, b: &Position, order: &[OrderKey]) -> Ordering {
    // Of derived rows two may have the same id: the row number keeps them apart.
    let by_record = || compare_records(&a.id, &b.id).then(a.row.cmp(&b.row));
    compare_keys(&a.keys, &b.keys, order).then_with(by_record)
}
