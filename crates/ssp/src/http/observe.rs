//! `GET /metrics`, and what requests contribute to metrics and traces.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::ErrorCode;
use tracing::Span;
use tracing::field::Empty;

use super::openapi::OfEngine;
use super::{Context, Failure};
use crate::metrics::Metrics;

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the service tells about itself: counted by all of it, and read here.
#[derive(Clone)]
pub(crate) struct Telling {
    pub(crate) counted: Metrics,
    pub(crate) read: telemetry::Metrics,
}

/// All metrics, in Prometheus' text format. Answers also when the service is not ready or has failed: what the engine
/// said last of itself still counts then.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "Text format 0.0.4", body = String, content_type = "text/plain"), OfEngine)
)]
pub(super) async fn metrics(State(context): State<Context>) -> Result<impl IntoResponse, Failure> {
    context.telling.counted.refresh(&context.engine).await;
    // They end with the service.
    let text = context.telling.read.text().map_err(|_| context.gone())?;
    Ok(([(CONTENT_TYPE, TEXT)], text))
}

/// Counts a request and times it.
pub(super) async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (method, route) = (method(request.method()), route(&request).to_owned());
    let response = next.run(request).await;
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        metrics.failure(route.clone(), code.as_str());
    }
    metrics.request(method, route, response.status().as_u16(), started.elapsed());
    response
}

/// The span of a request, in the trace of its caller if it names one.
pub(super) fn span(request: &Request) -> Span {
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
