//! What users may do with job tables, and that Sp00ky leaves an application's own definitions alone.

#[path = "../../spky/tests/support/faults.rs"]
#[allow(dead_code, reason = "this test uses a part")]
mod faults;
mod support;

use std::time::Duration;

use circuit::Value;
use database::jobs::{Claim, Conclusion, JobBell, JobError, Phase, Ring, Which};
use database::{Database, SchemaOptions, Settings};
use faults::{Fault, Network};
use protocol::Names;
use support::{Server, options, query, run};
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::{Client, Ws};
use surrealdb::opt::auth::Record;
use surrealdb::types::SurrealValue;

fn with_jobs() -> SchemaOptions {
    SchemaOptions { job_tables: vec!["job".to_owned()], ..options() }
}

const USERS: &str = "DEFINE TABLE user SCHEMALESS PERMISSIONS NONE;
    DEFINE ACCESS account ON DATABASE TYPE RECORD SIGNUP (CREATE user SET name = $name);";

#[derive(SurrealValue)]
struct Name {
    name: String,
}

async fn user(server: &Server, name: &str) -> Surreal<Client> {
    let client = Surreal::new::<Ws>(server.address()).await.unwrap();
    let access = Record {
        namespace: "test".to_owned(),
        database: "test".to_owned(),
        access: "account".to_owned(),
        params: Name { name: name.to_owned() },
    };
    client.signup(access).await.unwrap();
    client
}

/// How many records a statement answers; errors count as none.
async fn answered(client: &Surreal<Client>, text: &str) -> usize {
    let mut answer = client.query(text).await.unwrap();
    match answer.take::<surrealdb::types::Value>(0) {
        Ok(surrealdb::types::Value::Array(rows)) => rows.len(),
        _ => 0,
    }
}

/// Catches a user who forges the state of a job, makes one in another's name, or reads another's.
#[tokio::test]
async fn users_create_and_read_their_own_jobs_and_write_nothing_else() {
    let server = Server::start();
    let db = server.connect().await;
    let root = server.client().await;
    run(&root, USERS).await;
    db.apply(&with_jobs()).await.unwrap();
    let (ann, bob) = (user(&server, "ann").await, user(&server, "bob").await);

    assert_eq!(
        answered(&ann, "CREATE job:1 SET path = '/a', payload = { deep: [{ b: 1 }] }, max_retries = 1").await,
        1
    );
    assert_eq!(answered(&ann, "CREATE job:2 SET path = '/a', run_at = time::now() + 1d, timeout = 3s").await, 1);
    let stored = query(&root, "RETURN job:1.{ status, retries, errors, attempts, payload, run_at }").await;
    let expected = "RETURN { status: 'pending', retries: 0, errors: [], attempts: 0, payload: { deep: [{ b: 1 }] }, run_at: NONE }";
    assert_eq!(stored, query(&root, expected).await);
    assert_eq!(
        query(&root, "RETURN job:2.next_attempt_at = job:2.run_at AND job:1.created_by.name = 'ann'").await,
        Value::Bool(true)
    );

    for forged in [
        "status = 'success'",
        "status = 'processing'",
        "status = NONE",
        "retries = -100",
        "attempts = -100",
        "errors = [{ code: 'X' }]",
        "result = 1",
        "next_attempt_at = d'2000-01-01T00:00:00Z'",
        "created_by = user:somebody",
        "created_by = NONE",
        "owner = 'x'",
        "process_uuid = 'x'",
        "schedule = 'x'",
        "max_retries = 1000",
        "max_retries = -1",
        "retry_strategy = 'never'",
        "path = 'http://elsewhere/'",
        "path = NONE",
        "finished_at = time::now()",
    ] {
        let path = if forged.starts_with("path") { "" } else { "path = '/x', " };
        // Refused, or made as if it had not been given.
        let made = answered(&ann, &format!("CREATE job:forged SET {path}{forged}")).await;
        let clean = query(
            &root,
            "RETURN count(SELECT 1 FROM job:forged WHERE status = 'pending' AND retries = 0 AND attempts = 0 \
             AND (errors ?? []) = [] AND result = NONE AND owner = NONE AND process_uuid = NONE AND schedule = NONE \
             AND next_attempt_at > time::now() - 5m AND created_by.name = 'ann' AND finished_at = NONE)",
        )
        .await;
        assert_eq!(clean, Value::Int(made as i64), "{forged}");
        run(&root, "UPDATE job:forged SET status = 'processing', attempts += 1; DELETE job:forged").await;
    }

    assert_eq!(answered(&ann, "SELECT * FROM job").await, 2);
    assert_eq!(answered(&bob, "SELECT * FROM job").await, 0);
    for write in [
        "UPDATE job:1 SET status = 'failed'",
        "UPSERT job:1 SET path = '/b'",
        "DELETE job:1",
        "UPDATE job SET payload = 1",
    ] {
        assert_eq!(answered(&ann, write).await, 0, "{write}");
    }
    assert_eq!(query(&root, "RETURN [job:1.status, job:1.path]").await, query(&root, "RETURN ['pending', '/a']").await);
    let hidden = answered(&ann, "SELECT VALUE id FROM job WHERE owner != NONE OR process_uuid != NONE").await;
    assert_eq!(hidden, 0);
}

