//! A life: some time in which everything goes wrong, and then one in which nothing does.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use database::{Database, SchemaOptions};
use protocol::{Names, PoolStatus};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use turmoil::{Builder, Sim};

use crate::cluster::{Ask, Common, SSPS, populate};
use crate::determinism::Clock;
use crate::faults::{Fault, Faults, LATENCY};
use crate::rest;
use crate::storage;
use crate::store::{Engine, Store};
use crate::workload::{self, SCHEMA, View};

/// The time since the epoch when a life begins.
const EPOCH: Duration = Duration::from_secs(1_800_000_000);
const TICK: Duration = Duration::from_millis(2);
/// How long it may take after the last fault until everything is right.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long it then has to stay right: longer than any time-out.
const STAYS: Duration = Duration::from_secs(8);

/// What a life is to be like.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// How long things go wrong.
    pub troubled: Duration,
    /// The log is to lose one of so many events, which no log may do: for those who ask whether it would be noticed.
    pub loses_one_of: Option<u64>,
}

impl Plan {
    /// A usual life.
    pub fn new(seed: u64) -> Plan {
        Plan { seed, troubled: Duration::from_secs(30), loses_one_of: None }
    }
}

/// What a life was like. Two of the same seed are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many transactions were committed.
    pub transactions: usize,
    /// How many views were there at the end.
    pub views: usize,
    /// How often something went wrong.
    pub faults: usize,
    /// How many events the log had, and how many of them were removed.
    pub events: (usize, usize),
    /// How many requests the database carried out.
    pub requests: u64,
    /// How long it took after the last fault until all was right.
    pub recovery: Duration,
}

/// Lives a life, on a thread of its own. A process has one only: SurrealDB's clock is one for the whole process, and never goes
/// back.
///
/// # Errors
/// With what was wrong at its end.
pub fn live(plan: Plan) -> Result<Report, String> {
    let thread = std::thread::Builder::new().name(format!("life-{}", plan.seed)).stack_size(16 << 20);
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let life = move || tracing::dispatcher::with_default(&dispatch, || Life::begin(plan).live());
    let life = thread.spawn(life).map_err(|error| error.to_string())?;
    life.join().unwrap_or_else(|_| Err("somebody has panicked".to_owned()))
}

struct Life {
    plan: Plan,
    random: StdRng,
    clock: Clock,
    sim: Sim<'static>,
    common: Common,
    faults: Faults,
    /// When which of them end.
    endings: BTreeMap<Duration, Vec<Fault>>,
    transactions: usize,
    views: Vec<String>,
}

impl Life {
    fn begin(plan: Plan) -> Life {
        let clock = Clock::new(EPOCH);
        clock.inhabit(plan.seed);
        let engine = Engine::start(clock, !plan.seed);
        let common = Common::new(Store::new(&engine), Store::new(&engine));
        install(&common);
        if let Some(one_of) = plan.loses_one_of {
            common.disk.log().lose(one_of);
        }
        let mut builder = Builder::new();
        builder
            .rng_seed(plan.seed)
            .epoch(SystemTime::UNIX_EPOCH + EPOCH)
            .simulation_duration(Duration::from_secs(86_400))
            .tick_duration(TICK)
            .min_message_latency(Duration::from_micros(200))
            .max_message_latency(LATENCY)
            .tcp_capacity(1 << 16)
            .enable_random_order();
        let mut sim = builder.build();
        populate(&mut sim, &common);
        let random = StdRng::seed_from_u64(plan.seed);
        let (faults, endings) = (Faults::default(), BTreeMap::new());
        Life { plan, random, clock, sim, common, faults, endings, transactions: 0, views: Vec::new() }
    }

    fn live(mut self) -> Result<Report, String> {
        self.go_through_troubles()?;
        let recovery = self.come_to_rest()?;
        let (history, removed) = (self.common.disk.log().history().len(), self.common.disk.log().removed());
        Ok(Report {
            transactions: self.transactions,
            views: self.common.registered().len(),
            faults: self.faults.count,
            events: (history, removed),
            requests: self.common.desk.done(),
            recovery,
        })
    }

    fn go_through_troubles(&mut self) -> Result<(), String> {
        let mut next_write = Duration::ZERO;
        let mut next_ask = Duration::ZERO;
        let mut next_fault = Duration::from_secs(4);
        while self.sim.elapsed() < self.plan.troubled {
            self.step()?;
            let now = self.sim.elapsed();
            if now >= next_write {
                self.write();
                next_write = now + Duration::from_millis(self.random.random_range(5..250));
            }
            if now >= next_ask {
                self.ask();
                next_ask = now + Duration::from_millis(self.random.random_range(50..3_000));
            }
            if now >= next_fault {
                let (fault, lasts) = (Fault::random(&mut self.random), Fault::duration(&mut self.random));
                if self.faults.begin(&mut self.sim, &self.common, fault) {
                    self.endings.entry(now + lasts).or_default().push(fault);
                }
                next_fault = now + Duration::from_millis(self.random.random_range(100..4_000));
            }
        }
        Ok(())
    }

