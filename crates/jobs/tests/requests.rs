//! The states of a job whose result comes with the answer, each reached through a real backend and read in the
//! database.

mod support;

use std::time::Duration;

use circuit::{Key, RecordId};
use jobs::Answer;
use serde_json::json;
use support::{Backend, LIMIT, World, codes, of_table, wait_for};

/// Every way in which a call can go, at once.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_a_backend_has_its_state() {
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    let mut configured = of_table("job", &backend);
    configured.auth_token = Some("tok".to_owned());
    configured.timeout = Duration::from_secs(20);
    configured.timeout_overridable = true;
    configured.concurrency = 64;
    let runner = world.runner(vec![configured]).await;

    world
        .run(
            "CREATE job:ok SET path = '/ok?x=1', payload = { a: 1, at: d'2026-01-01T00:00:00Z', who: user:1, none: NONE };
             CREATE job:no_payload SET path = '/ok';
             CREATE job:text SET path = '/text'; CREATE job:bytes SET path = '/bytes'; CREATE job:nothing SET path = '/';
             CREATE job:big SET path = '/big/3000000';
             CREATE job:flaky SET path = '/flaky/2', retry_strategy = 'linear';
             CREATE job:down SET path = '/status/500'; CREATE job:never SET path = '/status/502', max_retries = 0;
             CREATE job:wrong SET path = '/status/422'; CREATE job:later SET path = '/status/404', max_retries = 1;
             CREATE job:redirect SET path = '/redirect', max_retries = 0;
             CREATE job:drop SET path = '/drop', max_retries = 1;
             CREATE job:garbage SET path = '/garbage', max_retries = 1;
             CREATE job:half SET path = '/half', max_retries = 1;
             CREATE job:hang SET path = '/hang', max_retries = 1, timeout = 1s;
             CREATE job:hang_once SET path = '/hang_once', timeout = 1s;
             CREATE job:out SET path = '/../../x', max_retries = 5;
             CREATE job:busy SET path = '/busy';",
        )
        .await;

    let ok = world.finished("job:ok").await;
    assert_eq!(ok["status"], "success");
    assert_eq!(ok["result"]["echo"], json!({ "a": 1, "at": "2026-01-01T00:00:00Z", "who": "user:1" }));
    assert_eq!((ok["retries"].as_u64(), ok["attempts"].as_u64()), (Some(0), Some(1)));
    assert!(ok["finished_at"].is_string() && ok["updated_at"].is_string() && ok["owner"].is_null());
    assert_eq!(world.finished("job:no_payload").await["result"], json!({ "echo": {} }));
    assert_eq!(world.finished("job:text").await["result"], "<p>done");
    assert_eq!(world.finished("job:bytes").await["result"], "\u{fffd}\u{fffd}a\0");
    assert_eq!(world.finished("job:nothing").await["status"], "success");
    let big = world.finished("job:big").await;
    assert_eq!((&big["status"], &big["result"]["truncated"]), (&json!("success"), &json!(true)));
    assert!((200_000..300_000).contains(&big["result"]["text"].as_str().unwrap().len()));

    let flaky = world.finished("job:flaky").await;
    assert_eq!((&flaky["status"], &flaky["result"]), (&json!("success"), &json!("at last")));
    assert_eq!(codes(&flaky), ["HTTP_500", "HTTP_500"]);
    assert_eq!(flaky["errors"][1]["reason"], "500 Internal Server Error: not yet");
    assert_eq!(flaky["errors"].as_array().unwrap().iter().map(|error| &error["attempt"]).collect::<Vec<_>>(), [1, 2]);

    for (id, expected, retries) in [
        ("job:down", vec!["HTTP_500"; 4], 3),
        ("job:never", vec!["HTTP_502"], 0),
        ("job:wrong", vec!["HTTP_422"], 0),
        ("job:later", vec!["HTTP_404"; 2], 1),
        ("job:redirect", vec!["HTTP_307"], 0),
        ("job:drop", vec!["CONNECTION"; 2], 1),
        ("job:garbage", vec!["CONNECTION"; 2], 1),
        ("job:half", vec!["CONNECTION"; 2], 1),
        ("job:hang", vec!["TIMEOUT"; 2], 1),
    ] {
        let job = world.finished(id).await;
        assert_eq!(
            (&job["status"], codes(&job), job["retries"].as_u64()),
            (&json!("failed"), expected, Some(retries)),
            "{id}"
        );
        assert_eq!(backend.attempts(id), (1..=retries + 1).collect::<Vec<_>>(), "{id}");
    }
    assert_eq!(world.finished("job:hang_once").await["status"], "success");
    // The path is normalised before it is sent, and can't leave an address without a path.
    assert_eq!(world.finished("job:out").await["status"], "success");
    let busy = world.finished("job:busy").await;
    assert_eq!((&busy["status"], codes(&busy)), (&json!("success"), vec!["HTTP_503"]));

    for call in backend.calls() {
        assert_eq!(call.headers["authorization"], "Bearer tok", "{call:?}");
        assert_eq!(call.headers["content-type"], "application/json");
    }
    assert!(backend.calls().iter().any(|call| call.path == "/ok?x=1"));
    assert_eq!(runner.healths.get()[0].table, "job");
    wait_for("nothing is under way any more", || runner.healths.get()[0].running == 0).await;
    let text = runner.metrics.text().unwrap();
    assert!(text.contains("spky_jobs_attempt_duration_seconds_count{backend=\"job\",outcome=\"success\"}"), "{text}");
    runner.stop().await;
}

