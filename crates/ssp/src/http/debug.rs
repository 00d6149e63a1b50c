//! `GET /debug/view/{view_id}` and `/debug/deps`: what the engine holds.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::PathRejection;
use protocol::{DebugDependencies, DebugView, ErrorCode, ViewKey};
use tokio::sync::oneshot;

use super::openapi::{OfEngine, OfView};
use super::{Context, Failure};
use crate::command::Command;

/// The rows and versions of a view. O(result).
#[utoipa::path(
    get,
    path = "/debug/view/{view_id}",
    params(("view_id" = String, Path, description = "The id of the view, by any of its names")),
    responses((status = 200, description = "What is held of it", body = DebugView), OfView)
)]
pub(super) async fn view(
    State(context): State<Context>,
    key: Result<axum::extract::Path<String>, PathRejection>,
) -> Result<Json<DebugView>, Failure> {
    let key = view_key(key)?;
    let (reply, inspected) = oneshot::channel();
    context.send(Command::Inspect { key: key.clone(), reply }).await?;
    let view = inspected.await.map_err(|_| context.gone())?;
    view.map(Json).ok_or_else(|| Failure::new(ErrorCode::NotFound, format!("there is no view {key}")))
}

/// Which views read which tables. O(views).
#[utoipa::path(
    get,
    path = "/debug/deps",
    responses((status = 200, description = "Views by table", body = DebugDependencies), OfEngine)
)]
pub(super) async fn dependencies(State(context): State<Context>) -> Result<Json<DebugDependencies>, Failure> {
    let (reply, dependencies) = oneshot::channel();
    context.send(Command::Dependencies(reply)).await?;
    dependencies.await.map(Json).map_err(|_| context.gone())
}

/// The view that a path names.
pub(super) fn view_key(path: Result<axum::extract::Path<String>, PathRejection>) -> Result<ViewKey, Failure> {
    let invalid = |reason: String| Failure::new(ErrorCode::InvalidRequest, format!("invalid view id: {reason}"));
    let axum::extract::Path(text) = path.map_err(|rejection| invalid(rejection.body_text()))?;
    text.parse().map_err(|error: protocol::ViewKeyError| invalid(error.to_string()))
}
