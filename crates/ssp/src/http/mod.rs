//! The HTTP interface.

mod auth;
mod debug;
mod events;
mod ingest;
mod log;
mod observe;
mod openapi;
mod reset;
mod serve;
mod stall;
mod state;
mod verify;
mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use bytes::Bytes;
use database::Database;
use protocol::{ErrorBody, ErrorCode};
use serde::de::DeserializeOwned;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use tracing::Span;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use observe::Telling;
pub(crate) use serve::{Limits, serve};

use crate::adoption::Tables;
use crate::catalog::Permissions;
use crate::command::{Command, EngineSender};
use crate::errand::Errands;
use crate::events::Events;
use crate::settings::Settings;
use crate::speculation::Open;
use crate::status::Status;

/// The largest body that is read.
const BODY_LIMIT: usize = 16 << 20;
/// How long the body of a request may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) settings: Arc<Settings>,
    pub(crate) database: Database,
    pub(crate) engine: EngineSender,
    pub(crate) tables: Tables,
    pub(crate) permissions: Permissions,
    pub(crate) errands: Errands,
    pub(crate) open: Open,
    pub(crate) events: Events,
    pub(crate) status: Status,
    pub(crate) telling: Telling,
    pub(crate) backends: jobs::Healths,
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
        .routes(routes!(debug::dependencies))
        .routes(routes!(debug::view))
        .routes(routes!(events::events))
        .routes(routes!(ingest::ingest))
        .routes(routes!(ingest::ingest_batch))
        .routes(routes!(log::log))
        .routes(routes!(observe::metrics))
        .routes(routes!(openapi::document))
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
    let document = openapi::Document::new(&openapi::describe(of_open, of_guarded));
    let traces = TraceLayer::new_for_http().make_span_with(observe::span).on_response(
        |response: &Response, latency: Duration, span: &Span| {
            span.record("http.response.status_code", response.status().as_u16());
            tracing::debug!(status = response.status().as_u16(), ?latency, "answered");
        },
    );
    open.merge(guarded.route_layer(middleware::from_fn_with_state(context.clone(), auth::require_token)))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(Extension(document))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(|_| Failure::new(ErrorCode::Internal, "this is a bug").into_response()))
        .layer(middleware::from_fn(limit_time))
        .layer(middleware::from_fn_with_state(context.telling.counted.clone(), observe::count))
        .layer(traces)
        .with_state(context)
}

/// Ends a request that takes too long, for instance because the database is away.
async fn limit_time(request: Request, next: Next) -> Result<Response, Failure> {
    let too_long = |_| Failure::new(ErrorCode::Timeout, format!("not done within {} s", REQUEST_TIMEOUT.as_secs()));
    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await.map_err(too_long)
}

async fn unknown_path(request: Request) -> Failure {
    Failure::new(ErrorCode::NotFound, format!("there is no endpoint {}", request.uri().path()))
}

async fn wrong_method(request: Request) -> Failure {
    let (method, path) = (request.method(), request.uri().path());
    Failure::new(ErrorCode::MethodNotAllowed, format!("{path} can't be called with {method}"))
}

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Failure(ErrorBody);

impl Failure {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Failure(ErrorBody::new(code, message))
    }

    /// The same failure, with the part of the request that it is about.
    fn within(self, part: &str) -> Self {
        Failure::new(self.0.code, format!("{part}: {}", self.0.message))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // The code as an extension is for those who count.
        (status, Extension(self.0.code), axum::Json(self.0)).into_response()
    }
}

/// A JSON body. Whatever is wrong with it is an `INVALID_REQUEST` that says where.
struct Body<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = bytes_of(request, state).await?;
        serde_json::from_slice(&bytes)
            .map(Body)
            .map_err(|error| Failure::new(ErrorCode::InvalidRequest, format!("invalid body: {error}")))
    }
}

/// The whole body.
async fn bytes_of<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Failure> {
    match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await {
        Ok(body) => body.map_err(unreadable),
        Err(_) => {
            let message = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
            Err(Failure::new(ErrorCode::RequestTimeout, message))
        }
    }
}

fn unreadable(rejection: BytesRejection) -> Failure {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Failure::new(ErrorCode::PayloadTooLarge, format!("the body is larger than {BODY_LIMIT} bytes"))
        }
        _ => Failure::new(ErrorCode::InvalidRequest, format!("the body can't be read: {rejection}")),
    }
}
