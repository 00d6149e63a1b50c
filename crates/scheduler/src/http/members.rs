//! `POST /ssp/…`: what sidecars say.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{Acknowledged, CatchUp, ErrorCode, Heartbeat, SspRegistered, SspRegistration};
use serving::{Body, Failure};
use tokio::sync::oneshot;

use super::openapi::{OfHeartbeat, OfJoining};
use super::{Context, not_ready, unavailable};
use crate::capture::Errand;
use crate::coordinator::NotJoined;
use crate::pool::Beat;

/// A sidecar joins, or joins again.
#[utoipa::path(
    post,
    path = "/ssp/register",
    request_body = SspRegistration,
    responses((status = 202, description = "It has joined", body = SspRegistered), OfJoining)
)]
pub(super) async fn register(
    State(context): State<Context>,
    Body(registration): Body<SspRegistration>,
) -> Result<(StatusCode, Json<SspRegistered>), Failure> {
    let invalid = |message: &str| Err(Failure::new(ErrorCode::InvalidRequest, message));
    if registration.ssp_id.is_empty() {
        return invalid("a sidecar has a name: `ssp_id` is empty");
    }
    if !registration.url.starts_with("http://") && !registration.url.starts_with("https://") {
        return invalid("the `url` of a sidecar begins with http:// or https://");
    }
    match context.coordinator.join(registration).await {
        Ok(registered) => Ok((StatusCode::ACCEPTED, Json(registered))),
        Err(error @ NotJoined::NotWhole) => Err(not_ready(error.to_string())),
        Err(NotJoined::Database(error)) => Err(unavailable(&error)),
        Err(error) => Err(not_ready(error.to_string())),
    }
}

/// A sign of life: 404 if the sidecar is no member (any more), 409 if it has to start over.
#[utoipa::path(
    post,
    path = "/ssp/heartbeat",
    request_body = Heartbeat,
    responses((status = 200, description = "Go on"), OfHeartbeat)
)]
pub(super) async fn heartbeat(
    State(context): State<Context>,
    Body(heartbeat): Body<Heartbeat>,
) -> Result<StatusCode, Failure> {
    match context.coordinator.heartbeat(heartbeat) {
        Beat::Ok => Ok(StatusCode::OK),
        Beat::NotRegistered => Err(Failure::new(ErrorCode::NotFound, "this sidecar is not registered")),
        Beat::Bootstrap => Err(Failure::new(ErrorCode::Conflict, "this sidecar has to load the snapshot again")),
    }
}

/// Takes in what has been committed so far, and tables that are asked for. Answers the last event of the log then.
#[utoipa::path(
    post,
    path = "/ssp/catch_up",
    request_body = CatchUp,
    responses((status = 200, description = "They are taken in", body = Acknowledged), OfJoining)
)]
pub(super) async fn catch_up(
    State(context): State<Context>,
    Body(CatchUp { adopt, reread }): Body<CatchUp>,
) -> Result<Json<Acknowledged>, Failure> {
    if adopt.iter().chain(&reread).any(String::is_empty) {
        return Err(Failure::new(ErrorCode::InvalidRequest, "a table has a name, and one of these is empty"));
    }
    let (done, reached) = oneshot::channel();
    let errand = Errand { adopt, reread, done };
    context.errands.send(errand).await.map_err(|_| not_ready("the scheduler is shutting down"))?;
    let sequence = reached.await.map_err(|_| unavailable(&"the database could not be asked"))?;
    Ok(Json(Acknowledged { sequence }))
}
