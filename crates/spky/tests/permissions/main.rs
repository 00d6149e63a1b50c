//! What a record user is shown by the engine, against what SurrealDB answers to that user.
//!
//! Permissions of tables and fields, queries and writes are drawn from a seed. After each batch of writes, every view of
//! every user is compared with SurrealDB's own answer to the same text in that user's session.
//! `SPKY_PERMISSIONS_ROUNDS` and `SPKY_PERMISSIONS_SEED` make a run longer, and different.

#[path = "../engine_oracle/compare.rs"]
mod compare;
#[path = "../support/mod.rs"]
mod support;

mod queries;
mod schema;
mod world;
mod writes;

use std::collections::BTreeMap;

use support::{Random, stage};
use world::World;

/// How many queries of a round are tried for each user.
const QUERIES: usize = 48;
/// How often is written in a round.
const BATCHES: usize = 12;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_user_is_shown_what_surrealdb_shows() {
    let seed = from_environment("SPKY_PERMISSIONS_SEED", 20_261_122);
    let rounds = from_environment("SPKY_PERMISSIONS_ROUNDS", 12);
    let stage = stage().await;
    let mut random = Random(seed);
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let (mut compared, mut mismatches) = (0, Vec::new());
    for round in 0..rounds {
        let schema = schema::draw(&mut random);
        let mut world = World::start(stage.server.address(), &format!("permissions{round}"), &schema).await;
        for batch in 0..BATCHES {
            for _ in 0..(if batch == 0 { 12 } else { 2 }) {
                world.write(&writes::draw(&mut random)).await;
            }
            world.take_changes().await;
            if batch % 3 == 0 {
                for _ in 0..QUERIES * 3 / BATCHES {
                    let text = queries::draw(&mut random);
                    world.register(&text).into_iter().for_each(|reason| *refused.entry(reason).or_default() += 1);
                }
            }
            let (answers, found) = world.compare().await;
            compared += answers;
            let place = format!("seed {seed}, round {round}, batch {batch}");
            mismatches.extend(found.into_iter().map(|found| format!("{place}\n{found}\n{}", schema.join("\n"))));
        }
    }
    println!("permissions: seed {seed}, {rounds} rounds, {compared} answers compared");
    refused.iter().for_each(|(reason, times)| println!("  refused {times} times: {reason}"));
    mismatches.truncate(3);
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n\n"));
    assert!(compared > rounds * 100, "too little was compared: {compared}");
}
