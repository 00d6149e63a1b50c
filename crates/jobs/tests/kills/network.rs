//! A network that misbehaves between runners and their database, for each runner in its own way, and often for longer
//! than a lease. What it holds back arrives later, also what nobody waits for any more.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use jobs::{Guard, Mode, Settings};
use rand::Rng;
use tokio::time::sleep;

use crate::faults::{Fault, Network};
use crate::support::{self, Backend, Running, World, connect, of_table, run_with_spi};
use crate::{CALLBACK_TIMEOUT, Executor, Run, account, unfinished};

/// How long a runner counts as alive.
const LEASE: Duration = Duration::from_secs(3);
/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a runner may take to find out that the network is well again.
const RECOVERY: Duration = Duration::from_secs(30);
const TABLES: [&str; 2] = ["own0", "own1"];

/// A runner behind a network of its own, with a table of its own.
struct Behind {
    network: Network,
    runner: Running,
    interface: String,
}

impl Behind {
    async fn start(database: SocketAddr, table: &str, backend: &Backend) -> Behind {
        let network = Network::to(database).await;
        let job = jobs::Backend { timeout: Duration::from_secs(3), concurrency: 8, ..of_table("job", backend) };
        let call = jobs::Backend {
            mode: Mode::Callback,
            timeout: CALLBACK_TIMEOUT,
            concurrency: 8,
            ..of_table("call", backend)
        };
        let own = of_table(table, backend);
        let settings = Settings { lease: LEASE, ..Settings::new(vec![job, call, own]) };
        let rate = NonZeroU32::new(100_000).expect("not zero");
        let guard = Guard::new(vec!["127.0.0.0/8".parse().expect("a network")], Vec::new(), rate);
        let database = connect(network.address, Some(REQUEST_TIMEOUT)).await;
        let (runner, interface) = run_with_spi(settings, database, guard).await;
        Behind { network, runner, interface }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_ends_once_whatever_the_network_does() {
    let mut run = Run::new("network", 5);
    let world = World::start(&["job", "call", TABLES[0], TABLES[1]]).await;
    account::keep_history(&world).await;
    let backend = Backend::start().await;
    let behind = [
        Behind::start(world.address(), TABLES[0], &backend).await,
        Behind::start(world.address(), TABLES[1], &backend).await,
    ];
    let interfaces = behind.iter().map(|behind| behind.interface.clone()).collect();
    let executor = Executor::start(&backend, run.seed, CALLBACK_TIMEOUT, interfaces);
    let faults =
        [Fault::Cut, Fault::HalfOpen, Fault::Deaf, Fault::Latency(Duration::from_millis(300)), Fault::Throttle(5_000)];
    for round in 0..run.rounds {
        run.create(&world).await;
        sleep(run.milliseconds(500)).await;
        // Each of them at least once, if there are as many rounds.
        let first = faults[round % faults.len()];
        let second = if run.random.random() { Fault::None } else { faults[run.random.random_range(0..faults.len())] };
        let set = if run.random.random() { [first, second] } else { [second, first] };
        let lasts = Duration::from_millis(500) + run.milliseconds(4_000);
        behind.iter().zip(set).for_each(|(behind, fault)| behind.network.set(fault));
        sleep(lasts).await;
        behind.iter().for_each(|behind| behind.network.set(Fault::None));
        let what = format!("{}, round {round}: {set:?} for {lasts:?}", run.what());
        let recovery = recover(&world, round, &what).await;
        let to_do = unfinished(&world).await;
        println!("{what}, both at work after {recovery:?}, {to_do} of {} to do", 2 * run.created);
    }
    run.account(&world, &backend, &executor, || {}).await;
    for behind in behind {
        tokio::time::timeout(support::LIMIT, behind.runner.stop()).await.expect("it stops in good order");
    }
}

/// Waits until each runner has run a job that nobody else can run.
async fn recover(world: &World, round: usize, what: &str) -> Duration {
    let started = Instant::now();
    for table in TABLES {
        world.insist(&format!("INSERT IGNORE INTO {table} {{ id: {round}, path: '/ok' }} RETURN NONE")).await;
    }
    let succeeded =
        format!("RETURN [{}] = ['success', 'success']", TABLES.map(|t| format!("{t}:{round}.status")).join(", "));
    while world.insist(&succeeded).await != true {
        assert!(started.elapsed() < RECOVERY, "{what}: a runner does not recover");
        sleep(Duration::from_millis(20)).await;
    }
    started.elapsed()
}
