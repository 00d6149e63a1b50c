//! Results as their queries show them: each row with its value, and the rows of the subqueries under it.

use std::sync::Arc;

use crate::circuit::Circuit;
use crate::expr::Failure;
use crate::output::Output;
use crate::value::digest::ResultId;
use crate::value::{RecordId, Value};

/// A row as its query shows it.
#[derive(Clone, Debug)]
pub struct Shown {
    pub id: Arc<RecordId>,
    pub version: u64,
    /// What is selected of the row; a failure where SurrealDB would answer an error.
    pub value: Result<Value, Failure>,
    /// The rows of each subquery under it, by the number of the subquery among
    /// [`Template::children`](crate::Template::children).
    pub nested: Vec<(u16, Vec<Shown>)>,
}

impl Circuit {
    /// The rows of a result as an output shows them, in the order of the query. O(rows · log rows), and the cost of the
    /// output for each.
    pub fn shown(&self, result: ResultId, output: &Output) -> Vec<Shown> {
        self.numbers(result).into_iter().filter_map(|row| self.shown_row(result, row, output)).collect()
    }

    /// A row of a result as an output shows it, by the number that [`Step::shown`](crate::Step::shown) tells. O(rows
    /// under it), and the cost of the output for each.
    pub fn shown_row(&self, result: ResultId, row: u32, output: &Output) -> Option<Shown> {
        let (state, binding, _) = self.result(result)?;
        let view = self.store.get(state.key.relation)?.view(row)?;
        let attachments = state.attachments.as_ref();
        let attached = attachments.and_then(|attachments| attachments.get(row, binding.environment));
        let mut nested = Vec::new();
        let mut answers = Vec::new();
        let results = attached.map(|attached| &*attached.children).unwrap_or_default();
        for (number, (child, result)) in (0..).zip(state.key.template.children.iter().zip(results)) {
            let output = &child.plan.output;
            let rows = self.shown(*result, output);
            answers.push(answer(&rows, output));
            if !rows.is_empty() {
                nested.push((number, rows));
            }
        }
        let value = self.output_with(view, &binding.slots.0, &answers, output, &mut Vec::new());
        Some(Shown { id: view.row.id.clone(), version: view.row.version, value, nested })
    }
}

/// What a subquery answers to the row that it belongs to.
fn answer(rows: &[Shown], output: &Output) -> Result<Value, Failure> {
    let values: Result<Vec<Value>, Failure> = rows.iter().map(|row| row.value.clone()).collect();
    output.answer(values?)
}
