//! The HTTP interface.

mod jobs;
mod members;
mod proxy;
mod queries;
mod state;
mod verify;

use ::jobs::Clerk;
use axum::routing::{get, post};
use axum::{Router, middleware};
use database::RefMode;
use protocol::ErrorCode;
use serving::{Failure, Secret, Traffic};
use tokio::sync::mpsc;

use crate::capture::Errand;
use crate::coordinator::Coordinator;
use serving::Status;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) id: String,
    pub(crate) coordinator: Coordinator,
    pub(crate) errands: mpsc::Sender<Errand>,
    pub(crate) status: Status,
    pub(crate) namespace: String,
    pub(crate) database: String,
    pub(crate) ref_mode: RefMode,
    pub(crate) metrics: telemetry::Metrics,
    pub(crate) traffic: Traffic,
    pub(crate) clerk: Clerk,
}

/// The whole interface.
pub(crate) fn router(context: Context, secret: Option<&str>) -> Router {
    let open = Router::new()
        .route("/health", get(state::health))
        .route("/info", get(state::info))
        .route("/version", get(state::version));
    let guarded = Router::new()
        .route("/metrics", get(state::metrics))
        .route("/status", get(state::status))
        .route("/proxy/query", post(proxy::query))
        .route("/proxy/signin", post(proxy::sign_in))
        .route("/proxy/use", post(proxy::select))
        .route("/query/register", post(queries::register))
        .route("/view/register", post(queries::register))
        .route("/view/unregister", post(queries::unregister))
        .route("/verify", get(verify::holdings))
        .route("/verify/records", post(verify::records))
        .route("/verify/repair", post(verify::repair))
        .route("/verify/table/{table}", get(verify::table))
        .route("/verify/views", get(verify::views))
        .route("/job/dispatch", post(jobs::dispatch))
        .route("/job/result", post(jobs::result))
        .route("/ssp/register", post(members::register))
        .route("/ssp/heartbeat", post(members::heartbeat))
        .route("/ssp/catch_up", post(members::catch_up))
        .route_layer(middleware::from_fn_with_state(Secret::new(secret), serving::require_token));
    serving::finish(open.merge(guarded))
        .layer(middleware::from_fn_with_state(context.traffic.clone(), serving::count))
        .with_state(context)
}

fn unavailable(error: &impl ToString) -> Failure {
    Failure::new(ErrorCode::DatabaseUnavailable, error.to_string())
}

fn not_ready(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::SspNotReady, message)
}
