//! A network that misbehaves between sidecar and database: delays, a trickle, silence, cut connections. While it does, an
//! application writes; afterwards every view equals what SurrealDB itself answers, and the sidecar has never given up.
//!
//! `SPKY_FAULTS_ROUNDS` and `SPKY_FAULTS_SEED` make it longer and different.

mod support;

#[allow(dead_code, reason = "the oracle uses all of it")]
#[path = "oracle/queries.rs"]
mod queries;
#[allow(dead_code, reason = "the oracle uses all of it")]
#[path = "oracle/writes.rs"]
mod writes;

use std::time::{Duration, Instant};

use database::Capture;
use support::faults::{Fault, Network};
use support::{Random, World, stage};

const SCHEMA: &str = "
    DEFINE TABLE thread SCHEMALESS;
    DEFINE TABLE user SCHEMALESS;
    DEFINE TABLE barrier SCHEMALESS;
";
/// How long a recovered network may take to be found out, with a request that was lost in it.
const RECOVERY: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn views_are_right_after_every_fault_of_the_network() {
    let from_environment = |name: &str, default: u64| -> u64 {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (seed, rounds) = (from_environment("SPKY_FAULTS_SEED", 20_261_122), from_environment("SPKY_FAULTS_ROUNDS", 6));
    let mut random = Random(seed);
    let stage = stage().await;
    let network = Network::to(stage.server.address()).await;
    let throttle = Duration::from_millis(5);
    let mut world = World::start_behind(&stage, network.address, "faults", Capture::Feed, throttle, SCHEMA).await;
    world.settings.database.request_timeout = Duration::from_secs(2);
    let world = world.restart().await.with_barrier().await;
    let queries: Vec<queries::Query> = queries::fixed().into_iter().step_by(4).collect();
    for (number, query) in queries.iter().enumerate() {
        world.register(&format!("q{number}"), &query.surql, &query.params).await;
    }
    let faults =
        [Fault::Latency(Duration::from_millis(60)), Fault::Throttle(20_000), Fault::HalfOpen, Fault::Deaf, Fault::Cut];
    for round in 0..rounds {
        // Each of them at least once, if there are as many rounds.
        let count = faults.len() as u64;
        let fault = faults[(if round < count { round } else { random.below(count) }) as usize];
        let writes = writes::round(&mut random);
        let (before, rest) = writes.split_at(20);
        for write in before {
            write.run(&world).await;
        }
        network.set(fault);
        let started = Instant::now();
        let lasts = Duration::from_millis(500 + random.below(4_000));
        for write in rest {
            write.run(&world).await;
        }
        tokio::time::sleep(lasts.saturating_sub(started.elapsed())).await;
        network.set(Fault::None);
        let what = format!("seed {seed}, round {round}, {fault:?} for {lasts:?}");
        settle(&world, &what).await;
        let (versions, mut edges) = (world.versions().await, world.all_edges().await);
        for (number, query) in queries.iter().enumerate() {
            let shown = edges.remove(&format!("q{number}")).unwrap_or_default();
            let expected = world.oracle(&query.surql, &query.params, &versions).await.expect("an answer");
            assert_eq!(shown, expected, "{what}: {} with {}", query.surql, query.params);
        }
    }
    world.ssp.stop().await.expect("the sidecar stops");
}

/// Waits until a write of our own has arrived, which comes behind all others.
/// Catches a sidecar that has forgotten a view which it could not remove, and then says that it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_could_not_be_removed_is_removed_when_somebody_asks_again() {
    let stage = stage().await;
    let network = Network::to(stage.server.address()).await;
    let throttle = Duration::from_millis(5);
    let mut world = World::start_behind(&stage, network.address, "removed", Capture::Feed, throttle, SCHEMA).await;
    world.settings.database.request_timeout = Duration::from_secs(1);
    world.run("CREATE thread:1 SET n = 1").await;
    let world = world.restart().await;
    world.register("q", "SELECT * FROM thread", "{}").await;
    assert_eq!(world.edges("q").await.len(), 1);
    network.set(Fault::HalfOpen);
    let id = serde_json::json!({ "id": "q" });
    let (status, body) = world.post("/view/unregister", &id).await;
    assert_eq!(status, 502, "{body}");
    network.set(Fault::None);
    let started = Instant::now();
    loop {
        let (status, body) = world.post("/view/unregister", &id).await;
        if status == 200 {
            break;
        }
        assert!(started.elapsed() < RECOVERY, "{status} {body}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.edges("q").await, []);
    let left = world.run("SELECT VALUE record::id(id) FROM _00_query").await;
    assert_eq!(format!("{left:?}"), format!("{:?}", world.run("RETURN []").await));
}

async fn settle(world: &World, what: &str) {
    let started = Instant::now();
    world.run("UPSERT barrier:b SET n = rand::int()").await;
    loop {
        let shown = world.edges("barrier").await;
        let version = world.versions().await.get("barrier:b").copied();
        if shown.iter().map(|(_, version)| *version).max() == version {
            return;
        }
        assert!(started.elapsed() < RECOVERY, "{what}: the write does not arrive");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
