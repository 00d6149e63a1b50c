//! `GET /health`, `/version`, `/info`, `/status` and `/metrics`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use protocol::{EntityInfo, Health, PoolStatus, VersionInfo};
use serving::Failure;

use super::{Context, not_ready};

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// 200 if the scheduler is ready, else 503.
pub(super) async fn health(State(context): State<Context>) -> (StatusCode, Json<Health>) {
    let status = context.status.get();
    let is_ready = status == protocol::HealthStatus::Ready;
    (if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(Health { status }))
}

pub(super) async fn version() -> Json<VersionInfo> {
    Json(VersionInfo { version: env!("CARGO_PKG_VERSION").to_owned(), mode: "scheduler".to_owned() })
}

/// The scheduler, and all sidecars.
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
pub(super) async fn status(State(context): State<Context>) -> Json<PoolStatus> {
    let (ssps, unassigned) = context.coordinator.status();
    Json(PoolStatus {
        id: context.id.clone(),
        status: context.status.get(),
        head: context.coordinator.head(),
        snapshot_seq: *context.coordinator.replica().position().borrow(),
        is_frozen: context.coordinator.is_frozen(),
        unassigned,
        ssps,
    })
}

/// All metrics, in Prometheus' text format.
pub(super) async fn metrics(State(context): State<Context>) -> Result<impl IntoResponse, Failure> {
    let text = context.metrics.text().map_err(|_| not_ready("the scheduler is shutting down"))?;
    Ok(([(CONTENT_TYPE, TEXT)], text))
}
