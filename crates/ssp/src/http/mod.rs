//! The HTTP interface.

mod auth;
mod debug;
mod ingest;
mod log;
mod reset;
mod state;
mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use database::Database;
use protocol::{ErrorBody, ErrorCode};
use serde::de::DeserializeOwned;
use tower_http::trace::{DefaultOnFailure, TraceLayer};
use tracing::Level;

use crate::adoption::Tables;
use crate::command::{Command, EngineSender};
use crate::errand::Errands;
use crate::settings::Settings;
use crate::speculation::Open;
use crate::status::Status;

/// The largest body that is read.
const BODY_LIMIT: usize = 16 << 20;
/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Context {
    settings: Arc<Settings>,
    database: Database,
    engine: EngineSender,
    tables: Tables,
    errands: Errands,
    open: Open,
    status: Status,
}

impl Context {
    pub(crate) fn new(
        settings: Arc<Settings>,
        database: Database,
        engine: EngineSender,
        tables: Tables,
        errands: Errands,
        open: Open,
        status: Status,
    ) -> Self {
        Context { settings, database, engine, tables, errands, open, status }
    }

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

/// All endpoints.
pub(crate) fn router(context: Context) -> Router {
    let guarded = Router::new()
        .route("/debug/deps", get(debug::dependencies))
        .route("/debug/view/{view_id}", get(debug::view))
        .route("/ingest", post(ingest::ingest))
        .route("/ingest/batch", post(ingest::ingest_batch))
        .route("/log", post(log::log))
        .route("/reset", post(reset::reset))
        .route("/view/register", post(views::register))
        .route("/view/unregister", post(views::unregister))
        .route_layer(middleware::from_fn_with_state(context.clone(), auth::require_token));
    Router::new()
        .route("/health", get(state::health))
        .route("/version", get(state::version))
        .route("/info", get(state::info))
        .merge(guarded)
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(limit_time))
        // An answer that is no success says so itself: while the service is not ready, there are many.
        .layer(TraceLayer::new_for_http().on_failure(DefaultOnFailure::new().level(Level::DEBUG)))
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
        (status, axum::Json(self.0)).into_response()
    }
}

/// A JSON body. Whatever is wrong with it is an `INVALID_REQUEST` that says where.
struct Body<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable)?;
        serde_json::from_slice(&bytes)
            .map(Body)
            .map_err(|error| Failure::new(ErrorCode::InvalidRequest, format!("invalid body: {error}")))
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
