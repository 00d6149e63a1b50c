//! The owner of the circuit.
//!
//! One thread, which nobody shares anything with: what it is to do comes as messages, and what has come while it worked
//! is its next batch. It turns the circuit's deltas into operations on edges and hands these to the writer.

use std::sync::Arc;

use circuit::{Change, ChangeKind, Circuit, RecordId, Row, SameRecord, Step, Value};
use protocol::ViewKey;
use query::{Query, SurrealLibrary};
use std::collections::{HashMap, HashSet};
use tokio::sync::{mpsc, oneshot};

use crate::command::{Command, Description, Done, Edges, Initial, Order, Speculation, WriterSender};
use crate::edge_buffer::{Action, EdgeOp};
use crate::view::{Registered, View, Views};

/// The most messages that are taken from the queue at once.
const BATCH: usize = 4_096;

/// The engine's state. [`Engine::run`] is the body of its thread.
pub(crate) struct Engine {
    circuit: Circuit,
    views: Views,
    /// How many registrations there have been.
    generation: u64,
    writer: WriterSender,
    /// How many speculations there have been, and how many of them are settled.
    speculated: u64,
    settled: u64,
    /// The newest version that was read of each record with an open speculation.
    reread: HashMap<SameRecord, u64>,
    /// Registrations that wait until nothing is speculation any more, so that no answer rests on it.
    waiting: Vec<Command>,
}

/// The writer is gone: the service is shutting down.
struct Closed;

