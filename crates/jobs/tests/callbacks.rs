//! Executors that are done later: what they are told, what they may say, and what comes of it.

mod support;

use std::num::NonZeroU32;
use std::time::Duration;

use jobs::{Guard, Mode};
use serde_json::{Value as Json, json};
use support::{Backend, Running, World, codes, of_table, wait_for};

fn guard(allow: &str) -> Guard {
    Guard::new(vec![allow.parse().unwrap()], Vec::new(), NonZeroU32::new(10_000).unwrap())
}

/// A runner with one table of asynchronous jobs.
async fn start(timeout: Duration) -> (World, Backend, Running, Spi) {
    let world = World::start(&["job"]).await;
    let backend = Backend::start().await;
    let mut configured = of_table("job", &backend);
    configured.mode = Mode::Callback;
    configured.timeout = timeout;
    let (runner, base) = world.runner_with_spi(vec![configured], guard("127.0.0.0/8")).await;
    (world, backend, runner, Spi { base, http: reqwest::Client::new() })
}

struct Spi {
    base: String,
    http: reqwest::Client,
}

impl Spi {
    async fn post_to(&self, url: &str, body: &Json) -> (u16, Json) {
        let answer = self.http.post(url).json(body).send().await.expect("the SPI answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("JSON"))
    }

    async fn post(&self, body: &Json) -> (u16, Json) {
        self.post_to(&format!("{}/job/executor_callback", self.base), body).await
    }
}

fn stale() -> (u16, Json) {
    (200, json!({ "status": "ok", "stale": true }))
}

fn ok() -> (u16, Json) {
    (200, json!({ "status": "ok" }))
}

const LONG: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_is_told_where_to_call_and_its_result_completes_the_job() {
    let (world, backend, runner, spi) = start(LONG).await;
    world
        .run(
            "CREATE job:1 SET path = '/accept/merge-videos', payload = { input: 's3', node_uuid: 'forged' };
             CREATE job:2 SET path = '/accept', payload = [1], executor_type = 'other'",
        )
        .await;
    world.until("RETURN count(SELECT 1 FROM job WHERE status = 'in_progress') = 2").await;
    let body = |id: &str| backend.calls().into_iter().find(|call| call.key() == id).expect("a call").body;
    let (first, second) = (body("job:1"), body("job:2"));
    let process_uuid = first["process_uuid"].as_str().unwrap().to_owned();
    let expected = json!({
        "input": "s3",
        "node_uuid": "job:1",
        "process_uuid": process_uuid,
        "executor_type": "merge-videos",
        "callback_url": format!("{}/job/executor_callback?process_uuid={process_uuid}", spi.base),
    });
    assert_eq!(first, expected);
    assert_eq!((&second["payload"], &second["executor_type"]), (&json!([1]), &json!("other")));

    // As the executors of the source document do: without `process_uuid`, but to the address that they were given.
    let result = json!({ "s3_key": "out.mp4", "duration": 10.5, "size": 1_048_576 });
    let done = json!({ "node_uuid": "job:1", "executor_type": "merge-videos", "result": result });
    assert_eq!(spi.post_to(first["callback_url"].as_str().unwrap(), &done).await, ok());
    let job = world.job("job:1").await;
    assert_eq!((&job["status"], &job["result"]), (&json!("completed"), &result));
    assert!(job["finished_at"].is_string());

    // And without both, where there has been one attempt only.
    let done = json!({ "node_uuid": "2", "executor_type": "other", "result": null });
    assert_eq!(spi.post(&done).await, stale(), "a key alone is text, and this job's is a number");
    let done = json!({ "node_uuid": "job:2", "executor_type": "other", "result": "x".repeat(300_000) });
    assert_eq!(spi.post(&done).await, ok());
    let job = world.job("job:2").await;
    assert_eq!((&job["status"], &job["result"]["truncated"]), (&json!("completed"), &json!(true)));
    assert!(
        runner.metrics.text().unwrap().contains("spky_jobs_callbacks_total{backend=\"job\",outcome=\"success\"} 2")
    );
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_fails_the_job_unless_the_executor_says_that_it_may_be_tried_again() {
    let (world, backend, runner, spi) = start(LONG).await;
    world.run("CREATE job:1 SET path = '/accept'; CREATE job:2 SET path = '/accept', max_retries = 1").await;
    world.until("RETURN count(SELECT 1 FROM job WHERE status = 'in_progress') = 2").await;
    let failed = json!({
        "node_uuid": "job:1", "executor_type": "accept", "error": "FFmpeg failed", "error_type": "ffmpeg_error"
    });
    assert_eq!(spi.post(&failed).await, ok());
    let job = world.job("job:1").await;
    assert_eq!((&job["status"], codes(&job)), (&json!("failed"), vec!["ffmpeg_error"]));
    assert_eq!(job["errors"][0]["reason"], "FFmpeg failed");

    let again = json!({ "node_uuid": "job:2", "executor_type": "accept", "error": "busy", "retryable": true });
    assert_eq!(spi.post(&again).await, ok());
    wait_for("it is tried again", || backend.attempts("job:2") == [1, 2]).await;
    world.until("RETURN job:2.status = 'in_progress'").await;
    let process_uuid = backend.calls().last().unwrap().body["process_uuid"].clone();
    let mut last = again.clone();
    last["process_uuid"] = process_uuid;
    assert_eq!(spi.post(&last).await, ok());
    let job = world.job("job:2").await;
    assert_eq!((&job["status"], codes(&job)), (&json!("failed"), vec!["EXECUTOR_ERROR"; 2]));
    runner.stop().await;
}

/// Catches a result of an old attempt that is taken for that of the new one, and executors that are told to call again.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_callback_changes_nothing() {
    let (world, backend, runner, spi) = start(LONG).await;
    world.run("CREATE job:1 SET path = '/accept'").await;
    world.until("RETURN job:1.status = 'in_progress'").await;
    let old = backend.calls()[0].body.clone();
    // A restart by hand supersedes the attempt.
    world.run("UPDATE job:1 SET status = 'pending'").await;
    wait_for("it is called again", || backend.calls().len() == 2).await;
    world.until("RETURN job:1.status = 'in_progress'").await;
    let before = world.job("job:1").await;

    let result = |node: &str| json!({ "node_uuid": node, "executor_type": "accept", "result": 1 });
    let mut of_old = result("job:1");
    of_old["process_uuid"] = old["process_uuid"].clone();
    assert_eq!(spi.post(&of_old).await, stale());
    assert_eq!(spi.post_to(old["callback_url"].as_str().unwrap(), &result("job:1")).await, stale());
    assert_eq!(spi.post(&result("job:1")).await, stale(), "of two attempts, it has to say which");
    for unknown in
        ["job:nope", "nope", "other:1", "job:", "not an id : at all", "job:1; DELETE job", "_00_runner:x", "⟨"]
    {
        assert_eq!(spi.post(&result(unknown)).await, stale(), "{unknown}");
    }
    assert_eq!(world.job("job:1").await, before);

    let mut of_new = result("job:1");
    of_new["process_uuid"] = backend.calls()[1].body["process_uuid"].clone();
    assert_eq!(spi.post(&of_new).await, ok());
    assert_eq!(spi.post(&of_new).await, stale(), "it is finished");
    let finished = world.job("job:1").await;
    of_new["result"] = json!(2);
    assert_eq!(spi.post(&of_new).await, stale());
    assert_eq!(world.job("job:1").await, finished);
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_never_comes_is_a_timeout_and_a_retry() {
    let (world, backend, runner, spi) = start(Duration::from_secs(2)).await;
    world.run("CREATE job:1 SET path = '/accept', max_retries = 1").await;
    let job = world.finished("job:1").await;
    assert_eq!((&job["status"], codes(&job)), (&json!("failed"), vec!["CALLBACK_TIMEOUT"; 2]));
    assert_eq!(backend.attempts("job:1"), [1, 2]);
    let late = json!({ "node_uuid": "job:1", "executor_type": "accept", "result": 1,
        "process_uuid": backend.calls()[1].body["process_uuid"] });
    assert_eq!(spi.post(&late).await, stale());
    runner.stop().await;
}

/// Catches an executor that is done before its answer has been written, and whose callback then is stale for ever.
#[tokio::test(flavor = "multi_thread")]
async fn an_executor_may_call_back_before_it_has_answered() {
    let (world, backend, runner, spi) = start(LONG).await;
    world.run("CREATE job:1 SET path = '/gate'").await;
    wait_for("it is called", || backend.calls().len() == 1).await;
    let done = json!({ "node_uuid": "job:1", "executor_type": "gate", "result": 7 });
    assert_eq!(spi.post(&done).await, ok());
    backend.open();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let job = world.job("job:1").await;
    assert_eq!((&job["status"], &job["result"], codes(&job).len()), (&json!("completed"), &json!(7), 0));
    runner.stop().await;
}

/// A callback comes to whichever SSP listens, also when the one that made the attempt is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_outlives_the_runner_that_made_the_attempt() {
    let (world, backend, first, _) = start(LONG).await;
    world.run("CREATE job:1 SET path = '/accept'").await;
    world.until("RETURN job:1.status = 'in_progress'").await;
    first.crash().await;
    let mut configured = of_table("job", &backend);
    configured.mode = Mode::Callback;
    let (second, base) = world.runner_with_spi(vec![configured], guard("127.0.0.1/32")).await;
    // Longer than the lease: the job waits for its executor, and not for its runner.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let done = json!({ "node_uuid": "job:1", "executor_type": "accept", "result": 1 });
    let spi = Spi { base, http: reqwest::Client::new() };
    assert_eq!(spi.post(&done).await, ok());
    assert_eq!(backend.attempts("job:1"), [1]);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said() {
    let (world, _backend, runner, spi) = start(LONG).await;
    world.run("CREATE job:1 SET path = '/accept'").await;
    world.until("RETURN job:1.status = 'in_progress'").await;
    for (body, part) in [
        (json!({ "executor_type": "accept", "result": 1 }), "node_uuid"),
        (json!({ "node_uuid": "job:1", "result": 1 }), "executor_type"),
        (json!({ "node_uuid": "job:1", "executor_type": "accept" }), "result"),
        (json!({ "node_uuid": "job:1", "executor_type": "something else", "result": 1 }), "accept"),
        (json!("text"), "object"),
    ] {
        let (status, answer) = spi.post(&body).await;
        assert_eq!((status, &answer["code"]), (400, &json!("INVALID_REQUEST")), "{body}");
        assert!(answer["message"].as_str().unwrap().contains(part), "{answer}");
    }
    let done = json!({ "node_uuid": "job:1", "executor_type": "accept", "result": 1 });
    let elsewhere = format!("{}/nowhere/executor_callback", spi.base);
    assert_eq!(spi.post_to(&elsewhere, &done).await.0, 404);
    assert_eq!(spi.post_to(&format!("{}/job/else", spi.base), &done).await.0, 404);
    let got = spi.http.get(format!("{}/job/executor_callback", spi.base)).send().await.unwrap();
    assert_eq!(got.status(), 405);
    let too_large = json!({ "node_uuid": "job:1", "executor_type": "accept", "result": "x".repeat(2 << 20) });
    assert_eq!(spi.post(&too_large).await.0, 413);
    assert_eq!(world.job("job:1").await["status"], "in_progress");
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_networks_are_forbidden_and_the_eager_are_slowed() {
    let world = World::start(&["job"]).await;
    let mut configured = of_table("job", &Backend::start().await);
    configured.mode = Mode::Callback;
    let (runner, base) = world.runner_with_spi(vec![configured.clone()], guard("10.0.0.0/8")).await;
    let http = reqwest::Client::new();
    let url = format!("{base}/job/executor_callback");
    let answer = http.post(&url).header("X-Forwarded-For", "10.0.0.1").json(&json!({})).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.json::<Json>().await.unwrap()["code"], "FORBIDDEN");
    runner.stop().await;

    let slow = Guard::new(vec!["127.0.0.0/8".parse().unwrap()], Vec::new(), NonZeroU32::new(1).unwrap());
    let (runner, base) = world.runner_with_spi(vec![configured], slow).await;
    let url = format!("{base}/job/executor_callback");
    let mut refused = 0;
    for _ in 0..20 {
        let status = http.post(&url).json(&json!({})).send().await.unwrap().status().as_u16();
        assert!(matches!(status, 400 | 429), "{status}");
        refused += usize::from(status == 429);
    }
    assert!(refused > 0);
    runner.stop().await;
}
