//! The writer: what waits in the edge buffer goes into the database, one transaction a window.
//!
//! Orders come in order and are carried out in order. A window begins with the first edge and ends after the throttle,
//! when the buffer is full, or when somebody waits for the result. A transaction that fails is tried again with growing
//! pauses and never dropped; meanwhile orders queue up, and the queue's bound slows the engine and with it the capture.

use std::sync::Arc;
use std::time::Duration;

use circuit::{Change, SameRecord};
use database::{Confirmed, Database, ResultInfo, WriteBatch};
use protocol::{ContentHash, ViewKey};
use std::collections::HashMap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::command::{Command, Edges, EngineSender, Finish, Order};
use crate::edge_buffer::{EdgeBuffer, NetEdge};
use crate::settings::RefMode;
use crate::speculation::Unsettled;
use crate::view::View;

/// As many edges are written in one transaction before the window is over.
const FLUSH_AT: usize = 5_000;
/// The first pause after a failed transaction, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The writer's state. [`Writer::run`] is its task.
pub(crate) struct Writer {
    database: Database,
    ref_mode: RefMode,
    throttle: Duration,
    engine: EngineSender,
    unsettled: mpsc::UnboundedSender<Unsettled>,
    buffer: EdgeBuffer,
    /// Changes that the waiting edges rest on and that are not known to be committed.
    unconfirmed: Vec<Change>,
    speculation: Option<u64>,
    /// When the window that has begun is over.
    deadline: Option<Instant>,
    /// The generation of each view that has been written by this process.
    generations: HashMap<ViewKey, u64>,
    /// The settlement that the engine has to answer before what waits is true.
    held: Option<u64>,
}

impl Writer {
    pub(crate) fn new(
        database: Database,
        ref_mode: RefMode,
        throttle: Duration,
        engine: EngineSender,
        unsettled: mpsc::UnboundedSender<Unsettled>,
    ) -> Self {
        Writer {
            database,
            ref_mode,
            throttle,
            engine,
            unsettled,
            buffer: EdgeBuffer::default(),
            unconfirmed: Vec::new(),
            speculation: None,
            deadline: None,
            generations: HashMap::new(),
            held: None,
        }
    }

