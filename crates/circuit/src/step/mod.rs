//! A step: changes in, exact changes of every affected result out.
//!
//! A step goes through stages. In each one the templates are looked at whose inputs are complete: first those over
//! tables, then those over what was derived from them, or whose columns read them. A row is looked at as it was and as
//! it is, and the difference is what it means to each result.

pub(crate) mod changes;
pub(crate) mod conclude;
pub(crate) mod consumer;
pub(crate) mod delta;
mod difference;
pub(crate) mod executor;
pub(crate) mod feed;
mod look;
pub(crate) mod progress;

use smallvec::SmallVec;

use crate::circuit::Circuit;
use crate::dependent::dependencies::Dependent;
use crate::dependent::read::{Aspect, Read};
use crate::ingest::batch::coalesce;
use crate::step::changes::{Content, Former};
use crate::step::delta::{Marks, ResultDelta};
use crate::step::executor::{Executor, Serial, in_parallel, is_worth_dividing};
use crate::step::progress::{Progress, Stage};
use crate::store::content::row_hash;
use crate::store::edges::Edge;
use crate::store::table::{Change, Row, TableId};
use crate::value::digest::ResultId;
use crate::value::{RecordId, Value, identity};

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

/// What a change finds in the store. Changes of a batch are of different records, so none finds what another one left.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// Nothing if the table is new.
    table: Option<TableId>,
    row: Option<u32>,
    /// Whether the change changes nothing.
    is_as_before: bool,
    /// What the change adds to the hash of the table.
    hash: u128,
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
        if is_worth_dividing(coalesced, executor) {
            let found = in_parallel(coalesced, executor, |range| {
                changes[range].iter().map(|change| self.find_change(change)).collect::<Vec<_>>()
            });
            for (change, found) in changes.into_iter().zip(found.into_iter().flatten()) {
                effective += usize::from(self.store_change(change, found, &mut progress));
            }
        } else {
            for change in changes {
                let found = self.find_change(&change);
                effective += usize::from(self.store_change(change, found, &mut progress));
            }
        }
        let tables = progress.changes.tables().len();
        let mut rank = 0;
        while self.last_stage(&progress).is_some_and(|last| rank <= last) {
            self.stage(rank, &mut progress, executor);
            rank += 1;
        }
        self.sets.settle();
        self.vacated.extend(progress.changes.tables());
        self.recycle();
        let is_registered = |delta: &ResultDelta| self.results.get(delta.result.0).is_some_and(|state| state.views > 0);
        let mut deltas = progress.deltas.into_items();
        deltas.retain(is_registered);
        deltas.sort_unstable_by_key(|delta| delta.result);
        progress.watched.sort_unstable();
        progress.watched.dedup();
        let watched = progress.watched.into_iter().map(crate::WatchId).collect();
        progress.shown.sort_unstable();
        progress.shown.dedup();
        let shown = progress.shown.into_iter().map(|(watch, row)| (crate::WatchId(watch), row)).collect();
        progress.changes.clear(executor);
        self.spare.changes = progress.changes;
        let statistics = Statistics { received, coalesced, effective, tables, results: deltas.len() };
        Step { deltas, watched, shown, statistics }
    }

    /// Finds the row that a change concerns.
    fn find_change(&self, change: &Change) -> Found {
        let Some((table_id, table)) = self.store.named(&change.id.table) else {
            let is_as_before = change.content.is_none();
            return Found { table: None, row: None, is_as_before, hash: self.hash_of(change, None) };
        };
        let own = table.find(&change.id.key);
        let former = own.and_then(|number| table.row(number));
        let is_as_before = match (former, &change.content) {
            (None, None) => true,
            (Some(old), Some(content)) => {
                old.content.fetch();
                old.version == change.version && identity::are_identical_objects(&old.content, content)
            }
            _ => false,
        };
        let hash = if is_as_before { 0 } else { self.hash_of(change, former) };
        Found { table: Some(table_id), row: own, is_as_before, hash }
    }

    /// What a change of a row adds to the hash of its table, if that is kept.
    fn hash_of(&self, change: &Change, former: Option<&Row>) -> u128 {
        if !self.is_hashing {
            return 0;
        }
        let fresh = change.content.as_ref().map_or(0, |content| row_hash(&change.id, content));
        fresh.wrapping_sub(former.map_or(0, |row| row_hash(&row.id, &row.content)))
    }

    /// Puts a change into its table; false if nothing changed.
    fn store_change(&mut self, change: Change, found: Found, progress: &mut Progress) -> bool {
        if found.is_as_before {
            return false;
        }
        let Change { id, version, content } = change;
        let (table_id, own) = (found.table.unwrap_or_else(|| self.store.table_id(&id.table)), found.row);
        let fresh = content.map(|content| self.store.intern(id, version, content));
        let Some(table) = self.store.get_mut(table_id) else { return false };
        table.hash = table.hash.wrapping_add(found.hash);
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
        self.wake_record_readers(table_id, number, &id, progress);
        self.change_edges(table_id, number, &id.table, progress);
        true
    }

    /// Wakes whoever has read of a record what has changed.
    fn wake_record_readers(&self, table: TableId, number: u32, id: &RecordId, progress: &mut Progress) {
        let before = progress.changes.of(table).and_then(|changes| changes.get(number)).and_then(Former::own_row);
        let before = before.map(|row| &row.content);
        let after = self.store.get(table).and_then(|table| table.row(number)).map(|row| &row.content);
        let mut woken: SmallVec<[Dependent; 8]> = SmallVec::new();
        self.dependencies.readers_of_record(id, before, after, |dependent| woken.push(dependent));
        woken.into_iter().for_each(|dependent| self.wake(dependent, None, progress));
    }

    /// Keeps the edge index in line with a changed row, and wakes who has read the edges at its ends.
    fn change_edges(&mut self, table: TableId, number: u32, name: &str, progress: &mut Progress) {
        let former = progress.changes.of(table).and_then(|changes| changes.get(number));
        let before = former.and_then(Former::own_row).and_then(Edge::of);
        let after = self.store.get(table).and_then(|table| table.row(number)).and_then(Edge::of);
        for (end, direction) in self.store.edges.change(before, after) {
            for aspect in [Aspect::edges(direction, None), Aspect::edges(direction, Some(name))] {
                let read = Read::new(&end, aspect);
                self.dependencies.readers_of(&read, |dependent| self.wake(dependent, None, progress));
            }
        }
    }

    /// Wakes whoever has read a result, or shows it under a row.
    pub(crate) fn wake_readers_of(&self, result: ResultId, progress: &mut Progress) {
        self.dependencies.readers_of_result(result.0, |dependent| self.wake(dependent, Some(result), progress));
    }

    /// Notes that something has to be computed again, in the stage in which it can be. `changed` is the result that has
    /// changed, if it was one.
    fn wake(&self, dependent: Dependent, changed: Option<ResultId>, progress: &mut Progress) {
        match dependent {
            Dependent::Virtual { table, column, row } => {
                let relation = self.store.get(table);
                if let Some(state) = relation.and_then(|relation| relation.virtual_columns.get(column)) {
                    progress.at(state.rank).virtuals.push((table, column, row));
                }
            }
            Dependent::Attachment { template, row, environment } => {
                let Some(state) = self.templates.get(template) else { return };
                let attachments = state.attachments.as_ref();
                let Some(attached) = attachments.and_then(|attachments| attachments.get(row, environment)) else {
                    return;
                };
                let stage = progress.at(state.key.rank);
                stage.attachments.push((template, row, environment));
                if changed.is_none_or(|result| attached.has_read(result.0)) {
                    stage.renewals.push((template, row, environment));
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
            Dependent::Item { operator, item } => {
                // As early as the list itself can change: templates of any later stage may read the operator.
                let list = self.operators.get(operator).and_then(|state| state.key.inputs.first());
                if let Some((state, ..)) = list.and_then(|(list, _)| self.result(*list)) {
                    progress.at(state.key.rank).items.push((operator, item));
                }
            }
        }
    }

    /// The last stage in which there is something to do, as far as that is known.
    fn last_stage(&self, progress: &Progress) -> Option<u32> {
        let mut last = progress.last();
        for relation in progress.changes.tables().filter_map(|table| self.store.get(table)) {
            for number in &relation.templates {
                last = last.max(self.templates.get(*number).map(|state| state.key.rank));
            }
            for (_, column) in relation.virtual_columns.iter() {
                last = last.max(Some(column.rank));
            }
        }
        last
    }

    fn stage(&mut self, rank: u32, progress: &mut Progress, executor: &dyn Executor) {
        let mut stage = progress.begin(rank);
        self.compute_virtuals(rank, &stage, progress);
        let mut marks = std::mem::take(&mut self.spare.marks);
        stage.sets.sort_unstable();
        stage.sets.dedup();
        let mut templates: SmallVec<[u32; 8]> = stage.sets.iter().map(|(template, _)| *template).collect();
        for table in progress.changes.tables() {
            templates.extend(self.store.get(table).into_iter().flat_map(|table| table.templates.iter().copied()));
        }
        templates.sort_unstable();
        templates.dedup();
        templates.retain(|number| self.templates.get(*number).is_some_and(|state| state.key.rank == rank));
        self.route(rank, &templates, &stage, progress, executor, &mut marks);
        self.mark_attachments(&mut stage, &mut marks);
        stage.roots.sort_unstable();
        stage.roots.dedup();
        for root in &stage.roots {
            self.rebind(*root, &mut marks);
        }
        let released = marks.take_released();
        self.spare.marks = self.conclude(marks, &stage, progress, executor);
        for (template, binding) in released {
            self.release_binding(template, binding);
        }
        self.renew_items(&stage.items, progress);
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

    /// Marks the rows under which something has changed, in all results that show them. O(results that show them).
    fn mark_attachments(&self, stage: &mut Stage, marks: &mut Marks) {
        stage.attachments.sort_unstable();
        stage.attachments.dedup();
        for (template, row, environment) in &stage.attachments {
            let Some(state) = self.templates.get(*template) else { continue };
            let attachments = state.attachments.as_ref();
            let Some(attached) = attachments.and_then(|attachments| attachments.get(*row, *environment)) else {
                continue;
            };
            let mut readers: SmallVec<[u32; 8]> = SmallVec::new();
            attached.readers.append_to(&mut readers);
            readers.into_iter().for_each(|result| marks.mark(result, state.key.relation, *row, 0));
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
        let (Some(table), library) = (self.store.get_mut(relation), &*self.library) else { return };
        table.arrange(|table, arrangements| arrangements.rearrange(row, None, table.view(row), None, library));
    }

    /// Takes a derived row out of all arrangements.
    pub(crate) fn unarrange(&mut self, relation: TableId, row: u32) {
        let (Some(table), library) = (self.store.get_mut(relation), &*self.library) else { return };
        table.arrange(|table, arrangements| arrangements.rearrange(row, table.view(row), None, None, library));
    }
}
