//! A step: changes in, exact changes of every affected result out.
//!
//! A step goes through stages. In each one the templates are looked at whose inputs are complete: first those over
//! tables, then those over what was derived from them, or whose columns read them. A row is looked at as it was and as
//! it is, and the difference is what it means to each result.

pub(crate) mod changes;
pub(crate) mod conclude;
pub(crate) mod consumer;
pub(crate) mod delta;
pub(crate) mod executor;
pub(crate) mod feed;
pub(crate) mod progress;

use smallvec::SmallVec;

use crate::circuit::Circuit;
use crate::dependent::dependencies::{Dependent, Read};
use crate::ingest::batch::coalesce;
use crate::step::changes::{Content, Former, RelationChanges};
use crate::step::delta::{Marks, ResultDelta};
use crate::step::executor::{Executor, PARALLEL, Serial, in_parallel};
use crate::step::progress::{Progress, Stage};
use crate::store::edges::EdgeRow;
use crate::store::table::{Change, TableId};
use crate::template::{Evaluation, TemplateState, Transition, rows_with_value};
use crate::value::{Value, identity};
use crate::work::Work;

/// What one step did.
#[derive(Debug, Default)]
pub struct Step {
    /// The change of each result that changed and that is registered, in the order of the result numbers.
    pub deltas: Vec<ResultDelta>,
    /// The watched answers that may have changed.
    pub watched: Vec<crate::WatchId>,
    /// Rows of watched answers that are shown and may show something else now, for [`Circuit::shown_row`].
    pub shown: Vec<(crate::WatchId, u32)>,
    pub statistics: Statistics,
}

/// Counts of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Changes as they came.
    pub received: usize,
    /// Changes after those of the same record were reduced to their net effect.
    pub coalesced: usize,
    /// Changes that changed something.
    pub effective: usize,
    /// Tables with such changes.
    pub tables: usize,
    /// Results that changed.
    pub results: usize,
}

/// A row that a template has to look at.
struct Candidate<'a> {
    row: u32,
    former: Option<&'a Former>,
    /// A live set has changed that the row may be in.
    is_forced: bool,
}

impl<'a> Candidate<'a> {
    fn changed(former: &'a Former) -> Self {
        Candidate { row: former.number, former: Some(former), is_forced: false }
    }
}

impl Circuit {
    /// Takes in a batch of committed changes and answers how every affected result changed.
    ///
    /// The batch is one transaction: what a result went through in between is not reported. Cost: for each change,
    /// O(rows that read it, templates of the table, and bindings affected), each O(log n) where a window or a group is
    /// concerned; it does not depend on the number of rows, nor on that of bindings that are not affected.
    pub fn step(&mut self, changes: Vec<Change>) -> Step {
        self.step_with(changes, &Serial)
    }

    /// As [`Circuit::step`], with rows looked at in parallel. The result is the same.
    pub fn step_with(&mut self, changes: Vec<Change>, executor: &dyn Executor) -> Step {
        let received = changes.len();
        let changes = coalesce(changes);
        let coalesced = changes.len();
        let mut progress = Progress::beginning(std::mem::take(&mut self.spare.changes), coalesced);
        let mut effective = 0;
        for change in changes {
            effective += usize::from(self.store_change(change, &mut progress));
        }
        let tables = progress.changes.tables().count();
        let mut rank = 0;
        while self.last_stage(&progress).is_some_and(|last| rank <= last) {
            self.stage(rank, &mut progress, executor);
            rank += 1;
        }
        self.sets.settle();
        self.vacated.extend(progress.changes.tables());
        self.recycle();
        let is_registered = |delta: &ResultDelta| self.results.get(delta.result.0).is_some_and(|state| state.views > 0);
        let mut deltas: Vec<ResultDelta> = progress.deltas.into_values().filter(is_registered).collect();
        deltas.sort_unstable_by_key(|delta| delta.result);
        progress.watched.sort_unstable();
        progress.watched.dedup();
        let watched = progress.watched.into_iter().map(crate::WatchId).collect();
        progress.shown.sort_unstable();
        progress.shown.dedup();
        let shown = progress.shown.into_iter().map(|(watch, row)| (crate::WatchId(watch), row)).collect();
        progress.changes.clear();
        self.spare.changes = progress.changes;
        let statistics = Statistics { received, coalesced, effective, tables, results: deltas.len() };
        Step { deltas, watched, shown, statistics }
    }

