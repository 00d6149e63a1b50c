//! Columns of a row that depend on more than the row: on linked records, on edges, on subqueries.
//!
//! Their values are kept beside the row. So what a row was before a change is at hand when the change is routed,
//! although the records that the value came from have changed as well.

use std::sync::Arc;

use crate::circuit::Circuit;
use crate::collection::shrink::Shrink;
use crate::dependent::dependencies::Dependent;
use crate::dependent::held::Held;
use crate::expr::{Expr, Scope};
use crate::plan::Plan;
use crate::registration::register::Outer;
use crate::store::StoreReader;
use crate::store::table::TableId;
use crate::value::Value;

/// One virtual column of a relation, shared by all templates that need it.
#[derive(Debug)]
pub(crate) struct VirtualColumn {
    pub(crate) definition: Arc<Definition>,
    /// The number of templates that read it.
    pub(crate) readers: usize,
    /// The stage of a step in which its values are computed: behind everything that they depend on.
    pub(crate) rank: u32,
    /// What each row's value depends on, by row. As long as the last row with a value that depends on anything.
    rows: Vec<Held>,
}

/// What a virtual column is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Definition {
    /// An expression over the row and the answers of subqueries.
    Computed { expr: Expr, lookups: Vec<Plan> },
    /// A value that an operator gives to its rows.
    Given,
}

impl VirtualColumn {
    pub(crate) fn new(definition: Definition, rank: u32) -> Self {
        VirtualColumn { definition: Arc::new(definition), readers: 1, rank, rows: Vec::new() }
    }

    pub(crate) fn is_given(&self) -> bool {
        *self.definition == Definition::Given
    }

    /// What a row's value depends on, which is taken out.
    fn take(&mut self, row: u32) -> Held {
        self.rows.get_mut(row as usize).map(std::mem::take).unwrap_or_default()
    }

    /// Keeps what a row's value depends on. Amortized O(1).
    fn keep(&mut self, row: u32, held: Held) {
        let row = row as usize;
        if held.owner.is_some() {
            self.rows.resize_with(self.rows.len().max(row + 1), Held::default);
            self.rows[row] = held;
        } else if row + 1 == self.rows.len() {
            let last = self.rows.iter().rposition(|held| held.owner.is_some());
            self.rows.truncate(last.map_or(0, |last| last + 1));
            self.rows.shrink();
        }
    }
}

impl Circuit {
    /// The number of a relation's column with this definition. A new one is computed for all rows: O(rows).
    pub(crate) fn acquire_virtual(&mut self, table: TableId, definition: Definition, rank: u32) -> u32 {
        let Some(relation) = self.store.get_mut(table) else { return u32::MAX };
        let known = relation.virtual_columns.iter().find(|(_, column)| *column.definition == definition);
        if let Some(number) = known.map(|(number, _)| number) {
            if let Some(column) = relation.virtual_columns.get_mut(number) {
                column.readers += 1;
            }
            return number;
        }
        let number = relation.virtual_columns.insert(VirtualColumn::new(definition, rank));
        let rows: Vec<u32> = relation.rows().map(|(row, _)| row).collect();
        for row in rows {
            let value = self.compute_virtual(table, number, row);
            if let Some(relation) = self.store.get_mut(table) {
                relation.set_virtual(row, number, value);
            }
        }
        number
    }

    /// Counts one reader less of a virtual column, and drops it with the last. O(rows that depend on something).
    pub(crate) fn release_virtual(&mut self, table: TableId, number: u32) {
        let Some(relation) = self.store.get_mut(table) else { return };
        let Some(column) = relation.virtual_columns.get_mut(number) else { return };
        column.readers -= 1;
        if column.readers > 0 {
            return;
        }
        let Some(column) = relation.virtual_columns.remove(number) else { return };
        if relation.virtual_columns.len() == 0 {
            relation.drop_virtuals();
        }
        for held in column.rows {
            self.release_held(held);
        }
    }

    /// Computes the value of a virtual column for a row, and notes what it depends on. A row that is gone gives back
    /// what it held.
    pub(crate) fn compute_virtual(&mut self, table: TableId, number: u32, row: u32) -> Option<Value> {
        let relation = self.store.get(table)?;
        let definition = relation.virtual_columns.get(number)?.definition.clone();
        let Definition::Computed { expr, lookups } = &*definition else { return None };
        let content = relation.row(row);
        self.work.columns_computed += u64::from(content.is_some());
        let mut reads = Vec::new();
        let mut results = Vec::new();
        let value = match content {
            None => None,
            Some(content) if lookups.is_empty() => {
                let mut reader = StoreReader::new(&self.store);
                let scope = Scope { row: Some(content.shown()), ..Scope::default() };
                let value = expr.evaluate(&scope, &mut reader, &*self.library);
                self.reading.count_records(reader.reads.len());
                reads = reader.reads;
                value.ok().map(|value| value.into_owned())
            }
            Some(content) => {
                // A subquery may have to be registered, so the row can't stay borrowed.
                let outer = Outer { row: Some(content.content.clone()), slots: Vec::new() };
                let answer = |lookup| self.answer_lookup(lookup, &outer, &mut reads, &mut results);
                let answers: Vec<_> = lookups.iter().map(answer).collect();
                let mut reader = StoreReader::new(&self.store);
                let scope = Scope { subqueries: &answers, ..outer.scope() };
                let value = expr.evaluate(&scope, &mut reader, &*self.library);
                self.reading.count_records(reader.reads.len());
                reads.append(&mut reader.reads);
                value.ok().map(|value| value.into_owned())
            }
        };
        let dependent = Dependent::Virtual { table, column: number, row };
        let former = self.column_mut(table, number)?.take(row);
        let held = self.hold(dependent, former, reads, results);
        self.column_mut(table, number)?.keep(row, held);
        value
    }

    fn column_mut(&mut self, table: TableId, number: u32) -> Option<&mut VirtualColumn> {
        self.store.get_mut(table)?.virtual_columns.get_mut(number)
    }
}
