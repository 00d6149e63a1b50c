//! `GET /health`, `/version` and `/info`: open to everybody.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{EntityInfo, Health, VersionInfo};
use tokio::sync::oneshot;

use super::{Context, Failure};
use crate::command::Command;

/// 200 if the service is ready, else 503.
pub(super) async fn health(State(context): State<Context>) -> (StatusCode, Json<Health>) {
    let status = context.status.get();
    let code = if context.status.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Health { status }))
}

pub(super) async fn version() -> Json<VersionInfo> {
    Json(VersionInfo { version: env!("CARGO_PKG_VERSION").to_owned(), mode: "streaming".to_owned() })
}

pub(super) async fn info(State(context): State<Context>) -> Result<Json<Vec<EntityInfo>>, Failure> {
    let (reply, description) = oneshot::channel();
    context.send(Command::Describe(reply)).await?;
    let description = description.await.map_err(|_| Failure::stopping())?;
    tracing::debug!(size = ?description.size, work = ?description.work, "described");
    let entity = EntityInfo {
        entity: "ssp".to_owned(),
        id: context.settings.id.clone(),
        status: context.status.get(),
        views: description.views as u64,
    };
    Ok(Json(vec![entity]))
}
