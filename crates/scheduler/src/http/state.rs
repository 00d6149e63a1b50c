//! `GET /health`, `/version`, `/info`, `/status` and `/metrics`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use protocol::{EntityInfo, Health, PoolStatus, VersionInfo};
use serving::Failure;

use super::openapi::OfMetrics;
use super::{Context, not_ready};

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// 200 if the scheduler is ready, else 503.
#[utoipa::path(
    get,
    path = "/health",
    responses(
        (status = 200, description = "Ready", body = Health),
        (status = 503, description = "Not ready", body = Health)
    )
)]
pub(super) async fn health(State(context): State<Context>) -> (StatusCode, Json<Health>) {
    let status = context.status.get();
    let is_ready = status == protocol::HealthStatus::Ready;
    (if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(Health { status }))
}

/// The version of the service.
#[utoipa::path(get, path = "/version", responses((status = 200, description = "The version", body = VersionInfo)))]
pub(super) async fn version() -> Json<VersionInfo> {
    Json(VersionInfo { version: env!("CARGO_PKG_VERSION").to_owned(), mode: "scheduler".to_owned() })
}

/// The scheduler, and all sidecars.
#[utoipa::path(
    get,
    path = "/info",
    responses((status = 200, description = "The scheduler, and all sidecars", body = Vec<EntityInfo>))
)]
pub(super) async fn info(State(context): State<Context>) -> Json<Vec<EntityInfo>> {
    let (ssps, unassigned) = context.coordinator.status();
    let views = ssps.iter().map(|ssp| ssp.views).sum::<u64>() + unassigned;
    let own = EntityInfo {
        entity: "scheduler".to_owned(),
        id: context.id.clone(),
        status: context.status.get(),
        views,
        backends: Vec::new(),
    };
    let others = ssps.into_iter().map(|ssp| EntityInfo {
        entity: "ssp".to_owned(),
        id: ssp.ssp_id,
        status: match ssp.state.as_str() {
            "ready" => protocol::HealthStatus::Ready,
            "dismissed" | "lost" => protocol::HealthStatus::Failed,
            _ => protocol::HealthStatus::Bootstrapping,
        },
        views: ssp.views,
        backends: Vec::new(),
    });
    Json(std::iter::once(own).chain(others).collect())
}

/// The pool as it is.
#[utoipa::path(
    get,
    path = "/status",
    responses((status = 200, description = "The pool", body = PoolStatus))
)]
pub(super) async fn status(State(context): State<Context>) -> Json<PoolStatus> {
    let (ssps, unassigned) = context.coordinator.status();
    Json(PoolStatus {
        id: context.id.clone(),
        status: context.status.get(),
        head: context.coordinator.head(),
        snapshot_seq: *context.coordinator.replica().position().borrow(),
        is_frozen: context.coordinator.is_frozen(),
        is_interrupted: context.coordinator.is_interrupted(),
        unassigned,
        ssps,
    })
}

/// All metrics, in Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain"), OfMetrics)
)]
pub(super) async fn metrics(State(context): State<Context>) -> Result<impl IntoResponse, Failure> {
    let text = context.metrics.text().map_err(|_| not_ready("the scheduler is shutting down"))?;
    Ok(([(CONTENT_TYPE, TEXT)], text))
}
