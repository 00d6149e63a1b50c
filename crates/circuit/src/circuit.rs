//! The circuit: changes in, exact changes of every affected result out.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::arrangement::Places;
use crate::batch::coalesce;
use crate::delta::{Marks, ResultDelta};
use crate::digest::{Digest, ResultId, entry_hash};
use crate::library::Library;
use crate::partition::{Partition, Position, compare};
use crate::plan::{Plan, Slots, Template, Window};
use crate::registry::Registry;
use crate::table::{Change, LinkReader, Row, Store, TableId};
use crate::template::{Binding, BindingResult, Columns, Standing, TemplateState, columns_of, position_of};
use crate::value::{RecordId, identity};
use crate::work::{Size, Work};

/// What one step did.
#[derive(Debug, Default)]
pub struct Step {
    /// The change of each result that changed, in the order of the result numbers.
    pub deltas: Vec<ResultDelta>,
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
    /// Results that changed.
    pub results: usize,
}

/// The incremental engine. It does no I/O, reads no clock and starts no threads, and so it can't fail.
#[derive(Debug)]
pub struct Circuit {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    library: Arc<dyn Library>,
    work: Work,
}

/// What a row was to the templates of its table before a change.
struct Before {
    table: TableId,
    row: u32,
    places: Places,
    /// For each template of the table, in their order.
    standings: Vec<Standing>,
}

impl Circuit {
    pub fn new(library: Arc<dyn Library>) -> Self {
        Circuit { store: Store::default(), registry: Registry::default(), library, work: Work::default() }
    }

    /// Takes in a batch of committed changes and answers how every affected result changed.
    ///
    /// The batch is one transaction: what a result went through in between is not reported. Cost: for each change,
    /// O(rows linked to it, templates of the table, and bindings affected), each O(log n) where a window is concerned;
    /// it does not depend on the number of rows, nor on that of bindings that are not affected.
    pub fn step(&mut self, changes: Vec<Change>) -> Step {
        let received = changes.len();
        let changes = coalesce(changes);
        let coalesced = changes.len();
        let mut marks = Marks::default();
        let mut effective = 0;
        for change in changes {
            effective += usize::from(self.apply(change, &mut marks));
        }
        let deltas = marks.into_deltas(&self.store, &mut self.registry);
        for table in 0..self.store.tables().count() {
            self.store.table_mut(table as TableId).recycle();
        }
        let statistics = Statistics { received, coalesced, effective, results: deltas.len() };
        Step { deltas, statistics }
    }

    /// Starts to maintain the result of a plan, or counts one more reader of it. The current rows are those of
    /// [`Circuit::rows`].
    ///
    /// Cost: O(result) for a template that is known, and O(table) for the first plan of a template.
    pub fn register(&mut self, plan: Plan) -> ResultId {
        let Plan { mut template, slots, window } = plan;
        if window.is_none() {
            // Without a window the order decides nothing about which rows belong to the result.
            template.order.clear();
        }
        let table = self.store.table_id(&template.table);
        let state_number = self.registry.template(template, table, window.is_some(), &mut self.store);
        let known = self.registry.state(state_number).and_then(|state| state.find(&slots));
        if let Some(result) = known.and_then(|binding| self.registry.share(state_number, binding, window)) {
            return result;
        }
        let Some(state) = self.registry.state(state_number) else {
            unreachable!("the template was registered above");
        };
        if let (Some(binding), Some(window)) = (known, window) {
            return self.registry.add_window(state_number, binding, window, &self.store);
        }
        let rows = matching(&self.store, state, &slots, &*self.library, &mut self.work);
        let table = self.store.table(table);
        if window.is_some() {
            let positions =
                rows.iter().filter_map(|(number, columns)| Some(state.position(*number, table.row(*number)?, columns)));
            let partition = Partition::of(positions.collect(), &state.template.order);
            let members = BindingResult::Windows(Box::new(partition));
            let binding = self.registry.add_binding(state_number, Binding { slots, members });
            let window = window.unwrap_or(Window { start: 0, limit: None });
            return self.registry.add_window(state_number, binding, window, &self.store);
        }
        let mut digest = Digest::default();
        for row in rows.iter().filter_map(|(number, _)| table.row(*number)) {
            digest.add(entry_hash(&row.id, row.version));
        }
        self.registry.add_plain(state_number, slots, digest)
    }

