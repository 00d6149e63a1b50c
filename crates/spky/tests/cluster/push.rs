//! Capture by push: the database calls the scheduler from inside each transaction that writes.
//!
//! The fault model is that of the cluster, with transactions that announce what they never commit, and with some that are open
//! for longer than a scheduler lives. A transaction that finds no scheduler fails, and is tried again.

use std::time::{Duration, Instant};

use database::Capture;
use serde_json::json;

use crate::number;
use crate::stage::{Cluster, LIMIT};
use crate::support::{Application, Random};
use crate::workload::{SCHEMA, Workload};

async fn start(sidecars: usize) -> Cluster {
    Cluster::start_by(Capture::Push, sidecars, SCHEMA).await
}

/// What has become of transactions.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    committed: u64,
    aborted: u64,
    /// Turned away because of a conflict, or because there was no scheduler.
    failed: u64,
}

/// A transaction, and whether it aborts itself.
fn transaction(random: &mut Random) -> (String, bool) {
    let [thing, owner, n, pause] = [40, 5, 100, 2_500].map(|bound| random.below(bound));
    let thing = format!("thing:{thing}");
    let writes = format!("UPSERT {thing} SET n = {n}, owner = owner:{owner}; UPSERT owner:{owner} SET n = {n};");
    match random.below(12) {
        0..=3 => (format!("UPSERT {thing} SET n = {n}, owner = owner:{owner}"), false),
        4 | 5 => (format!("DELETE {thing}"), false),
        6 => (format!("UPDATE thing SET n += 1 WHERE owner = owner:{owner}"), false),
        7 => (format!("BEGIN; {writes} COMMIT"), false),
        8 => (format!("BEGIN; {writes} SLEEP {pause}ms; COMMIT"), false),
        9 => (format!("BEGIN; {writes} SLEEP {pause}ms; THROW 'never mind'; COMMIT"), true),
        10 => (format!("BEGIN; CREATE thing:never{n} SET n = {n}; DELETE {thing}; THROW 'never mind'; COMMIT"), true),
        _ => (format!("BEGIN; {writes} THROW 'never mind'; COMMIT"), true),
    }
}

async fn attempt(application: &Application, surql: &str) -> Result<(), String> {
    let mut answer = application.client.query(surql).await.map_err(|error| error.to_string())?;
    // All statements of a transaction fail with it, and one of them says why.
    let errors: Vec<String> = answer.take_errors().into_values().map(|error| error.to_string()).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
}

/// Statements one after the other. An edge conflicts with a write of the record that it leads to: then the application tries
/// again.
async fn insist(application: &Application, statements: &[&str]) {
    for surql in statements {
        while let Err(error) = attempt(application, surql).await {
            assert!(error.contains("can be retried"), "{surql}: {error}");
        }
    }
}

