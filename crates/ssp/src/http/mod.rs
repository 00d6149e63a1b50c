//! The HTTP interface.

mod cluster;
mod debug;
mod events;
mod ingest;
mod jobs;
mod log;
mod observe;
mod openapi;
mod reset;
mod state;
mod verify;
mod views;

use std::sync::Arc;
use std::time::Duration;

use ::cluster::Delivery;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::response::Response;
use axum::{Extension, Router};
use database::Database;
use protocol::ErrorCode;
use tower_http::trace::TraceLayer;
use tracing::Span;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

pub(crate) use observe::Telling;
use serving::{Body, Failure, Secret, Status, bytes_of};

use crate::adoption::Tables;
use crate::catalog::Permissions;
use crate::cluster::{Inbox, Moves, Ticket};
use crate::command::{Command, EngineSender};
use crate::errand::Errands;
use crate::events::Events;
use crate::restorer::Restorer;
use crate::settings::Settings;
use crate::speculation::Open;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) settings: Arc<Settings>,
    pub(crate) database: Database,
    pub(crate) engine: EngineSender,
    pub(crate) tables: Tables,
    pub(crate) permissions: Permissions,
    pub(crate) errands: Errands,
    pub(crate) inbox: Inbox,
    pub(crate) moves: Moves,
    pub(crate) open: Open,
    pub(crate) events: Events,
    pub(crate) status: Status,
    pub(crate) telling: Telling,
    pub(crate) backends: ::jobs::Healths,
    pub(crate) dispatcher: ::jobs::Dispatcher,
}

impl Context {
    /// Refuses requests while the service is not ready.
    fn check_ready(&self) -> Result<(), Failure> {
        if self.status.is_ready() {
            return Ok(());
        }
        let status = self.status.get().as_str();
        Err(Failure::new(ErrorCode::SspNotReady, format!("the SSP is not ready: its status is {status}")))
    }

    fn restorer(&self, ticket: Ticket) -> Restorer {
        Restorer {
            database: self.database.clone(),
            engine: self.engine.clone(),
            settings: self.settings.clone(),
            permissions: self.permissions.clone(),
            ticket,
        }
    }

    async fn send(&self, command: Command) -> Result<(), Failure> {
        self.engine.send(command).await.map_err(|_| self.gone())
    }

    /// Why the engine does not answer.
    fn gone(&self) -> Failure {
        match self.status.reason() {
            Some(reason) => Failure::new(ErrorCode::SspNotReady, format!("the SSP has failed: {reason}")),
            None => Failure::new(ErrorCode::SspNotReady, "the SSP is shutting down"),
        }
    }
}

/// The endpoints that everybody may call.
fn open() -> OpenApiRouter<Context> {
    OpenApiRouter::default().routes(routes!(state::health)).routes(routes!(state::version)).routes(routes!(state::info))
}

/// The endpoints that ask for the token.
fn guarded() -> OpenApiRouter<Context> {
    OpenApiRouter::default()
        .routes(routes!(cluster::events).layer(DefaultBodyLimit::max(Delivery::MOST_BYTES)))
        .routes(routes!(cluster::give_away_views))
        .routes(routes!(cluster::take_over_views))
        .routes(routes!(debug::dependencies))
        .routes(routes!(debug::view))
        .routes(routes!(events::events))
        .routes(routes!(ingest::ingest))
        .routes(routes!(ingest::ingest_batch))
        .routes(routes!(jobs::run))
        .routes(routes!(log::log))
        .routes(routes!(observe::metrics))
        .routes(routes!(serving::document))
        .routes(routes!(reset::reset))
        .routes(routes!(verify::holdings))
        .routes(routes!(verify::records))
        .routes(routes!(verify::repair))
        .routes(routes!(verify::table))
        .routes(routes!(verify::views, verify::compare_views))
        .routes(routes!(views::register))
        .routes(routes!(views::unregister))
}

/// The whole interface.
pub(crate) fn router(context: Context) -> Router {
    let (open, of_open) = open().split_for_parts();
    let (guarded, of_guarded) = guarded().split_for_parts();
    let document = serving::Document::new(&openapi::describe(of_open, of_guarded));
    let traces = TraceLayer::new_for_http().make_span_with(serving::span).on_response(
        |response: &Response, latency: Duration, span: &Span| {
            span.record("http.response.status_code", response.status().as_u16());
            tracing::debug!(status = response.status().as_u16(), ?latency, "answered");
        },
    );
    let secret = Secret::new(context.settings.secret.as_deref());
    let router = open.merge(guarded.route_layer(middleware::from_fn_with_state(secret, serving::require_token)));
    serving::finish(router.layer(Extension(document)))
        .layer(middleware::from_fn_with_state(context.telling.counted.traffic().clone(), serving::count))
        .layer(traces)
        .with_state(context)
}
