//! What the engine did, counted: the second oracle.
//!
//! A change must cost what it changes. A test that compares these counts with the size of the change finds a silent
//! recomputation that a benchmark would only show as slowness. So everything is counted that is looked at, whether for
//! a change, for a registration or for an answer.

use std::ops::{AddAssign, Sub};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the circuit was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Rows whose columns were computed, for a change or for a registration.
    pub rows_examined: u64,
    /// Bindings against which a row was checked.
    pub bindings_probed: u64,
    /// Lookups of a row in an index over bindings.
    pub indexes_probed: u64,
    /// Windows that were compared with the rank of a row.
    pub windows_probed: u64,
    /// Rows that were gone through to read a result from its first row to its last: for an answer, a listing, or a slot
    /// that follows from a subquery. What is kept up to date row by row needs none.
    pub rows_read: u64,
    /// Records, fields of records, and edges at records that expressions asked for.
    pub records_read: u64,
    /// Columns that depend on more than their row, computed for one row.
    pub columns_computed: u64,
    /// Rows that were shown through an output, for an answer or for whoever takes them further: an operator, a live
    /// set, a watch.
    pub outputs_computed: u64,
    /// Plans that were put to work: registered ones, and subqueries for a row or a slot.
    pub plans_started: u64,
    /// Rows of nested queries, split rows and groups that were written or removed.
    pub rows_derived: u64,
    /// Values that were gone through: those of a group, to answer an aggregate which can't be kept as a number, and the
    /// items of a list behind `FROM` that was computed again.
    pub values_folded: u64,
    /// Places in tables, taken or free, that a save has gone past, and records that it wrote again.
    pub rows_saved: u64,
}

/// What the circuit holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub tables: usize,
    pub rows: usize,
    pub templates: usize,
    pub bindings: usize,
    /// Results that are maintained: a binding, or a window on one.
    pub results: usize,
    pub arrangements: usize,
    /// Bindings that every change of their table has to try, because their condition offers no index.
    pub unindexed_bindings: usize,
    /// Rows with subqueries under them.
    pub attachments: usize,
    /// Operators that derive rows from results: nested queries, split rows, groups.
    pub operators: usize,
    /// Subqueries that are kept as sets.
    pub sets: usize,
    /// Computations that depend on other records or on results.
    pub dependents: usize,
    /// Columns that are kept beside the rows.
    pub virtual_columns: usize,
}

impl Work {
    /// All counts, which no count may be missing from.
    fn counts(&mut self) -> [&mut u64; 12] {
        let Work {
            rows_examined,
            bindings_probed,
            indexes_probed,
            windows_probed,
            rows_read,
            records_read,
            columns_computed,
            outputs_computed,
            plans_started,
            rows_derived,
            values_folded,
            rows_saved,
        } = self;
        [
            rows_examined,
            bindings_probed,
            indexes_probed,
            windows_probed,
            rows_read,
            records_read,
            columns_computed,
            outputs_computed,
            plans_started,
            rows_derived,
            values_folded,
            rows_saved,
        ]
    }

    /// Whether no count is above that of `most`.
    pub fn is_within(mut self, mut most: Work) -> bool {
        self.counts().into_iter().zip(most.counts()).all(|(count, most)| count <= most)
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, mut other: Work) {
        self.counts().into_iter().zip(other.counts()).for_each(|(count, other)| *count += *other);
    }
}

impl Sub for Work {
    type Output = Work;

    /// What was done since `former`.
    fn sub(mut self, mut former: Work) -> Work {
        self.counts().into_iter().zip(former.counts()).for_each(|(count, former)| *count -= *former);
        self
    }
}

/// The work of reading, which has no exclusive access to the circuit.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    rows: AtomicU64,
    records: AtomicU64,
    outputs: AtomicU64,
}

impl Reading {
    pub(crate) fn count_rows(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_records(&self, records: usize) {
        self.records.fetch_add(records as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_output(&self) {
        self.outputs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn work(&self) -> Work {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (rows_read, records_read, outputs_computed) =
            (count(&self.rows), count(&self.records), count(&self.outputs));
        Work { rows_read, records_read, outputs_computed, ..Work::default() }
    }
}
