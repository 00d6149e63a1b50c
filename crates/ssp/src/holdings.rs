//! What the engine holds, for whoever compares it with the database.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use circuit::{Change, Digest, RecordId, RowHashes, SameRecord, row_hash};
use database::Counted;
use protocol::ViewKey;
use tokio::sync::oneshot;

use crate::command::{Done, Edges, Order, Outdated};
use crate::edge_buffer::Note;
use crate::engine::{Closed, Engine};
use crate::left::Left;
use crate::note::note;
use crate::registration::stored;
use crate::showing::{Showing, Stored};
use crate::view::View;

/// The rows whose hashes are computed at once, so that changes don't wait for long meanwhile.
const HASHED_AT_ONCE: u32 = 5_000;

/// What whoever compares asks the engine.
#[derive(Debug)]
pub(crate) enum Question {
    Holdings(oneshot::Sender<Holdings>),
    /// The keys of all views.
    Views(oneshot::Sender<Vec<ViewKey>>),
    /// The hashes of a table's rows from a place on.
    RowHashes {
        table: String,
        from: u32,
        reply: oneshot::Sender<RowHashes>,
    },
    /// The hashes of records, in the order asked for.
    RecordHashes {
        ids: Vec<RecordId>,
        reply: oneshot::Sender<Vec<Option<u128>>>,
    },
    /// What the database is to hold of a view, if there is one.
    Expect {
        key: ViewKey,
        reply: oneshot::Sender<Option<Expected>>,
    },
    /// The database holds something else of a view than it should. Answers the promise that it is put right.
    Mend {
        key: ViewKey,
        left: Left,
        reply: oneshot::Sender<Option<Done>>,
    },
}

/// What the engine holds at a moment, in short.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Holdings {
    /// Of the tables that have rows or that a view reads.
    pub(crate) tables: BTreeMap<Arc<str>, Digest>,
    /// How many changes there have been, those that changed nothing among them.
    pub(crate) received: u64,
}

/// What the database is to hold of a view.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) view: Arc<View>,
    pub(crate) stored: Stored,
    /// What is to be noted on the view's record.
    pub(crate) note: Note,
    /// Resolves when all of it has been written.
    pub(crate) written: oneshot::Receiver<()>,
}

impl Engine {
    /// Compares what is held with what is counted. O(records).
    pub(crate) fn outdated(&self, counted: Vec<Counted>) -> Outdated {
        let mut outdated = Outdated::default();
        for Counted { id, version, is_gone } in counted {
            match self.circuit.record(&id) {
                Some(_) if is_gone => {
                    outdated.gone.push(Change { id, version, content: None });
                }
                Some(row) if row.version == version => {}
                None if is_gone => {}
                _ => outdated.changed.push(id),
            }
        }
        outdated
    }

    /// Removes what the engine holds of a table and the database does not.
    pub(crate) fn remove_others(
        &mut self,
        table: &str,
        after: Option<&RecordId>,
        rows: &HashSet<SameRecord>,
    ) -> Result<(), Closed> {
        let read = self.circuit.ids(table).filter(|id| after.is_none_or(|after| ***id > *after));
        let gone = read.filter(|id| !rows.contains(&SameRecord((*id).clone())));
        let gone: Vec<Change> = gone.map(|id| Change { id: (**id).clone(), version: 0, content: None }).collect();
        self.commit(gone)
    }

    /// Whoever asked may have gone away.
    pub(crate) fn answer(&mut self, question: Question) -> Result<(), Closed> {
        match question {
            Question::Holdings(reply) => drop(reply.send(self.holdings())),
            Question::Views(reply) => {
                drop(reply.send(self.views.iter().map(|registered| registered.view.key().clone()).collect()));
            }
            Question::RowHashes { table, from, reply } => {
                drop(reply.send(self.circuit.row_hashes(&table, from, HASHED_AT_ONCE)));
            }
            Question::RecordHashes { ids, reply } => {
                drop(reply.send(ids.iter().map(|id| self.hash_of(id)).collect()));
            }
            Question::Expect { key, reply } => drop(reply.send(self.expected(&key)?)),
            Question::Mend { key, left, reply } => drop(reply.send(self.mend(&key, left)?)),
        }
        Ok(())
    }

    /// O(tables).
    fn holdings(&self) -> Holdings {
        Holdings {
            tables: self.circuit.table_digests().map(|(name, digest)| (name.clone(), digest)).collect(),
            received: self.received,
        }
    }

    /// The hash of a record, if there is one. O(size of the record).
    fn hash_of(&self, id: &RecordId) -> Option<u128> {
        self.circuit.record(id).map(|row| row_hash(&row.id, &row.content))
    }

    /// What the database is to hold of a view now, if there is such a view; nothing of it waits any more. O(result).
    fn expected(&mut self, key: &ViewKey) -> Result<Option<Expected>, Closed> {
        if self.views.get(key).is_none() {
            return Ok(None);
        }
        self.note_due(true)?;
        let Some(registered) = self.views.get(key) else { return Ok(None) };
        let stored = registered.showing.expected(&self.circuit.listing(registered.result));
        let (view, note) = (registered.view.clone(), note(&self.circuit, registered));
        let (flushed, written) = oneshot::channel();
        self.order(Order::Flush(flushed))?;
        Ok(Some(Expected { view, stored, note, written }))
    }

    /// Orders what differs between a view and what the database holds of it. Answers the promise that it is written; nothing
    /// if there is no such view any more. O(result).
    fn mend(&mut self, key: &ViewKey, left: Left) -> Result<Option<Done>, Closed> {
        let Some(registered) = self.views.get_mut(key) else { return Ok(None) };
        let view = registered.view.clone();
        let mut edges = Edges::default();
        let mut stored = stored(&view, left);
        if !registered.showing.has_edges() && !stored.edges.is_empty() {
            edges.clears.push(view.clone());
            stored = stored.removed();
        }
        let mut showing = Showing::new(&registered.plan, view.format());
        // Versions never come back.
        stored.clock = stored.clock.max(registered.showing.clock());
        let mut rows = self.circuit.shown(registered.result, &registered.plan.output);
        edges.push(&view, showing.begin(&mut rows, stored));
        registered.showing = showing;
        registered.is_damaged = false;
        let note = note(&self.circuit, registered);
        registered.noted = note.hash;
        edges.note(&view, note);
        // What waits was reckoned from what should have been stored, so it is written first.
        self.order(Order::Flush(oneshot::channel().0))?;
        let (done, written) = oneshot::channel();
        self.order(Order::Write { view, edges, done })?;
        Ok(Some(written))
    }
}