    /// Puts a change into its table; false if nothing changed.
    fn store_change(&mut self, change: Change, progress: &mut Progress) -> bool {
        let table_id = self.store.table_id(&change.id.table);
        let Some(table) = self.store.get(table_id) else { return false };
        let own = table.find(&change.id.key);
        match (own.and_then(|number| table.row(number)), &change.content) {
            (None, None) => return false,
            (Some(old), Some(content))
                if old.version == change.version && identity::are_identical_objects(&old.content, content) =>
            {
                return false;
            }
            _ => {}
        }
        let Change { id, version, content } = change;
        let fresh = content.map(|content| self.store.intern(id, version, content));
        let Some(table) = self.store.get_mut(table_id) else { return false };
        let (number, id) = match (own, fresh) {
            (Some(number), Some(row)) => {
                let id = row.id.clone();
                if let Some(former) = table.replace(number, row) {
                    progress.changes.note(table_id, number, Content::Was(former), table.virtuals_of(number));
                }
                (number, id)
            }
            (Some(number), None) => {
                let Some(former) = table.remove(number) else { return false };
                let id = former.id.clone();
                progress.changes.note(table_id, number, Content::Was(former), table.virtuals_of(number));
                (number, id)
            }
            (None, Some(row)) => {
                let id = row.id.clone();
                let number = table.insert(row);
                progress.changes.note(table_id, number, Content::Absent, &[]);
                (number, id)
            }
            (None, None) => return false,
        };
        if let Some(saving) = &mut self.saving {
            saving.note(table_id, number, &id);
        }
        self.wake_readers(&Read::Record(id), progress);
        self.change_edges(table_id, number, progress);
        true
    }

    /// Keeps the edge index in line with a changed row, and wakes who has read the edges at its ends.
    fn change_edges(&mut self, table: TableId, number: u32, progress: &mut Progress) {
        let former = progress.changes.of(table).and_then(|changes| changes.get(number));
        let before = former.and_then(|former| match &former.content {
            Content::Was(row) => EdgeRow::of(row),
            Content::Absent | Content::Same => None,
        });
        let after = self.store.get(table).and_then(|table| table.row(number)).and_then(EdgeRow::of);
        for end in self.store.edges.change(before, after) {
            self.wake_readers(&Read::Edges(end), progress);
        }
    }

    fn wake_readers(&self, read: &Read, progress: &mut Progress) {
        self.dependencies.readers_of(read, |dependent| self.wake(dependent, progress));
    }

    /// Notes that something has to be computed again, in the stage in which it can be.
    pub(crate) fn wake(&self, dependent: Dependent, progress: &mut Progress) {
        match dependent {
            Dependent::Virtual { table, column, row } => {
                let relation = self.store.get(table);
                if let Some(state) = relation.and_then(|relation| relation.virtual_columns.get(column)) {
                    progress.at(state.rank).virtuals.push((table, column, row));
                }
            }
            Dependent::Attachment { template, row, environment } => {
                if let Some(state) = self.templates.get(template) {
                    let stage = progress.at(state.key.rank);
                    stage.templates.push(template);
                    stage.attachments.push((template, row, environment));
                }
            }
            Dependent::Output { consumer, row } => {
                let result = self.consumers.get(consumer).and_then(|consumer| self.results.get(consumer.result));
                if let Some(state) = result.and_then(|result| self.templates.get(result.template)) {
                    progress.at(state.key.rank).consumers.push((consumer, row));
                }
            }
            Dependent::Root { root } => {
                if let Some(state) = self.roots.get(root) {
                    progress.at(crate::registration::register::rank_of(&state.plan)).roots.push(root);
                }
            }
        }
    }

    /// The last stage in which there is something to do, as far as that is known.
    fn last_stage(&self, progress: &Progress) -> Option<u32> {
        let of_table = |table: TableId| {
            let relation = self.store.get(table)?;
            let templates = relation.templates.iter().filter_map(|number| self.templates.get(*number));
            let columns = relation.virtual_columns.iter().map(|(_, column)| column.rank);
            templates.map(|state| state.key.rank).chain(columns).max()
        };
        progress.changes.tables().filter_map(of_table).chain(progress.last()).max()
    }

    fn stage(&mut self, rank: u32, progress: &mut Progress, executor: &dyn Executor) {
        let mut stage = progress.begin(rank);
        self.compute_virtuals(rank, &stage, progress);
        let mut marks = std::mem::take(&mut self.spare.marks);
        let mut templates = std::mem::take(&mut stage.templates);
        for table in progress.changes.tables() {
            templates.extend(self.store.get(table).into_iter().flat_map(|table| &table.templates));
        }
        templates.sort_unstable();
        templates.dedup();
        templates.retain(|number| self.templates.get(*number).is_some_and(|state| state.key.rank == rank));
        self.route(rank, &templates, progress, executor, &mut marks);
        self.mark_attachments(&stage, &mut marks);
        stage.roots.sort_unstable();
        stage.roots.dedup();
        for root in &stage.roots {
            self.rebind(*root, &mut marks);
        }
        let released = marks.take_released();
        self.spare.marks = self.conclude(marks, &stage, progress);
        for (template, binding) in released {
            self.release_binding(template, binding);
        }
        let mut operators = std::mem::take(&mut progress.operators);
        operators.sort_unstable();
        operators.dedup();
        for operator in operators {
            self.finish_operator(operator, progress);
        }
    }

