//! What the engine did, counted: the second oracle.
//!
//! A change must cost what it changes. A test that compares these counts with the size of the change finds a silent
//! recomputation that a benchmark would only show as slowness.

/// Counts since the circuit was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Rows whose columns were computed, for a change or for a registration.
    pub rows_examined: u64,
    /// Bindings against which a row was checked.
    pub bindings_probed: u64,
    /// Lookups of a row in an index over bindings.
    pub indexes_probed: u64,
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
}
