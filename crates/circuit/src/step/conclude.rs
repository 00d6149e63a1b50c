//! The end of a stage: what the marks mean to each result, to the subqueries under its rows, and to those who read it.

use hashbrown::HashMap;

use crate::circuit::Circuit;
use crate::dependent::attachment::Attached;
use crate::step::changes::Content;
use crate::step::consumer::Woken;
use crate::step::delta::{ChangeKind, Marks, Nested, NestedChanges, ResultDelta, RowChange, Touched};
use crate::step::difference::{difference, of_same_rows, undo};
use crate::step::executor::{Executor, in_parallel, is_worth_dividing};
use crate::step::progress::{Progress, Stage};
use crate::store::table::TableId;
use crate::value::digest::{Digest, ResultId};

/// Subqueries of before, for rows whose subqueries were computed again: by template, row and environment.
type Former = HashMap<(u32, u32, u32), Attached, foldhash::fast::FixedState>;

impl Circuit {
    /// Makes the marks of a stage into changes of results, and tells everyone who reads them.
    /// Answers the marks, empty, for the next stage.
    pub(crate) fn conclude(
        &mut self,
        mut marks: Marks,
        stage: &Stage,
        progress: &mut Progress,
        executor: &dyn Executor,
    ) -> Marks {
        let touched = marks.net();
        let former = self.renew_attachments(&touched, stage, &marks, progress);
        let mut woken = Woken::of(stage.consumers.clone());
        // What happened to a row follows from earlier stages, so all rows can be looked at before anybody is told.
        let mut looked = is_worth_dividing(touched.len(), executor).then(|| {
            let looked = in_parallel(touched.len(), executor, |range| {
                let rows = touched[range].iter();
                rows.map(|row| self.row_change(row, &marks, &former, progress)).collect::<Vec<_>>()
            });
            looked.into_iter().flatten()
        });
        for of_result in touched.chunk_by(|a, b| a.result == b.result) {
            let result = ResultId(of_result[0].result);
            let mut changes = Vec::with_capacity(of_result.len());
            match &mut looked {
                Some(looked) => changes.extend(looked.take(of_result.len()).flatten()),
                None => {
                    changes.extend(of_result.iter().filter_map(|row| self.row_change(row, &marks, &former, progress)));
                }
            }
            if marks.former_environment(result.0).is_some() {
                changes = of_same_rows(changes);
            }
            let Some(state) = self.results.get_mut(result.0) else { continue };
            let mut digest = Digest::from(state.digest);
            changes.iter().for_each(|change| digest.apply(change));
            state.digest = digest.into();
            if !changes.is_empty() {
                progress.deltas.insert(ResultDelta { result, changes, digest });
            }
            self.wake_readers_of(result, progress);
            for consumer in self.consumers_of(result) {
                self.feed(consumer, of_result, progress);
                of_result.iter().for_each(|row| woken.tell(consumer, row.row));
            }
        }
        for of_consumer in woken.left().chunk_by(|a, b| a.0 == b.0) {
            self.feed_again(of_consumer, progress);
        }
        self.drop_attachments(&touched, &marks, former);
        marks.clear(touched);
        marks
    }

    fn consumers_of(&self, result: ResultId) -> Vec<u32> {
        let state = self.results.get(result.0);
        let mut numbers = Vec::new();
        if let Some(more) = state.and_then(|state| state.more.as_ref()) {
            more.consumers.append_to(&mut numbers);
            numbers.sort_unstable();
        }
        numbers
    }

    /// What happened to a row of a result; nothing if it is as before.
    fn row_change(&self, row: &Touched, marks: &Marks, former: &Former, progress: &Progress) -> Option<RowChange> {
        let now = self.store.get(row.table)?.row(row.row);
        let before = progress.changes.of(row.table).and_then(|changes| changes.get(row.row));
        let was = before.and_then(|before| match &before.content {
            Content::Was(was) => Some(was),
            Content::Absent | Content::Same => None,
        });
        let has_new_content = was.is_some();
        let id = now.or(was)?.id.clone();
        let former_version = was.or(now)?.version;
        let version = now.map_or(former_version, |now| now.version);
        let nested = self.nested_change(row, marks, former, progress);
        let kind = match (row.was_shown, row.is_shown) {
            (false, true) => ChangeKind::Enter,
            (true, false) => ChangeKind::Leave,
            (true, true) if has_new_content => ChangeKind::Update,
            (true, true) if !nested.is_empty() => ChangeKind::Stay,
            _ => return None,
        };
        let version = if kind == ChangeKind::Leave { former_version } else { version };
        let former_version = if kind == ChangeKind::Enter { version } else { former_version };
        Some(RowChange { kind, id, version, former: former_version, nested })
    }

