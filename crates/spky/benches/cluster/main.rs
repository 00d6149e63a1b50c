//! What a scheduler with several sidecars does, beside one sidecar that stands alone.
//!
//! Real processes, as in the benchmark `end_to_end`, whose parts this one uses; contestants take turns.
//!
//! ```sh
//! cargo bench --workspace --profile dev --bench cluster                      # everything, with the engine that tests run
//! cargo bench --workspace --profile dev --bench cluster -- latency
//! SPKY_BENCH_ROWS=10000 SPKY_BENCH_CHANGES=500 SPKY_BENCH_ROUNDS=1 cargo bench --workspace --profile dev --bench cluster
//! ```
//!
//! All of them share the machine: with as many processes as processors or more, another sidecar takes from the others what it
//! needs itself. `cargo test` runs everything once with little data, so that nothing here gets stale.

#[path = "../../tests/support/mod.rs"]
mod support;

#[path = "../end_to_end/arguments.rs"]
mod arguments;
mod bootstrap;
#[path = "../end_to_end/latency.rs"]
#[allow(dead_code, reason = "the other benchmark uses all of it")]
mod latency;
mod options;
#[path = "../end_to_end/restart.rs"]
#[allow(dead_code, reason = "the other benchmark uses all of it")]
mod restart;
#[path = "../end_to_end/stage.rs"]
#[allow(dead_code, reason = "the other benchmark uses all of it")]
mod stage;
#[path = "../end_to_end/statistics.rs"]
mod statistics;
mod throughput;

use latency::Contestant;
use options::{Contest, Options};
use stage::{Service, Stage};

/// How long sidecars collect what they write, in milliseconds.
const THROTTLE: u64 = 100;

#[tokio::main]
async fn main() {
    let Some(options) = Options::read() else { return };
    println!("{}\n", options.common);
    for contest in options.common.contests() {
        // Each has a server of its own: nothing is left of the one before.
        let stage = Stage::start(&options.common.storage).await;
        match contest {
            Contest::Throughput => throughput::run(&stage, &options).await,
            Contest::Latency => follow(&stage, &options).await,
            Contest::Push => {
                throughput::run_pushed(&stage, &options).await;
                follow_pushed(&stage, &options).await;
            }
            Contest::Bootstrap => bootstrap::run(&stage, &options).await,
        }
    }
}

/// From a write to the notification at a client that follows the edges.
async fn follow(stage: &Stage, options: &Options) {
    let mut contestants = Vec::new();
    for (throttle, alone, of_cluster) in [
        (0, "a sidecar alone, throttle 0", "scheduler and sidecar, throttle 0"),
        (THROTTLE, "a sidecar alone, throttle 100", "scheduler and sidecar, throttle 100"),
    ] {
        let [one, other] = ["alone", "cluster"].map(|name| format!("{name}{throttle}"));
        stage.captured(&one, &latency::schema()).await;
        let services = vec![stage.sidecar(&one, throttle).await];
        contestants.push(Contestant::of_edges(stage, alone, &one, services).await);
        stage.captured(&other, &latency::schema()).await;
        let services = cluster(stage, &other, 1, throttle).await;
        contestants.push(Contestant::of_edges(stage, of_cluster, &other, services).await);
    }
    latency::contest(contestants, options, "the first").await;
}

/// As [`follow`], beside a database that pushes its changes.
async fn follow_pushed(stage: &Stage, options: &Options) {
    let mut contestants = Vec::new();
    for (name, database, is_pushed) in [("a changefeed", "feed", false), ("pushed", "push", true)] {
        let [alone, of_cluster] = ["alone", "cluster"].map(|followers| format!("{database}{followers}"));
        for database in [&alone, &of_cluster] {
            match is_pushed {
                true => stage.pushed(database, &latency::schema()).await,
                false => stage.captured(database, &latency::schema()).await,
            };
        }
        let services = vec![stage.sidecar(&alone, 0).await];
        contestants.push(Contestant::of_edges(stage, format!("a sidecar alone, {name}"), &alone, services).await);
        let services = cluster(stage, &of_cluster, 1, 0).await;
        let name = format!("scheduler and sidecar, {name}");
        contestants.push(Contestant::of_edges(stage, name, &of_cluster, services).await);
    }
    latency::contest(contestants, options, "the first").await;
}

/// A scheduler and so many sidecars, all of which are ready.
async fn cluster(stage: &Stage, name: &str, sidecars: usize, throttle: u64) -> Vec<Service> {
    let mut services = vec![stage.scheduler(name).await];
    for number in 0..sidecars {
        services.push(stage.member(name, &services[0], number, throttle).await);
    }
    services
}
