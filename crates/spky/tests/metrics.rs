//! `/metrics` as Prometheus sees it.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use database::Capture;
use serde_json::json;
use support::{SECRET, World, stage};

const SCHEMA: &str = "
    DEFINE TABLE thread SCHEMALESS;
    DEFINE TABLE barrier SCHEMALESS;
    CREATE thread:1 SET status = 'open', priority = 3;
    CREATE thread:2 SET status = 'open', priority = 1;
    CREATE thread:3 SET status = 'closed', priority = 2;
";

/// What a scrape says.
struct Scrape(String);

impl Scrape {
    async fn of(url: String) -> Scrape {
        let answer = reqwest::Client::new().get(url).bearer_auth(SECRET).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Scrape(answer.text().await.expect("a text"))
    }

    /// The value of a series: its name with its labels, as it stands there.
    fn find(&self, series: &str) -> Option<f64> {
        let wanted = parts(series);
        let values = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        let (_, value) = values.into_iter().find(|(found, _)| parts(found) == wanted)?;
        Some(value.parse().expect("a number"))
    }

    fn get(&self, series: &str) -> f64 {
        self.find(series).unwrap_or_else(|| panic!("{series} is missing in\n{}", self.0))
    }
}

/// The name of a series and its labels, which have no order.
fn parts(series: &str) -> (&str, BTreeSet<&str>) {
    let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
    (name, labels.split(',').collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_tells_what_it_holds_and_does() {
    let stage = stage().await;
    let world = World::start(&stage, "metrics", Capture::Feed, SCHEMA).await.with_barrier().await;
    let before = Scrape::of(world.url("/metrics")).await;
    assert_eq!((before.get("spky_ready"), before.get("spky_views"), before.get("spky_unindexed_views")), (1., 1., 0.));

    world.register("one", "SELECT * FROM thread WHERE status = $s", "{ s: 'open' }").await;
    world.register("same", "SELECT * FROM thread WHERE status = $s", "{ s: 'open' }").await;
    world.register("other", "SELECT * FROM thread WHERE status = $s", "{ s: 'closed' }").await;
    world.register("slow", "SELECT * FROM thread WHERE priority != $p", "{ p: 1 }").await;
    assert_eq!(world.try_register("bad", "SELECT * FROM thread WHERE rand() > 1", "{}").await.0, 400);
    world.run("CREATE thread:4 SET status = 'open', priority = 1").await;
    world.run("DELETE thread:3").await;
    world.quiet().await;

    let after = Scrape::of(world.url("/metrics")).await;
    assert_eq!((after.get("spky_views"), after.get("spky_unindexed_views")), (5., 1.));
    assert_eq!((after.get("spky_templates"), after.get("spky_bindings")), (3., 4.));
    assert_eq!((after.get("spky_rows"), after.get("spky_tables")), (4., 2.));
    assert!(after.get("spky_arrangements") >= 1.);
    assert_eq!(after.get("spky_registrations_total"), 5.);
    let refused = r#"spky_http_failures_total{route="/view/register",code="UNSUPPORTED_QUERY"}"#;
    assert_eq!(after.get(refused), 1.);
    let grown = |series: &str| after.get(series) - before.find(series).unwrap_or_default();
    // Two writes of ours and one of the barrier.
    assert!(grown(r#"spky_changes_captured_total{source="feed"}"#) >= 3.);
    assert!(grown("spky_changes_effective_total") >= 3. && grown("spky_changes_received_total") >= 3.);
    assert!(grown("spky_step_duration_seconds_count") >= 1. && grown("spky_engine_batches_total") >= 1.);
    // Two threads for each of three views, one for another, and one more for two of them.
    assert!(grown("spky_edges_written_total") >= 9.);
    assert_eq!(grown("spky_edges_removed_total"), 2.);
    assert!(grown(r#"spky_transaction_duration_seconds_count{outcome="written"}"#) >= 5.);
    assert!(grown("spky_database_requests_total") >= 10.);
    let lag = after.get("spky_capture_lag_seconds_sum") / after.get("spky_capture_lag_seconds_count");
    assert!((0.0..60.0).contains(&lag), "{lag}");
    let registered = r#"spky_http_request_duration_seconds_count{method="POST",route="/view/register",status="200"}"#;
    assert_eq!(after.get(registered), 5.);
    assert_eq!((after.get("spky_engine_queue_length"), after.get("spky_writer_queue_length")), (0., 0.));
    assert!(after.get("spky_http_connections") >= 1.);
    assert_eq!(
        (after.get("spky_transaction_conflicts_total"), after.find("spky_transaction_retries_total")),
        (0., None)
    );

    no_client_makes_up_labels(&world).await;
    assert_eq!(reqwest::get(world.url("/metrics")).await.expect("an answer").status().as_u16(), 401);
    world.ssp.stop().await.expect("the sidecar stops");
}

/// Catches labels with values that clients choose: they would fill the memory of whoever keeps the series.
async fn no_client_makes_up_labels(world: &World) {
    let http = reqwest::Client::new();
    let made_up = reqwest::Method::from_bytes(b"MADEUP").expect("a method");
    for request in [
        http.get(world.url("/made-up/7")),
        http.request(made_up.clone(), world.url("/health")),
        http.request(made_up, world.url("/made-up/8?made=up")).header("made-up", "made-up"),
        http.post(world.url("/view/register")).bearer_auth(SECRET).json(&json!({ "id": "made-up" })),
    ] {
        assert!(request.send().await.expect("an answer").status().is_client_error());
    }
    let scrape = Scrape::of(world.url("/metrics")).await;
    for made_up in ["\"made", "/made", "MADE", "\"one\"", "thread", "\"open\""] {
        assert!(!scrape.0.contains(made_up), "{made_up}");
    }
    let unknown = r#"spky_http_request_duration_seconds_count{method="other",route="none",status="404"}"#;
    assert_eq!(scrape.get(unknown), 1.);
}

/// Who looks for the reason of a failure must be answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_has_failed_still_answers() {
    let stage = stage().await;
    let world = World::start(&stage, "failed", Capture::Feed, SCHEMA).await;
    world.run("DEFINE USER reader ON ROOT PASSWORD 'only reads' ROLES VIEWER").await;
    let mut settings = world.settings.clone();
    world.ssp.stop().await.expect("the sidecar stops");
    settings.database.username = "reader".to_owned();
    settings.database.password = "only reads".to_owned();
    // It can't prove that the feed works, which takes a write.
    let service = ssp::Service::start(settings).await.expect("the sidecar starts");
    let url = format!("http://{}/metrics", service.address());
    Scrape::of(url.clone()).await;
    let failed = tokio::time::timeout(Duration::from_secs(20), service.failed()).await;
    failed.expect("the sidecar fails");
    let started = Instant::now();
    let scrape = Scrape::of(url).await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(scrape.get("spky_ready"), 0.);
    service.stop().await.expect("the sidecar stops");
}
