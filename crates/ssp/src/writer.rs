//! The writer: what waits in the edge buffer goes into the database, one transaction a window.
//!
//! Orders come in order and are carried out in order. A window begins with the first edge and ends after the throttle,
//! when the buffer is full, or when somebody waits for the result. A transaction that fails is tried again with growing
//! pauses and never dropped; meanwhile orders queue up, and the queue's bound slows the engine and with it the capture.
//! Where the database refuses what one view has to write, that is noted on this view's record, and others go on.

use std::sync::Arc;
use std::time::Duration;

use circuit::{Change, SameRecord};
use database::{Confirmed, Database, Error, QueryRow, ResultInfo, WriteBatch};
use protocol::ViewKey;
use std::collections::HashMap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::Instrument;

use crate::batch::{Buffers, batch, parts};
use crate::command::{Command, Edges, EngineSender, Finish, Order};
use crate::events::Events;
use crate::lanes::Lanes;
use crate::metrics::Metrics;
use crate::permit::Permit;
use crate::publication::publish;
use crate::settings::{RefMode, Settings};
use crate::speculation::{Open, Unsettled};
use crate::user::is_gone;
use crate::view::View;

/// The first pause after a failed transaction, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often it is looked whether the sidecar has an epoch again.
const UNBLOCKED_PAUSE: Duration = Duration::from_millis(50);

/// How many registrations are written with one request.
const REGISTERED_AT_ONCE: usize = 100;

/// The writer's state. [`Writer::run`] is its task.
pub(crate) struct Writer {
    database: Database,
    ref_mode: RefMode,
    throttle: Duration,
    engine: EngineSender,
    open: Open,
    events: Events,
    lanes: Lanes,
    /// Changes that what waits rests on and that are not known to be committed.
    unconfirmed: Vec<Change>,
    speculation: Option<u64>,
    /// When they are to be confirmed, whatever waits.
    confirm_by: Option<Instant>,
    /// The generation of each view that has been written by this process.
    generations: HashMap<ViewKey, u64>,
    /// The settlement that the engine has to answer before what waits is true.
    held: Option<u64>,
    permit: Permit,
    /// Registrations that are taken in and not written yet.
    enrolled: Vec<(Arc<View>, Finish)>,
    metrics: Metrics,
}

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flush {
    /// What is due.
    Due,
    Everything,
}

impl Writer {
    pub(crate) fn new(
        database: Database,
        settings: &Settings,
        engine: EngineSender,
        open: Open,
        events: Events,
        permit: Permit,
        metrics: Metrics,
    ) -> Self {
        Writer {
            database,
            ref_mode: settings.ref_mode,
            throttle: settings.throttle,
            engine,
            open,
            events,
            lanes: Lanes::default(),
            unconfirmed: Vec::new(),
            speculation: None,
            confirm_by: None,
            generations: HashMap::new(),
            held: None,
            permit,
            enrolled: Vec::new(),
            metrics,
        }
    }

