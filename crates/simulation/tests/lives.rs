//! Lives of clusters, each from a seed. `SPKY_SIMULATION_SEED` is the first, `SPKY_SIMULATION_SEEDS` says how many follow from
//! there; with `SPKY_LOG` it is told what happens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use simulation::life::{Plan, Report, live};
use tracing_subscriber::EnvFilter;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn log() {
    if let Ok(filter) = EnvFilter::try_from_env("SPKY_LOG") {
        // Another test may have been first.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    }
}

#[test]
fn every_view_is_right_whatever_has_gone_wrong() {
    log();
    let (first, count) = (number("SPKY_SIMULATION_SEED", 1), number("SPKY_SIMULATION_SEEDS", 6));
    let next = AtomicU64::new(first);
    let started = Instant::now();
    let work = || {
        let mut outcomes = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return outcomes;
            }
            let outcome = live(Plan::new(seed));
            if let Err(wrong) = &outcome {
                eprintln!("{wrong}\n");
            }
            outcomes.push(outcome);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let outcomes: Vec<Result<Report, String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker does not panic")).collect()
    });
    let reports: Vec<&Report> = outcomes.iter().flatten().collect();
    let sum = |of: fn(&Report) -> usize| reports.iter().map(|report| of(report)).sum::<usize>();
    println!(
        "{} lives in {:?}, {} of them wrong: {} transactions, {} views, {} faults, {} events ({} removed), right again after at most {:?}",
        outcomes.len(),
        started.elapsed(),
        outcomes.len() - reports.len(),
        sum(|report| report.transactions),
        sum(|report| report.views),
        sum(|report| report.faults),
        sum(|report| report.events.0),
        sum(|report| report.events.1),
        reports.iter().map(|report| report.recovery).max().unwrap_or_default(),
    );
    let wrong: Vec<&String> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{} lives went wrong, such as {}", wrong.len(), wrong[0]);
    assert!(sum(|report| report.faults) > 0 && sum(|report| report.views) > 0);
}

#[test]
fn a_life_can_be_repeated() {
    log();
    let plan = Plan { troubled: Duration::from_secs(12), ..Plan::new(number("SPKY_SIMULATION_SEED", 1)) };
    assert_eq!(live(plan), live(plan));
}

/// Catches a simulation that would call anything right.
#[test]
fn events_that_the_log_loses_are_noticed() {
    log();
    let outcome = live(Plan { loses_one_of: Some(7), ..Plan::new(7) });
    assert!(outcome.is_err(), "nobody has noticed: {outcome:?}");
}
