//! Reading results.

pub(crate) mod pace;
pub(crate) mod shown;
pub(crate) mod watch;

use crate::circuit::Circuit;
use crate::dependent::read::Read;
use crate::expr::{Failure, Scope};
use crate::output::Output;
use crate::plan::Window;
use crate::step::delta::{Nested, NestedChanges, RowChange};
use crate::store::StoreReader;
use crate::store::table::{Row, RowView};
use crate::template::binding::Binding;
use crate::template::partition::compare;
use crate::value::Value;
use crate::value::digest::ResultId;
use crate::work::Work;

impl Circuit {
    /// The rows of a result, in the order in which the query answers them. O(rows · log rows).
    pub fn rows(&self, result: ResultId) -> Vec<Row> {
        let Some((state, ..)) = self.result(result) else { return Vec::new() };
        let Some(table) = self.store.get(state.key.relation) else { return Vec::new() };
        self.numbers(result).into_iter().filter_map(|row| table.row(row)).cloned().collect()
    }

    /// What SurrealDB answers to the query of a result. O(rows · log rows) and the cost of the output.
    pub fn answer(&self, result: ResultId, output: &Output) -> Result<Value, Failure> {
        self.answer_noting(result, output, &mut Vec::new())
    }

    /// The rows of a result with the rows of the subqueries under them, as if all had just entered. O(rows · log rows).
    pub fn listing(&self, result: ResultId) -> Vec<RowChange> {
        let Some((state, binding, _)) = self.result(result) else { return Vec::new() };
        let Some(table) = self.store.get(state.key.relation) else { return Vec::new() };
        let environment = binding.environment;
        let entry = |number: u32| {
            let row = table.row(number)?;
            Some(RowChange::enter(row, self.nested_listing(state, number, environment)))
        };
        self.numbers(result).into_iter().filter_map(entry).collect()
    }

    /// The rows under a row.
    pub(crate) fn nested_listing(
        &self,
        state: &crate::template::TemplateState,
        row: u32,
        environment: u32,
    ) -> NestedChanges {
        let attached = state.attachments.as_ref().and_then(|attachments| attachments.get(row, environment));
        let Some(attached) = attached else { return NestedChanges::new() };
        let children = attached.children.iter().enumerate();
        children
            .filter_map(|(child, result)| {
                let changes = self.listing(*result);
                (!changes.is_empty()).then_some(Nested { child: child as u16, changes })
            })
            .collect()
    }

    /// The numbers of a result's rows, in the order of the query. O(rows · log rows).
    pub(crate) fn numbers(&self, result: ResultId) -> Vec<u32> {
        let Some((state, binding, window)) = self.result(result) else { return Vec::new() };
        let Some(table) = self.store.get(state.key.relation) else { return Vec::new() };
        if let Some(rows) = self.window(binding, window) {
            return rows;
        }
        let mut work = Work::default();
        let rows = state.matching(table, &binding.slots, self.evaluation(), &mut work);
        self.reading.count_rows(work.rows_examined as usize);
        if rows.len() < 2 {
            return rows.into_iter().map(|(number, _)| number).collect();
        }
        let place = |(number, columns)| Some(state.position(number, table.view(number)?, &columns));
        let mut placed: Vec<_> = rows.into_iter().filter_map(place).collect();
        placed.sort_by(|a, b| compare(a, b, &state.wiring.order));
        placed.into_iter().map(|position| position.row).collect()
    }

    /// The numbers of a result's rows, in no particular order. O(candidates).
    pub(crate) fn members(&self, result: ResultId, work: &mut Work) -> Vec<u32> {
        let Some((state, binding, window)) = self.result(result) else { return Vec::new() };
        let Some(table) = self.store.get(state.key.relation) else { return Vec::new() };
        if let Some(rows) = self.window(binding, window) {
            return rows;
        }
        let rows = state.matching(table, &binding.slots, self.evaluation(), work);
        rows.into_iter().map(|(row, _)| row).collect()
    }

    /// The rows of a window, in order; `None` if the result is all rows of the binding.
    fn window(&self, binding: &Binding, window: Option<Window>) -> Option<Vec<u32>> {
        let rows: Vec<u32> = binding.partition()?.window(window?).collect();
        self.reading.count_rows(rows.len());
        Some(rows)
    }

    /// As [`Circuit::answer`], and notes what was read besides the rows.
    pub(crate) fn answer_noting(
        &self,
        result: ResultId,
        output: &Output,
        reads: &mut Vec<Read>,
    ) -> Result<Value, Failure> {
        let mut rows = Vec::new();
        for number in self.numbers(result) {
            rows.push(self.output_of(result, number, output, reads)?);
        }
        output.answer(rows)
    }

    /// What an output shows of a row of a result.
    pub(crate) fn output_of(
        &self,
        result: ResultId,
        number: u32,
        output: &Output,
        reads: &mut Vec<Read>,
    ) -> Result<Value, Failure> {
        let Some((state, binding, _)) = self.result(result) else { return Ok(Value::None) };
        let table = self.store.get(state.key.relation);
        let Some(view) = table.and_then(|table| table.view(number)) else { return Ok(Value::None) };
        let mut answers = Vec::new();
        let attachments = state.attachments.as_ref();
        if let Some(attached) = attachments.and_then(|attachments| attachments.get(number, binding.environment)) {
            for (child, result) in state.key.template.children.iter().zip(&attached.children) {
                answers.push(self.answer_noting(*result, &child.plan.output, reads));
            }
        }
        self.output_with(view, &binding.slots.0, &answers, output, reads)
    }

    /// What an output shows of a row, with the answers of the subqueries under it at hand.
    pub(crate) fn output_with(
        &self,
        view: RowView<'_>,
        slots: &[Option<Value>],
        answers: &[Result<Value, Failure>],
        output: &Output,
        reads: &mut Vec<Read>,
    ) -> Result<Value, Failure> {
        let mut reader = StoreReader::new(&self.store);
        let scope = Scope { row: Some(view.row.shown()), slots, subqueries: answers, ..Scope::default() };
        let value = output.row(&scope, &mut reader, &*self.library);
        self.reading.count_output();
        self.reading.count_records(reader.reads.len());
        reads.append(&mut reader.reads);
        value
    }
}