    /// Counts one reader less of a result, and gives back all that only this result needed with the last. O(size of the
    /// binding); for a window, O(rows of its binding) of memory to free.
    pub fn unregister(&mut self, result: ResultId) {
        self.registry.release(result, &mut self.store);
    }

    /// The rows of a result: in the order of its window, else by ascending record id. O(rows · log rows).
    pub fn rows(&self, result: ResultId) -> Vec<Row> {
        let Some((state, binding, window)) = self.registry.result(result) else {
            return Vec::new();
        };
        let table = self.store.table(state.table);
        if let (BindingResult::Windows(partition), Some(window)) = (&binding.members, window) {
            return partition.window(window).filter_map(|number| table.row(number)).cloned().collect();
        }
        let mut work = Work::default();
        let rows = matching(&self.store, state, &binding.slots, &*self.library, &mut work);
        let mut rows: Vec<Row> = rows.into_iter().filter_map(|(number, _)| table.row(number)).cloned().collect();
        rows.sort_by(|a, b| a.id.key.cmp(&b.id.key));
        rows
    }

    /// Sorts rows as a query orders them. A result that is no window does not know an order: queries that differ in it
    /// share one. O(rows · log rows).
    pub fn sort(&self, rows: Vec<Row>, template: &Template) -> Vec<Row> {
        let mut reader = LinkReader::new(&self.store);
        let place = |(number, row): (u32, Row)| {
            let columns = columns_of(template, &row, &mut reader);
            (position_of(template, number, &row, &columns), row)
        };
        let mut placed: Vec<(Position, Row)> = (0..).zip(rows).map(place).collect();
        placed.sort_by(|(a, _), (b, _)| compare(a, b, &template.order));
        placed.into_iter().map(|(_, row)| row).collect()
    }

    /// Size and hash of a result. O(1).
    pub fn digest(&self, result: ResultId) -> Option<Digest> {
        self.registry.digest(result)
    }

    /// The stored row of a record.
    pub fn record(&self, id: &RecordId) -> Option<&Row> {
        self.store.find(id)
    }

    /// Access to stored rows for evaluating paths outside of the circuit.
    pub fn links(&self) -> impl crate::path::Links {
        LinkReader::new(&self.store)
    }

    /// The names of all tables that have been seen, with the number of their rows.
    pub fn tables(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.store.tables().map(|(_, table)| (&table.name, table.len()))
    }

    /// The ids of all rows of a table. O(rows).
    pub fn ids(&self, table: &str) -> impl Iterator<Item = &Arc<RecordId>> {
        self.store.named(table).into_iter().flat_map(|table| table.rows().map(|(_, row)| &row.id))
    }

    pub fn work(&self) -> Work {
        self.work
    }

    pub fn size(&self) -> Size {
        let mut size = self.registry.size();
        for (_, table) in self.store.tables() {
            size.tables += 1;
            size.rows += table.len();
            size.arrangements += table.arrangements.len();
        }
        size
    }

    /// Applies one change; false if nothing changed.
    fn apply(&mut self, change: Change, marks: &mut Marks) -> bool {
        let table = self.store.table_id(&change.id.table);
        let own = self.store.table(table).find(&change.id.key);
        let old = own.and_then(|number| self.store.table(table).row(number));
        match (&old, &change.content) {
            (None, None) => return false,
            (Some(old), Some(content))
                if old.version == change.version && identity::are_identical_objects(&old.content, content) =>
            {
                return false;
            }
            _ => {}
        }

        // Everything that reads this record is looked at as it was, and compared with what it is then.
        let own_row = own.map(|number| (table, number));
        let mut touched: SmallVec<[(TableId, u32); 4]> = self.linked_rows(&change.id);
        touched.retain(|row| Some(*row) != own_row);
        touched.extend(own_row);
        let before: SmallVec<[Before; 2]> =
            touched.into_iter().filter_map(|(table, row)| self.look_at(table, row)).collect();

        let (number, old) = self.store_row(table, own, change);
        marks.changed(table, number, old);
        if own.is_none() {
            self.compare(Before { table, row: number, places: Places::new(), standings: Vec::new() }, marks);
        }
        for before in before {
            self.compare(before, marks);
        }
        true
    }

