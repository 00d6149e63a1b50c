//! A cluster of real processes: one scheduler, three sidecars, a database on RocksDB, under a steady workload.
//!
//! Whatever happens to them, all views equal SurrealDB's own answers afterwards. `SPKY_CLUSTER_SEED` (1) and
//! `SPKY_CLUSTER_ROUNDS` (4) change what happens, and how often.
//!
//! The fault model: a process is killed (SIGKILL), stopped in good order (SIGTERM), or paused for longer than the scheduler waits
//! for a sign of life (SIGSTOP), at a random moment, while clients register views and write; several are killed at once; everything
//! is restarted in turn; the disk of the scheduler's log is full. The database stays.

#[path = "../support/mod.rs"]
mod support;

mod disk;
mod ingest;
mod jobs;
mod large;
mod observed;
mod push;
mod restarts;
mod stage;
mod users;
mod workload;

use std::time::{Duration, Instant};

use restarts::{kill_together, restart_in_turn};
use stage::Cluster;
use support::Random;
use workload::{SCHEMA, Workload};

/// How long is written in a round, at least.
const WRITING: Duration = Duration::from_secs(4);

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_spread_over_sidecars_and_right() {
    let cluster = Cluster::start(3, SCHEMA).await;
    let mut workload = Workload::new(number("SPKY_CLUSTER_SEED", 1));
    workload.write(&cluster.application, 50).await;
    for _ in 0..30 {
        let (id, surql, params) = workload.view();
        let answer = cluster.register(&id, &surql, &params).await;
        assert_eq!(answer["query_id"], id.as_str(), "{answer}");
        assert!(answer["ssp_id"].as_str().is_some_and(|ssp| ssp.starts_with("ssp-")), "{answer}");
        assert!(answer["ssp_url"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")), "{answer}");
        assert!(answer["assigned_at"].is_string(), "{answer}");
    }
    workload.write(&cluster.application, 100).await;
    cluster.agree(&workload.views).await;
    let status = cluster.status().await.expect("the scheduler answers");
    let views: Vec<u64> = status.ssps.iter().map(|ssp| ssp.views).collect();
    assert_eq!(views, [10, 10, 10], "{status:#?}");

    let (code, text) = cluster.spky(&["verify"]);
    assert_eq!(code, Some(0), "{text}");
    let lines = ["thing", "owner"].map(|table| text.lines().filter(|line| line.contains(table)).count());
    assert!(lines.iter().all(|lines| *lines >= 1), "{text}");
    // An import leaves no trace in the changefeed: all copies differ, and are mended together.
    cluster.application.run("OPTION IMPORT; UPSERT thing:1 SET n = 77, owner = owner:1").await;
    let (code, text) = cluster.spky(&["verify"]);
    assert_eq!(code, Some(1), "{text}");
    let (code, text) = cluster.spky(&["verify", "--fix"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = cluster.spky(&["verify"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = cluster.spky(&["status"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(["ssp-0", "ssp-1", "ssp-2"].iter().all(|ssp| text.contains(ssp)), "{text}");

    let (gone, _, _) = workload.views.pop().expect("there are views");
    let (status, _) = cluster.post("/view/unregister", &serde_json::json!({ "id": gone })).await;
    assert_eq!(status, 200);
    assert!(!cluster.application.all_edges().await.contains_key(&gone));
    let (status, answer) =
        cluster.post("/proxy/query", &serde_json::json!({ "query": "SELECT VALUE n FROM thing:1" })).await;
    assert_eq!((status, &answer[0]["status"]), (200, &"OK".into()), "{answer}");
    let (status, answer) =
        cluster.post("/proxy/query", &serde_json::json!({ "query": "CREATE thing:forbidden" })).await;
    assert_eq!((status, &answer["code"]), (403, &"FORBIDDEN".into()), "{answer}");
    let question = serde_json::json!({ "query": "SELECT * FROM thing:forbidden" });
    let (_, answer) = cluster.post("/proxy/query", &question).await;
    assert_eq!(answer[0]["result"], serde_json::json!([]), "{answer}");
    // For clients that insist.
    let credentials = serde_json::json!({ "user": "root", "pass": "root" });
    assert_eq!(cluster.post("/proxy/signin", &credentials).await.0, 200);
    let places = [("test", stage::NAME, 200), ("other", stage::NAME, 400), ("test", "other", 400)];
    for (namespace, database, expected) in places {
        let (status, answer) =
            cluster.post("/proxy/use", &serde_json::json!({ "ns": namespace, "db": database })).await;
        assert_eq!(status, expected, "{answer}");
    }
}

/// Catches a strategy that the configuration names and the scheduler does not follow.
#[tokio::test(flavor = "multi_thread")]
async fn views_go_where_the_strategy_says() {
    for strategy in ["RoundRobin", "LeastLoad"] {
        let cluster = Cluster::start_with(2, SCHEMA, &format!("load_balance: {strategy}\n"), &[]).await;
        let mut workload = Workload::new(number("SPKY_CLUSTER_SEED", 1));
        workload.write(&cluster.application, 20).await;
        let mut chosen = Vec::new();
        for _ in 0..6 {
            let (id, surql, params) = workload.view();
            chosen.push(cluster.register(&id, &surql, &params).await["ssp_id"].as_str().map(str::to_owned));
        }
        let takes_turns = chosen.windows(2).all(|pair| pair[0] != pair[1]);
        assert!(takes_turns || strategy != "RoundRobin", "{strategy}: {chosen:?}");
        workload.write(&cluster.application, 40).await;
        cluster.agree(&workload.views).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_no_view_is_wrong() {
    let mut cluster = Cluster::start(3, SCHEMA).await;
    let seed = number("SPKY_CLUSTER_SEED", 1);
    let mut random = Random(seed);
    let mut workload = Workload::new(seed);
    workload.write(&cluster.application, 50).await;
    for _ in 0..20 {
        let (id, surql, params) = workload.view();
        cluster.register(&id, &surql, &params).await;
    }
    for round in 0..number("SPKY_CLUSTER_ROUNDS", 4) {
        let victim = random.below(3) as usize;
        let fault = random.below(6);
        println!("round {round} of seed {seed}: fault {fault}, sidecar {victim}");
        let writer = workload.keep_writing(&cluster.application);
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_millis(random.below(800))).await;
        let started = Instant::now();
        match fault {
            0 => {
                cluster.ssps[victim].kill();
                cluster.all_ready(2).await;
                println!("  views are served again after {:.1} s", started.elapsed().as_secs_f64());
                cluster.start_ssp(victim);
            }
            1 => {
                cluster.scheduler.kill();
                tokio::time::sleep(Duration::from_millis(random.below(1_500))).await;
                cluster.start_scheduler();
            }
            2 => {
                cluster.ssps[victim].stop();
                cluster.start_ssp(victim);
            }
            3 => {
                let victims: Vec<usize> = (0..3).filter(|other| *other == victim || random.below(2) == 0).collect();
                let scheduler = random.below(2) == 0;
                println!("  killed at once: sidecars {victims:?}, the scheduler: {scheduler}");
                kill_together(&mut cluster, &mut random, &victims, scheduler).await;
            }
            4 => restart_in_turn(&mut cluster).await,
            _ => {
                cluster.ssps[victim].paused(tokio::time::sleep(Duration::from_millis(4_500))).await;
            }
        }
        let (id, surql, params) = workload.view();
        cluster.register(&id, &surql, &params).await;
        tokio::time::sleep_until((begun + WRITING).into()).await;
        writer.stop().await;
        cluster.all_ready(3).await;
        cluster.agree(&workload.views).await;
        println!("  all {} views are right after {:.1} s", workload.views.len(), started.elapsed().as_secs_f64());
    }
}
