//! The HTTP interface.

mod ingest;
mod jobs;
mod members;
mod openapi;
mod proxy;
mod queries;
mod state;
mod verify;

use ::jobs::Clerk;
use axum::{Extension, Router, middleware};
use database::RefMode;
use protocol::{ErrorCode, Names};
use serving::{Failure, Secret, Status, Traffic};
use tokio::sync::mpsc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::capture::{Errand, Told};
use crate::coordinator::Coordinator;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) id: String,
    pub(crate) coordinator: Coordinator,
    pub(crate) errands: mpsc::Sender<Errand>,
    pub(crate) told: Told,
    pub(crate) status: Status,
    pub(crate) namespace: String,
    pub(crate) database: String,
    pub(crate) ref_mode: RefMode,
    pub(crate) names: Names,
    pub(crate) metrics: telemetry::Metrics,
    pub(crate) traffic: Traffic,
    pub(crate) clerk: Clerk,
}

/// The endpoints that everybody may call.
fn open() -> OpenApiRouter<Context> {
    OpenApiRouter::default().routes(routes!(state::health)).routes(routes!(state::version)).routes(routes!(state::info))
}

/// The endpoints that ask for the token.
fn guarded() -> OpenApiRouter<Context> {
    OpenApiRouter::default()
        .routes(routes!(ingest::ingest))
        .routes(routes!(jobs::dispatch))
        .routes(routes!(jobs::result))
        .routes(routes!(members::catch_up))
        .routes(routes!(members::heartbeat))
        .routes(routes!(members::register))
        .routes(routes!(proxy::query))
        .routes(routes!(proxy::select))
        .routes(routes!(proxy::sign_in))
        .routes(routes!(queries::register))
        .routes(routes!(queries::register_view))
        .routes(routes!(queries::unregister))
        .routes(routes!(serving::document))
        .routes(routes!(state::metrics))
        .routes(routes!(state::status))
        .routes(routes!(verify::holdings))
        .routes(routes!(verify::records))
        .routes(routes!(verify::repair))
        .routes(routes!(verify::table))
        .routes(routes!(verify::views))
}

/// The whole interface.
pub(crate) fn router(context: Context, secret: Option<&str>) -> Router {
    let (open, of_open) = open().split_for_parts();
    let (guarded, of_guarded) = guarded().split_for_parts();
    let document = serving::Document::new(&openapi::describe(of_open, of_guarded));
    let router =
        open.merge(guarded.route_layer(middleware::from_fn_with_state(Secret::new(secret), serving::require_token)));
    serving::finish(router.layer(Extension(document)))
        .layer(middleware::from_fn_with_state(context.traffic.clone(), serving::count))
        .with_state(context)
}

fn unavailable(error: &impl ToString) -> Failure {
    Failure::new(ErrorCode::DatabaseUnavailable, error.to_string())
}

fn not_ready(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::SspNotReady, message)
}
