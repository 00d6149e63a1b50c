//! The owner of the circuit.
//!
//! Nobody shares anything with it: what it is to do comes as messages, and what has come while it worked
//! is its next batch. It turns the circuit's deltas into operations on what is kept of each row and hands these to the
//! writer. How views come and go is in [`registration`](crate::registration).

use std::sync::Arc;

use circuit::{Change, Circuit, SameRecord, Shown, Step, WatchId};
use protocol::Format;
use pushed::Pushed;
use query::{Catalog, SurrealLibrary};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::cluster::Tickets;
use crate::command::{Command, Description, Edges, NotSaved, Order, WriterSender};
use crate::computed::Computed;
use crate::edge_buffer::Note;
use crate::metrics::Metrics;
use crate::note::{note, streamed};
use crate::pool::Pool;
use crate::saved::{Mark, Position};
use crate::showing::Op;
use crate::view::{Registered, Views};
use crate::watches::Watches;

/// The bytes of the state that are put together at once, so that changes don't wait for long meanwhile.
const SAVE_CHUNK: usize = 256 << 10;

/// The engine's state. It works at a [`Workplace`](crate::Workplace).
pub(crate) struct Engine {
    pub(crate) circuit: Circuit,
    pub(crate) views: Views,
    pub(crate) watches: Watches,
    /// How many registrations there have been.
    pub(crate) generation: u64,
    writer: WriterSender,
    /// How many speculations there have been, and how many of them are settled.
    speculated: u64,
    settled: u64,
    /// The newest version that was read of each record with an open speculation.
    reread: HashMap<SameRecord, u64>,
    /// Registrations that wait until nothing is speculation any more, so that no answer rests on it.
    waiting: Vec<Command>,
    /// Views whose results are to be noted when their time has come.
    pub(crate) due: BTreeSet<usize>,
    pool: Pool,
    /// Where the feed goes on behind what the circuit holds; nothing while the tables are being read.
    pub(crate) position: Option<Position>,
    database_name: String,
    /// Counts changes, for whoever saves them.
    changes: watch::Sender<u64>,
    metrics: Metrics,
    /// How many changes there have been, those that changed nothing among them.
    pub(crate) received: u64,
    /// What of the scheduler's orders is current.
    pub(crate) tickets: Tickets,
    /// What users may see, if that is known.
    pub(crate) catalog: Option<Arc<Catalog>>,
    /// What the database computes by itself.
    pub(crate) computed: Arc<Computed>,
}

/// The writer is gone: the service is shutting down.
pub(crate) struct Closed;

/// A circuit without rows that keeps the hashes of tables.
pub(crate) fn empty_circuit() -> Circuit {
    let mut circuit = Circuit::new(Arc::new(SurrealLibrary));
    circuit.hash_tables();
    circuit
}

impl Engine {
    pub(crate) fn new(
        writer: WriterSender,
        pool: Pool,
        database_name: String,
        changes: watch::Sender<u64>,
        metrics: Metrics,
    ) -> Self {
        Engine {
            circuit: empty_circuit(),
            views: Views::default(),
            watches: Watches::default(),
            generation: 0,
            writer,
            speculated: 0,
            settled: 0,
            reread: HashMap::new(),
            waiting: Vec::new(),
            due: BTreeSet::new(),
            pool,
            position: None,
            database_name,
            changes,
            metrics,
            received: 0,
            tickets: Tickets::default(),
            catalog: None,
            computed: Arc::default(),
        }
    }

    /// Carries out commands in their order; commits that follow each other are one step.
    pub(crate) fn work_off(&mut self, batch: &mut Vec<Command>) -> Result<(), Closed> {
        let _span = tracing::debug_span!("batch", messages = batch.len()).entered();
        self.metrics.batch();
        let mut commits: Vec<Change> = Vec::new();
        for command in batch.drain(..) {
            match command {
                Command::Commit(mut changes) => commits.append(&mut changes),
                Command::Captured { mut changes, cursor } => {
                    commits.append(&mut changes);
                    // It counts from the next command on, and before that comes the commit.
                    self.advance(cursor);
                }
                other => {
                    self.commit(std::mem::take(&mut commits))?;
                    self.carry_out(other)?;
                }
            }
        }
        self.commit(commits)
    }

