//! Looking at rows as they were and as they are: what their changes mean to the results of a template.

use smallvec::SmallVec;

use crate::circuit::Circuit;
use crate::collection::id_set::IdSet;
use crate::step::changes::{Former, RelationChanges};
use crate::step::delta::Marks;
use crate::step::executor::{Executor, in_parallel, is_worth_dividing};
use crate::step::progress::{Progress, Stage};
use crate::store::table::TableId;
use crate::template::{RowTransition, Transition};
use crate::work::Work;

/// So many rows are looked at before what was found is carried out: they are still in the processor's cache then.
const BLOCK: usize = 1 << 10;

/// A row that a template has to look at.
struct Candidate<'a> {
    row: u32,
    cause: Cause<'a>,
}

/// Why a template has to look at a row.
enum Cause<'a> {
    Changed {
        former: &'a Former,
        /// Live sets have changed too, in which the row may be, or may have been.
        is_forced: bool,
    },
    /// The row is as before, and is concerned by changes of these live sets.
    Turned(SmallVec<[u32; 1]>),
}

impl<'a> Candidate<'a> {
    fn changed(former: &'a Former) -> Self {
        Candidate { row: former.number, cause: Cause::Changed { former, is_forced: false } }
    }
}

impl Circuit {
    /// Moves every changed row to its place in the arrangements of a stage, looks at it as it was and as it is for each
    /// template over its relation, and marks what that means.
    pub(super) fn route(
        &mut self,
        rank: u32,
        templates: &[u32],
        stage: &Stage,
        progress: &Progress,
        executor: &dyn Executor,
        marks: &mut Marks,
    ) {
        for table in progress.changes.tables() {
            let Some(changes) = progress.changes.of(table) else { continue };
            let of_table = templates.iter().copied().filter(|number| self.looks_at_changes_only(*number, table, stage));
            let of_table: SmallVec<[u32; 8]> = of_table.collect();
            if is_worth_dividing(changes.iter().len(), executor) {
                for formers in changes.as_slice().chunks(BLOCK) {
                    self.route_block(table, rank, formers, &of_table, executor, marks);
                }
                continue;
            }
            // All of a row at a time, while it is in the processor's cache.
            for former in changes.iter() {
                self.rearrange(table, rank, former);
                for number in &of_table {
                    self.route_one(*number, &Candidate::changed(former), marks);
                }
            }
        }
        for number in templates.iter().filter(|number| has_changed_sets(stage, **number)) {
            let mut work = Work::default();
            let candidates = self.candidates(*number, stage, progress, &mut work);
            self.work += work;
            if is_worth_dividing(candidates.len(), executor) {
                self.route_in_parallel(*number, &candidates, executor, marks);
            } else {
                candidates.iter().for_each(|candidate| self.route_one(*number, candidate, marks));
            }
        }
    }

    /// Whether a template over a relation has to look at its changed rows, and at no others.
    fn looks_at_changes_only(&self, template: u32, relation: TableId, stage: &Stage) -> bool {
        let is_over = self.templates.get(template).is_some_and(|state| state.key.relation == relation);
        is_over && !has_changed_sets(stage, template)
    }

    /// Moves a changed row to its places in the arrangements of a stage.
    fn rearrange(&mut self, table: TableId, rank: u32, former: &Former) {
        let Some(relation) = self.store.get_mut(table) else { return };
        if relation.arrangements.len() == 0 {
            return;
        }
        let library = &*self.library;
        relation.arrange(|relation, arrangements| {
            let (row, before, now) = (former.number, former.view(relation), relation.view(former.number));
            arrangements.rearrange(row, before, now, Some(rank), library);
        });
    }

    /// Finds the places of changed rows, and what they are to templates, on all threads, and carries it out in their order.
    fn route_block(
        &mut self,
        table: TableId,
        rank: u32,
        formers: &[Former],
        templates: &[u32],
        executor: &dyn Executor,
        marks: &mut Marks,
    ) {
        let Some(relation) = self.store.get(table) else { return };
        let looked = in_parallel(formers.len(), executor, |range| {
            let mut work = Work::default();
            let mut look = |former: &Former| {
                let candidate = Candidate::changed(former);
                let transitions = templates.iter().map(|number| self.look(*number, &candidate, &mut work));
                let transitions: SmallVec<[Transition; 1]> = transitions.collect();
                (former.places(relation, rank, &*self.library), transitions)
            };
            let looked: Vec<_> = formers[range].iter().map(&mut look).collect();
            (looked, work)
        });
        let mut formers = formers.iter();
        for (looked, work) in looked {
            self.work += work;
            for (((before, after), transitions), former) in looked.into_iter().zip(&mut formers) {
                if let Some(relation) = self.store.get_mut(table) {
                    relation.arrangements.rearrange_between(former.number, &before, &after);
                }
                for (template, transition) in templates.iter().zip(transitions) {
                    self.carry_out(*template, former.number, transition, marks);
                }
            }
        }
    }

    fn route_one(&mut self, template: u32, candidate: &Candidate<'_>, marks: &mut Marks) {
        let mut work = Work::default();
        let transition = self.look(template, candidate, &mut work);
        self.work += work;
        self.carry_out(template, candidate.row, transition, marks);
    }

