//! `GET /metrics`.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

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
