//! What the service counts while it works, and what it looks up when somebody asks.
//!
//! Counting happens once a batch, a transaction or a request, never once a row. What the engine holds is asked of it,
//! as everything is, by a message: before each scrape, and now and then where a collector is told without asking.
//! No label has values that clients choose.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use circuit::Statistics;
use database::Database;
use serving::{Status, Traffic};
use telemetry::{Counter, Histogram, KeyValue, Meter};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::command::{Command, Description, EngineSender, WriterSender};

/// How long a scrape waits for the engine to describe itself. What it said last counts for longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the engine is asked for the sake of a collector.
const INTERVAL: Duration = Duration::from_secs(15);

/// The upper bounds of what takes microseconds to seconds, in seconds.
const FAST: [f64; 12] = [0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
/// The upper bounds of what takes milliseconds to a minute, in seconds.
const SLOW: [f64; 12] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

/// The instruments of the service, shared by its parts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Instruments>);

#[derive(Debug)]
struct Instruments {
    captured: Counter<u64>,
    capture_lag: Histogram<f64>,
    received: Counter<u64>,
    effective: Counter<u64>,
    batches: Counter<u64>,
    steps: Histogram<f64>,
    edges_written: Counter<u64>,
    edges_removed: Counter<u64>,
    transactions: Histogram<f64>,
    retries: Counter<u64>,
    registrations: Counter<u64>,
    traffic: Traffic,
    /// What the engine said last of itself. Held for as long as it takes to copy it.
    described: Arc<Mutex<Option<Description>>>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, help: &'static str| meter.u64_counter(name).with_description(help).build();
        let duration = |name: &'static str, help: &'static str, bounds: &[f64]| {
            meter.f64_histogram(name).with_description(help).with_unit("s").with_boundaries(bounds.to_vec()).build()
        };
        Metrics(Arc::new(Instruments {
            captured: counter("spky.changes.captured", "Changes that came from the changefeed or by /ingest"),
            capture_lag: duration(
                "spky.capture.lag",
                "From the commit of a change to its capture, by the clocks of database and service",
                &SLOW,
            ),
            received: counter("spky.changes.received", "Changes that the engine was given"),
            effective: counter("spky.changes.effective", "Changes that changed something, reduced to their net effect"),
            batches: counter("spky.engine.batches", "Batches of messages that the engine worked off"),
            steps: duration("spky.step.duration", "What a step of the engine takes", &FAST),
            edges_written: counter("spky.edges.written", "Edges created or brought up to date"),
            edges_removed: counter("spky.edges.removed", "Edges removed one by one, not with their view"),
            transactions: duration("spky.transaction.duration", "What writing results takes, by its outcome", &SLOW),
            retries: counter("spky.transaction.retries", "Writings of results that were tried again"),
            registrations: counter("spky.registrations", "Views registered, refreshed or replaced by clients"),
            traffic: Traffic::new(meter),
            described: Arc::default(),
        }))
    }

    /// Changes came from a source; the oldest of them was committed at that time, if that is known.
    pub(crate) fn captured(&self, source: &'static str, changes: usize, committed: Option<SystemTime>) {
        self.0.captured.add(changes as u64, &[KeyValue::new("source", source)]);
        if let Some(committed) = committed {
            // Clocks of two machines may differ by more than the lag.
            let lag = SystemTime::now().duration_since(committed).unwrap_or_default();
            self.0.capture_lag.record(lag.as_secs_f64(), &[]);
        }
    }

    pub(crate) fn batch(&self) {
        self.0.batches.add(1, &[]);
    }

    pub(crate) fn step(&self, statistics: &Statistics, duration: Duration) {
        self.0.received.add(statistics.received as u64, &[]);
        self.0.effective.add(statistics.effective as u64, &[]);
        self.0.steps.record(duration.as_secs_f64(), &[]);
    }

    /// A transaction has been tried.
    pub(crate) fn transaction(&self, outcome: &'static str, duration: Duration) {
        self.0.transactions.record(duration.as_secs_f64(), &[KeyValue::new("outcome", outcome)]);
    }

    pub(crate) fn edges(&self, written: usize, removed: usize) {
        self.0.edges_written.add(written as u64, &[]);
        self.0.edges_removed.add(removed as u64, &[]);
    }

    pub(crate) fn retry(&self) {
        self.0.retries.add(1, &[]);
    }

    pub(crate) fn registration(&self) {
        self.0.registrations.add(1, &[]);
    }

    /// Counts requests and connections.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.0.traffic
    }

    /// Asks the engine what it holds. That it has no time or is gone, is no error: what it said last still counts.
    pub(crate) async fn refresh(&self, engine: &EngineSender) {
        let (reply, description) = oneshot::channel();
        let asked = async {
            engine.send(Command::Describe(reply)).await.ok()?;
            description.await.ok()
        };
        if let Ok(Some(description)) = tokio::time::timeout(PATIENCE, asked).await {
            *self.0.described.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(description);
        }
    }

    /// Observes what nobody counts: what the engine holds, the lengths of the queues, the database's own counts.
    pub(crate) fn observe(
        &self,
        meter: &Meter,
        status: Status,
        database: Database,
        engine: &EngineSender,
        writer: &WriterSender,
    ) {
        let is_ready = move || u64::from(status.is_ready());
        gauge(meter, "spky.ready", "Whether the service is ready", move || Some(is_ready()));
        // Who watches a queue must not keep it open.
        let (engine, writer) = (engine.downgrade(), writer.downgrade());
        gauge(meter, "spky.engine.queue.length", "Messages that wait for the engine", move || length(&engine));
        gauge(meter, "spky.writer.queue.length", "Orders that wait for the writer", move || length(&writer));

        let of_requests = database.clone();
        counted(meter, "spky.database.requests", "Round trips to the database", move || Some(of_requests.requests()));
        counted(
            meter,
            "spky.transaction.conflicts",
            "Transactions that lost against a concurrent one and were tried again",
            move || Some(database.conflicts()),
        );
        self.observe_engine(meter);
    }

    fn observe_engine(&self, meter: &Meter) {
        let gauges: [(&'static str, &'static str, Look<usize>); 9] = [
            ("spky.views", "Registered views", |held| held.views),
            ("spky.templates", "Queries that differ in more than their values", |held| held.size.templates),
            ("spky.bindings", "Templates with values, each shared by the views that have the same", |held| {
                held.size.bindings
            }),
            ("spky.results", "Results that are kept up to date", |held| held.size.results),
            ("spky.tables", "Tables that are held", |held| held.size.tables),
            ("spky.rows", "Rows that are held", |held| held.size.rows),
            ("spky.arrangements", "Indexes over rows", |held| held.size.arrangements),
            ("spky.attachments", "Rows with subqueries under them", |held| held.size.attachments),
            (
                "spky.unindexed.views",
                "Views, equal ones counted once, that every change of their table has to try",
                |held| held.size.unindexed_bindings,
            ),
        ];
        for (name, help, look) in gauges {
            let described = self.0.described.clone();
            gauge(meter, name, help, move || last(&described).map(|held| look(&held) as u64));
        }
        let work: [(&'static str, &'static str, Look<u64>); 2] = [
            ("spky.rows.examined", "Rows whose columns were computed", |held| held.work.rows_examined),
            ("spky.bindings.probed", "Bindings that a row was checked against", |held| held.work.bindings_probed),
        ];
        for (name, help, look) in work {
            let described = self.0.described.clone();
            counted(meter, name, help, move || last(&described).map(|held| look(&held)));
        }
    }
}

