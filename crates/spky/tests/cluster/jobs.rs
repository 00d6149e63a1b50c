//! Jobs through the scheduler.

use std::time::{Duration, Instant};

use axum::Router;
use axum::http::HeaderMap;
use serde_json::{Value as Json, json};

use crate::stage::{Cluster, LIMIT};
use crate::workload::SCHEMA;

/// A backend that never answers the first attempt at a job with the path `/hang`.
async fn backend() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer = async |headers: HeaderMap| {
        if headers["spky-attempt"] == "1" {
            std::future::pending::<()>().await;
        }
        headers["spky-attempt"].to_str().expect("a text").to_owned()
    };
    let router = Router::new().route("/hang", axum::routing::post(answer)).fallback(async || "done");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn value(cluster: &Cluster, surql: &str) -> Json {
    cluster.application.run(surql).await.swap_remove(0).into_json_value()
}

async fn until(cluster: &Cluster, surql: &str) {
    let started = Instant::now();
    while value(cluster, surql).await != json!(true) {
        assert!(started.elapsed() < LIMIT, "{surql} does not come true\n{}", cluster.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Has a job dispatched, and answers which sidecar runs it.
async fn dispatch(cluster: &Cluster, job: &str) -> String {
    let (status, answer) = cluster.post("/job/dispatch", &json!({ "job": job })).await;
    assert_eq!((status, &answer["dispatched"], &answer["job"]), (200, &json!(true), &json!(job)), "{answer}");
    assert!(answer["ssp_url"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")), "{answer}");
    answer["ssp_id"].as_str().expect("a name").to_owned()
}

/// Catches a dispatch that goes nowhere or twice, one that exceeds what a table may have under way, a job that dies with its
/// sidecar, and a result of an attempt that is over.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_dispatched_taken_over_and_concluded() {
    let url = backend().await;
    let configuration = format!("job_tables:\n  mail:\n    base_url: {url}\n    concurrency: 1\n    timeout: 10m\n");
    let mut cluster = Cluster::start_with(2, SCHEMA, &configuration, &["mail"]).await;
    // They are not due before tomorrow: nobody runs them unless told to.
    let created = "CREATE mail:1, mail:2, mail:3, mail:4 SET run_at = time::now() + 1d, path = '/hang';
                   UPDATE mail:1 SET path = '/once'";
    cluster.application.run(created).await;
    dispatch(&cluster, "mail:1").await;
    until(&cluster, "RETURN mail:1.status = 'success'").await;
    let (status, answer) = cluster.post("/job/dispatch", &json!({ "job_id": "mail:1" })).await;
    assert_eq!(
        (status, &answer["dispatched"], &answer["reason"]),
        (200, &json!(false), &json!("the job is not pending"))
    );
    for (job, expected) in [("mail:nobody", 404), ("thing:1", 404), ("nothing:1", 404), ("mail", 400)] {
        let (status, answer) = cluster.post("/job/dispatch", &json!({ "id": job })).await;
        assert_eq!(status, expected, "{job}: {answer}");
    }

    let (first, second) = (dispatch(&cluster, "mail:2").await, dispatch(&cluster, "mail:3").await);
    assert_ne!(first, second, "each has room for one");
    let (status, answer) = cluster.post("/job/dispatch", &json!({ "job": "mail:4" })).await;
    assert_eq!((status, &answer["code"]), (429, &json!("TOO_MANY_REQUESTS")), "{answer}");

    let result = async |job: &str, process: &Json, outcome: Json| {
        let mut body = json!({ "job": job, "process_uuid": process });
        body.as_object_mut().expect("an object").extend(outcome.as_object().expect("an object").clone());
        cluster.post("/job/result", &body).await
    };
    let process = value(&cluster, "RETURN mail:3.process_uuid").await;
    let success = json!({ "status": "success", "result": { "n": 1 } });
    let (status, answer) = result("mail:3", &json!("another"), success.clone()).await;
    assert_eq!((status, &answer["applied"]), (200, &json!(false)), "{answer}");
    assert_eq!(value(&cluster, "RETURN mail:3.status").await, "processing");
    assert_eq!(result("mail:3", &process, success.clone()).await, (200, json!({ "applied": true })));
    assert_eq!(value(&cluster, "RETURN [mail:3.status, mail:3.result.n]").await, json!(["success", 1]));
    let (status, answer) = result("mail:3", &process, json!({ "status": "failed", "error": "late" })).await;
    assert_eq!((status, &answer["applied"]), (200, &json!(false)), "{answer}");
    assert_eq!(result("thing:1", &process, success.clone()).await.0, 404);
    assert_eq!(result("mail:3", &process, json!({ "status": "success", "error": "both" })).await.0, 400);
    assert_eq!(value(&cluster, "RETURN [mail:3.status, mail:3.result.n]").await, json!(["success", 1]));

    let process = value(&cluster, "RETURN mail:2.process_uuid").await;
    let victim: usize = first.trim_start_matches("ssp-").parse().expect("a number");
    cluster.ssps[victim].kill();
    until(&cluster, "RETURN mail:2.status = 'success'").await;
    assert_eq!(value(&cluster, "RETURN [mail:2.attempts, mail:2.result]").await, json!([2, 2]));
    let late = json!({ "job": "mail:2", "process_uuid": process, "status": "failed", "error": "late" });
    let (status, answer) = cluster.post("/job/result", &late).await;
    assert_eq!((status, &answer["applied"]), (200, &json!(false)), "{answer}");
    assert_eq!(value(&cluster, "RETURN mail:2.status").await, "success");
    assert!(cluster.logs().contains("a stale result has no effect"), "{}", cluster.logs());
}
