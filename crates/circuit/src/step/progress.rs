//! How far a step has come: what has changed, and what is still to be looked at.

use crate::collection::numbered::NumberedList;
use crate::step::changes::{Changes, Content};
use crate::step::delta::ResultDelta;
use crate::store::table::TableId;
use crate::value::Value;

/// The state of one step.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) changes: Changes,
    /// What is to be done in each stage besides what follows from changed rows, by rank: as many as queries are nested.
    agenda: Vec<Option<Stage>>,
    /// The change of every result so far, also of those that nobody outside reads.
    pub(crate) deltas: NumberedList<ResultDelta>,
    /// Watched outputs that may have changed.
    pub(crate) watched: Vec<u32>,
    /// Rows of them that may show something else now.
    pub(crate) shown: Vec<(u32, u32)>,
    /// Operators that have taken in rows in this stage.
    pub(crate) operators: Vec<u32>,
    /// No step: what is new is put to work, and nobody has seen it before.
    pub(crate) is_filling: bool,
}

/// What is to be done in one stage.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    /// Virtual columns to compute again: relation, column, row.
    pub(crate) virtuals: Vec<(TableId, u32, u32)>,
    /// Live sets that have changed, each with a template that tests membership in it.
    pub(crate) sets: Vec<(u32, u32)>,
    pub(crate) roots: Vec<u32>,
    /// Consumers and rows whose outputs have to be computed again.
    pub(crate) consumers: Vec<(u32, u32)>,
    /// Rows under which something has changed: template, row, environment.
    pub(crate) attachments: Vec<(u32, u32, u32)>,
    /// Those of them whose subqueries have to be computed again.
    pub(crate) renewals: Vec<(u32, u32, u32)>,
    /// Items to look at again: operator, item.
    pub(crate) items: Vec<(u32, u32)>,
}

impl Progress {
    /// The beginning of a step with so many changes, in the room of an earlier one.
    pub(crate) fn beginning(mut changes: Changes, expected: usize) -> Self {
        changes.expect(expected);
        Progress { changes, ..Progress::default() }
    }

    /// The progress of something that is put to work outside of the order of a step.
    pub(crate) fn filling() -> Self {
        Progress { is_filling: true, ..Progress::default() }
    }

    /// Notes what a row was.
    pub(crate) fn note(&mut self, table: TableId, row: u32, content: Content, virtuals: &[Option<Value>]) {
        if !self.is_filling {
            self.changes.note(table, row, content, virtuals);
        }
    }

    /// The work of a stage that is still to come.
    pub(crate) fn at(&mut self, rank: u32) -> &mut Stage {
        let place = rank as usize;
        if self.agenda.len() <= place {
            self.agenda.resize_with(place + 1, || None);
        }
        self.agenda[place].get_or_insert_default()
    }

    /// The work of a stage, which begins.
    pub(crate) fn begin(&mut self, rank: u32) -> Stage {
        self.agenda.get_mut(rank as usize).and_then(Option::take).unwrap_or_default()
    }

    /// The last stage with work of its own.
    pub(crate) fn last(&self) -> Option<u32> {
        self.agenda.iter().rposition(Option::is_some).map(|rank| rank as u32)
    }
}
