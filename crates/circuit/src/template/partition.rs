//! The ordered rows of one binding, and the windows that views have on them.

use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::collection::priority_search_tree::PrioritySearchTree;
use crate::collection::ranked::Ranked;
use crate::derived::scan_key::{compare_keys, compare_records};
use crate::plan::{OrderKey, Window};
use crate::value::{RecordId, Value};
use crate::work::Work;

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
    /// The results that show windows, by the ranks at which these start and end. A row that comes or goes concerns the
    /// windows that end behind it and start before the last row: a low and a high key.
    windows: PrioritySearchTree<u64, u64, u32>,
}

/// Called with a result, a row, and its weight: 1 if it enters, -1 if it leaves, 0 if it stays.
pub(crate) trait Moves: FnMut(u32, u32, i32) {}

impl<F: FnMut(u32, u32, i32)> Moves for F {}

impl Partition {
    /// A partition of the given rows, in any order. O(n log n).
    pub(crate) fn of(mut positions: Vec<Position>, order: &[OrderKey]) -> Self {
        positions.sort_unstable_by(|a, b| compare(a, b, order));
        Partition { rows: Ranked::from_sorted(positions), windows: PrioritySearchTree::default() }
    }

    /// The result that shows a window. O(log windows).
    pub(crate) fn result_of(&self, window: Window) -> Option<u32> {
        self.windows.get(&window.start, &window.end()).copied()
    }

    /// Adds the result of a window that none shows yet. Amortized O(log² windows).
    pub(crate) fn add_window(&mut self, window: Window, result: u32) {
        self.windows.insert(window.start, window.end(), result);
    }

    /// Removes a window. Amortized O(log² windows).
    pub(crate) fn remove_window(&mut self, window: Window) {
        self.windows.remove(&window.start, &window.end());
    }

    pub(crate) fn has_windows(&self) -> bool {
        !self.windows.is_empty()
    }

    /// The rows of a window, in order.
    pub(crate) fn window(&self, window: Window) -> impl Iterator<Item = u32> {
        self.rows.range(rank(window.start), rank(window.end())).map(|position| position.row)
    }

    /// Calls `mark` with the results whose window shows the row at this position. O(log n + results).
    pub(crate) fn results_at(
        &self,
        position: &Position,
        order: &[OrderKey],
        work: &mut Work,
        mut mark: impl FnMut(u32),
    ) {
        if let Some(rank) = self.rows.rank(position, &|a: &Position, b: &Position| compare(a, b, order)) {
            self.windows_around(rank as u64, rank as u64, work, |_, _, result| mark(result));
        }
    }

    /// Adds a row, and reports what enters and leaves each window. O(log n) for each window that changes, and O(log
    /// windows).
    pub(crate) fn insert(&mut self, position: Position, order: &[OrderKey], work: &mut Work, moves: &mut impl Moves) {
        let Some(inserted) = self.rows.insert(position, &|a: &Position, b: &Position| compare(a, b, order)) else {
            return;
        };
        let last = self.rows.len() - 1;
        self.windows_around(last as u64, inserted as u64, work, |start, end, result| {
            if let Some(entering) = self.rows.get(inserted.max(start)) {
                moves(result, entering.row, 1);
            }
            // Everything behind the new row has moved up by one: what stands at the end now stood inside before.
            if let Some(leaving) = self.rows.get(end) {
                moves(result, leaving.row, -1);
            }
        });
    }

    /// Removes a row, and reports what enters and leaves each window. O(log n) for each window that changes, and O(log
    /// windows).
    pub(crate) fn remove(&mut self, position: &Position, order: &[OrderKey], work: &mut Work, moves: &mut impl Moves) {
        let Some(removed) = self.rows.remove(position, &|a: &Position, b: &Position| compare(a, b, order)) else {
            return;
        };
        let former_last = self.rows.len();
        self.windows_around(former_last as u64, removed as u64, work, |start, end, result| {
            // The row that left the window stood at `max(removed, start)`: it is the removed one, or has moved down by
            // one.
            if removed >= start {
                moves(result, position.row, -1);
            } else if let Some(leaving) = self.rows.get(start - 1) {
                moves(result, leaving.row, -1);
            }
            if let Some(entering) = self.rows.get(end - 1) {
                moves(result, entering.row, 1);
            }
        });
    }

    /// Moves a row to another position, and reports what that means to each window. Windows before both positions, and
    /// behind both, show what they did. O(log n) for each window that changes or shows the row, and O(log windows).
    pub(crate) fn relocate(
        &mut self,
        from: &Position,
        to: Position,
        order: &[OrderKey],
        work: &mut Work,
        moves: &mut impl Moves,
    ) {
        let order = &|a: &Position, b: &Position| compare(a, b, order);
        let row = to.row;
        let (Some(was), Some(is)) = (self.rows.remove(from, order), self.rows.insert(to, order)) else { return };
        self.windows_around(was.max(is) as u64, was.min(is) as u64, work, |start, end, result| {
            let window = start..end;
            let row_at = |rank: usize| self.rows.get(rank).map(|position| position.row);
            // All between the two positions have moved by one towards the former.
            let leaving = match was {
                was if window.contains(&was) => Some(row),
                was if was < start => row_at(start - 1),
                _ => row_at(end),
            };
            let entering = match is {
                is if window.contains(&is) => Some(row),
                is if is < start => row_at(start),
                _ => row_at(end - 1),
            };
            if leaving == entering {
                return moves(result, row, 0);
            }
            for (moved, weight) in [(leaving, -1), (entering, 1)] {
                if let Some(moved) = moved {
                    moves(result, moved, weight);
                }
            }
        });
    }

    /// Calls `visit` with the windows that start at or before one rank and end behind another: their ranks and results.
    /// O(log windows + answer).
    fn windows_around(&self, start: u64, before_end: u64, work: &mut Work, mut visit: impl FnMut(usize, usize, u32)) {
        let probed = Cell::new(0);
        let ends_behind = |end: &u64| {
            probed.set(probed.get() + 1);
            *end > before_end
        };
        self.windows.visit(
            |first| *first <= start,
            ends_behind,
            |start, end, result| {
                // An empty window stays empty.
                if start < end {
                    visit(rank(*start), rank(*end), *result);
                }
                true
            },
        );
        work.windows_probed += probed.get();
    }
}

fn rank(rank: u64) -> usize {
    usize::try_from(rank).unwrap_or(usize::MAX)
}

/// The order of a template's rows: by its keys, then by ascending record id.
pub(crate) fn compare(a: &Position, b: &Position, order: &[OrderKey]) -> Ordering {
    // Of derived rows two may have the same id: the row number keeps them apart.
    let by_record = || compare_records(&a.id, &b.id).then(a.row.cmp(&b.row));
    compare_keys(&a.keys, &b.keys, order).then_with(by_record)
}
