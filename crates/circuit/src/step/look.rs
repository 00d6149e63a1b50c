//! Looking at rows as they were and as they are: what their changes mean to the results of a template.

use std::sync::OnceLock;

use smallvec::SmallVec;

use crate::circuit::Circuit;
use crate::collection::id_set::IdSet;
use crate::step::changes::Former;
use crate::step::delta::Marks;
use crate::step::executor::Executor;
use crate::step::progress::{Progress, Stage};
use crate::template::{RowTransition, Transition};
use crate::work::Work;

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

/// The fewest candidates that are worth a job of their own.
const PARALLEL: usize = 64;

impl Circuit {
    /// Looks at every changed row of the templates' relations as it was and as it is, and marks what that means.
    pub(super) fn route(
        &mut self,
        templates: &[u32],
        stage: &Stage,
        progress: &Progress,
        executor: &dyn Executor,
        marks: &mut Marks,
    ) {
        for number in templates {
            let mut work = Work::default();
            let candidates = self.candidates(*number, stage, progress, &mut work);
            if executor.threads() > 1 && candidates.len() >= 2 * PARALLEL {
                let transitions = self.look_in_parallel(*number, &candidates, executor, &mut work);
                for (candidate, transition) in candidates.iter().zip(transitions) {
                    self.carry_out(*number, candidate.row, transition, marks);
                }
            } else {
                for candidate in &candidates {
                    let transition = self.look(*number, candidate, &mut work);
                    self.carry_out(*number, candidate.row, transition, marks);
                }
            }
            self.work += work;
        }
    }

    /// What a candidate is to a template as it was, and as it is.
    fn look(&self, template: u32, candidate: &Candidate<'_>, work: &mut Work) -> Transition {
        let Some(state) = self.templates.get(template) else { return Transition::nothing() };
        let Some(relation) = self.store.get(state.key.relation) else { return Transition::nothing() };
        let now = relation.view(candidate.row);
        match &candidate.cause {
            Cause::Changed { former, is_forced } => {
                let before = former.view(&self.store, state.key.relation);
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

    /// Looks at all candidates, on all threads. The answers are in the order of the candidates.
    fn look_in_parallel(
        &self,
        template: u32,
        candidates: &[Candidate<'_>],
        executor: &dyn Executor,
        work: &mut Work,
    ) -> Vec<Transition> {
        let jobs = (candidates.len() / PARALLEL).min(executor.threads() * 4).max(1);
        let chunk = candidates.len().div_ceil(jobs);
        let answers: Vec<OnceLock<(Vec<Transition>, Work)>> = (0..jobs).map(|_| OnceLock::new()).collect();
        executor.run(jobs, &|job| {
            let range = (job * chunk).min(candidates.len())..((job + 1) * chunk).min(candidates.len());
            let mut work = Work::default();
            let looked = candidates[range].iter().map(|candidate| self.look(template, candidate, &mut work)).collect();
            // Each job runs once, so its place is free.
            let _ = answers[job].set((looked, work));
        });
        let mut transitions = Vec::with_capacity(candidates.len());
        for (mut looked, own) in answers.into_iter().filter_map(OnceLock::into_inner) {
            transitions.append(&mut looked);
            *work += own;
        }
        transitions
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
        let is_changed = |row: u32| changes.is_some_and(|changes| changes.get(row).is_some());
        for of_row in concerned.chunk_by(|(a, _), (b, _)| a == b).filter(|of_row| !is_changed(of_row[0].0)) {
            let sets = of_row.iter().map(|(_, set)| *set).collect();
            candidates.push(Candidate { row: of_row[0].0, cause: Cause::Turned(sets) });
        }
        candidates
    }
}