    /// Brings the virtual columns of a stage up to date: of rows with new content, and of those that were woken.
    fn compute_virtuals(&mut self, rank: u32, stage: &Stage, progress: &mut Progress) {
        let mut due = stage.virtuals.clone();
        for table in progress.changes.tables() {
            let Some(relation) = self.store.get(table) else { continue };
            let columns = relation.virtual_columns.iter();
            for (column, _) in columns.filter(|(_, column)| column.rank == rank && !column.is_given()) {
                let changed = progress.changes.of(table).into_iter().flat_map(|changes| changes.iter());
                due.extend(
                    changed.filter(|former| former.has_new_content()).map(|former| (table, column, former.number)),
                );
            }
        }
        due.sort_unstable();
        due.dedup();
        for (table, column, row) in due {
            let value = self.compute_virtual(table, column, row);
            let Some(relation) = self.store.get_mut(table) else { continue };
            if relation.row(row).is_none() {
                continue;
            }
            let known = relation.virtuals_of(row).get(column as usize).cloned().flatten();
            let is_same = match (&known, &value) {
                (Some(known), Some(value)) => identity::are_identical(known, value),
                (known, value) => known.is_none() && value.is_none(),
            };
            if !is_same {
                progress.changes.note(table, row, Content::Same, relation.virtuals_of(row));
                relation.set_virtual(row, column, value);
            }
        }
    }

    /// Moves every changed row to its place in the arrangements of a stage, looks at it as it was and as it is for each
    /// template over its relation, and marks what that means.
    fn route(&mut self, rank: u32, templates: &[u32], progress: &Progress, executor: &dyn Executor, marks: &mut Marks) {
        for table in progress.changes.tables() {
            let Some(changes) = progress.changes.of(table) else { continue };
            let of_table = templates.iter().copied().filter(|number| self.looks_at_changes_only(*number, table));
            let of_table: SmallVec<[u32; 8]> = of_table.collect();
            if executor.threads() > 1 && changes.iter().len() >= 2 * PARALLEL {
                self.rearrange_in_parallel(table, rank, changes, executor);
                let candidates: Vec<Candidate<'_>> = changes.iter().map(Candidate::changed).collect();
                of_table.iter().for_each(|number| self.route_in_parallel(*number, &candidates, executor, marks));
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
        for number in templates {
            let Some(state) = self.templates.get(*number).filter(|state| !state.wiring.memberships.is_empty()) else {
                continue;
            };
            let candidates = self.candidates(state, *number, progress);
            if executor.threads() > 1 && candidates.len() >= 2 * PARALLEL {
                self.route_in_parallel(*number, &candidates, executor, marks);
            } else {
                candidates.iter().for_each(|candidate| self.route_one(*number, candidate, marks));
            }
        }
    }

    /// Whether a template over a relation has to look at its changed rows, and at no others.
    fn looks_at_changes_only(&self, template: u32, relation: TableId) -> bool {
        let state = self.templates.get(template);
        state.is_some_and(|state| state.key.relation == relation && state.wiring.memberships.is_empty())
    }

    /// Moves a changed row to its places in the arrangements of a stage.
    fn rearrange(&mut self, table: TableId, rank: u32, former: &Former) {
        let Some(relation) = self.store.get_mut(table) else { return };
        if relation.arrangements.len() == 0 {
            return;
        }
        let (before, after) = former.places(relation, rank, &*self.library);
        relation.arrangements.rearrange(former.number, &before, after);
    }

    /// As [`Circuit::rearrange`] for all changed rows: the places are found on all threads.
    fn rearrange_in_parallel(&mut self, table: TableId, rank: u32, changes: &RelationChanges, executor: &dyn Executor) {
        let Some(relation) = self.store.get(table).filter(|relation| relation.arrangements.len() > 0) else { return };
        let formers = changes.as_slice();
        let places = in_parallel(formers.len(), executor, |range| {
            formers[range].iter().map(|former| former.places(relation, rank, &*self.library)).collect::<Vec<_>>()
        });
        let Some(relation) = self.store.get_mut(table) else { return };
        for (former, (before, after)) in formers.iter().zip(places.into_iter().flatten()) {
            relation.arrangements.rearrange(former.number, &before, after);
        }
    }

    fn route_one(&mut self, template: u32, candidate: &Candidate<'_>, marks: &mut Marks) {
        let mut work = Work::default();
        let transition = self.look(template, candidate, &mut work);
        self.work += work;
        self.carry_out(template, candidate, transition, marks);
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
                self.carry_out(template, candidate, transition, marks);
            }
        }
    }

