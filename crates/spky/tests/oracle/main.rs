//! The oracle: after any writes, every view's edges are what SurrealDB itself answers to the view's query.
//!
//! Real parts only: the embedded server in a process of its own, the sidecar with its HTTP interface, a plain client
//! that writes. Everything that is random comes from a seed; a mismatch is shrunk to the fewest writes that show it,
//! and printed so that it can be added to the regressions below.
//!
//! `SPKY_ORACLE_ROUNDS` and `SPKY_ORACLE_SEED` make it longer and different.

#[path = "../support/mod.rs"]
mod support;

mod queries;
mod regressions;
mod shrink;
mod writes;

use std::time::{Duration, Instant};

use database::Capture;
use queries::Query;
use support::{Random, World, stage};

/// What the tables look like: no types enforced, so that every field may hold anything.
const SCHEMA: &str = "
    DEFINE TABLE thread SCHEMALESS;
    DEFINE TABLE user SCHEMALESS;
    DEFINE TABLE barrier SCHEMALESS;
";

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_equals_surrealdbs_own_answer_by_feed() {
    compare(Capture::Feed, from_environment("SPKY_ORACLE_ROUNDS", 40)).await;
}

/// By push, transactions announce what they may never commit, and in another order than they commit.
#[tokio::test(flavor = "multi_thread")]
async fn every_view_equals_surrealdbs_own_answer_by_push() {
    compare(Capture::Push, from_environment("SPKY_ORACLE_ROUNDS", 40) / 4).await;
}

/// Writes in rounds, and compares every view after each.
async fn compare(capture: Capture, rounds: u64) {
    let seed = from_environment("SPKY_ORACLE_SEED", 20_261_121);
    let mut random = Random(seed);
    let stage = stage().await;
    let world = World::start(&stage, "oracle", capture, SCHEMA).await.with_barrier().await;
    let mut queries = queries::fixed();
    queries.extend((0..60).map(|_| queries::random(&mut random)));
    let mut log: Vec<String> = Vec::new();
    for (number, query) in queries.iter().enumerate() {
        world.register(&format!("q{number}"), &query.surql, &query.params).await;
    }
    let mut written = 0;
    for round in 0..rounds {
        let writes = writes::round(&mut random);
        written += writes.iter().map(|write| write.statements).sum::<usize>();
        for write in &writes {
            write.run(&world).await;
            log.push(write.surql.clone());
        }
        if round % 4 == 3 {
            written += writes::fight(&world, &mut random).await;
            log.push("-- a fight of many writers".to_owned());
        }
        world.quiet().await;
        if let Some((query, difference)) = difference(&world, capture, &queries).await {
            let shrunk = shrink::shrink(&stage, capture, query, &log).await;
            panic!("seed {seed}, round {round}: {} with {}\n{difference}\n{shrunk}", query.surql, query.params);
        }
    }
    let views = queries.len();
    println!("oracle: {capture:?}, seed {seed}, {views} views, {rounds} rounds, {written} statements, 0 mismatches");
    world.ssp.stop().await.expect("the sidecar stops");
}

/// The first view that is not what SurrealDB answers. By feed there is one look, and no excuse. By push a change may become visible
/// after it was announced, behind the barrier of [`World::quiet`]: it has some seconds to arrive.
async fn difference<'a>(world: &World, capture: Capture, queries: &'a [Query]) -> Option<(&'a Query, String)> {
    let patience = if capture == Capture::Push { Duration::from_secs(10) } else { Duration::ZERO };
    let started = Instant::now();
    loop {
        let found = first_difference(world, queries).await;
        if found.is_none() || started.elapsed() >= patience {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn first_difference<'a>(world: &World, queries: &'a [Query]) -> Option<(&'a Query, String)> {
    let (versions, mut edges) = (world.versions().await, world.all_edges().await);
    for (number, query) in queries.iter().enumerate() {
        let shown = edges.remove(&format!("q{number}")).unwrap_or_default();
        match world.oracle(&query.surql, &query.params, &versions).await {
            Ok(expected) if expected == shown => {}
            Ok(expected) => return Some((query, format!(" expected {expected:?}\n shown    {shown:?}"))),
            Err(error) => return Some((query, format!("SurrealDB refuses it: {error}"))),
        }
    }
    None
}

/// Views that an earlier process left are taken up, and what changed meanwhile is caught up with.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_sidecar_agrees_again() {
    let mut random = Random(7);
    let stage = stage().await;
    let mut world = World::start(&stage, "restart", Capture::Feed, SCHEMA).await.with_barrier().await;
    let queries = queries::fixed();
    for (number, query) in queries.iter().enumerate() {
        world.register(&format!("q{number}"), &query.surql, &query.params).await;
    }
    for _ in 0..3 {
        for write in writes::round(&mut random) {
            write.run(&world).await;
        }
        // Some of these are written while no sidecar runs.
        let unseen = writes::round(&mut random);
        let client = world.client.clone();
        let writer = tokio::spawn(async move {
            for write in unseen {
                // That some of them fail is part of the plan.
                let _ = client.query(write.surql).await;
            }
        });
        world = world.restart().await;
        writer.await.expect("the writes end");
        world.quiet().await;
        if let Some((query, difference)) = difference(&world, Capture::Feed, &queries).await {
            panic!("{}: {difference}", query.surql);
        }
    }
    world.ssp.stop().await.expect("the sidecar stops");
}