    fn carry_out(&mut self, command: Command) -> Result<(), Closed> {
        match command {
            Command::Commit(changes) => self.commit(changes),
            Command::Captured { changes, cursor } => {
                self.advance(cursor);
                self.commit(changes)
            }
            Command::Follows(position) => {
                self.position = position;
                Ok(())
            }
            Command::Adopt(circuit) => {
                self.circuit = *circuit;
                Ok(())
            }
            Command::Outdated { counted, reply } => {
                // A start that was given up needs no answer.
                let _ = reply.send(self.outdated(counted));
                Ok(())
            }
            Command::Save { .. } if self.settled < self.speculated => {
                self.waiting.push(command);
                Ok(())
            }
            Command::Save { is_first, tables, reply } => {
                let _ = reply.send(self.save(is_first, tables));
                Ok(())
            }
            Command::Permissions(catalog) => self.recompile(catalog),
            Command::Computed(computed) => self.give_up(computed),
            Command::Reread(records) => {
                let records = self.not_outdated(records);
                self.commit(records)
            }
            Command::Loaded { table, after, rows } => self.remove_others(&table, after.as_ref(), &rows),
            Command::Speculate(pushed) => self.speculate(pushed),
            Command::Settle { number, corrections } => self.settle(number, corrections),
            Command::Register { .. } if self.settled < self.speculated => {
                self.waiting.push(command);
                Ok(())
            }
            Command::Register { view, query, catalog, reply } => self.register(*view, query.plan, &catalog, reply),
            Command::Restore { view, query, catalog, left, reply } => {
                let outcome = match self.check(view.key(), view.ticket) {
                    Ok(()) => Ok(self.restore(*view, query.plan, &catalog, left)?),
                    Err(turned) => Err(turned),
                };
                // Nobody waits any more when the start was given up.
                let _ = reply.send(outcome);
                Ok(())
            }
            Command::Unregister { key, reply } => {
                let done = self.unregister(&key)?;
                let _ = reply.send(done);
                Ok(())
            }
            Command::UnregisterHeld { key, ticket, reply } => {
                let outcome = match self.check(&key, ticket) {
                    Ok(()) => Ok(self.unregister(&key)?),
                    Err(turned) => Err(turned),
                };
                // Who does not wait for the outcome does not need it.
                let _ = reply.send(outcome);
                Ok(())
            }
            Command::Expired { key, generation } => {
                if self.views.get(&key).is_some_and(|registered| registered.view.generation == generation) {
                    tracing::info!(view = %key, "the view's time to live has passed");
                    self.unregister(&key)?;
                }
                Ok(())
            }
            Command::UserDeleted { user, is_gone, generation } => self.user_deleted(&user, is_gone, generation),
            Command::Damaged(key) => {
                if let Some(registered) = self.views.get_mut(&key) {
                    registered.is_damaged = true;
                    registered.noted = None;
                }
                Ok(())
            }
            Command::Flush(reply) => {
                self.note_due(true)?;
                let _ = reply.send(());
                Ok(())
            }
            Command::Barrier(reply) => {
                let (done, reached) = oneshot::channel();
                self.order(Order::Flush(done))?;
                let _ = reply.send(reached);
                Ok(())
            }
            Command::Describe(reply) => {
                let views = self.views.len();
                let _ = reply.send(Description { views, size: self.circuit.size(), work: self.circuit.work() });
                Ok(())
            }
            Command::Compare(_) if self.settled < self.speculated => {
                self.waiting.push(command);
                Ok(())
            }
            Command::Compare(question) => self.answer(question),
            Command::Inspect { key, reply } => {
                let _ = reply.send(self.inspect(&key));
                Ok(())
            }
            Command::Dependencies(reply) => {
                let _ = reply.send(self.dependencies());
                Ok(())
            }
            Command::Follow { .. } if self.settled < self.speculated => {
                self.waiting.push(command);
                Ok(())
            }
            Command::Follow { key, reply } => {
                let followed = self.snapshot(&key)?;
                // A client that has gone away meanwhile follows nothing.
                let _ = reply.send(followed);
                Ok(())
            }
            Command::Release { keys, ticket, reply } => {
                let _ = reply.send(self.release(keys, ticket)?);
                Ok(())
            }
            Command::Join { epoch, keep, reply } => {
                let _ = reply.send(self.join(epoch, keep)?);
                Ok(())
            }
            Command::Clear(reply) => {
                let done = self.clear()?;
                let _ = reply.send(done);
                Ok(())
            }
        }
    }