/// Catches an `apply` that overwrites what the application has defined, or that is not idempotent.
#[tokio::test]
async fn an_applications_own_definitions_stay_and_names_are_taken_as_they_are() {
    let server = Server::start();
    let db = server.connect().await;
    let root = server.client().await;
    run(
        &root,
        "DEFINE TABLE job SCHEMAFULL PERMISSIONS FULL;
         DEFINE FIELD payload ON job TYPE object FLEXIBLE;
         DEFINE FIELD status ON job TYPE string DEFAULT 'pending' \
             ASSERT $value IN ['pending', 'processing', 'success', 'failed'];",
    )
    .await;
    let odd = "a `b`; REMOVE TABLE job".to_owned();
    let options = SchemaOptions { job_tables: vec!["job".to_owned(), odd.clone()], ..options() };
    let applied = db.apply(&options).await.unwrap();
    assert_eq!(applied.tables, [odd.clone(), "job".to_owned()]);
    assert_eq!(db.apply(&options).await.unwrap().newly_captured, Vec::<String>::new());
    assert!(client_refuses(&root, "CREATE job SET path = '/', payload = 1").await, "the payload is still an object");
    let legacy = db.job_table("job", true).await.unwrap().unwrap();
    assert_eq!((legacy.waiting, legacy.done), ("processing", "success"), "the schema has only those");
    let own = db.job_table(&odd, true).await.unwrap().unwrap();
    assert_eq!((own.waiting, own.done), ("in_progress", "completed"));
    assert_eq!(db.job_table(&odd, false).await.unwrap().unwrap().done, "success");
    assert_eq!(db.job_table("nowhere", false).await.unwrap(), None);
    run(&root, "DEFINE TABLE unprepared SCHEMALESS").await;
    assert_eq!(db.job_table("unprepared", false).await.unwrap(), None);
}

/// Catches a job that is taken for lost though it was accepted after somebody had looked: its runner, which did not
/// count as alive for a while, has come back.
#[tokio::test]
async fn an_accepted_job_is_nobodys_to_lose() {
    let server = Server::start();
    let db = server.connect().await;
    let root = server.client().await;
    db.apply(&with_jobs()).await.unwrap();
    let table = db.job_table("job", true).await.unwrap().unwrap();
    db.keep_runner("a", Duration::from_secs(60)).await.unwrap();
    run(&root, "CREATE job:1 SET path = '/'; CREATE job:2 SET path = '/'").await;
    let claimed = db
        .claim_jobs(&table, Claim { runner: "a", which: Which::Due { limit: 2, at_random: false } })
        .await
        .unwrap()
        .jobs;
    db.remove_runner("a").await.unwrap();
    let lost = db.processing_jobs(&table, "b").await.unwrap();
    assert_eq!((claimed.len(), lost.len()), (2, 2));
    let accepted = Conclusion::Accepted { within: Duration::from_secs(60) };
    assert!(db.conclude_job(&table, &claimed[0].attempt, Phase::Made, &accepted).await.unwrap());
    assert!(!db.conclude_job(&table, &claimed[0].attempt, Phase::Made, &accepted).await.unwrap(), "once is enough");
    for job in &lost {
        let error = JobError { code: "LOST".to_owned(), reason: String::new(), attempt: job.attempts };
        let retry = Conclusion::Retry { error, delay: Duration::ZERO };
        let written = db.conclude_job(&table, &job.attempt, Phase::Made, &retry).await.unwrap();
        assert_eq!(written, job.attempt != claimed[0].attempt);
    }
    let states = query(&root, "SELECT VALUE status FROM job WHERE attempts = 1 ORDER BY status").await;
    assert_eq!(states, query(&root, "RETURN ['in_progress', 'pending']").await);
}

/// Catches a subscription to a connection that has been given up: it hears nothing any more, and does not end.
#[tokio::test]
async fn a_bell_rings_after_the_connection_was_replaced() {
    let server = Server::start();
    server.connect().await.apply(&with_jobs()).await.unwrap();
    let root = server.client().await;
    let network = Network::to(server.address().parse().unwrap()).await;
    let endpoint = format!("ws://{}", network.address).parse().unwrap();
    let settings = Settings { endpoint, request_timeout: Duration::from_millis(500), ..server.settings() };
    let db = Database::connect(settings, Names::default()).await.unwrap();
    let mut bell = JobBell::new(db.clone(), "job");
    assert!(bell.has_been_mended().await);
    network.set(Fault::HalfOpen);
    let recovery = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        network.set(Fault::None);
    };
    let (unanswered, ()) = tokio::join!(db.ping(), recovery);
    assert!(unanswered.is_err());
    bell.has_been_mended().await;
    run(&root, "CREATE job:1 SET path = '/'").await;
    assert_eq!(bell.next(Duration::from_secs(20)).await, Ring::Pending);
}

async fn client_refuses(client: &Surreal<Client>, text: &str) -> bool {
    client.query(text).await.unwrap().check().is_err()
}

/// Catches a look for due jobs that reads the whole table.
#[tokio::test]
async fn due_jobs_are_found_by_the_index() {
    let server = Server::start();
    let db = server.connect().await;
    let root = server.client().await;
    db.apply(&with_jobs()).await.unwrap();
    for condition in [
        "status = 'pending' AND next_attempt_at <= time::now() ORDER BY next_attempt_at LIMIT 3",
        "status = 'pending' ORDER BY next_attempt_at LIMIT 1",
        "status = 'processing' AND (owner = 'x' OR (owner != NONE AND owner NOT IN ['y']))",
        "status = 'in_progress' AND next_attempt_at <= time::now() AND owner = NONE LIMIT 3",
    ] {
        let plan = query(&root, &format!("EXPLAIN SELECT VALUE id FROM job WHERE {condition}")).await;
        let plan = format!("{plan:?}");
        assert!(plan.contains("IndexScan") && !plan.contains("TableScan"), "{condition}: {plan}");
        // Neither sorted nor limited after everything has been read.
        assert!(
            !condition.contains("ORDER") || (plan.contains("limit: ") && !plan.contains("Sort")),
            "{condition}: {plan}"
        );
    }
}