    /// Works until the engine is gone, and writes what is left.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            let order = match self.deadline {
                None => orders.recv().await,
                Some(deadline) => match tokio::time::timeout_at(deadline, orders.recv()).await {
                    Ok(order) => order,
                    Err(_) => {
                        self.flush().await;
                        continue;
                    }
                },
            };
            let Some(order) = order else { break };
            self.carry_out(order).await;
            // What has queued up meanwhile belongs to the same window.
            while self.buffer.len() < FLUSH_AT
                && let Ok(order) = orders.try_recv()
            {
                self.carry_out(order).await;
            }
            if self.throttle.is_zero() || self.buffer.len() >= FLUSH_AT {
                self.flush().await;
            }
        }
        self.flush().await;
    }

    async fn carry_out(&mut self, order: Order) {
        match order {
            Order::Edges(edges) => self.take_in(edges),
            Order::Register { view, edges, done } => self.register(view, edges, done).await,
            Order::Unregister { view, done } => {
                self.generations.remove(view.key());
                self.buffer.forget(view.key());
                finish(done, self.database.remove_query(view.key(), &view.edge_table).await);
            }
            Order::Expire => self.expire().await,
            Order::Flush(done) => {
                self.flush().await;
                let _ = done.send(());
            }
        }
    }

    fn take_in(&mut self, edges: Edges) {
        edges.ops.into_iter().for_each(|op| self.buffer.push(op));
        edges.digests.into_values().for_each(|(view, digest)| self.buffer.set_digest(view, digest));
        self.unconfirmed.extend(edges.unconfirmed);
        self.speculation = edges.speculation.or(self.speculation);
        if edges.answers.is_some() && edges.answers == self.held {
            self.held = None;
        }
        if self.deadline.is_none() && self.has_work() {
            self.deadline = Some(Instant::now() + self.throttle);
        }
    }

    fn has_work(&self) -> bool {
        !self.buffer.is_empty() || self.speculation.is_some()
    }

    /// Two requests: the view's row, and its edges together with all that waits.
    async fn register(&mut self, view: Arc<View>, edges: Edges, done: Finish) {
        self.take_in(edges);
        match self.database.register_query(&view.row, self.ref_mode).await {
            Ok(()) => {
                self.generations.insert(view.key().clone(), view.generation);
                self.flush().await;
                finish(done, Ok(()));
            }
            Err(error) => {
                // Whoever asked for the view learns of it and unregisters it again.
                self.buffer.forget(view.key());
                finish(done, Err(error));
            }
        }
    }

    /// Removes expired views. The database decides in one statement whether a view is expired when it is removed, so a sign of
    /// life that comes in between keeps it; and because registrations are written by the same task, none comes in between.
    async fn expire(&self) {
        let expired = match self.database.expire_queries().await {
            Ok(expired) => expired,
            Err(error) => return tracing::warn!(%error, "expired views could not be removed"),
        };
        for key in expired {
            let generation = self.generations.get(&key).copied().unwrap_or_default();
            self.tell(Command::Expired { key, generation });
        }
    }

    /// Writes all that waits, however often it takes.
    async fn flush(&mut self) {
        self.deadline = None;
        if self.held.is_some() || !self.has_work() {
            return;
        }
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        let speculation = self.speculation.take();
        let buffer = std::mem::take(&mut self.buffer);
        let batch = self.batch(&buffer);
        let confirmed = self.write(&batch, &unconfirmed).await;
        let Some(number) = speculation else { return };
        if !confirmed.is_written {
            // The edges go back and wait until the engine has taken off them what was not true.
            self.buffer = buffer;
            self.held = Some(number);
            self.look_again_later(&unconfirmed, &confirmed.current);
        }
        // Also where all is as expected: SurrealDB's `==`, by which it is, takes 1 for 1.0.
        self.settle(number, confirmed.current);
    }

    /// Writes a batch, however often it takes. Where it rests on speculation, only if that is what the database holds.
    async fn write(&self, batch: &WriteBatch, unconfirmed: &[Change]) -> Confirmed {
        let mut pause = FIRST_PAUSE;
        loop {
            let outcome = match unconfirmed {
                [] => self.database.write(batch).await.map(|()| Confirmed { is_written: true, current: Vec::new() }),
                unconfirmed => self.database.confirm(unconfirmed, batch).await,
            };
            let error = match outcome {
                Ok(confirmed) => return confirmed,
                Err(error) => error,
            };
            tracing::warn!(%error, rows = batch.len(), "results could not be written, trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Tells the engine how a speculation ended.
    fn settle(&self, number: u64, corrections: Vec<Change>) {
        self.tell(Command::Settle { number, corrections });
    }

    /// Sends a message to the engine. From a task of its own: the engine may be waiting for room in the queue of orders, and
    /// must not be waited for.
    fn tell(&self, command: Command) {
        let engine = self.engine.clone();
        tokio::spawn(async move {
            // A closed engine means that the service is stopping.
            let _ = engine.send(command).await;
        });
    }

    /// Hands on the changes that are not visible yet: their transactions may still commit.
    fn look_again_later(&self, unconfirmed: &[Change], current: &[Change]) {
        let current: HashMap<SameRecord, &Change> =
            current.iter().map(|change| (change.id.clone().into(), change)).collect();
        for change in unconfirmed {
            let unsettled = Unsettled::new(change);
            if current.get(&change.id.clone().into()).is_some_and(|visible| !unsettled.is_settled_by(visible)) {
                // Nobody listens any more when the service is stopping.
                let _ = self.unsettled.send(unsettled);
            }
        }
    }

    fn batch(&self, buffer: &EdgeBuffer) -> WriteBatch {
        let mut batch = WriteBatch::default();
        for NetEdge { view, out, version } in buffer.edges() {
            match version {
                Some(version) => batch.puts.push(view.edge(out, version)),
                None => batch.removes.push(view.edge_id(out)),
            }
        }
        batch.results.extend(buffer.digests().map(|(view, digest)| ResultInfo {
            query: view.key().clone(),
            hash: ContentHash::from(digest.hash),
            row_count: digest.rows,
            result: None,
        }));
        batch
    }
}

fn finish(done: Finish, outcome: Result<(), database::Error>) {
    // Who does not wait for the outcome does not need it.
    let _ = done.send(outcome);
}

/// Asks the writer to write everything that waits, and waits for it.
pub(crate) async fn flush(writer: &mpsc::Sender<Order>) {
    let (done, flushed) = oneshot::channel();
    if writer.send(Order::Flush(done)).await.is_ok() {
        let _ = flushed.await;
    }
}
