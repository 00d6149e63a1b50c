//! Telling the consumers of a result what its rows are now.

use std::sync::Arc;

use crate::circuit::Circuit;
use crate::collection::shrink::Shrink;
use crate::dependent::dependencies::Dependent;
use crate::dependent::read::Read;
use crate::derived::operator::Input;
use crate::output::Output;
use crate::step::consumer::{Consumer, Target, Told};
use crate::step::delta::Touched;
use crate::step::progress::Progress;
use crate::store::table::RowView;
use crate::value::digest::ResultId;
use crate::value::{Value, identity};

impl Circuit {
    /// Feeds a consumer all rows of its result. O(result).
    pub(crate) fn fill_consumer(&mut self, number: u32) {
        let Some(result) = self.consumers.get(number).map(|consumer| consumer.result) else { return };
        let Some(table) = self.result(ResultId(result)).map(|(state, ..)| state.key.relation) else { return };
        let entering = |row| Touched { result, table, row, was_shown: false, is_shown: true };
        let rows: Vec<Touched> = self.numbers(ResultId(result)).into_iter().map(entering).collect();
        self.feed(number, &rows, &mut Progress::filling());
    }

    /// Feeds a consumer the rows of its result that were touched. O(touched), and the cost of the output for each.
    pub(crate) fn feed(&mut self, number: u32, touched: &[Touched], progress: &mut Progress) {
        for row in touched {
            let Some(Consumer { output, target, is_local, .. }) = self.consumers.get(number) else { return };
            let (output, target, is_local) = (output.clone(), *target, *is_local);
            let former = self.consumers.get_mut(number).and_then(|consumer| consumer.rows.remove(&row.row));
            let former = former.unwrap_or_default();
            let old = match (target, is_local) {
                (Target::Watch, _) => None,
                (_, true) if !row.was_shown => None,
                (_, true) => self.former_input(row, &output, target, progress),
                (_, false) => former.value.clone().and_then(|value| self.told(row, target, value, progress)),
            };
            let mut reads = Vec::new();
            let new = match row.is_shown {
                true => self.present_input(row, &output, target, &mut reads),
                false => None,
            };
            self.keep(number, row, former, new.as_ref(), reads);
            self.pass_on(target, old, new, progress);
        }
        if let Some(Target::Watch) = self.consumers.get(number).map(|consumer| consumer.target)
            && !touched.is_empty()
        {
            progress.watched.push(number);
            let shown = touched.iter().filter(|row| row.is_shown);
            progress.shown.extend(shown.map(|row| (number, row.row)));
        }
    }

    /// Feeds a consumer rows whose outputs read something that has changed. All are of the same consumer.
    pub(crate) fn feed_again(&mut self, rows: &[(u32, u32)], progress: &mut Progress) {
        let Some((number, _)) = rows.first() else { return };
        let Some(consumer) = self.consumers.get(*number) else { return };
        let result = consumer.result;
        let Some(table) = self.result(ResultId(result)).map(|(state, ..)| state.key.relation) else { return };
        let known = rows.iter().filter(|(_, row)| consumer.rows.contains_key(row));
        let touched: Vec<Touched> =
            known.map(|(_, row)| Touched { result, table, row: *row, was_shown: true, is_shown: true }).collect();
        self.feed(*number, &touched, progress);
    }

    /// Keeps what a consumer was told of a row, if it can't be computed from the row later. A row whose output fails is
    /// kept too: what it has read may change.
    fn keep(&mut self, number: u32, row: &Touched, former: Told, new: Option<&Input>, reads: Vec<Read>) {
        let Some(consumer) = self.consumers.get_mut(number) else { return };
        if consumer.is_local {
            return;
        }
        let dependent = Dependent::Output { consumer: number, row: row.row };
        // Of a row that is not shown nothing has been read.
        let owner = self.dependencies.renew(former.owner, dependent, reads, Vec::new());
        if row.is_shown {
            let value = new.filter(|_| consumer.target != Target::Watch).map(|new| new.value.clone());
            consumer.rows.insert(row.row, Told { value, owner });
        } else {
            consumer.rows.shrink();
        }
    }

    fn pass_on(&mut self, target: Target, old: Option<Input>, new: Option<Input>, progress: &mut Progress) {
        match target {
            Target::Watch => {}
            Target::Set(set) => {
                if let (Some(old), Some(new)) = (&old, &new)
                    && identity::are_identical(&old.value, &new.value)
                {
                    return;
                }
                for (input, weight) in [(old, -1), (new, 1)] {
                    if let Some(input) = input {
                        self.sets.add(set, &input.value, weight);
                    }
                }
                if progress.is_filling {
                    return;
                }
                let templates: Vec<u32> = self.sets.templates_of(set).collect();
                for template in templates {
                    if let Some(state) = self.templates.get(template) {
                        progress.at(state.key.rank).sets.push((template, set));
                    }
                }
            }
            Target::Operator { operator, .. } => {
                let Some(state) = self.operators.get_mut(operator) else { return };
                let derived = state.take(operator, old, new, &self.store, &mut self.work);
                self.derive(operator, derived, progress);
                progress.operators.push(operator);
            }
        }
    }

    /// A row as an output shows it now; nothing if that can't be computed.
    fn present_input(
        &self,
        row: &Touched,
        output: &Arc<Output>,
        target: Target,
        reads: &mut Vec<Read>,
    ) -> Option<Input> {
        let view = self.store.get(row.table)?.view(row.row)?;
        let value = self.output_of(ResultId(row.result), row.row, output, reads).ok()?;
        Some(self.input(row, view, target, value))
    }

    /// A row as an output that is local showed it before the step.
    fn former_input(&self, row: &Touched, output: &Output, target: Target, progress: &Progress) -> Option<Input> {
        let (_, binding, _) = self.result(ResultId(row.result))?;
        let view = self.former_view(row, progress)?;
        let value = self.output_with(view, &binding.slots.0, &[], output, &mut Vec::new()).ok()?;
        Some(self.input(row, view, target, value))
    }

    /// A row as a consumer was told it was.
    fn told(&self, row: &Touched, target: Target, value: Value, progress: &Progress) -> Option<Input> {
        let view = self.former_view(row, progress)?;
        Some(self.input(row, view, target, value))
    }

    fn former_view<'a>(&'a self, row: &Touched, progress: &'a Progress) -> Option<RowView<'a>> {
        let relation = self.store.get(row.table)?;
        match progress.changes.of(row.table).and_then(|changes| changes.get(row.row)) {
            Some(former) => former.view(relation),
            None => relation.view(row.row),
        }
    }

    fn input(&self, row: &Touched, view: RowView<'_>, target: Target, value: Value) -> Input {
        let keys = match (target, self.result(ResultId(row.result))) {
            (Target::Operator { .. }, Some((state, ..))) if !state.wiring.order.is_empty() => {
                let columns = state.columns(view, &*self.library);
                state.position(row.row, view, &columns).keys.into_vec()
            }
            _ => Vec::new(),
        };
        let input = match target {
            Target::Operator { input, .. } => input,
            Target::Set(_) | Target::Watch => 0,
        };
        Input { input, row: row.row, id: view.row.id.clone(), version: view.row.version, keys, value }
    }
}
