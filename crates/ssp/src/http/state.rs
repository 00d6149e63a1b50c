//! `GET /health`, `/version` and `/info`: open to everybody.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{BackendInfo, EntityInfo, Health, VersionInfo};
use tokio::sync::oneshot;

use super::openapi::OfEngine;
use super::{Context, Failure};
use crate::command::Command;

/// 200 if the service is ready, else 503.
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
    let code = if context.status.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Health { status }))
}

/// The version of the service.
#[utoipa::path(get, path = "/version", responses((status = 200, description = "The version", body = VersionInfo)))]
pub(super) async fn version() -> Json<VersionInfo> {
    Json(VersionInfo { version: env!("CARGO_PKG_VERSION").to_owned(), mode: "streaming".to_owned() })
}

/// Answers also when the service has failed: then it keeps no views.
#[utoipa::path(
    get,
    path = "/info",
    responses((status = 200, description = "This service", body = Vec<EntityInfo>), OfEngine)
)]
pub(super) async fn info(State(context): State<Context>) -> Result<Json<Vec<EntityInfo>>, Failure> {
    let (reply, description) = oneshot::channel();
    let description = match context.send(Command::Describe(reply)).await {
        Ok(()) => description.await.map_err(|_| context.gone()),
        Err(gone) => Err(gone),
    };
    let views = match description {
        Ok(description) => {
            tracing::debug!(size = ?description.size, work = ?description.work, "described");
            description.views as u64
        }
        Err(_) if context.status.reason().is_some() => 0,
        Err(gone) => return Err(gone),
    };
    let (id, status) = (context.settings.id.clone(), context.status.get());
    let backends = context.backends.get().into_iter().map(backend_info).collect();
    Ok(Json(vec![EntityInfo { entity: "ssp".to_owned(), id, status, views, backends }]))
}

/// Everybody may see this: neither addresses nor reasons.
fn backend_info(health: jobs::BackendHealth) -> BackendInfo {
    BackendInfo {
        name: health.name,
        table: health.table,
        up: health.is_up,
        running: health.running,
        failures: health.failures,
        last_error: health.last_error,
    }
}
