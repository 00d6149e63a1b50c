//! The end of a stage: what the marks mean to each result, to the subqueries under its rows, and to those who read it.

use hashbrown::HashMap;

use crate::circuit::Circuit;
use crate::dependent::attachment::Attached;
use crate::step::changes;
use crate::step::consumer::Woken;
use crate::step::delta::{ChangeKind, Marks, Nested, NestedChanges, ResultDelta, RowChange, Touched};
use crate::step::difference::{difference, of_same_rows, undo};
use crate::step::executor::{Executor, in_parallel, is_worth_dividing};
use crate::step::progress::{Progress, Stage};
use crate::store::table::Row;
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
                let results = by_result(&touched[range]);
                let look = |rows| self.row_change(rows, &marks, &former, progress);
                results.flat_map(|rows| rows.iter().map(look(rows))).collect::<Vec<_>>()
            });
            looked.into_iter().flatten()
        });
        for of_result in by_result(&touched) {
            let result = ResultId(of_result[0].result);
            let mut changes = Vec::with_capacity(of_result.len());
            match &mut looked {
                Some(looked) => changes.extend(looked.take(of_result.len()).flatten()),
                None => {
                    changes.extend(of_result.iter().filter_map(self.row_change(of_result, &marks, &former, progress)))
                }
            }
            if marks.former_environment(result.0).is_some() {
                changes = of_same_rows(changes);
            }
            let Some(state) = self.results.get_mut(result.0) else { continue };
            let mut digest = Digest::from(state.digest);
            digest.apply(&changes);
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

    /// Tells what happened to a row of a result, which has at least one; nothing if it is as before.
    fn row_change<'a>(
        &'a self,
        of_result: &[Touched],
        marks: &Marks,
        former: &'a Former,
        progress: &'a Progress,
    ) -> impl Fn(&Touched) -> Option<RowChange> + 'a {
        let Touched { result, table, .. } = of_result[0];
        let relation = self.store.get(table);
        let changes = progress.changes.of(table);
        let under = self.under(result, marks);
        move |row| {
            let was = changes.and_then(|changes| changes.get(row.row)).and_then(changes::Former::own_row);
            let now = relation?.row(row.row);
            let nested = under.as_ref().map(|under| self.nested_change(row, under, former, progress));
            row_change(row, was, now, nested.unwrap_or_default())
        }
    }

    /// What happened under a row of a result.
    fn nested_change(&self, row: &Touched, under: &Under, former: &Former, progress: &Progress) -> NestedChanges {
        let mut nested = NestedChanges::new();
        let Some(state) = self.templates.get(under.template) else { return nested };
        let Some(attachments) = &state.attachments else { return nested };
        let present = attachments.get(row.row, under.now);
        let known = match under.before == under.now {
            true => present,
            false => attachments.get(row.row, under.before),
        };
        let now = present.filter(|_| row.is_shown);
        let was = if former.is_empty() { None } else { former.get(&(under.template, row.row, under.before)) };
        let before = was.or(known).filter(|_| row.was_shown);
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
        for of_result in by_result(touched) {
            let Some(changes) = progress.changes.of(of_result[0].table) else { continue };
            let Some(Under { template, before, .. }) = self.under(of_result[0].result, marks) else { continue };
            let has_new_content = |row: u32| changes.get(row).is_some_and(changes::Former::has_new_content);
            let renewed = of_result.iter().filter(|row| row.was_shown && has_new_content(row.row));
            due.extend(renewed.map(|row| (template, row.row, before)));
        }
        due.sort_unstable();
        due.dedup();
        for (template, row, environment) in due {
            if let Some(attached) = self.attach_again(template, row, environment) {
                former.insert((template, row, environment), attached);
            }
        }
        for of_result in by_result(touched) {
            let Some(Under { template, now, before }) = self.under(of_result[0].result, marks) else { continue };
            for row in of_result.iter().filter(|row| row.is_shown && (!row.was_shown || now != before)) {
                self.attach(template, row.row, now, row.result);
            }
        }
        former
    }

    /// Gives back the subqueries of rows that are not shown any more, and those of before.
    fn drop_attachments(&mut self, touched: &[Touched], marks: &Marks, former: Former) {
        for of_result in by_result(touched) {
            let Some(Under { template, now, before }) = self.under(of_result[0].result, marks) else { continue };
            for row in of_result.iter().filter(|row| row.was_shown && (!row.is_shown || now != before)) {
                self.detach(template, row.row, before, row.result);
            }
        }
        for attached in former.into_values() {
            self.release_held(attached.held);
        }
    }

    /// Where the rows of a result have their subqueries, if there are any.
    fn under(&self, result: u32, marks: &Marks) -> Option<Under> {
        let template = self.results.get(result)?.template;
        let (state, binding, _) = self.result(ResultId(result))?;
        state.attachments.as_ref()?;
        let now = binding.environment;
        Some(Under { template, now, before: marks.former_environment(result).unwrap_or(now) })
    }
}

/// Where the rows of a result have their subqueries.
#[derive(Clone, Copy, Debug)]
struct Under {
    template: u32,
    /// The environments in which they have them, and had them before.
    now: u32,
    before: u32,
}

/// The touched rows of each result.
fn by_result(touched: &[Touched]) -> impl Iterator<Item = &[Touched]> {
    touched.chunk_by(|a, b| a.result == b.result)
}

/// What happened to a row of a result that had other content before, if it had, and has this one now; nothing if it is as
/// before.
fn row_change(row: &Touched, was: Option<&Row>, now: Option<&Row>, nested: NestedChanges) -> Option<RowChange> {
    let kind = match (row.was_shown, row.is_shown) {
        (false, true) => ChangeKind::Enter,
        (true, false) => ChangeKind::Leave,
        (true, true) if was.is_some() => ChangeKind::Update,
        (true, true) if !nested.is_empty() => ChangeKind::Stay,
        _ => return None,
    };
    let (last, first) = (now.or(was)?, was.or(now)?);
    let version = if kind == ChangeKind::Leave { first.version } else { last.version };
    let former = if kind == ChangeKind::Enter { version } else { first.version };
    Some(RowChange { kind, id: last.id.clone(), version, former, nested })
}