    /// What a candidate is to a template as it was, and as it is.
    fn look(&self, template: u32, candidate: &Candidate<'_>, work: &mut Work) -> Transition {
        let Some(state) = self.templates.get(template) else { return Transition::nothing() };
        let Some(relation) = self.store.get(state.key.relation) else { return Transition::nothing() };
        let after = relation.view(candidate.row);
        let before = match candidate.former {
            Some(former) => former.view(relation),
            None => after,
        };
        state.transition(candidate.row, before, after, candidate.is_forced, self.evaluation(), work)
    }

    /// Moves a candidate in the results of a template, and marks where it moved.
    fn carry_out(&mut self, template: u32, candidate: &Candidate<'_>, transition: Transition, marks: &mut Marks) {
        let Some(state) = self.templates.get_mut(template) else { return };
        let (table, row) = (state.key.relation, candidate.row);
        match transition {
            // Only other content is new than what the template looks at.
            Transition::Stay(standing) if candidate.former.is_some_and(Former::has_new_content) => {
                state.stay(&standing, |result| marks.mark(result, table, row, 0));
            }
            Transition::Stay(_) => {}
            Transition::Move { before, after } => {
                state.transfer(&before, &after, row, |result, row, weight| marks.mark(result, table, row, weight));
            }
        }
    }

    /// The rows that a template has to look at: changed ones, and those that a changed live set may concern.
    fn candidates<'a>(&self, state: &TemplateState, template: u32, progress: &'a Progress) -> Vec<Candidate<'a>> {
        let changes = progress.changes.of(state.key.relation);
        let mut candidates: Vec<Candidate<'a>> =
            changes.into_iter().flat_map(|changes| changes.iter()).map(Candidate::changed).collect();
        let Some(table) = self.store.get(state.key.relation) else { return candidates };
        let mut concerned = Vec::new();
        for value in self.sets.changed_values_for(template) {
            for (_, arrangement) in &state.wiring.memberships {
                match self.sets.is_enumerable(value) {
                    true => rows_with_value(table, *arrangement, value, &mut concerned),
                    false => concerned.extend(table.rows().map(|(row, _)| row)),
                }
            }
        }
        concerned.sort_unstable();
        concerned.dedup();
        for candidate in &mut candidates {
            // Its former value may be concerned too, so a changed row is always compared in full.
            candidate.is_forced = true;
            if let Ok(position) = concerned.binary_search(&candidate.row) {
                concerned.remove(position);
            }
        }
        candidates.extend(concerned.into_iter().map(|row| Candidate { row, former: None, is_forced: true }));
        candidates
    }

    /// Marks the rows under which something has changed, in all results that show them.
    fn mark_attachments(&mut self, stage: &Stage, marks: &mut Marks) {
        for (template, row, environment) in &stage.attachments {
            let Some(state) = self.templates.get(*template) else { continue };
            let table = state.key.relation;
            let Some(view) = self.store.get(table).and_then(|relation| relation.view(*row)) else { continue };
            let with = Evaluation { library: &*self.library, sets: &self.sets };
            let columns = state.columns(view, with.library);
            let moment = crate::dependent::live_set::Moment::Now;
            let standing = state.standing(*row, view, &columns, moment, with, &mut self.work);
            state.stay(&standing, |result| {
                let is_concerned = self
                    .results
                    .get(result)
                    .and_then(|state| self.templates.get(state.template)?.bindings.get(state.binding));
                if is_concerned.is_some_and(|binding| binding.environment == *environment) {
                    marks.mark(result, table, *row, 0);
                }
            });
        }
    }

    /// Puts a derived row into all arrangements and virtual columns, outside of the order of a step.
    pub(crate) fn arrive(&mut self, relation: TableId, row: u32) {
        let Some(table) = self.store.get(relation) else { return };
        let computed = table.virtual_columns.iter().filter(|(_, column)| !column.is_given());
        let columns: Vec<u32> = computed.map(|(number, _)| number).collect();
        for column in columns {
            let value: Option<Value> = self.compute_virtual(relation, column, row);
            if let Some(table) = self.store.get_mut(relation) {
                table.set_virtual(row, column, value);
            }
        }
        let Some(table) = self.store.get(relation) else { return };
        let places = table.view(row).map(|view| table.arrangements.all_places(view, &*self.library));
        if let Some(table) = self.store.get_mut(relation) {
            table.arrangements.rearrange(row, &Default::default(), places.unwrap_or_default());
        }
    }

    /// Takes a derived row out of all arrangements.
    pub(crate) fn unarrange(&mut self, relation: TableId, row: u32) {
        let Some(table) = self.store.get(relation) else { return };
        let places = table.view(row).map(|view| table.arrangements.all_places(view, &*self.library));
        if let Some(table) = self.store.get_mut(relation) {
            table.arrangements.rearrange(row, &places.unwrap_or_default(), Default::default());
        }
    }
}
