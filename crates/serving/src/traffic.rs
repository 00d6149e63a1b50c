//! What requests and connections contribute to metrics and traces. No label has values that clients choose.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use protocol::ErrorCode;
use telemetry::{Counter, Histogram, KeyValue, Meter, UpDownCounter};
use tracing::Span;
use tracing::field::Empty;

/// The upper bounds of what takes milliseconds to a minute, in seconds.
const BOUNDS: [f64; 12] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

/// Counts the requests and connections of a service. All clones count together.
#[derive(Clone, Debug)]
pub struct Traffic {
    requests: Histogram<f64>,
    failures: Counter<u64>,
    connections: UpDownCounter<i64>,
}

impl Traffic {
    /// Instruments of this meter.
    pub fn new(meter: &Meter) -> Self {
        let requests = meter.f64_histogram("spky.http.request.duration").with_unit("s");
        let failures = meter.u64_counter("spky.http.failures");
        let connections = meter.i64_up_down_counter("spky.http.connections");
        Traffic {
            requests: requests
                .with_description("What answering a request takes")
                .with_boundaries(BOUNDS.to_vec())
                .build(),
            failures: failures.with_description("Requests that were answered with an error, by its code").build(),
            connections: connections.with_description("Open connections").build(),
        }
    }

    /// Counts a connection for as long as the answer lives.
    pub fn connection(&self) -> Connection {
        self.connections.add(1, &[]);
        Connection(self.clone())
    }

    /// A request was answered. `route` is the endpoint's path as the router knows it.
    fn request(&self, method: &'static str, route: String, status: u16, duration: Duration) {
        let labels = [
            KeyValue::new("method", method),
            KeyValue::new("route", route),
            KeyValue::new("status", i64::from(status)),
        ];
        self.requests.record(duration.as_secs_f64(), &labels);
    }

    fn failure(&self, route: String, code: &'static str) {
        self.failures.add(1, &[KeyValue::new("route", route), KeyValue::new("code", code)]);
    }
}

/// An open connection, for those who count them.
#[derive(Debug)]
pub struct Connection(Traffic);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.connections.add(-1, &[]);
    }
}

/// Counts a request and times it.
pub async fn count(State(traffic): State<Traffic>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (method, route) = (method(request.method()), route(&request).to_owned());
    let response = next.run(request).await;
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        traffic.failure(route.clone(), code.as_str());
    }
    traffic.request(method, route, response.status().as_u16(), started.elapsed());
    response
}

/// The span of a request, in the trace of its caller if it names one.
pub fn span(request: &Request) -> Span {
    let (method, route) = (method(request.method()), route(request));
    let span = tracing::debug_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
    );
    telemetry::continue_trace(&span, request.headers());
    span
}

/// The endpoint's path as the router knows it: clients choose paths, but not these.
fn route(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str)
}

/// The method, if it is one of HTTP's own: clients may make up others.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}