    pub(crate) fn commit(&mut self, changes: Vec<Change>) -> Result<(), Closed> {
        if changes.is_empty() {
            return Ok(());
        }
        self.changes.send_modify(|count| *count += 1);
        let deleted = self.users_among(&changes);
        let step = self.step(changes);
        let edges = self.follow(&step);
        self.order_if_any(edges)?;
        self.look_for_users(deleted)
    }

    /// The records that are deleted and have views.
    fn users_among(&self, changes: &[Change]) -> Vec<SameRecord> {
        let deleted = changes.iter().filter(|change| change.content.is_none());
        let deleted = deleted.map(|change| SameRecord::from(change.id.clone()));
        deleted.filter(|user| self.views.has_user(user)).collect()
    }

    fn advance(&mut self, cursor: u64) {
        if let Some(position) = &mut self.position {
            position.cursor = Some(cursor);
        }
    }

    /// The next chunk of the state. It is complete with the rows and the place in the feed at the moment of the last chunk.
    fn save(&mut self, is_first: bool, tables: BTreeMap<String, u64>) -> Result<Option<Vec<u8>>, NotSaved> {
        let Some(position) = &self.position else {
            self.circuit.abandon_save();
            return Err(NotSaved::NoPosition);
        };
        if is_first {
            self.circuit.begin_save();
        }
        let mark = Mark::new(&self.database_name, *position, tables);
        Ok(self.circuit.save_chunk(SAVE_CHUNK, &mark.to_bytes())?)
    }

    fn step(&mut self, changes: Vec<Change>) -> Step {
        let _span = tracing::debug_span!("step", changes = changes.len()).entered();
        self.received += changes.len() as u64;
        let started = Instant::now();
        let step = self.circuit.step_with(changes, &self.pool);
        self.metrics.step(&step.statistics, started.elapsed());
        step
    }

    /// Takes in changes that are not known to be committed, and makes their edges wait for the proof.
    fn speculate(&mut self, pushed: Vec<Pushed>) -> Result<(), Closed> {
        let changes: Vec<Change> = pushed
            .into_iter()
            .map(|Pushed { id, version, content }| {
                let known = self.circuit.record(&id).map_or(0, |row| row.version);
                Change { id, version: version.unwrap_or(known + 1), content }
            })
            .collect();
        self.speculated += 1;
        let step = self.step(changes.clone());
        let mut edges = self.follow(&step);
        edges.unconfirmed = changes;
        edges.speculation = Some(self.speculated);
        self.order(Order::Edges(edges))
    }

    fn settle(&mut self, number: u64, corrections: Vec<Change>) -> Result<(), Closed> {
        self.settled = self.settled.max(number);
        let corrections = self.not_outdated(corrections);
        let deleted = self.users_among(&corrections);
        let step = self.step(corrections);
        let mut edges = self.follow(&step);
        // What the writer holds rests on what was not true. None of it may be written before it is put right.
        self.take_due(true, &mut edges);
        edges.answers = Some(number);
        self.order(Order::Edges(edges))?;
        self.look_for_users(deleted)?;
        if self.settled == self.speculated {
            self.reread.clear();
            for command in std::mem::take(&mut self.waiting) {
                self.carry_out(command)?;
            }
        }
        Ok(())
    }

    /// Drops what was read before something that is known already: two readers do not answer in the order in which they read.
    fn not_outdated(&mut self, mut read: Vec<Change>) -> Vec<Change> {
        read.retain(|change| {
            // A record that never was counts as version 1 too; it is older than one that was created.
            let never_was = change.content.is_none() && change.version <= database::FIRST_VERSION;
            let version = if never_was { 0 } else { change.version };
            let known = self.reread.entry(change.id.clone().into()).or_default();
            let is_new = version >= *known;
            *known = version.max(*known);
            is_new
        });
        read
    }