/// Catches jobs that are noticed only by the bell: these were there before, or are due later.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_from_before_and_for_later_are_run_when_they_are_due() {
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    world.run("FOR $i IN array::range(0..50) { CREATE type::record('job', $i) SET path = '/ok', payload = $i }").await;
    world.run("CREATE job:later SET path = '/ok', run_at = time::now() + 3s").await;
    world.run("CREATE job:much_later SET path = '/ok', run_at = time::now() + 1h").await;
    let mut configured = of_table("job", &backend);
    configured.concurrency = 4;
    let runner = world.runner(vec![configured]).await;
    world.until("RETURN count(SELECT 1 FROM job WHERE status = 'success') = 51").await;
    assert!(backend.peak() <= 4, "{} calls at once", backend.peak());
    let later = world.run("SELECT VALUE started_at >= run_at FROM ONLY job:later").await;
    assert_eq!(later, json!(true), "a job is not run before its time");
    assert_eq!(world.job("job:much_later").await["status"], "pending");
    assert_eq!(backend.calls().len(), 51, "no job is run twice");
    runner.stop().await;
}

/// Catches a backend that hangs and takes the places of another one's jobs.
#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_hangs_delays_nobody_else() {
    let world = World::start(&["job", "other"]).await;
    let (hanging, well) = (Backend::start().await, Backend::start().await);
    let mut first = of_table("job", &hanging);
    first.concurrency = 2;
    let runner = world.runner(vec![first, of_table("other", &well)]).await;
    world.run("FOR $i IN array::range(0..20) { CREATE job SET path = '/gate' }").await;
    wait_for("the hanging backend is busy", || hanging.calls().len() == 2).await;
    world.run("FOR $i IN array::range(0..20) { CREATE other SET path = '/ok' }").await;
    world.until("RETURN count(SELECT 1 FROM other WHERE status = 'success') = 20").await;
    assert_eq!(
        world.run("RETURN count(SELECT 1 FROM job WHERE status = 'pending')").await,
        json!(18),
        "they wait in the database"
    );
    hanging.open();
    world.until("RETURN count(SELECT 1 FROM job WHERE status = 'success') = 20").await;
    assert_eq!(hanging.peak(), 2);
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_not_there_is_down_until_it_answers() {
    let world = World::start(&["job"]).await;
    let port = embedded::free_port().unwrap();
    let mut configured = of_table("job", &Backend::start().await);
    configured.base_url = format!("http://127.0.0.1:{port}").parse().unwrap();
    let runner = world.runner(vec![configured]).await;
    world.run("CREATE job:1 SET path = '/ok', max_retries = 1").await;
    let job = world.finished("job:1").await;
    assert_eq!(codes(&job), ["UNREACHABLE", "UNREACHABLE"]);
    assert!(
        !job["errors"].to_string().contains(&port.to_string()),
        "who may see the job need not know the address: {job}"
    );
    let health = &runner.healths.get()[0];
    assert_eq!((health.is_up, health.failures, health.last_error.as_deref()), (false, 2, Some("UNREACHABLE")));
    assert!(runner.metrics.text().unwrap().contains("spky_backend_up{backend=\"job\"} 0"));
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_job_is_given_up() {
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    let runner = world.runner(vec![of_table("job", &backend)]).await;
    world.run("CREATE job:1 SET path = '/gate'; CREATE job:2 SET path = '/gate'").await;
    wait_for("both are under way", || backend.calls().len() == 2).await;
    world.run("DELETE job:1").await;
    wait_for("the call is given up", || backend.given_up() == 1).await;
    backend.open();
    assert_eq!(world.finished("job:2").await["status"], "success");
    assert_eq!(world.run("RETURN record::exists(job:1)").await, json!(false), "it does not come back");
    runner.stop().await;
}

/// Catches an old attempt that overwrites what a new one has written.
#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_attempt_writes_nothing() {
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    let runner = world.runner(vec![of_table("job", &backend)]).await;
    world.run("CREATE job:1 SET path = '/gate'").await;
    wait_for("it is under way", || backend.calls().len() == 1).await;
    world.run("UPDATE job:1 SET status = 'pending', path = '/ok'").await;
    let job = world.finished("job:1").await;
    assert!(job["result"]["echo"].is_object(), "{job}");
    wait_for("the old call is given up", || backend.given_up() == 1).await;
    assert_eq!(world.job("job:1").await, job);
    assert_eq!(backend.attempts("job:1"), [1, 2]);
    runner.stop().await;
}