/// Writes for as long as a time, and ends with what it has begun.
async fn write(application: Application, mut random: Random, time: Duration) -> Count {
    let (mut count, started) = (Count::default(), Instant::now());
    while started.elapsed() < time {
        let (surql, aborts) = transaction(&mut random);
        match attempt(&application, &surql).await {
            Ok(()) => {
                assert!(!aborts, "{surql} has been committed");
                count.committed += 1;
            }
            Err(_) if aborts => count.aborted += 1,
            Err(error) => {
                let is_expected = ["can be retried", "HTTP", "http"].iter().any(|part| error.contains(part));
                assert!(is_expected, "{surql}: {error}");
                count.failed += 1;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    count
}

/// Catches a change that is lost with the process that was to look for it, one that is shown although it was never committed,
/// an older state over a newer one, and an announcement that settles what it must not.
#[tokio::test(flavor = "multi_thread")]
async fn by_push_no_view_is_wrong_whatever_is_killed() {
    let mut cluster = start(3).await;
    let seed = number("SPKY_CLUSTER_SEED", 1);
    let mut random = Random(seed);
    let mut workload = Workload::new(seed);
    workload.write(&cluster.application, 30).await;
    for _ in 0..20 {
        let (id, surql, params) = workload.view();
        cluster.register(&id, &surql, &params).await;
    }
    for round in 0..number("SPKY_CLUSTER_ROUNDS", 4) {
        let victim = random.below(3) as usize;
        let fault = round % 4;
        println!("round {round} of seed {seed}: fault {fault}, sidecar {victim}");
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let application = cluster.application.clone_for_writing();
                tokio::spawn(write(application, Random(random.below(u64::MAX)), Duration::from_secs(4)))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(random.below(1_500))).await;
        match fault {
            0 => {
                cluster.scheduler.kill();
                tokio::time::sleep(Duration::from_millis(random.below(1_500))).await;
                cluster.start_scheduler();
            }
            1 => {
                cluster.ssps[victim].kill();
                cluster.all_ready(2).await;
                cluster.start_ssp(victim);
            }
            2 => {
                cluster.scheduler.stop();
                cluster.start_scheduler();
            }
            _ => {
                cluster.ssps[victim].stop();
                cluster.scheduler.kill();
                cluster.start_scheduler();
                cluster.start_ssp(victim);
            }
        }
        let (id, surql, params) = workload.view();
        cluster.register(&id, &surql, &params).await;
        let mut counts = Vec::new();
        for writer in writers {
            counts.push(writer.await.expect("the writer does not panic"));
        }
        assert!(counts.iter().any(|count| count.committed > 0 && count.aborted > 0), "{counts:?}");
        cluster.all_ready(3).await;
        cluster.agree(&workload.views).await;
        println!("  {} views are right after {counts:?}", workload.views.len());
    }
    let (code, text) = cluster.spky(&["verify"]);
    assert_eq!(code, Some(0), "{text}");
    // An import is not announced. It is found by counting or by a comparison, and read while others write.
    insist(&cluster.application, &["OPTION IMPORT; UPSERT thing:1 SET n = 77, owner = owner:1"]).await;
    let application = cluster.application.clone_for_writing();
    let writer = tokio::spawn(write(application, Random(seed), Duration::from_secs(3)));
    let (_, text) = cluster.spky(&["verify", "--fix"]);
    assert!(writer.await.expect("the writer does not panic").committed > 0, "{text}");
    let (code, text) = cluster.spky(&["verify", "--fix"]);
    assert_eq!(code, Some(0), "{text}");
    cluster.agree(&workload.views).await;
}

/// Waits until an event is in the log behind this one.
async fn announced_behind(cluster: &Cluster, head: u64) {
    let started = Instant::now();
    while cluster.status().await.is_none_or(|status| status.head <= head) {
        assert!(started.elapsed() < LIMIT, "nothing is announced\n{}", cluster.logs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Catches a scheduler that forgets, when it is killed, what it has answered, or that believes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_may_outlive_the_scheduler_that_it_has_called() {
    let mut cluster = start(1).await;
    let view = ("all".to_owned(), "SELECT * FROM thing".to_owned(), "{}".to_owned());
    cluster.register(&view.0, &view.1, &view.2).await;
    // The transaction ends before the next scheduler is there, and after.
    for (number, away) in [Duration::from_secs(4), Duration::ZERO].into_iter().enumerate() {
        let head = cluster.status().await.expect("the scheduler answers").head;
        let writing = ["COMMIT", "THROW 'never mind'; COMMIT"].map(|end| {
            let application = cluster.application.clone_for_writing();
            let kept = end == "COMMIT";
            let surql = format!("BEGIN; CREATE thing:late{number}{kept} SET n = 1; SLEEP 3s; {end}");
            tokio::spawn(async move { (kept, attempt(&application, &surql).await) })
        });
        announced_behind(&cluster, head + 1).await;
        // The second one may be a moment later.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(cluster.application.edges(&view.0).await.len() == number, "nothing is committed yet");
        cluster.scheduler.kill();
        tokio::time::sleep(away).await;
        cluster.start_scheduler();
        for writing in writing {
            let (kept, outcome) = writing.await.expect("it does not panic");
            assert_eq!(kept, outcome.is_ok(), "{outcome:?}");
        }
        cluster.all_ready(1).await;
        cluster.agree(std::slice::from_ref(&view)).await;
        assert_eq!(cluster.application.edges(&view.0).await.len(), number + 1);
    }

    cluster.scheduler.kill();
    let error = attempt(&cluster.application, "CREATE thing:alone SET n = 1").await.expect_err("nobody listens");
    assert!(error.to_lowercase().contains("http"), "{error}");
    cluster.start_scheduler();
    cluster.all_ready(1).await;
    cluster.agree(std::slice::from_ref(&view)).await;
}

/// Catches bodies that are taken without being looked at, and what is announced from outside and believed, or not looked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_by_hand_is_looked_at_and_not_believed() {
    let cluster = start(1).await;
    let view = ("all".to_owned(), "SELECT * FROM thing".to_owned(), "{}".to_owned());
    cluster.register(&view.0, &view.1, &view.2).await;
    let body = |table: &str, id: &str, version: serde_json::Value| json!({ "op": "CREATE", "table": table, "id": id, "record": { "n": 1, "_00_rv": version } });
    for (table, id, version) in [
        ("_00_query", "_00_query:1", json!(1)),
        ("thing", "owner:1", json!(1)),
        ("thing", "thing:1..3", json!(1)),
        ("thing", "thing:", json!(1)),
        ("thing", "thing:1", json!(0)),
    ] {
        let (status, answer) = cluster.post("/ingest", &body(table, id, version)).await;
        assert_eq!((status, &answer["code"]), (400, &json!("INVALID_REQUEST")), "{table} {id}: {answer}");
    }
    for (table, id, version) in
        [("thing", "thing:never", json!(1)), ("thing", "thing:never", json!(null)), ("nothing", "nothing:1", json!(3))]
    {
        assert_eq!(cluster.post("/ingest", &body(table, id, version)).await.0, 200, "{id}");
    }
    // Nobody says which version it is, and no event says that it changes.
    insist(&cluster.application, &["OPTION IMPORT; CREATE thing:quiet SET n = 1"]).await;
    assert_eq!(cluster.post("/ingest", &body("thing", "thing:quiet", json!(null))).await.0, 200);
    let writes = ["CREATE thing:1 SET n = 1", "DELETE thing:1", "CREATE thing:2 SET n = 2"];
    insist(&cluster.application, &writes).await;
    cluster.agree(std::slice::from_ref(&view)).await;
    assert_eq!(cluster.application.edges(&view.0).await.len(), 2);
    let (code, text) = cluster.spky(&["verify"]);
    assert_eq!(code, Some(0), "{text}");
}

/// Catches a table that is read before its changes are announced, a view of one of which nothing is announced, and rows of one
/// that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn tables_are_followed_from_when_they_are_captured() {
    let cluster = start(2).await;
    let application = &cluster.application;
    insist(application, &["DEFINE TABLE late SCHEMALESS", "CREATE late:1 SET n = 1"]).await;
    let view = ("late".to_owned(), "SELECT * FROM late WHERE n > 0".to_owned(), "{}".to_owned());
    let (status, answer) = cluster.try_register(&view.0, &view.1, &view.2).await;
    assert!(status == 503 && answer.to_string().contains("run `spky apply`"), "{status} {answer}");
    application.database.apply(&cluster.options).await.expect("the system schema applies");
    insist(application, &["CREATE late:2 SET n = 2"]).await;
    cluster.register(&view.0, &view.1, &view.2).await;
    insist(application, &["CREATE late:3 SET n = 3", "UPDATE late:1 SET n = 0"]).await;
    cluster.agree(std::slice::from_ref(&view)).await;
    assert_eq!(application.edges(&view.0).await.len(), 2);

    // Its events go, and come back; what was written meanwhile was announced to nobody.
    insist(application, &["REMOVE EVENT _00_ingest ON TABLE late", "CREATE late:4 SET n = 4"]).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    application.database.apply(&cluster.options).await.expect("the system schema applies");
    cluster.agree(std::slice::from_ref(&view)).await;
    assert_eq!(application.edges(&view.0).await.len(), 3);
    insist(application, &["REMOVE TABLE late", "DEFINE TABLE late SCHEMALESS"]).await;
    application.database.apply(&cluster.options).await.expect("the system schema applies");
    insist(application, &["CREATE late:5 SET n = 5"]).await;
    cluster.agree(std::slice::from_ref(&view)).await;
    assert_eq!(application.edges(&view.0).await.len(), 1);
}
