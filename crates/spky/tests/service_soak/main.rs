//! Many views for a long time: memory stays bounded, and every view equals what SurrealDB itself answers.
//!
//! Real processes: the database on RocksDB and the sidecar, as a service runs them. Applications write at a steady rate, views
//! come, go and expire. Now and then the writers pause, and some of the views are compared; in the end all of them are.
//!
//! `SPKY_SOAK_VIEWS`, `SPKY_SOAK_SECONDS`, `SPKY_SOAK_WRITES` (a second), `SPKY_SOAK_COMPARE_SECONDS` (between two
//! comparisons), `SPKY_SOAK_COMPARED` (views in each) and `SPKY_SOAK_SEED` make it larger, longer and different:
//!
//! ```sh
//! SPKY_SOAK_VIEWS=50000 SPKY_SOAK_SECONDS=3600 SPKY_SOAK_WRITES=30 ./test --test service_soak -- --nocapture
//! ```

#[path = "../support/mod.rs"]
mod support;

mod comparison;
mod data;
mod gauges;
#[allow(dead_code, reason = "the crash test uses all of it")]
#[path = "../crash/machine.rs"]
mod machine;
#[allow(dead_code, reason = "the oracle uses all of it")]
#[path = "../oracle/queries.rs"]
mod queries;
mod templates;
mod traffic;
mod views;
#[allow(dead_code, reason = "the oracle uses all of it")]
#[path = "../oracle/writes.rs"]
mod writes;

use std::time::{Duration, Instant};

use comparison::Comparison;
use data::Sizes;
use gauges::{Gauges, Reading};
use machine::Machine;
use support::Random;
use tokio::time::{MissedTickBehavior, interval};
use traffic::Traffic;
use views::{SWEEP, Views};

/// Connections that write.
const WRITERS: u64 = 4;
/// How often a line is printed.
const LINE: Duration = Duration::from_secs(10);
/// The part of the time after which memory should not grow much any more, and by how much it may.
const WARM: u64 = 6;
const GROWTH: f64 = 1.5;
/// Shorter runs say nothing about memory.
const LONG: u64 = 600;

/// What the environment asks for.
struct Plan {
    views: u64,
    seconds: u64,
    writes: u64,
    compare_every: u64,
    compared: u64,
    seed: u64,
}

impl Plan {
    fn read() -> Plan {
        let of = |name: &str, default: u64| -> u64 {
            let text = std::env::var(format!("SPKY_SOAK_{name}"));
            text.ok().map_or(default, |text| text.parse().expect("a number"))
        };
        Plan {
            views: of("VIEWS", 300),
            seconds: of("SECONDS", 5),
            writes: of("WRITES", 40),
            compare_every: of("COMPARE_SECONDS", 300),
            compared: of("COMPARED", 2_000),
            seed: of("SEED", 20_261_122),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_views_stay_right_for_long() {
    let plan = Plan::read();
    let mut random = Random(plan.seed);
    let sizes = Sizes::of(plan.views);
    let environment =
        vec![("SPKY_LOG", "info".to_owned()), ("SPKY_TTL_CLEANUP_INTERVAL_SECS", SWEEP.as_secs().to_string())];
    let (mut machine, application) = Machine::start(data::SCHEMA, environment).await;
    for statement in data::initial(&sizes, &mut random) {
        application.run(&statement).await;
    }
    machine.start_sidecar();
    machine.ready().await;
    machine.register("barrier", "SELECT * FROM barrier", "{}").await;

    let started = Instant::now();
    let mut views = Views::new(machine.url(""), machine.sidecar_log(), sizes.clone());
    views.fill(plan.views, &mut random).await;
    let took = started.elapsed();
    let rate = views.len() as f64 / took.as_secs_f64();
    println!("{} views registered in {:.1} s, {rate:.0}/s", views.len(), took.as_secs_f64());

    let mut comparison = Comparison::connect(machine.database_address(), application).await;
    let mut traffic = Traffic::start(machine.database_address(), WRITERS, plan.writes, &sizes, plan.seed).await;
    let gauges = Gauges::new(machine.url("/metrics"));
    let started = Instant::now();
    let mut warm: Option<Reading> = None;
    let [mut last_line, mut last_comparison] = [started; 2];
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while started.elapsed() < Duration::from_secs(plan.seconds) {
        second.tick().await;
        views.churn(&mut random).await;
        if last_line.elapsed() >= LINE {
            last_line = Instant::now();
            let reading = gauges.read(&mut machine).await;
            println!("[{:>5} s] {reading}, {traffic}", started.elapsed().as_secs());
            if warm.is_none() && started.elapsed() >= Duration::from_secs(plan.seconds / WARM) {
                warm = Some(reading);
            }
        }
        if last_comparison.elapsed() >= Duration::from_secs(plan.compare_every) {
            let paused = Instant::now();
            traffic.pause().await;
            comparison.run(&views.some(plan.compared, &mut random)).await;
            traffic.go_on();
            println!("[{:>5} s] {comparison}, in {:.1} s", started.elapsed().as_secs(), paused.elapsed().as_secs_f64());
            last_comparison = Instant::now();
        }
    }
    let end = gauges.read(&mut machine).await;
    traffic.pause().await;
    let paused = Instant::now();
    comparison.run(&views.all()).await;
    println!("[  end  ] {end}, {traffic}");
    println!("[  end  ] {comparison}, all in {:.1} s", paused.elapsed().as_secs_f64());
    let warm = warm.unwrap_or(end);
    println!(
        "soak: seed {}, {} s, {} views ({} came, {} went or expired), {traffic}, {} edges, {comparison}, {} retries; \
         sidecar {} MB after {} s, {} MB in the end; database {} MB and {} MB",
        plan.seed,
        plan.seconds,
        views.len(),
        views.came(),
        views.went(),
        end.edges,
        end.retries,
        warm.sidecar >> 20,
        plan.seconds / WARM,
        end.sidecar >> 20,
        warm.database >> 20,
        end.database >> 20,
    );
    assert_eq!(comparison.mismatches(), 0, "views are not what SurrealDB answers");
    assert_eq!(traffic.failed(), 0, "writes failed");
    assert!(traffic.written() > 0, "nothing was written");
    if plan.seconds >= LONG {
        let growth = end.sidecar as f64 / warm.sidecar as f64;
        assert!(growth < GROWTH, "the sidecar has grown by {growth}");
    }
}