    /// Mends everything, and waits until all is right, and stays so. Answers how long that took.
    fn come_to_rest(&mut self) -> Result<Duration, String> {
        for fault in std::mem::take(&mut self.endings).into_values().flatten() {
            self.faults.end(&mut self.sim, &self.common, fault);
        }
        let mended = self.sim.elapsed();
        let mut right_since = None;
        loop {
            self.common.ask(Ask::Status);
            self.pass(Duration::from_millis(250))?;
            let now = self.sim.elapsed();
            let differing = rest::differing(&self.common);
            if !differing.is_empty() && right_since.is_some() {
                return Err(self.verdict("was right and is wrong again", &differing));
            }
            let wrong = [differing, self.unsettled()].concat();
            if !wrong.is_empty() {
                right_since = None;
                if now - mended > PATIENCE {
                    return Err(self.verdict("is wrong at rest", &wrong));
                }
                continue;
            }
            let since = *right_since.get_or_insert(now);
            if now - since >= STAYS {
                self.look_closely()?;
                return Ok(since - mended);
            }
        }
    }

    /// What is still under way.
    fn unsettled(&self) -> Vec<String> {
        let status = self.common.take_status();
        if !self.common.is_answered() {
            return vec!["the application waits for an answer".to_owned()];
        }
        let is_ready = |status: &PoolStatus| {
            let ready = status.ssps.iter().filter(|ssp| ssp.state == "ready").count();
            ready == SSPS.len() && status.ssps.len() == SSPS.len() && status.unassigned == 0
        };
        if status.as_ref().is_some_and(is_ready) { Vec::new() } else { vec![format!("not all are ready: {status:?}")] }
    }

    fn look_closely(&mut self) -> Result<(), String> {
        SSPS.into_iter().for_each(|ssp| self.common.ask(Ask::Held(ssp)));
        let asked = self.sim.elapsed();
        while !self.common.is_answered() {
            self.step()?;
            if self.sim.elapsed() - asked > PATIENCE {
                return Err(self.verdict("is wrong at rest", &["a sidecar does not say what it keeps".to_owned()]));
            }
        }
        let held = self.common.take_held();
        let mut wrong = rest::misplaced(&self.common, &held);
        wrong.extend(rest::miscounted(&self.common));
        wrong.extend(rest::outdated(&self.common));
        if wrong.is_empty() { Ok(()) } else { Err(self.verdict("is wrong at rest", &wrong)) }
    }

    fn pass(&mut self, time: Duration) -> Result<(), String> {
        let until = self.sim.elapsed() + time;
        while self.sim.elapsed() < until {
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        self.sim.step().map_err(|error| self.verdict("has failed", &[error.to_string()]))?;
        let now = self.sim.elapsed();
        self.clock.set(EPOCH + now);
        while let Some(ending) = self.endings.first_entry().filter(|ending| *ending.key() <= now) {
            for fault in ending.remove() {
                self.faults.end(&mut self.sim, &self.common, fault);
            }
        }
        let failures = self.common.failures();
        if failures.is_empty() { Ok(()) } else { Err(self.verdict("has failed", &failures)) }
    }

    fn write(&mut self) {
        let text = workload::transaction(&mut self.random);
        match self.common.store.try_run(&text) {
            Ok(_) => self.transactions += 1,
            Err(error) => assert!(workload::is_aborted(&text), "{text}: {error}"),
        }
    }

    fn ask(&mut self) {
        let registered = self.common.registered();
        let gone = self.views.iter().position(|view| registered.contains_key(view));
        match gone {
            Some(index) if self.random.random_ratio(1, 5) => {
                self.common.ask(Ask::Unregister(self.views.remove(index)));
            }
            _ => {
                let number = self.views.len() + self.transactions * 100;
                let view = View::random(&mut self.random, number);
                self.views.push(view.id.clone());
                self.common.ask(Ask::Register(view));
            }
        }
    }

    fn verdict(&self, what: &str, wrong: &[String]) -> String {
        let shown: Vec<&str> = wrong.iter().take(5).map(String::as_str).collect();
        format!(
            "the life of seed {} {what} after {:?}, with {} faults; {} wrong:\n{}",
            self.plan.seed,
            self.sim.elapsed(),
            self.faults.count,
            wrong.len(),
            shown.join("\n")
        )
    }
}

/// Installs the schemas, before there is a network.
fn install(common: &Common) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let connector = storage::local(common.store.clone());
        let database = Database::connect_by(connector, storage::place(), Names::default()).await;
        let database = database.expect("it is in this process");
        database.import(SCHEMA).await.expect("the schema applies");
        let options = SchemaOptions::new(Names::default(), "", "");
        database.apply(&options).await.expect("the system schema applies");
    });
}