/// Catches jobs that are stolen from a living runner, and jobs that nobody finds after a crash.
#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_a_crashed_runner_are_found_and_those_of_a_living_one_are_not() {
    let world = World::start(&["job"]).await;
    let (of_dead, of_living) = (Backend::start().await, Backend::start().await);
    let dead = world.runner(vec![of_table("job", &of_dead)]).await;
    world.run("CREATE job:lost SET path = '/gate'; CREATE job:last SET path = '/gate', max_retries = 0").await;
    wait_for("they are under way", || of_dead.calls().len() == 2).await;
    dead.crash().await;
    let living = world.runner(vec![of_table("job", &of_living)]).await;
    world.run("CREATE job:long SET path = '/gate'").await;
    let last = world.finished("job:last").await;
    assert_eq!((&last["status"], codes(&last)), (&json!("failed"), vec!["LOST"]), "no attempt beyond its retries");
    // By now the lease is over several times.
    tokio::time::sleep(Duration::from_secs(8)).await;
    of_living.open();
    let lost = world.finished("job:lost").await;
    assert_eq!((&lost["status"], codes(&lost)), (&json!("success"), vec!["LOST"]));
    let long = world.finished("job:long").await;
    assert_eq!((&long["status"], long["attempts"].as_u64()), (&json!("success"), Some(1)));
    assert_eq!(of_living.attempts("job:lost"), [2]);
    living.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_stops_finishes_what_it_has_begun_and_begins_nothing() {
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    let runner = world.runner(vec![of_table("job", &backend)]).await;
    world.run("CREATE job:1 SET path = '/gate'").await;
    wait_for("it is under way", || backend.calls().len() == 1).await;
    runner.stopper.stop();
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.run("CREATE job:2 SET path = '/ok'").await;
    backend.open();
    tokio::time::timeout(LIMIT, runner.stop()).await.expect("it ends");
    assert_eq!(world.job("job:1").await["status"], "success");
    assert_eq!(world.job("job:2").await["status"], "pending");
    assert_eq!(world.run("RETURN count(SELECT 1 FROM _00_runner)").await, json!(0));
}