    /// What happened under a row of a result.
    fn nested_change(&self, row: &Touched, marks: &Marks, former: &Former, progress: &Progress) -> NestedChanges {
        let mut nested = NestedChanges::new();
        let Some((state, binding, _)) = self.result(ResultId(row.result)) else { return nested };
        let Some(attachments) = &state.attachments else { return nested };
        let Some(template) = self.results.get(row.result).map(|state| state.template) else { return nested };
        let environment_before = marks.former_environment(row.result).unwrap_or(binding.environment);
        let present = attachments.get(row.row, binding.environment);
        let known = match environment_before == binding.environment {
            true => present,
            false => attachments.get(row.row, environment_before),
        };
        let now = present.filter(|_| row.is_shown);
        let before = former.get(&(template, row.row, environment_before)).or(known).filter(|_| row.was_shown);
        let count = state.key.template.children.len();
        for child in 0..count {
            let of = |attached: Option<&Attached>| attached.and_then(|attached| attached.children.get(child).copied());
            let changes = match (of(before), of(now)) {
                (Some(before), Some(now)) if before == now => {
                    progress.deltas.get(now.0).map(|delta| delta.changes.clone()).unwrap_or_default()
                }
                (before, now) => {
                    let gone = before.map(|result| self.former_listing(result, progress)).unwrap_or_default();
                    difference(gone, now.map(|result| self.listing(result)).unwrap_or_default())
                }
            };
            if !changes.is_empty() {
                nested.push(Nested { child: child as u16, changes });
            }
        }
        nested
    }

    /// The rows of a result as they were before the step.
    fn former_listing(&self, result: ResultId, progress: &Progress) -> Vec<RowChange> {
        let listing = self.listing(result);
        match progress.deltas.get(result.0) {
            Some(delta) => undo(listing, &delta.changes),
            None => listing,
        }
    }

    /// Attaches subqueries to rows that are newly shown, and computes those again whose row, or whose scope, has
    /// changed. Answers the subqueries of before.
    fn renew_attachments(&mut self, touched: &[Touched], stage: &Stage, marks: &Marks, progress: &Progress) -> Former {
        let mut former = Former::default();
        let mut due: Vec<(u32, u32, u32)> = stage.renewals.clone();
        for row in touched {
            let Some((template, _, environment)) = self.attachments_at(row, marks) else { continue };
            if row.was_shown && self.has_new_content(row.table, row.row, progress) {
                due.push((template, row.row, environment));
            }
        }
        due.sort_unstable();
        due.dedup();
        for (template, row, environment) in due {
            if let Some(attached) = self.attach_again(template, row, environment) {
                former.insert((template, row, environment), attached);
            }
        }
        for row in touched {
            let Some((template, now, before)) = self.attachments_at(row, marks) else { continue };
            if row.is_shown && (!row.was_shown || now != before) {
                self.attach(template, row.row, now, row.result);
            }
        }
        former
    }

    /// Gives back the subqueries of rows that are not shown any more, and those of before.
    fn drop_attachments(&mut self, touched: &[Touched], marks: &Marks, former: Former) {
        for row in touched {
            let Some((template, now, before)) = self.attachments_at(row, marks) else { continue };
            if row.was_shown && (!row.is_shown || now != before) {
                self.detach(template, row.row, before, row.result);
            }
        }
        for attached in former.into_values() {
            self.release_held(attached.held);
        }
    }

    /// The template of a row's subqueries, and the environments in which it has them now and had them before.
    fn attachments_at(&self, row: &Touched, marks: &Marks) -> Option<(u32, u32, u32)> {
        let template = self.results.get(row.result)?.template;
        let (state, binding, _) = self.result(ResultId(row.result))?;
        state.attachments.as_ref()?;
        let now = binding.environment;
        Some((template, now, marks.former_environment(row.result).unwrap_or(now)))
    }

    fn has_new_content(&self, table: TableId, row: u32, progress: &Progress) -> bool {
        let former = progress.changes.of(table).and_then(|changes| changes.get(row));
        former.is_some_and(crate::step::changes::Former::has_new_content)
    }
}