    /// What a step means to the views: operations on what is kept of each row, and notes on the views' records.
    fn follow(&mut self, step: &Step) -> Edges {
        let mut edges = Edges::default();
        for delta in &step.deltas {
            // Most views of a result keep the same of it.
            let mut plain: Option<Vec<Op>> = None;
            for number in self.views.showing(delta.result) {
                let Some(Registered { view, showing, updates, .. }) = self.views.at(number) else { continue };
                *updates += 1;
                if showing.is_plain() {
                    let ops = plain.get_or_insert_with(|| showing.level.edge_ops(&delta.changes));
                    edges.push(view, ops.iter().cloned());
                } else {
                    edges.push(view, showing.follow(&delta.changes));
                }
                if view.format() == Format::Streaming {
                    edges.note(view, streamed(delta.digest));
                }
            }
        }
        for of_watch in step.shown.chunk_by(|a, b| a.0 == b.0) {
            self.refresh(of_watch, &mut edges);
        }
        for watch in &step.watched {
            self.note_answers(*watch, &mut edges);
        }
        edges
    }

    /// Brings the contents of rows in line that may show something else now. All are of one watch.
    fn refresh(&mut self, rows: &[(WatchId, u32)], edges: &mut Edges) {
        let Some((watch, _)) = rows.first() else { return };
        let mut shown: Option<Vec<Shown>> = None;
        for number in self.views.watching(*watch) {
            let Some(Registered { view, showing, plan, result, .. }) = self.views.at(number) else { continue };
            if !showing.has_contents() {
                continue;
            }
            let shown = shown.get_or_insert_with(|| {
                let shown = |row: &(WatchId, u32)| self.circuit.shown_row(*result, row.1, &plan.output);
                rows.iter().filter_map(shown).collect()
            });
            edges.push(view, showing.refresh(shown));
        }
    }

    /// Notes the results of the views that keep them on their records, or notes that this is to be done later: once in
    /// a view's interval is enough.
    fn note_answers(&mut self, watch: WatchId, edges: &mut Edges) {
        let mut tree: Option<Note> = None;
        for number in self.views.watching(watch) {
            let Some(registered) = self.views.at(number) else { continue };
            if registered.view.format() == Format::Streaming {
                continue;
            }
            if registered.noted_at.elapsed() < registered.view.interval {
                self.due.insert(number);
                continue;
            }
            let note = match registered.view.format() {
                // Views of one answer share it.
                Format::Tree => tree.get_or_insert_with(|| note(&self.circuit, registered)).clone(),
                Format::Flat | Format::Streaming => note(&self.circuit, registered),
            };
            take_note(registered, note, edges);
        }
    }

    /// When the next result is to be noted that has to wait.
    pub(crate) fn next_due(&mut self) -> Option<Instant> {
        let views = &mut self.views;
        let due = |number: &usize| views.at(*number).map(|view| view.noted_at + view.view.interval);
        self.due.iter().filter_map(due).min()
    }

    pub(crate) fn note_due(&mut self, is_all: bool) -> Result<(), Closed> {
        let mut edges = Edges::default();
        self.take_due(is_all, &mut edges);
        self.order_if_any(edges)
    }

    /// Notes the results whose time has come, or all that wait.
    fn take_due(&mut self, is_all: bool, edges: &mut Edges) {
        for number in std::mem::take(&mut self.due) {
            let Some(registered) = self.views.at(number) else { continue };
            if is_all || registered.noted_at.elapsed() >= registered.view.interval {
                let note = note(&self.circuit, registered);
                take_note(registered, note, edges);
            } else {
                self.due.insert(number);
            }
        }
    }

    fn order_if_any(&self, edges: Edges) -> Result<(), Closed> {
        if edges.ops.is_empty() && edges.notes.is_empty() {
            return Ok(());
        }
        self.order(Order::Edges(edges))
    }

    pub(crate) fn order(&self, order: Order) -> Result<(), Closed> {
        match self.writer.try_send(order) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(order)) => self.writer.blocking_send(order).map_err(|_| Closed),
            Err(TrySendError::Closed(_)) => Err(Closed),
        }
    }
}

/// Notes a result, unless it is what was noted before.
fn take_note(registered: &mut Registered, note: Note, edges: &mut Edges) {
    registered.noted_at = Instant::now();
    if note.hash.is_none() || note.hash != registered.noted {
        registered.noted = note.hash;
        edges.note(&registered.view, note);
    }
}
