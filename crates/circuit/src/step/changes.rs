//! What the rows were before a step.

use std::sync::Mutex;

use smallvec::SmallVec;

use crate::collection::numbered::{Numbered, NumberedList};
use crate::expr::library::Library;
use crate::step::executor::{Executor, is_worth_dividing};
use crate::store::arrangement::Places;
use crate::store::table::{Row, RowView, Table, TableId, Virtuals};
use crate::value::Value;

/// The rows that a step has changed so far, by relation.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Most steps concern one relation or two.
    relations: SmallVec<[(TableId, RelationChanges); 2]>,
    /// How many rows the step is expected to change.
    expected: usize,
    /// Room of former steps, so that a step allocates nothing here.
    spare: Vec<RelationChanges>,
}

/// The changed rows of one relation.
#[derive(Debug, Default)]
pub(crate) struct RelationChanges {
    formers: NumberedList<Former>,
}

/// For so many rows there is room from the start, where so many are expected.
const RESERVED: usize = 1 << 14;

/// So many relations keep their room from one step to the next.
const KEPT: usize = 2;

/// What a row was before the step.
#[derive(Debug)]
pub(crate) struct Former {
    pub(crate) number: u32,
    pub(crate) content: Content,
    pub(crate) virtuals: Virtuals,
}

/// The content of a row before the step.
#[derive(Debug)]
pub(crate) enum Content {
    /// There was no such row.
    Absent,
    /// The same as now; only virtual columns changed.
    Same,
    Was(Row),
}

impl Changes {
    /// Prepares for a step that is expected to change so many rows.
    pub(crate) fn expect(&mut self, expected: usize) {
        self.expected = expected;
    }

    /// Forgets all changes, and keeps the room that they took for the next step unless this one had little use for it.
    pub(crate) fn clear(&mut self, executor: &dyn Executor) {
        self.spare.clear();
        for (_, mut changes) in self.relations.drain(..).take(KEPT) {
            changes.forget_contents(executor);
            let is_wanted = is_worth_keeping(changes.as_slice().len(), changes.formers.capacity());
            changes.formers.clear();
            if is_wanted {
                self.spare.push(changes);
            }
        }
    }

    pub(crate) fn of(&self, table: TableId) -> Option<&RelationChanges> {
        self.relations.iter().find(|(known, _)| *known == table).map(|(_, changes)| changes)
    }

    pub(crate) fn tables(&self) -> impl ExactSizeIterator<Item = TableId> {
        self.relations.iter().map(|(table, _)| *table)
    }

    /// Notes what a row was, unless that has been noted before: then only an unchanged content is replaced.
    pub(crate) fn note(&mut self, table: TableId, number: u32, content: Content, virtuals: &[Option<Value>]) {
        let position = self.relations.iter().position(|(known, _)| *known == table);
        let position = position.unwrap_or_else(|| {
            let mut changes = self.spare.pop().unwrap_or_default();
            changes.formers.reserve(self.expected.min(RESERVED));
            self.relations.push((table, changes));
            self.relations.len() - 1
        });
        let formers = &mut self.relations[position].1.formers;
        match formers.get_mut(number) {
            None => formers.push(Former { number, content, virtuals: virtuals.into() }),
            Some(former) if matches!(former.content, Content::Same) => former.content = content,
            Some(_) => {}
        }
    }
}

/// Whether room that one step has made use of may serve the next one: it may not be too much, nor mostly unused.
pub(crate) fn is_worth_keeping(used: usize, room: usize) -> bool {
    room <= 4 * used.max(4) && room <= 2 * RESERVED
}

impl RelationChanges {
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Former> {
        self.as_slice().iter()
    }

    pub(crate) fn as_slice(&self) -> &[Former] {
        self.formers.as_slice()
    }

    pub(crate) fn get(&self, row: u32) -> Option<&Former> {
        self.formers.get(row)
    }

    /// Drops what rows were, on all threads where it is a lot.
    fn forget_contents(&mut self, executor: &dyn Executor) {
        let formers = self.formers.as_mut_slice();
        if !is_worth_dividing(formers.len(), executor) {
            return;
        }
        let chunk = formers.len().div_ceil(executor.threads());
        let parts: Vec<_> = formers.chunks_mut(chunk).map(Mutex::new).collect();
        executor.run(parts.len(), &|number| {
            if let Ok(mut part) = parts[number].lock() {
                part.iter_mut().for_each(|former| former.content = Content::Absent);
            }
        });
    }
}

impl Numbered for Former {
    fn number(&self) -> u32 {
        self.number
    }
}

impl Former {
    /// Whether the content, and not only what depends on other rows, has changed.
    pub(crate) fn has_new_content(&self) -> bool {
        !matches!(self.content, Content::Same)
    }

    /// Where the row stood in the arrangements of a stage, and where it stands now.
    pub(crate) fn places(&self, relation: &Table, rank: u32, library: &dyn Library) -> (Places, Places) {
        let places = |view| relation.arrangements.places(view, rank, library);
        let before = self.view(relation).map(places).unwrap_or_default();
        (before, relation.view(self.number).map(places).unwrap_or_default())
    }

    /// The row before the step, if it was there and has other content now.
    pub(crate) fn own_row(&self) -> Option<&Row> {
        match &self.content {
            Content::Was(row) => Some(row),
            Content::Absent | Content::Same => None,
        }
    }

    /// The row as it was before the step.
    pub(crate) fn view<'a>(&'a self, relation: &'a Table) -> Option<RowView<'a>> {
        let row = match &self.content {
            Content::Absent => return None,
            Content::Same => relation.row(self.number)?,
            Content::Was(row) => row,
        };
        Some(RowView { row, virtuals: &self.virtuals })
    }
}
