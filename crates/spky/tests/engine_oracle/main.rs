//! The engine against SurrealDB, face to face: no sidecar, no edges.
//!
//! An embedded SurrealDB is written to; what it commits reaches the engine through the database's own changefeed; and
//! each view's full answer, nested rows in their order, is compared with SurrealDB's own answer to the same text.
//! `crates/spky/tests/oracle` compares what clients see; this test is faster, and stricter.
//!
//! Queries, data and writes come from a seed. A mismatch is shrunk to a query and writes that can be pasted into
//! `regressions.rs`. `SPKY_ENGINE_ORACLE_ROUNDS`, `SPKY_ENGINE_ORACLE_SECONDS`, `SPKY_ENGINE_ORACLE_SEED` and
//! `SPKY_ENGINE_ORACLE_MISMATCHES` make a run longer, different, and more patient.

#[path = "../support/mod.rs"]
mod support;

mod arena;
mod compare;
mod data;
mod documented;
mod faulty;
mod features;
mod generate;
mod premise;
mod regressions;
mod report;
mod rounds;
mod schema;
mod shrink;
mod smaller;
mod subject;
mod tree;
mod trial;
mod walk;
mod writes;

use std::time::{Duration, Instant};

use arena::Arena;
use generate::Queries;
use rounds::{Findings, round};
use subject::{Engine, Subject};
use support::Random;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_equals_surrealdbs_own() {
    let seed = from_environment("SPKY_ENGINE_ORACLE_SEED", 20_261_121);
    let limit = from_environment("SPKY_ENGINE_ORACLE_ROUNDS", 10);
    let patience = Duration::from_secs(from_environment("SPKY_ENGINE_ORACLE_SECONDS", 3600));
    let most = from_environment("SPKY_ENGINE_ORACLE_MISMATCHES", 3) as usize;
    let started = Instant::now();
    let arena = Arena::open().await;
    let mut random = Random(seed);
    let mut queries = Queries::new();
    let mut findings = Findings::default();
    let mut rounds = 0;
    let make = || Box::new(Engine::new()) as Box<dyn Subject>;
    while rounds < limit && started.elapsed() < patience && findings.mismatches.len() < most {
        let left = most - findings.mismatches.len();
        round(&arena, &make, &mut queries, &mut random, &mut findings, left).await;
        rounds += 1;
    }
    println!("{}", findings.report);
    let (views, comparisons) = findings.report.compared();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "engine oracle: seed {seed}, {rounds} rounds, {views} views, {comparisons} answers compared, {seconds:.0} s"
    );
    let mismatches = findings.mismatches.len();
    assert!(mismatches == 0, "seed {seed}: {mismatches} mismatches\n{}", findings.mismatches.join("\n"));
    assert!(comparisons > 0, "nothing was compared");
}
