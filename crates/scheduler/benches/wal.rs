//! Appends per second, with several at once and of several payloads each. Beside it the disk itself: the same bytes
//! written to a file by one thread, which waits for `fdatasync` after each append.
//!
//! The two take turns. `SPKY_WAL_BENCH_SECONDS` (2) and `SPKY_WAL_BENCH_ROUNDS` (5) change how long it takes,
//! `SPKY_WAL_BENCH_DIRECTORY` which disk is measured.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use scheduler::log::EventLog;
use scheduler::log::wal::{Settings, Wal};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How many append at once.
const APPENDERS: [usize; 3] = [1, 8, 64];
/// How many payloads an append has.
const BATCHES: [usize; 3] = [1, 16, 256];
/// The bytes of a payload: a change of a small record.
const PAYLOAD: usize = 250;
/// What a record takes beside its payload.
const HEADER: usize = 40;

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let (seconds, rounds) = (number("SPKY_WAL_BENCH_SECONDS", 2), number("SPKY_WAL_BENCH_ROUNDS", 5));
    let time = Duration::from_secs(seconds as u64);
    let root = std::env::var_os("SPKY_WAL_BENCH_DIRECTORY").map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(root)?;

    println!("payloads of {PAYLOAD} bytes, {rounds} rounds of {seconds} s; per second: median (least to greatest)");
    for batch in BATCHES {
        let mut disk = Vec::new();
        let mut logs: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); APPENDERS.len()];
        for _ in 0..rounds {
            disk.push(bare(directory.path(), batch, time)?);
            for (appenders, (appends, syncs)) in APPENDERS.into_iter().zip(&mut logs) {
                let (appended, synced) = log(directory.path(), appenders, batch, time).await?;
                appends.push(appended);
                syncs.push(synced);
            }
        }
        println!("{batch:>4} payloads an append, the disk alone   {} appends", shown(&mut disk));
        for (appenders, (appends, syncs)) in APPENDERS.into_iter().zip(&mut logs) {
            let events = median(appends) * batch as f64;
            println!("{appenders:>9} at once   {} appends, {events:.0} events, {} syncs", shown(appends), shown(syncs));
        }
    }
    Ok(())
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(0.0)
}

fn shown(rates: &mut [f64]) -> String {
    let median = median(rates);
    match (rates.first(), rates.last()) {
        (Some(least), Some(greatest)) => format!("{median:.0} ({least:.0} to {greatest:.0})"),
        _ => "-".to_owned(),
    }
}

/// Appends per second to a file.
fn bare(directory: &Path, batch: usize, time: Duration) -> Outcome<f64> {
    let path = directory.join("bare");
    let mut file = File::create(&path)?;
    let bytes = vec![7; batch * (HEADER + PAYLOAD)];
    let started = Instant::now();
    let mut appends = 0u64;
    while started.elapsed() < time {
        file.write_all(&bytes)?;
        file.sync_data()?;
        appends += 1;
    }
    let took = started.elapsed();
    drop(file);
    std::fs::remove_file(&path)?;
    Ok(appends as f64 / took.as_secs_f64())
}

/// Appends and waits for the disk per second, of a log.
async fn log(directory: &Path, appenders: usize, batch: usize, time: Duration) -> Outcome<(f64, f64)> {
    let path = directory.join("log");
    let log = Arc::new(Wal::open(Settings::new(&path)).await?);
    let payloads = vec![Bytes::from(vec![7; PAYLOAD]); batch];
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..appenders {
        let (log, payloads) = (log.clone(), payloads.clone());
        tasks.spawn(async move {
            let mut appends = 0u64;
            while started.elapsed() < time {
                log.append(payloads.clone()).await?;
                appends += 1;
            }
            Ok::<u64, scheduler::log::Error>(appends)
        });
    }
    let mut appends = 0;
    while let Some(done) = tasks.join_next().await {
        appends += done??;
    }
    let took = started.elapsed().as_secs_f64();
    let syncs = log.syncs();
    if let Some(log) = Arc::into_inner(log) {
        log.close().await?;
    }
    std::fs::remove_dir_all(&path)?;
    Ok((appends as f64 / took, syncs as f64 / took))
}
