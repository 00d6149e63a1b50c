//! Lives of clusters, each from a seed and in a process of its own. `SPKY_SIMULATION_SEED` is the first seed,
//! `SPKY_SIMULATION_SEEDS` says how many follow from there; with `SPKY_LOG` it is told what happens.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use simulation::life::{Plan, Report, live};
use tracing_subscriber::EnvFilter;

/// Says to the process of a life what it is to be like.
const PLAN: &str = "SPKY_SIMULATION_PLAN";
/// What stands before the outcome in what that process prints.
const MARK: &str = "outcome: ";

type Outcome = Result<Report, String>;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Lives in another process, which is this test again.
fn lived(plan: Plan) -> Outcome {
    let plan = serde_json::to_string(&plan).expect("a plan can be written");
    let mut command = Command::new(std::env::current_exe().expect("this is a process"));
    command.args(["--exact", "a_life", "--ignored", "--nocapture"]).env(PLAN, plan).stderr(Stdio::inherit());
    let output = command.output().expect("it can be started again");
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().find_map(|line| line.split_once(MARK)) {
        Some((_, outcome)) => serde_json::from_str(outcome).expect("an outcome"),
        None => Err(format!("it ended with {}: {text}", output.status)),
    }
}

/// What runs in the process of a life.
#[test]
#[ignore = "a part of the others"]
fn a_life() {
    let Ok(plan) = std::env::var(PLAN) else { return };
    if let Ok(filter) = EnvFilter::try_from_env("SPKY_LOG") {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    }
    let outcome: Outcome = live(serde_json::from_str(&plan).expect("a plan"));
    println!("{MARK}{}", serde_json::to_string(&outcome).expect("an outcome can be written"));
}

#[test]
fn every_view_is_right_whatever_has_gone_wrong() {
    let (first, count) = (number("SPKY_SIMULATION_SEED", 1), number("SPKY_SIMULATION_SEEDS", 12));
    let next = AtomicU64::new(first);
    let started = Instant::now();
    let work = || {
        let mut outcomes = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return outcomes;
            }
            let outcome = lived(Plan::new(seed));
            if let Err(wrong) = &outcome {
                eprintln!("seed {seed}: {wrong}\n");
            }
            outcomes.push(outcome);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker does not panic")).collect()
    });
    let reports: Vec<&Report> = outcomes.iter().flatten().collect();
    let sum = |of: fn(&Report) -> usize| reports.iter().map(|report| of(report)).sum::<usize>();
    println!(
        "{} lives in {:?}, {} of them wrong: {} transactions, {} views, {} faults, {} events ({} removed), \
         right again after at most {:?}",
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
    assert!(sum(|report| report.faults) > 0 && sum(|report| report.views) > 0 && sum(|report| report.events.1) > 0);
}

#[test]
fn a_life_can_be_repeated() {
    let plan = Plan { troubled: Duration::from_secs(15), ..Plan::new(number("SPKY_SIMULATION_SEED", 1)) };
    assert_eq!(lived(plan), lived(plan));
}

/// Catches a simulation that would call anything right.
#[test]
fn events_that_the_log_loses_are_noticed() {
    let outcome = lived(Plan { loses_one_of: Some(7), ..Plan::new(7) });
    assert!(outcome.as_ref().is_err_and(|wrong| wrong.contains("wrong at rest")), "nobody has noticed: {outcome:?}");
}
