//! A process that appends is killed at any moment: what it has acknowledged is there when the log is opened again.
//!
//! **Fault model.** SIGKILL, also while a segment is begun or removed, and while the log is opened. What the process
//! has given to the operating system is kept: the machine itself does not fail.

#[allow(dead_code, reason = "other tests use all of it")]
mod support;

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use scheduler::log::EventLog;
use support::{ALL, opened, read_all};

const ROUNDS: u64 = 12;
/// Small, so that segments are begun and removed all the time.
const SEGMENT_BYTES: u64 = 4 << 10;
/// Who appends at the same time.
const WRITERS: u64 = 6;
/// Tells a process that it is the one that is to be killed.
const CHILD: &str = "SPKY_TEST_LOG";

#[test]
fn what_was_acknowledged_survives_kill_9() {
    if let Ok(directory) = env::var(CHILD) {
        return append_for_ever(Path::new(&directory));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut acknowledged = HashMap::new();
    for round in 0..ROUNDS {
        kill_at_the_start(directory.path(), Duration::from_millis(round));
        let (lines, opened_at) = run_child(directory.path(), Duration::from_millis(20 + round * 17 % 160));
        for line in lines {
            let mut words = line.split(' ').skip(1);
            let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
            let (first, id, events) = (number(), number(), number());
            let is_new = acknowledged.insert(first, (id, events)).is_none();
            assert!(is_new, "event {first} was acknowledged twice");
        }
        let start = runtime.block_on(check(directory.path(), &acknowledged));
        assert!(start >= opened_at, "what was truncated has come back");
    }
    assert!(acknowledged.len() > 100, "only {} appends were acknowledged", acknowledged.len());
}

fn child(directory: &Path) -> Command {
    let mut child = Command::new(env::current_exe().expect("this test"));
    child.args(["--exact", "what_was_acknowledged_survives_kill_9", "--nocapture"]).env(CHILD, directory);
    child.stdout(Stdio::null());
    child
}

/// Kills a process about when it opens the log.
fn kill_at_the_start(directory: &Path, time: Duration) {
    let mut child = child(directory).stderr(Stdio::null()).spawn().expect("a child");
    thread::sleep(time);
    child.kill().expect("a dead child");
    child.wait().expect("its status");
}

/// Lets a process append for a while and kills it. Answers what it has acknowledged, and where it found the log to
/// begin.
fn run_child(directory: &Path, time: Duration) -> (Vec<String>, u64) {
    let mut child = child(directory).stderr(Stdio::piped()).spawn().expect("a child");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let first = lines.next().expect("a line").expect("a line");
    let opened_at = first.strip_prefix("opened ").and_then(|start| start.parse().ok());
    let opened_at = opened_at.unwrap_or_else(|| panic!("the child says {first:?}"));
    let reader = thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<String>>());
    thread::sleep(time);
    child.kill().expect("a dead child");
    child.wait().expect("its status");
    let mut lines = reader.join().expect("its lines");
    // Of the last line a part may be missing.
    if lines.last().is_some_and(|line| line.split(' ').count() < 5) {
        lines.pop();
    }
    (lines, opened_at)
}

/// Every acknowledged append is there, whole, in its place; and so is every other one. Answers where the log begins.
async fn check(directory: &Path, acknowledged: &HashMap<u64, (u64, u64)>) -> u64 {
    let log = opened(directory, SEGMENT_BYTES).await.expect("a whole log");
    let range = log.range().await.expect("a range");
    let records = read_all(&log, range.start, ALL).await.expect("all records");
    assert_eq!(range.end - range.start, records.len() as u64);
    let at = |number: u64| &records[(number - range.start) as usize].payload;
    for (first, (id, events)) in acknowledged.iter().filter(|(first, _)| **first >= range.start) {
        for event in 0..*events {
            assert_eq!(at(first + event), &labelled(*id, event, *events), "event {}", first + event);
        }
    }
    // No segment begins within an append, so neither does what is left of the log.
    let mut number = range.start;
    while number < range.end {
        let text = String::from_utf8(at(number).to_vec()).expect("text");
        let numbers: Vec<u64> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [id, 0, events] = numbers[..] else { panic!("event {number} begins no append: {text}") };
        for event in 0..events {
            assert_eq!(at(number + event), &labelled(id, event, events));
        }
        number += events;
    }
    log.close().await.expect("closed");
    range.start
}

fn labelled(id: u64, event: u64, events: u64) -> Bytes {
    Bytes::from(format!("append {id} event {event} of {events}{}", " ".repeat((id % 50) as usize)))
}

/// The child: appends and truncates until it is killed, and says what is acknowledged.
fn append_for_ever(directory: &Path) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let log = Arc::new(opened(directory, SEGMENT_BYTES).await.expect("the log"));
        eprintln!("opened {}", log.range().await.expect("a range").start);
        let writers = (0..WRITERS).map(|writer| {
            let log = log.clone();
            tokio::spawn(async move {
                for append in 0u64.. {
                    let id = append * WRITERS + writer;
                    let events = 1 + id % 4;
                    let payloads = (0..events).map(|event| labelled(id, event, events)).collect();
                    let first = log.append(payloads).await.expect("an append");
                    eprintln!("acknowledged {first} {id} {events} .");
                    if id.is_multiple_of(64) {
                        log.truncate_before(first.saturating_sub(300)).await.expect("a truncation");
                    }
                }
            })
        });
        futures::future::join_all(writers).await;
    });
}
