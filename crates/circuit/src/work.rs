//! What the engine did, counted: the second oracle.
//!
//! A change must cost what it changes. A test that compares these counts with the size of the change finds a silent
//! recomputation that a benchmark would only show as slowness.

use std::ops::{AddAssign, Sub};

/// Counts since the circuit was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Rows whose columns were computed, for a change or for a registration.
    pub rows_examined: u64,
    /// Bindings against which a row was checked.
    pub bindings_probed: u64,
    /// Lookups of a row in an index over bindings.
    pub indexes_probed: u64,
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

impl AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        self.rows_examined += other.rows_examined;
        self.bindings_probed += other.bindings_probed;
        self.indexes_probed += other.indexes_probed;
        self.rows_saved += other.rows_saved;
    }
}

impl Sub for Work {
    type Output = Work;

    /// What was done since `former`.
    fn sub(self, former: Work) -> Work {
        Work {
            rows_examined: self.rows_examined - former.rows_examined,
            bindings_probed: self.bindings_probed - former.bindings_probed,
            indexes_probed: self.indexes_probed - former.indexes_probed,
            rows_saved: self.rows_saved - former.rows_saved,
        }
    }
}
