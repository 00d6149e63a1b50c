//! Traces and metrics as a collector receives them: the real binary, a real HTTP receiver, real protobuf.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use bytes::Bytes;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde_json::{Value, json};

/// Generous: a loaded machine with two cores starts a database in some seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// A caller's own trace and span, as W3C Trace Context writes them.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// What has been received: names of spans and of metrics, spans of the caller's trace with their parents, and names of services.
#[derive(Default)]
struct Received {
    spans: Vec<String>,
    of_caller: Vec<(String, String)>,
    metrics: Vec<String>,
    services: Vec<String>,
    bytes: Vec<u8>,
}

type Shared = Arc<Mutex<Received>>;

async fn collector() -> (String, Shared) {
    let received = Shared::default();
    let router = Router::new()
        .route("/v1/traces", post(traces))
        .route("/v1/metrics", post(metrics))
        .with_state(received.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

async fn traces(State(received): State<Shared>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
    let mut received = received.lock().unwrap();
    received.bytes.extend(&body);
    for resource in request.resource_spans {
        received.services.extend(service(resource.resource));
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        for span in spans {
            if hex(&span.trace_id) == TRACE {
                received.of_caller.push((span.name.clone(), hex(&span.parent_span_id)));
            }
            received.spans.push(span.name);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn metrics(State(received): State<Shared>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert_eq!(headers["x-tenant"], "tests");
    let request = ExportMetricsServiceRequest::decode(body.clone()).unwrap();
    let mut received = received.lock().unwrap();
    received.bytes.extend(&body);
    for resource in request.resource_metrics {
        received.services.extend(service(resource.resource));
        let metrics = resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
        received.metrics.extend(metrics.map(|metric| metric.name));
    }
}

fn service(resource: Option<Resource>) -> Option<String> {
    let attributes = resource?.attributes;
    let name = attributes.into_iter().find(|attribute| attribute.key == "service.name")?;
    match name.value?.value? {
        Any::StringValue(name) => Some(name),
        _ => None,
    }
}

/// A running `spky dev`, and where its log is. Killed when dropped.
struct Dev(Child, PathBuf);

impl Dev {
    /// Starts it, and answers its ready line as well.
    fn start(directory: &Path, variables: &[(&str, &str)]) -> (Dev, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spky"));
        for (name, _) in std::env::vars() {
            if ["SPKY_", "SPOOKY_", "SURREALDB_", "OTEL_"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.current_dir(directory).env("XDG_RUNTIME_DIR", directory).envs(variables.iter().copied());
        command.args(["dev", "--json", "--db-port", "0", "--ssp-port", "0"]).stdout(Stdio::piped());
        let log = directory.join("log");
        command.stderr(File::create(&log).unwrap());
        let mut dev = Dev(command.spawn().unwrap(), log);
        let lines = BufReader::new(dev.0.stdout.take().unwrap()).lines();
        let mut events = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        let ready = events.find(|event| event["event"] == "ready").expect("it becomes ready");
        (dev, ready)
    }

    /// Sends a SIGTERM, waits for the end, and answers the log.
    fn stop(mut self) -> String {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert!(self.0.wait().unwrap().success());
        std::fs::read_to_string(&self.1).unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It has ended already where the test succeeded.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes the service do something of everything.
async fn work(ready: &Value) {
    let text = |field: &str| ready[field].as_str().unwrap().to_owned();
    let http = reqwest::Client::new();
    let health = http.get(format!("{}/health", text("ssp")));
    health.header("traceparent", format!("00-{TRACE}-nonsense-01")).send().await.unwrap();
    let view = json!({ "id": "v", "surql": "SELECT * FROM thing", "clientId": "c", "ttl": "1h" });
    let register = http.post(format!("{}/view/register", text("ssp"))).bearer_auth(text("secret")).json(&view);
    let register = register.header("traceparent", format!("00-{TRACE}-{SPAN}-01"));
    assert_eq!(register.send().await.unwrap().status().as_u16(), 200);
    let database = text("db").replace("ws://", "http://");
    let create = http.post(format!("{database}/sql")).basic_auth("root", Some("root")).body("CREATE thing:1");
    let create = create.header("surreal-ns", text("namespace")).header("surreal-db", text("database"));
    let answer = create.header("accept", "application/json").send().await.unwrap();
    assert!(answer.text().await.unwrap().contains("\"OK\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_receives_traces_and_metrics() {
    let (url, received) = collector().await;
    let directory = tempfile::tempdir().unwrap();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x-tenant=tests"),
        ("OTEL_SERVICE_NAME", "spooky-under-test"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "300"),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
    ];
    let (dev, ready) = Dev::start(directory.path(), &variables);
    work(&ready).await;
    let spans = ["GET /health", "POST /view/register", "batch", "step", "transaction"];
    let metrics =
        ["spky.views", "spky.step.duration", "spky.edges.written", "spky.ready", "spky.http.request.duration"];
    let started = Instant::now();
    loop {
        let missing: Vec<&str> = {
            let received = received.lock().unwrap();
            let spans = spans.into_iter().filter(|name| !received.spans.iter().any(|found| found == name));
            spans
                .chain(metrics.into_iter().filter(|name| !received.metrics.iter().any(|found| found == name)))
                .collect()
        };
        if missing.is_empty() {
            break;
        }
        assert!(started.elapsed() < LIMIT, "not received: {missing:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = dev.stop();
    assert!(!log.contains("export") && !log.contains("panicked"), "{log}");
    let received = received.lock().unwrap();
    assert!(received.services.iter().all(|name| name == "spooky-under-test"), "{:?}", received.services);
    let secret = ready["secret"].as_str().unwrap().as_bytes();
    assert!(!received.bytes.windows(secret.len()).any(|part| part == secret), "the secret is exported");
    let of_caller = received.of_caller.iter().find(|(_, parent)| parent == SPAN);
    assert_eq!(of_caller.map(|(name, _)| name.as_str()), Some("POST /view/register"), "{:?}", received.of_caller);
    assert!(!received.of_caller.iter().any(|(name, _)| name.contains("health")), "{:?}", received.of_caller);
    // Catches an exporter that tells of its own requests.
    assert!(!received.spans.iter().any(|name| name.contains("v1/")), "{:?}", received.spans);
}

/// A collector that is not there costs log lines, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_harms_nobody() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("http://{nobody}");
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_METRIC_EXPORT_INTERVAL", "200")];
    let (dev, ready) = Dev::start(directory.path(), &variables);
    work(&ready).await;
    let started = Instant::now();
    let log = dev.stop();
    assert!(log.contains("export") && !log.contains("panicked"), "{log}");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused() {
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    let mut command = Command::new(env!("CARGO_BIN_EXE_spky"));
    let output = command.args(["ssp", "--insecure"]).envs(variables).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("OTEL_EXPORTER_OTLP_PROTOCOL is `grpc`"), "{text}");
}