/// What is looked up in the engine's description of itself.
type Look<T> = fn(&Description) -> T;

/// Asks the engine for the sake of a collector, until it is gone.
pub(crate) async fn keep_fresh(metrics: Metrics, engine: EngineSender) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !engine.is_closed() {
        ticks.tick().await;
        metrics.refresh(&engine).await;
    }
}

fn last(described: &Mutex<Option<Description>>) -> Option<Description> {
    described.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
}

fn length<T>(queue: &mpsc::WeakSender<T>) -> Option<u64> {
    let queue = queue.upgrade()?;
    Some((queue.max_capacity() - queue.capacity()) as u64)
}

fn gauge(
    meter: &Meter,
    name: &'static str,
    help: &'static str,
    look: impl Fn() -> Option<u64> + Send + Sync + 'static,
) {
    let gauge = meter.u64_observable_gauge(name).with_description(help);
    gauge.with_callback(move |gauge| look().into_iter().for_each(|value| gauge.observe(value, &[]))).build();
}

fn counted(
    meter: &Meter,
    name: &'static str,
    help: &'static str,
    look: impl Fn() -> Option<u64> + Send + Sync + 'static,
) {
    let counter = meter.u64_observable_counter(name).with_description(help);
    counter.with_callback(move |counter| look().into_iter().for_each(|value| counter.observe(value, &[]))).build();
}