impl Engine {
    pub(crate) fn new(writer: WriterSender) -> Self {
        Engine {
            circuit: Circuit::new(Arc::new(SurrealLibrary)),
            views: Views::default(),
            generation: 0,
            writer,
            speculated: 0,
            settled: 0,
            reread: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    /// Works until nobody can send commands any more, or nobody takes orders.
    pub(crate) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::new();
        while commands.blocking_recv_many(&mut batch, BATCH) > 0 {
            if self.work_off(&mut batch).is_err() {
                return;
            }
        }
    }

    /// Carries out commands in their order; commits that follow each other are one step.
    fn work_off(&mut self, batch: &mut Vec<Command>) -> Result<(), Closed> {
        let mut commits: Vec<Change> = Vec::new();
        for command in batch.drain(..) {
            match command {
                Command::Commit(mut changes) => commits.append(&mut changes),
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
            Command::Reread(records) => {
                let records = self.not_outdated(records);
                self.commit(records)
            }
            Command::Loaded { table, rows } => self.remove_others(&table, rows),
            Command::Speculate(speculations) => self.speculate(speculations),
            Command::Settle { number, corrections } => self.settle(number, corrections),
            Command::Register { .. } if self.settled < self.speculated => {
                self.waiting.push(command);
                Ok(())
            }
            Command::Register { view, query, reply } => self.register(*view, query, reply),
            Command::Restore { view, query, edges, reply } => {
                self.restore(*view, query, edges)?;
                // Nobody waits any more when the start was given up.
                let _ = reply.send(());
                Ok(())
            }
            Command::Unregister { key, reply } => {
                let done = self.unregister(&key)?;
                let _ = reply.send(done);
                Ok(())
            }
            Command::Expired { key, generation } => {
                if self.views.get(&key).is_some_and(|registered| registered.view.generation == generation) {
                    tracing::info!(view = %key, "the view's time to live has passed");
                    self.unregister(&key)?;
                }
                Ok(())
            }
            Command::Describe(reply) => {
                let views = self.views.len();
                let _ = reply.send(Description { views, size: self.circuit.size(), work: self.circuit.work() });
                Ok(())
            }
        }
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<(), Closed> {
        if changes.is_empty() {
            return Ok(());
        }
        let step = self.circuit.step(changes);
        let edges = self.edges(&step);
        self.order_if_any(edges)
    }

    /// Removes what the engine holds of a table and the database does not.
    fn remove_others(&mut self, table: &str, rows: HashSet<SameRecord>) -> Result<(), Closed> {
        let gone = self.circuit.ids(table).filter(|id| !rows.contains(&SameRecord((*id).clone())));
        let gone: Vec<Change> = gone.map(|id| Change { id: (**id).clone(), version: 0, content: None }).collect();
        self.commit(gone)
    }

    /// Takes in changes that are not known to be committed, and makes their edges wait for the proof.
    fn speculate(&mut self, speculations: Vec<Speculation>) -> Result<(), Closed> {
        let changes: Vec<Change> = speculations
            .into_iter()
            .map(|speculation| {
                let known = self.circuit.record(&speculation.id).map_or(0, |row| row.version);
                let version = speculation.version.unwrap_or(known + 1);
                Change { id: speculation.id, version, content: speculation.content }
            })
            .collect();
        self.speculated += 1;
        let step = self.circuit.step(changes.clone());
        let mut edges = self.edges(&step);
        edges.unconfirmed = changes;
        edges.speculation = Some(self.speculated);
        self.order(Order::Edges(edges))
    }

    fn settle(&mut self, number: u64, corrections: Vec<Change>) -> Result<(), Closed> {
        self.settled = self.settled.max(number);
        let corrections = self.not_outdated(corrections);
        let step = self.circuit.step(corrections);
        let mut edges = self.edges(&step);
        edges.answers = Some(number);
        self.order(Order::Edges(edges))?;
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

    fn register(&mut self, mut view: View, query: Query, reply: oneshot::Sender<Initial>) -> Result<(), Closed> {
        self.generation += 1;
        view.generation = self.generation;
        let view = Arc::new(view);
        let result = self.circuit.register(query.plan.clone());
        let rows = self.circuit.rows(result);
        let mut edges = Edges::default();
        // The result is registered before the former one is given up, so that what both need is kept.
        if let Some(former) = self.views.remove(view.key()) {
            let gone = self.circuit.rows(former.result).into_iter().map(|row| row.id);
            edges.ops.extend(gone.map(|out| EdgeOp { view: former.view.clone(), out, action: Action::Remove }));
            self.circuit.unregister(former.result);
        }
        let added =
            rows.iter().map(|row| EdgeOp { view: view.clone(), out: row.id.clone(), action: Action::Add(row.version) });
        edges.ops.extend(added);
        let digest = self.circuit.digest(result).unwrap_or_default();
        edges.digests.insert(view.key().clone(), (view.clone(), digest));
        let rows = self.project(&query, self.circuit.sort(rows, &query.plan.template));
        self.views.insert(Registered { view: view.clone(), result });
        let (done, written) = oneshot::channel();
        self.order(Order::Register { view: view.clone(), edges, done })?;
        if reply.send(Initial { rows, digest, written }).is_err() {
            // The client has gone away without an answer. It can't know that there is a view, so there is none.
            self.unregister(view.key())?;
        }
        Ok(())
    }

    /// Takes over a view with the edges that the database holds, and orders only what differs.
    fn restore(&mut self, view: View, query: Query, written: Vec<(RecordId, u64)>) -> Result<(), Closed> {
        let view = Arc::new(view);
        let result = self.circuit.register(query.plan.clone());
        let mut stale: HashMap<SameRecord, u64> =
            written.into_iter().map(|(id, version)| (id.into(), version)).collect();
        let mut edges = Edges::default();
        for row in self.circuit.rows(result) {
            let action = match stale.remove(&SameRecord(row.id.clone())) {
                Some(version) if version == row.version => continue,
                Some(_) => Action::Update(row.version),
                None => Action::Add(row.version),
            };
            edges.ops.push(EdgeOp { view: view.clone(), out: row.id, action });
        }
        let gone = stale.into_keys().map(|id| EdgeOp { view: view.clone(), out: id.0, action: Action::Remove });
        edges.ops.extend(gone);
        let digest = self.circuit.digest(result).unwrap_or_default();
        edges.digests.insert(view.key().clone(), (view.clone(), digest));
        self.views.insert(Registered { view, result });
        self.order(Order::Edges(edges))
    }

    fn unregister(&mut self, key: &ViewKey) -> Result<Option<Done>, Closed> {
        let Some(registered) = self.views.remove(key) else { return Ok(None) };
        self.circuit.unregister(registered.result);
        let (done, removed) = oneshot::channel();
        self.order(Order::Unregister { view: registered.view, done })?;
        Ok(Some(removed))
    }

    fn project(&self, query: &Query, rows: Vec<Row>) -> Vec<(Row, Value)> {
        let mut links = self.circuit.links();
        rows.into_iter()
            .map(|row| {
                let selected = query.projection.apply(&row.content, &mut links);
                (row, selected)
            })
            .collect()
    }

    /// The operations on edges that a step means: those of each changed result, for each view that shows it.
    fn edges(&self, step: &Step) -> Edges {
        let mut edges = Edges::default();
        for delta in &step.deltas {
            for view in self.views.showing(delta.result) {
                edges.digests.insert(view.key().clone(), (view.clone(), delta.digest));
                edges.ops.extend(delta.changes.iter().map(|change| EdgeOp {
                    view: view.clone(),
                    out: change.id.clone(),
                    action: match change.kind {
                        ChangeKind::Enter => Action::Add(change.version),
                        ChangeKind::Update => Action::Update(change.version),
                        ChangeKind::Leave => Action::Remove,
                    },
                }));
            }
        }
        edges
    }

    fn order_if_any(&self, edges: Edges) -> Result<(), Closed> {
        if edges.ops.is_empty() && edges.digests.is_empty() {
            return Ok(());
        }
        self.order(Order::Edges(edges))
    }

    fn order(&self, order: Order) -> Result<(), Closed> {
        self.writer.blocking_send(order).map_err(|_| Closed)
    }
}