/// Catches two runners that claim the same job, or that keep each other from claiming any.
#[tokio::test(flavor = "multi_thread")]
async fn two_runners_never_run_the_same_job() {
    const JOBS: usize = 600;
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    let (one, two) =
        (world.runner(vec![of_table("job", &backend)]).await, world.runner(vec![of_table("job", &backend)]).await);
    for chunk in 0..6 {
        world
            .run(&format!(
                "FOR $i IN array::range({}..{}) {{ CREATE job SET path = '/slow/5' }}",
                chunk * 100,
                chunk * 100 + 100
            ))
            .await;
    }
    world.until(&format!("RETURN count(SELECT 1 FROM job WHERE status = 'success') = {JOBS}")).await;
    assert_eq!(backend.calls().len(), JOBS);
    assert_eq!(world.run("RETURN count(SELECT 1 FROM job WHERE attempts != 1)").await, json!(0));
    let counted = |running: &support::Running| running.metrics.text().unwrap().contains("outcome=\"success\"");
    assert!(counted(&one) && counted(&two), "both have taken part");
    one.stop().await;
    two.stop().await;
}

/// Catches one record that the schema does not take, and that keeps all jobs of its table waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_can_not_be_written_keeps_nobody_waiting() {
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    // As if the table had been given a field after the job had been created.
    world.run("CREATE job:bad SET path = '/ok', run_at = time::now() - 1d; DEFINE FIELD must ON job TYPE string").await;
    let runner = world.runner(vec![of_table("job", &backend)]).await;
    world.run("CREATE job:good SET path = '/ok', must = 'x'").await;
    assert_eq!(world.finished("job:good").await["status"], "success");
    runner.stop().await;
}

/// Catches jobs that were claimed for a runner that never learned of it, because the answer was lost with the
/// connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_was_lost_is_noticed_by_the_runner_itself() {
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    let runner = world.runner(vec![of_table("job", &backend)]).await;
    world.until("RETURN count(SELECT 1 FROM _00_runner) = 1").await;
    world
        .run(
            "LET $runner = record::id((SELECT VALUE id FROM _00_runner)[0]);
             CREATE job:1 SET path = '/ok', status = 'processing', owner = $runner, process_uuid = 'x', attempts = 1",
        )
        .await;
    let job = world.finished("job:1").await;
    assert_eq!((&job["status"], codes(&job)), (&json!("success"), vec!["LOST"]));
    assert_eq!(backend.attempts("job:1"), [2]);
    runner.stop().await;
}

/// Catches a job that waits for its time although it was asked for, and one that is run beyond the bound of its table, or twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_run_out_of_turn_within_the_bound_of_its_table() {
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    let runner = world.runner(vec![jobs::Backend { concurrency: 1, ..of_table("job", &backend) }]).await;
    world.run("CREATE job:due SET path = '/ok'").await;
    world.finished("job:due").await;
    world.run("CREATE job:a, job:b SET path = '/gate', run_at = time::now() + 1d").await;
    let job = |table: &str, key: &str| RecordId::new(table, Key::String(key.into()));
    assert_eq!(runner.dispatcher.run(job("other", "a")).await, Answer::NoSuchTable);
    assert_eq!(runner.dispatcher.run(job("job", "nobody")).await, Answer::NotPending);
    assert_eq!(runner.dispatcher.run(job("job", "a")).await, Answer::Claimed);
    wait_for("it is called", || backend.attempts("job:a") == [1]).await;
    assert_eq!(runner.dispatcher.run(job("job", "b")).await, Answer::Full);
    backend.open();
    world.finished("job:a").await;
    assert_eq!(world.job("job:b").await["status"], "pending");
    // The first may still count as under way for a moment.
    while runner.dispatcher.run(job("job", "b")).await == Answer::Full {}
    world.finished("job:b").await;
    while runner.dispatcher.run(job("job", "a")).await == Answer::Full {}
    assert_eq!(runner.dispatcher.run(job("job", "a")).await, Answer::NotPending);
    assert_eq!((backend.attempts("job:a"), backend.attempts("job:b")), (vec![1], vec![1]));
    let dispatcher = runner.dispatcher.clone();
    runner.stop().await;
    assert!(matches!(dispatcher.run(job("job", "b")).await, Answer::Unavailable(_)));
}
