//! The sidecar and its database are killed at random moments, while an application writes: after each recovery every view
//! equals what SurrealDB itself answers.
//!
//! **Fault model.** A process ends at any moment, as by SIGKILL or the kernel's out-of-memory killer: the sidecar, the
//! database, or both, also while they start, while the state is saved, while edges are written. What a process has given to
//! the operating system is kept: the machine itself does not fail. The database is SurrealDB on RocksDB; what it has
//! acknowledged, it holds after its restart.
//!
//! `SPKY_CRASH_ROUNDS` and `SPKY_CRASH_SEED` make it longer and different. A round is a crash with its recovery.

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the soak uses all of it")]
mod machine;
#[allow(dead_code, reason = "the oracle uses all of it")]
#[path = "../oracle/queries.rs"]
mod queries;
#[allow(dead_code, reason = "the oracle uses all of it")]
#[path = "../oracle/writes.rs"]
mod writes;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use machine::Machine;
use queries::Query;
use support::{Application, Random};
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::Client;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const SCHEMA: &str = "
    DEFINE TABLE thread SCHEMALESS;
    DEFINE TABLE user SCHEMALESS;
    DEFINE TABLE barrier SCHEMALESS;
    -- Enough that reading the tables takes a while.
    DEFINE TABLE ballast SCHEMALESS;
    FOR $n IN 0..1500 { CREATE type::record('ballast', $n) SET text = string::repeat('x', 200), n = $n };
";

/// How long it may take until a write arrives: a request that was lost with its connection counts as failed after a minute.
const RECOVERY: Duration = Duration::from_secs(100);

/// How often views are compared until nothing was written meanwhile.
const TRIES: usize = 20;

/// What is killed.
#[derive(Clone, Copy, Debug)]
enum Crash {
    Sidecar,
    /// The sidecar, and once more while it starts.
    SidecarTwice,
    /// The sidecar when nothing has changed for as long as it waits until it saves its state.
    SidecarWhileSaving,
    Database,
    Both,
    /// Both, and the database once more while the sidecar loads.
    BothThenDatabase,
}

const CRASHES: [Crash; 6] = [
    Crash::Sidecar,
    Crash::SidecarTwice,
    Crash::SidecarWhileSaving,
    Crash::Database,
    Crash::Both,
    Crash::BothThenDatabase,
];