    /// Looks at all candidates on all threads, and carries out what was found in their order.
    fn route_in_parallel(
        &mut self,
        template: u32,
        candidates: &[Candidate<'_>],
        executor: &dyn Executor,
        marks: &mut Marks,
    ) {
        let looked = in_parallel(candidates.len(), executor, |range| {
            let mut work = Work::default();
            let looked = candidates[range].iter().map(|candidate| self.look(template, candidate, &mut work));
            (looked.collect::<Vec<_>>(), work)
        });
        let mut candidates = candidates.iter();
        for (transitions, work) in looked {
            self.work += work;
            for (transition, candidate) in transitions.into_iter().zip(&mut candidates) {
                self.carry_out(template, candidate.row, transition, marks);
            }
        }
    }

    /// What a candidate is to a template as it was, and as it is.
    fn look(&self, template: u32, candidate: &Candidate<'_>, work: &mut Work) -> Transition {
        let Some(state) = self.templates.get(template) else { return Transition::nothing() };
        let Some(relation) = self.store.get(state.key.relation) else { return Transition::nothing() };
        let now = relation.view(candidate.row);
        match &candidate.cause {
            Cause::Changed { former, is_forced } => {
                let before = former.view(relation);
                let change = RowTransition {
                    before,
                    after: now,
                    has_new_content: former.has_new_content(),
                    is_forced: *is_forced,
                };
                state.transition(candidate.row, change, self.evaluation(), work)
            }
            Cause::Turned(sets) => {
                let Some(view) = now else { return Transition::nothing() };
                let bindings = sets.iter().filter_map(|set| self.sets.bindings_of(*set, template));
                let bindings: SmallVec<[&IdSet; 1]> = bindings.collect();
                state.turn(candidate.row, view, &bindings, self.evaluation(), work)
            }
        }
    }

    /// Moves a row in the results of a template, and marks where it moved.
    fn carry_out(&mut self, template: u32, row: u32, transition: Transition, marks: &mut Marks) {
        let Some(state) = self.templates.get_mut(template) else { return };
        let table = state.key.relation;
        match transition {
            Transition::Stay(standing) => {
                state.stay(&standing, &mut self.work, |result| marks.mark(result, table, row, 0));
            }
            Transition::Move { before, after } => {
                let mark = |result, row, weight| marks.mark(result, table, row, weight);
                state.transfer(&before, &after, row, &mut self.work, mark);
            }
        }
    }

    /// The rows that a template has to look at: changed ones, and those that a changed live set may concern. O(rows ·
    /// log rows).
    fn candidates<'a>(
        &self,
        template: u32,
        stage: &Stage,
        progress: &'a Progress,
        work: &mut Work,
    ) -> Vec<Candidate<'a>> {
        let Some(state) = self.templates.get(template) else { return Vec::new() };
        let first = stage.sets.partition_point(|(other, _)| *other < template);
        let sets = stage.sets[first..].iter().take_while(|(other, _)| *other == template).map(|(_, set)| *set);
        // What a changed row was may be concerned too, so it is compared in full.
        let is_forced = sets.clone().next().is_some();
        let changes = progress.changes.of(state.key.relation);
        let changed = changes.into_iter().flat_map(|changes| changes.iter());
        let mut candidates: Vec<Candidate<'a>> = changed
            .map(|former| Candidate { row: former.number, cause: Cause::Changed { former, is_forced } })
            .collect();
        let Some(table) = self.store.get(state.key.relation).filter(|_| is_forced) else { return candidates };
        let mut concerned: Vec<(u32, u32)> = Vec::new();
        for set in sets {
            let Some(bindings) = self.sets.bindings_of(set, template) else { continue };
            let mut rows = Vec::new();
            state.rows_concerned(table, set, bindings, &self.sets, work, &mut rows);
            concerned.extend(rows.into_iter().map(|row| (row, set)));
        }
        concerned.sort_unstable();
        concerned.dedup();
        if let Some(changes) = changes {
            retain_unchanged(&mut concerned, changes);
        }
        for of_row in concerned.chunk_by(|(a, _), (b, _)| a == b) {
            let sets = of_row.iter().map(|(_, set)| *set).collect();
            candidates.push(Candidate { row: of_row[0].0, cause: Cause::Turned(sets) });
        }
        candidates
    }
}

/// Whether a live set has changed that a template tests membership in.
fn has_changed_sets(stage: &Stage, template: u32) -> bool {
    stage.sets.binary_search_by_key(&template, |(other, _)| *other).is_ok()
}

/// Leaves rows out that have changed. O(rows).
fn retain_unchanged(rows: &mut Vec<(u32, u32)>, changes: &RelationChanges) {
    rows.retain(|(row, _)| changes.get(*row).is_none());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::changes::{Changes, Content};

    /// Catches a search for each row among all, where a set and the rows that it concerns change together.
    #[test]
    fn many_rows_that_change_while_a_set_does() {
        let prepare = |size: i64| {
            let mut changes = Changes::default();
            (0..size as u32).for_each(|row| changes.note(0, row, Content::Absent, &[]));
            (changes, (0..size as u32 + 1).map(|row| (row, 7)).collect::<Vec<_>>())
        };
        crate::growth::assert_no_square(4_000, prepare, |(changes, rows)| {
            retain_unchanged(rows, changes.of(0).expect("changed rows"));
            assert_eq!(rows.len(), 1);
        });
    }
}