    /// Works until the engine is gone, and writes what is left.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            let order = match self.deadline() {
                None => orders.recv().await,
                Some(deadline) => match tokio::time::timeout_at(deadline, orders.recv()).await {
                    Ok(order) => order,
                    Err(_) => {
                        self.flush(Flush::Due).await;
                        continue;
                    }
                },
            };
            let Some(order) = order else { break };
            self.carry_out(order).await;
            // What has queued up meanwhile belongs to the same window.
            while !self.lanes.is_full()
                && self.enrolled.len() < REGISTERED_AT_ONCE
                && let Ok(order) = orders.try_recv()
            {
                self.carry_out(order).await;
            }
            self.register().await;
            if self.lanes.is_full() || self.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
                self.flush(Flush::Due).await;
            }
        }
        self.flush(Flush::Everything).await;
    }

    /// When something has to be written. While the engine has to put right what waits, nothing has.
    fn deadline(&mut self) -> Option<Instant> {
        if self.held.is_some() {
            return None;
        }
        if self.permit.is_over() {
            return Some(Instant::now() + UNBLOCKED_PAUSE);
        }
        [self.lanes.next_deadline(), self.confirm_by].into_iter().flatten().min()
    }

    async fn carry_out(&mut self, order: Order) {
        if !matches!(order, Order::Edges(_) | Order::Register { .. }) {
            // What comes later finds it written.
            self.register().await;
        }
        match order {
            Order::Edges(edges) => self.take_in(edges),
            Order::Register { view, edges, done } => self.enroll(view, edges, done).await,
            Order::Write { view, edges, done } => {
                self.take_in(edges);
                let mut refused = self.flush(Flush::Everything).await;
                let outcome = match refused.remove(view.key()) {
                    Some(error) => Err(error),
                    None if self.permit.is_over() => Err(Error::Fenced { action: "writing what a view shows" }),
                    None => Ok(()),
                };
                finish(done, outcome);
            }
            Order::Unregister { key, edge_table, done } => {
                self.forget(&key);
                let removed = self.remove(&key, edge_table).await;
                self.permit.end_if_fenced(&removed);
                finish(done, removed);
            }
            Order::Follow { key, done } => {
                self.flush(Flush::Everything).await;
                // Whoever asked may have gone away.
                let _ = done.send(self.events.follow(&key));
            }
            Order::LookForUser { user, generation } => {
                let is_gone = is_gone(&self.database, &user.0).await;
                self.tell(Command::UserDeleted { user, is_gone, generation });
            }
            Order::DropUser(user) => {
                if self.ref_mode == RefMode::Dedicated
                    && let Err(error) = self.database.drop_user_table(&user).await
                {
                    tracing::warn!(%error, "a table of edges whose user is gone could not be removed");
                }
            }
            Order::Clear(done) => {
                self.generations.clear();
                self.lanes = Lanes::default();
                self.events.end_all();
                finish(done, self.database.remove_queries().await);
            }
            Order::Release { keys, done } => {
                self.flush(Flush::Everything).await;
                for key in &keys {
                    self.forget(key);
                }
                // Whoever asked may have gone away.
                let _ = done.send(());
            }
            Order::Keep { views, done } => {
                self.generations.retain(|key, _| views.contains(key));
                self.lanes.keep(|key| views.contains(key));
                self.events.keep(|key| views.contains(key));
                let _ = done.send(());
            }
            Order::Expire(keys) => self.expire(&keys).await,
            Order::Flush(done) => {
                self.flush(Flush::Everything).await;
                let _ = done.send(());
            }
        }
    }

    /// Removes what is stored of a view.
    async fn remove(&self, key: &ViewKey, edge_table: Option<Arc<str>>) -> Result<(), Error> {
        match edge_table {
            Some(edge_table) => self.database.remove_query(key, &edge_table).await,
            None => self.database.find_and_remove_query(key, self.ref_mode).await,
        }
    }

    /// Writes nothing more of a view.
    fn forget(&mut self, key: &ViewKey) {
        self.generations.remove(key);
        self.lanes.forget(key);
        self.events.end(key);
    }

    fn take_in(&mut self, mut edges: Edges) {
        self.lanes.take_in(&mut edges, Instant::now());
        self.unconfirmed.extend(edges.unconfirmed);
        if edges.speculation.is_some() {
            self.speculation = edges.speculation;
            self.confirm_by = self.confirm_by.or(Some(Instant::now() + self.throttle));
        }
        if edges.answers.is_some() && edges.answers == self.held {
            self.held = None;
        }
    }

    /// Takes a registration in. It is written with those that queue up meanwhile.
    async fn enroll(&mut self, view: Arc<View>, edges: Edges, done: Finish) {
        if self.enrolled.iter().any(|(other, _)| other.key() == view.key()) {
            self.register().await;
        }
        if self.lanes.is_elsewhere(view.key(), view.interval) {
            // It was registered with another frequency. What waits there comes first.
            self.register().await;
            self.flush(Flush::Everything).await;
        }
        self.take_in(edges);
        self.enrolled.push((view, done));
    }

    /// Writes the registrations that were taken in. Two requests: the views' rows, and their edges together with all that
    /// waits.
    async fn register(&mut self) {
        let enrolled = std::mem::take(&mut self.enrolled);
        if enrolled.is_empty() {
            return;
        }
        let mut failed = self.register_rows(&enrolled).await;
        for (view, _) in &enrolled {
            if failed.contains_key(view.key()) {
                // Whoever asked for the view learns of it and unregisters it again.
                self.lanes.forget(view.key());
            } else {
                self.generations.insert(view.key().clone(), view.generation);
            }
        }
        failed.extend(self.flush(Flush::Everything).await);
        if self.permit.is_over() {
            for (view, _) in &enrolled {
                failed.entry(view.key().clone()).or_insert(Error::Fenced { action: "registering views" });
            }
        }
        for (view, done) in enrolled {
            finish(done, failed.remove(view.key()).map_or(Ok(()), Err));
        }
    }

    /// Answers the views whose rows could not be written. What is wrong with one of them is not the fault of the others.
    async fn register_rows(&mut self, enrolled: &[(Arc<View>, Finish)]) -> HashMap<ViewKey, Error> {
        let rows: Vec<&QueryRow> = enrolled.iter().map(|(view, _)| &view.row).collect();
        let outcome = self.database.register_queries(&rows, self.ref_mode).await;
        self.permit.end_if_fenced(&outcome);
        let Err(error) = outcome else { return HashMap::new() };
        if let [row] = rows[..] {
            return HashMap::from([(row.key.clone(), error)]);
        }
        tracing::warn!(%error, views = rows.len(), "views could not be registered together, trying each");
        let mut failed = HashMap::new();
        for row in rows {
            if let Err(error) = self.database.register_query(row, self.ref_mode).await {
                failed.insert(row.key.clone(), error);
            }
        }
        failed
    }

    /// Removes expired views. The database decides in one statement whether a view is expired when it is removed, so a sign of
    /// life that comes in between keeps it; and because registrations are written by the same task, none comes in between.
    async fn expire(&mut self, keys: &[ViewKey]) {
        let expired = self.database.expire_queries(keys).await;
        self.permit.end_if_fenced(&expired);
        let expired = match expired {
            Ok(expired) => expired,
            Err(error) => return tracing::warn!(%error, "expired views could not be removed"),
        };
        for key in expired {
            self.events.end(&key);
            let generation = self.generations.get(&key).copied().unwrap_or_default();
            self.tell(Command::Expired { key, generation });
        }
    }

    /// Writes what waits, however often it takes. Answers the views whose part the database refuses.
    async fn flush(&mut self, which: Flush) -> HashMap<ViewKey, Error> {
        let mut refused = HashMap::new();
        if self.held.is_some() || self.permit.is_over() {
            return refused;
        }
        let mut buffers = match which {
            Flush::Due => self.lanes.take_due(Instant::now()),
            Flush::Everything => self.lanes.take_all(),
        };
        if buffers.is_empty() && self.speculation.is_none() {
            return refused;
        }
        // What waits longer rests on these as well, and on nothing that is not confirmed when it is written.
        self.confirm_by = None;
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        let speculation = self.speculation.take();
        let confirmed = match self.write(&mut buffers, &unconfirmed, &mut refused).await {
            Some(confirmed) => confirmed,
            None => {
                self.permit.end();
                self.lanes.put_back(buffers, Instant::now());
                return refused;
            }
        };
        for key in refused.keys() {
            self.events.end(key);
            self.tell(Command::Damaged(key.clone()));
        }
        if confirmed.is_written && !self.events.is_idle() {
            publish(&self.events, &buffers);
        }
        let Some(number) = speculation else { return refused };
        if !confirmed.is_written {
            // The edges go back and wait until the engine has taken off them what was not true.
            self.lanes.put_back(buffers, Instant::now());
            self.held = Some(number);
            self.look_again_later(&unconfirmed, &confirmed.current);
        }
        // Also where all is as expected: SurrealDB's `==`, by which it is, takes 1 for 1.0.
        self.settle(number, confirmed.current);
        refused
    }

    /// Writes what waits, however often it takes. Where it rests on speculation, only if that is what the database holds. Nothing
    /// is answered, and nothing written, if the epoch of this sidecar is over.
    async fn write(
        &self,
        buffers: &mut Buffers,
        unconfirmed: &[Change],
        refused: &mut HashMap<ViewKey, Error>,
    ) -> Option<Confirmed> {
        let mut pause = FIRST_PAUSE;
        let whole = batch(buffers);
        loop {
            let mut outcome = self.write_if_confirmed(&whole, unconfirmed).await;
            if outcome.is_err() {
                // Some of it may be written: of several transactions the first ones, or all if it is the answer that was lost.
                buffers.iter_mut().for_each(|(_, buffer)| buffer.may_be_written());
            }
            if let Err(Error::Fenced { .. }) = outcome {
                return None;
            }
            if let Err(error) = &outcome
                && !error.is_retryable()
            {
                tracing::warn!(%error, rows = whole.len(), "results could not be written together, trying each view");
                outcome = self.write_apart(buffers, unconfirmed, refused).await;
            }
            let error = match outcome {
                Ok(confirmed) => return Some(confirmed),
                Err(Error::Fenced { .. }) => return None,
                Err(error) => error,
            };
            self.metrics.retry();
            tracing::warn!(%error, rows = whole.len(), "results could not be written, trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn write_if_confirmed(&self, batch: &WriteBatch, unconfirmed: &[Change]) -> Result<Confirmed, Error> {
        let started = Instant::now();
        let span = tracing::debug_span!("transaction", rows = batch.len(), announced = unconfirmed.len());
        let writing = async {
            if unconfirmed.is_empty() {
                self.database.write(batch).await?;
                return Ok(Confirmed { is_written: true, current: Vec::new() });
            }
            self.database.confirm(unconfirmed, batch).await
        };
        let outcome = writing.instrument(span).await;
        let outcome_name = match &outcome {
            Ok(confirmed) if confirmed.is_written => {
                self.metrics.edges(batch.puts.len() + batch.updates.len(), batch.removes.len());
                "written"
            }
            Ok(_) => "unconfirmed",
            Err(_) => "failed",
        };
        self.metrics.transaction(outcome_name, started.elapsed());
        outcome
    }

    /// Writes the part of each view by itself. A view whose part is refused gets an error noted instead.
    ///
    /// # Errors
    /// What may pass, and what concerns more than one view: that not even a note can be written.
    async fn write_apart(
        &self,
        buffers: &Buffers,
        unconfirmed: &[Change],
        refused: &mut HashMap<ViewKey, Error>,
    ) -> Result<Confirmed, Error> {
        // What is committed stays so: the parts may follow in transactions of their own.
        let confirmed = self.write_if_confirmed(&WriteBatch::default(), unconfirmed).await?;
        if !confirmed.is_written {
            return Ok(confirmed);
        }
        for (key, part) in parts(buffers) {
            match self.write_if_confirmed(&part, &[]).await {
                Ok(_) => {}
                Err(error) if error.is_retryable() || matches!(error, Error::Fenced { .. }) => return Err(error),
                Err(error) => {
                    tracing::error!(view = %key, %error, "the result of a view can't be written");
                    let error_text = Some(error.to_string());
                    let note =
                        ResultInfo { query: key.clone(), hash: None, row_count: 0, result: None, error: error_text };
                    self.database.write(&WriteBatch { results: vec![note], ..WriteBatch::default() }).await?;
                    refused.insert(key, error);
                }
            }
        }
        Ok(confirmed)
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
                self.open.add(&change.id, unsettled);
            }
        }
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