    /// The rows of all tables that read a record through a link.
    fn linked_rows(&self, id: &RecordId) -> SmallVec<[(TableId, u32); 4]> {
        let mut linked = SmallVec::new();
        let mut numbers = Vec::new();
        for (table_id, table) in self.store.tables() {
            if !table.links.is_empty() {
                table.links.readers_of(id, &mut numbers);
                linked.extend(numbers.drain(..).map(|number| (table_id, number)));
            }
        }
        linked
    }

    /// What a row is to the arrangements and templates of its table.
    fn look_at(&mut self, table: TableId, number: u32) -> Option<Before> {
        let table_state = self.store.table(table);
        let row = table_state.row(number)?;
        let mut reader = LinkReader::new(&self.store);
        let places = table_state.arrangements.places(&row.content, &mut reader);
        let states = table_state.templates.iter().map_while(|template| self.registry.state(*template));
        let standings = states
            .map(|state| {
                self.work.rows_examined += 1;
                state.standing(number, row, &mut reader, &*self.library, &mut self.work)
            })
            .collect();
        Some(Before { table, row: number, places, standings })
    }

    /// Puts the new content in the place of the old; answers the number of the row and what it was.
    fn store_row(&mut self, table: TableId, own: Option<u32>, change: Change) -> (u32, Option<Row>) {
        let Change { id, version, content } = change;
        let row = content.map(|content| self.store.intern(id, version, content));
        let table = self.store.table_mut(table);
        match (own, row) {
            (Some(number), Some(row)) => (number, table.replace(number, row)),
            (Some(number), None) => (number, table.remove(number)),
            (None, Some(row)) => (table.insert(row), None),
            (None, None) => unreachable!("the deletion of an unknown record changes nothing"),
        }
    }

    /// Brings the indexes of a row up to date, and marks in which results it moved.
    fn compare(&mut self, before: Before, marks: &mut Marks) {
        let Before { table, row: number, places, standings } = before;
        let places_now = self.store.table(table).row(number).map(|row| {
            let mut reader = LinkReader::new(&self.store);
            self.store.table(table).arrangements.places(&row.content, &mut reader)
        });
        self.store.table_mut(table).arrangements.rearrange(number, &places, places_now.unwrap_or_default());
        if !self.store.table(table).links.is_empty() {
            let read = self.store.links_of(table, number);
            self.store.table_mut(table).links.set(number, read);
        }

        let table_state = self.store.table(table);
        let row = table_state.row(number);
        let mut standings = standings.into_iter();
        for template in &table_state.templates {
            let before = standings.next();
            let Some(state) = self.registry.state_mut(*template) else {
                continue;
            };
            let after = match row {
                None => Standing::default(),
                Some(row) => {
                    self.work.rows_examined += 1;
                    let columns = state.columns(row, &mut LinkReader::new(&self.store));
                    if let Some(before) = &before
                        && identity::are_identical_lists(&before.columns, &columns)
                    {
                        // Nothing that the template looks at has changed; only other content is new.
                        state.stay(before, |result| marks.mark(result, table, number, 0));
                        continue;
                    }
                    state.standing_of(number, row, columns, &*self.library, &mut self.work)
                }
            };
            state.transfer(before.unwrap_or_default(), after, number, |result, row, weight| {
                marks.mark(result, table, row, weight)
            });
        }
    }
}

/// The rows that satisfy a binding, with their columns. O(candidates), or O(table) where nothing is indexed.
fn matching(
    store: &Store,
    state: &TemplateState,
    slots: &Slots,
    library: &dyn Library,
    work: &mut Work,
) -> Vec<(u32, Columns)> {
    let table = store.table(state.table);
    let mut reader = LinkReader::new(store);
    let mut check = |number: u32, row: &Row| {
        work.rows_examined += 1;
        let columns = state.columns(row, &mut reader);
        state.holds(&columns, slots, library).then_some((number, columns))
    };
    match state.candidate_rows(table, slots) {
        Some(candidates) => candidates.into_iter().filter_map(|number| check(number, table.row(number)?)).collect(),
        None => table.rows().filter_map(|(number, row)| check(number, row)).collect(),
    }
}