#[tokio::test(flavor = "multi_thread")]
async fn views_are_right_after_every_crash() {
    let from_environment = |name: &str, default: u64| -> u64 {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let seed = from_environment("SPKY_CRASH_SEED", 20_261_122);
    let rounds = from_environment("SPKY_CRASH_ROUNDS", 5);
    let mut random = Random(seed);
    let environment = [
        ("SPKY_LOG", "warn,ssp=debug,database=debug"),
        ("SPKY_SSP_QUERY_UPDATE_THROTTLE_MS", "20"),
        // Many pages, so that it is killed between two of them.
        ("SPKY_SSP_BOOTSTRAP_PAGE_SIZE", "20"),
    ];
    let environment = environment.map(|(name, value)| (name, value.to_owned()));
    let (mut machine, application) = Machine::start(SCHEMA, environment.to_vec()).await;
    machine.start_sidecar();
    machine.ready().await;
    let mut views: Vec<(String, Query)> = Vec::new();
    machine.register("barrier", "SELECT * FROM barrier", "{}").await;
    let fixed = queries::fixed().into_iter().enumerate().map(|(number, query)| (format!("q{number}"), query));
    let ballast = Query { surql: "SELECT * FROM ballast WHERE n > 700".to_owned(), params: "{}".to_owned() };
    for (id, query) in fixed.chain([("ballast".to_owned(), ballast)]) {
        machine.register(&id, &query.surql, &query.params).await;
        views.push((id, query));
    }
    let writer = Writer::start(application.client.clone(), seed);
    let mut seen = [0; CRASHES.len()];
    for round in 0..rounds {
        writer.go_on();
        let choice = random.below(CRASHES.len() as u64) as usize;
        seen[choice] += 1;
        sleep(Duration::from_millis(random.below(1_200))).await;
        crash(CRASHES[choice], &mut machine, &writer, &mut random).await;
        // Some more writes meet whoever recovers.
        sleep(Duration::from_millis(random.below(300))).await;
        machine.ready().await;
        let query = queries::random(&mut random);
        let id = format!("r{}", round % 20);
        machine.register(&id, &query.surql, &query.params).await;
        views.retain(|(other, _)| *other != id);
        views.push((id, query));
        writer.pause().await;
        let what = format!("seed {seed}, round {round}, {:?}", CRASHES[choice]);
        if let Err(difference) = compare(&application, &views).await {
            panic!("{what}: {difference}\n{}", machine.log());
        }
        println!("{what}: {} views are right, {} writes", views.len(), writer.written.load(Ordering::SeqCst));
    }
    let statements = writer.written.load(Ordering::SeqCst);
    let crashes: Vec<String> = CRASHES.iter().zip(seen).map(|(crash, count)| format!("{crash:?} {count}")).collect();
    println!("crashes: seed {seed}, {rounds} rounds ({}), {statements} writes, 0 mismatches", crashes.join(", "));
}

async fn crash(crash: Crash, machine: &mut Machine, writer: &Writer, random: &mut Random) {
    match crash {
        Crash::Sidecar => {
            machine.kill_sidecar();
            sleep(Duration::from_millis(random.below(400))).await;
            machine.start_sidecar();
        }
        Crash::SidecarTwice => {
            machine.kill_sidecar();
            machine.start_sidecar();
            sleep(Duration::from_millis(random.below(900))).await;
            machine.kill_sidecar();
            machine.start_sidecar();
        }
        Crash::SidecarWhileSaving => {
            writer.pause().await;
            // The state is saved two seconds after the last change, and what the change does takes some time.
            sleep(Duration::from_millis(1_990 + random.below(60))).await;
            machine.kill_sidecar();
            writer.go_on();
            machine.start_sidecar();
        }
        Crash::Database => {
            machine.kill_database();
            sleep(Duration::from_millis(random.below(1_500))).await;
            machine.start_database().await;
        }
        Crash::Both | Crash::BothThenDatabase => {
            machine.kill_database();
            machine.kill_sidecar();
            machine.start_database().await;
            machine.start_sidecar();
            if matches!(crash, Crash::BothThenDatabase) {
                sleep(Duration::from_millis(random.below(900))).await;
                machine.kill_database();
                machine.start_database().await;
            }
        }
    }
}

/// Compares all views with SurrealDB's own answers, in a moment in which nothing is written: a write that the writer has
/// given up may be waiting for the database and happen much later.
async fn compare(application: &Application, views: &[(String, Query)]) -> Result<(), String> {
    let mut before = settled(application).await;
    for _ in 0..TRIES {
        let compared = compare_once(application, views).await;
        let after = settled(application).await;
        if before == after {
            return compared;
        }
        before = after;
    }
    Err(format!("something was written during each of {TRIES} comparisons, though the writer pauses"))
}

/// The versions of the application's records, once everything that has made them has arrived.
async fn settled(application: &Application) -> HashMap<String, i64> {
    let mut versions = application.versions().await;
    application.quiet_within(RECOVERY).await;
    versions.remove("barrier:b");
    versions
}

async fn compare_once(application: &Application, views: &[(String, Query)]) -> Result<(), String> {
    let (versions, mut edges) = (application.versions().await, application.all_edges().await);
    for (id, query) in views {
        let shown = edges.remove(id).unwrap_or_default();
        let expected = application.oracle(&query.surql, &query.params, &versions).await?;
        if expected != shown {
            let Query { surql, params } = query;
            return Err(format!("{id}: {surql} with {params}\n expected {expected:?}\n shown    {shown:?}"));
        }
    }
    Ok(())
}

/// An application that writes, whatever happens to the database.
struct Writer {
    is_paused: Arc<AtomicBool>,
    is_idle: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Writer {
    fn start(client: Surreal<Client>, seed: u64) -> Writer {
        let [is_paused, is_idle] = [(); 2].map(|()| Arc::new(AtomicBool::new(true)));
        let written = Arc::new(AtomicU64::new(0));
        let (paused, idle, count) = (is_paused.clone(), is_idle.clone(), written.clone());
        let task = tokio::spawn(async move {
            let mut random = Random(seed ^ 0x5bd1_e995);
            loop {
                for write in writes::round(&mut random) {
                    while paused.load(Ordering::SeqCst) {
                        idle.store(true, Ordering::SeqCst);
                        sleep(Duration::from_millis(5)).await;
                    }
                    idle.store(false, Ordering::SeqCst);
                    // Nobody knows of a write that is not answered whether it has happened. The database does.
                    let answered = timeout(Duration::from_secs(2), client.query(write.surql)).await;
                    if matches!(answered, Ok(Ok(_))) {
                        count.fetch_add(1, Ordering::SeqCst);
                    } else {
                        sleep(Duration::from_millis(20)).await;
                    }
                }
            }
        });
        Writer { is_paused, is_idle, written, task }
    }

    fn go_on(&self) {
        self.is_paused.store(false, Ordering::SeqCst);
    }

    /// Returns when nothing is being written any more.
    async fn pause(&self) {
        self.is_idle.store(false, Ordering::SeqCst);
        self.is_paused.store(true, Ordering::SeqCst);
        while !self.is_idle.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
