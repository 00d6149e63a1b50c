//! Whatever fails under jobs at random moments: sidecars and the database, which are killed, and the network between
//! them. There are always two sidecars on one database.
//!
//! Half of the jobs are answered at once, by a backend that is slow, fails and hangs; of the others an [`executor`]
//! calls back, or does not. The database keeps a history of all states. When all is quiet, [`account`] compares it with
//! what calls and callbacks have come to:
//!
//! - every job that was created has reached exactly one final state, by ways that there are;
//! - no job had more attempts than its retries allow, and no attempt was claimed or made twice;
//! - no attempt is lost: of each there is one end, and of each that did not succeed an error;
//! - a callback of the current attempt has its effect once, all others have none.
//!
//! `SPKY_JOBS_ROUNDS` and `SPKY_JOBS_SEED` make it longer and different.

mod account;
mod executor;
#[path = "../../../spky/tests/support/faults.rs"]
mod faults;
mod network;
mod sidecars;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use account::Summary;
use executor::Executor;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sidecars::Sidecars;
use support::{Backend, World};
use tokio::time::sleep;

/// How long an executor may take to call back.
pub const CALLBACK_TIMEOUT: Duration = Duration::from_secs(2);
pub const MAX_RETRIES: u64 = 4;
/// How many jobs of each table are created in a round.
const JOBS: usize = 40;

/// A run of one of the tests.
struct Run {
    name: &'static str,
    seed: u64,
    rounds: usize,
    random: StdRng,
    /// How many jobs of each table there are.
    created: usize,
}

impl Run {
    fn new(name: &'static str, rounds: u64) -> Run {
        let number =
            |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
        let (seed, rounds) = (number("SPKY_JOBS_SEED", 20_261_122), number("SPKY_JOBS_ROUNDS", rounds) as usize);
        Run { name, seed, rounds, random: StdRng::seed_from_u64(seed), created: 0 }
    }

    /// What to say in front of every message.
    fn what(&self) -> String {
        format!("{}, seed {}", self.name, self.seed)
    }

    fn milliseconds(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.random.random_range(0..most))
    }

    /// Creates some jobs.
    async fn create(&mut self, world: &World) {
        const OF_JOBS: [&str; 6] =
            ["/attempt/30", "/flaky/1", "/status/500", "/attempt/400", "/hang_once", "/attempt/2000"];
        const OF_CALLS: [&str; 6] = ["/ok", "/slow/20", "/slow/200", "/ok", "/flaky/1", "/hang_once"];
        for (table, paths) in [("job", OF_JOBS.as_slice()), ("call", OF_CALLS.as_slice())] {
            let job = |id: usize| {
                let path = paths[id % paths.len()];
                format!("{{ id: {id}, path: '{path}', max_retries: {MAX_RETRIES}, retry_strategy: 'linear' }}")
            };
            let jobs: Vec<String> = (self.created..self.created + JOBS).map(job).collect();
            // It may be said twice, when the answer is lost.
            world.insist(&format!("INSERT IGNORE INTO {table} [{}] RETURN NONE", jobs.join(", "))).await;
        }
        self.created += JOBS;
    }

    /// Waits until all jobs have ended and all callbacks have been taken, and compares everything.
    async fn account(&self, world: &World, backend: &Backend, executor: &Executor, mut meanwhile: impl FnMut()) {
        let (what, started) = (self.what(), Instant::now());
        while unfinished(world).await > 0 || !executor.is_idle() {
            let jobs = "SELECT * FROM job, call WHERE finished_at = NONE LIMIT 5";
            assert!(started.elapsed() < 2 * support::LIMIT, "{what}: not done: {:#}", world.insist(jobs).await);
            meanwhile();
            sleep(Duration::from_millis(100)).await;
        }
        let summary = account::check(world, backend, executor, 2 * self.created, &what).await;
        println!("{what}: {} rounds, {summary}", self.rounds);
        // If nothing of this kind has happened, nothing was shown.
        let Summary { overdue, written, stale, superseded, .. } = summary;
        assert!([overdue, written, stale, superseded].iter().all(|count| *count > 0), "{what}: {summary}");
    }
}

async fn unfinished(world: &World) -> u64 {
    let count = world.insist("RETURN count(SELECT 1 FROM job, call WHERE finished_at = NONE)").await;
    count.as_u64().expect("a number")
}

impl Drop for Run {
    fn drop(&mut self) {
        // Not everything that can fail knows the seed.
        if std::thread::panicking() {
            println!("failed: {}", self.what());
        }
    }
}

/// What is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Sidecar,
    Database,
    /// The database, and a sidecar while it is away.
    Both,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_ends_once_when_sidecars_are_killed() {
    let world = World::start(&["job", "call"]).await;
    kills(Run::new("sidecars killed", 4), world, &[Victim::Sidecar]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_ends_once_when_the_database_is_killed() {
    let world = World::start_on_disk(&["job", "call"]).await;
    kills(Run::new("database killed", 4), world, &[Victim::Database, Victim::Both]).await;
}

async fn kills(mut run: Run, mut world: World, victims: &[Victim]) {
    account::keep_history(&world).await;
    let backend = Backend::start().await;
    let mut sidecars = Sidecars::start(2, world.address(), &backend);
    let executor = Executor::start(&backend, run.seed, CALLBACK_TIMEOUT, sidecars.interfaces());
    for round in 0..run.rounds {
        run.create(&world).await;
        let after = run.milliseconds(2_500);
        sleep(after).await;
        let number = run.random.random_range(0..sidecars.count());
        let victim = victims[round % victims.len()];
        match victim {
            Victim::Sidecar => sidecars.kill(number),
            Victim::Database | Victim::Both => {
                world.kill_database();
                sleep(run.milliseconds(700)).await;
                if matches!(victim, Victim::Both) {
                    sidecars.kill(number);
                }
                sleep(run.milliseconds(700)).await;
                world.start_database().await;
            }
        }
        sidecars.revive();
        let (what, created) = (run.what(), 2 * run.created);
        println!("{what}, round {round}: {victim:?} after {after:?}, {} of {created} to do", unfinished(&world).await);
    }
    run.account(&world, &backend, &executor, || sidecars.revive()).await;
}
