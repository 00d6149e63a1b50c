//! SIGKILL at random moments, while jobs run.
//!
//! What is killed is `spky ssp`, of which there are two on one database; each is started again at once. Backends
//! answer, fail now and then, and hang for a while, by the number in the path and the attempt; they note every call.
//! When all is quiet:
//!
//! - every job has exactly one final state, and the one that its path and retries lead to, unless attempts were lost;
//! - no job was called more often than its retries allow, and none twice for the same attempt;
//! - no attempt is lost: of each attempt but the last there is an error, and `attempts` counts them all.
//!
//! `SPKY_JOBS_CRASH_KILLS` makes it longer.

mod support;

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use support::{Backend, World};

const JOBS_PER_KILL: usize = 60;

/// A sidecar as a process of its own, which does not outlive the test.
struct Sidecar(Child);

impl Drop for Sidecar {
    fn drop(&mut self) {
        // This is SIGKILL: nothing is said to anybody.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(world: &World, directory: &std::path::Path) -> Sidecar {
    let executable = embedded::Settings::for_tests().executable.expect("the binary beside the test");
    let port = embedded::free_port().expect("a free port");
    let child = Command::new(executable)
        .args(["ssp", "--insecure", "--listen", &format!("127.0.0.1:{port}")])
        .args(["--db-url", &format!("ws://{}", world.server.address()), "--ns", "test", "--db", "test"])
        .current_dir(directory)
        .env("SPKY_PERSISTENCE_FILE", directory.join(format!("{port}.state")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Sidecar(child.expect("the sidecar starts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_ends_once_whatever_is_killed() {
    let kills = std::env::var("SPKY_JOBS_CRASH_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let configuration = format!(
        "job_tables:\n  job:\n    base_url: {}\n    timeout: 3s\n    retry_delay: 100ms\n    concurrency: 8\n",
        backend.url()
    );
    std::fs::write(directory.path().join("sp00ky.yml"), configuration).expect("a file");

    let mut sidecars = vec![start(&world, directory.path()), start(&world, directory.path())];
    for kill in 0..kills {
        let first = kill * JOBS_PER_KILL;
        world
            .run(&format!(
                "FOR $i IN array::range({first}..{}) {{
                     LET $kind = ['/slow/30', '/flaky/1', '/status/500', '/slow/400', '/hang_once'][$i % 5];
                     CREATE type::record('job', $i) SET path = $kind, max_retries = 4, retry_strategy = 'linear'
                 }}",
                first + JOBS_PER_KILL
            ))
            .await;
        tokio::time::sleep(Duration::from_millis(rand::random_range(500..4_000))).await;
        let victim = kill % 2;
        drop(sidecars.remove(victim));
        sidecars.insert(victim, start(&world, directory.path()));
    }
    // What was lost is found when the lease is over.
    let all_done =
        format!("RETURN count(SELECT 1 FROM job WHERE status IN ['success', 'failed']) = {}", kills * JOBS_PER_KILL);
    let started = Instant::now();
    while started.elapsed() < 5 * support::LIMIT && world.run(&all_done).await != Json::Bool(true) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(sidecars);

    let mut calls: HashMap<String, Vec<u64>> = HashMap::new();
    for call in backend.calls() {
        calls.entry(call.key().to_owned()).or_default().push(call.attempt());
    }
    let Json::Array(jobs) = world.run("SELECT * FROM job").await else { panic!("rows") };
    assert_eq!(jobs.len(), kills * JOBS_PER_KILL);
    let mut lost = 0;
    for job in &jobs {
        let status = job["status"].as_str().unwrap();
        let codes = support::codes(job);
        let (attempts, retries) = (job["attempts"].as_u64().unwrap(), job["retries"].as_u64().unwrap());
        let called = calls.get(job["id"].as_str().unwrap()).cloned().unwrap_or_default();
        assert!(matches!(status, "success" | "failed"), "{job:#}");
        let expected = if job["path"] == "/status/500" { "failed" } else { "success" };
        assert!(status == expected || codes.contains(&"LOST"), "{job:#}");
        assert!(attempts <= 5 && retries == attempts - 1, "{job:#}");
        // The last attempt of a success is no error; all others are, in order.
        let failures = if status == "success" { attempts - 1 } else { attempts };
        let noted: Vec<u64> =
            job["errors"].as_array().unwrap().iter().map(|error| error["attempt"].as_u64().unwrap()).collect();
        assert_eq!(noted, (1..=failures).collect::<Vec<_>>(), "{job:#}");
        let mut once = called.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), called.len(), "an attempt was made twice: {called:?} {job:#}");
        assert!(called.iter().all(|attempt| (1..=attempts).contains(attempt)), "{called:?} {job:#}");
        if status == "success" {
            assert!(called.contains(&attempts), "a success that nobody has given: {called:?} {job:#}");
        }
        lost += codes.iter().filter(|code| **code == "LOST").count();
    }
    println!(
        "{} jobs, {kills} kills, {} calls, {lost} attempts lost and made up for",
        jobs.len(),
        backend.calls().len()
    );
}
