//! The SPI: what asynchronous executors call when they are done.
//!
//! It asks for no token: who may call is decided by the network ([`guard`]). Every request leaves a line in the log,
//! under the target `spi::audit`: from where, what, with which payload, and what was answered.

mod callback;
mod guard;
mod request;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use protocol::{ErrorBody, ErrorCode};
use serde_json::{Value, json};

pub use guard::Guard;

use crate::ledger::Ledger;
use crate::retry::truncate;
pub use callback::Effect;
pub(crate) use callback::conclude;
use guard::Verdict;
use request::Place;
pub use request::{Callback, Outcome};

/// The largest body that is read.
const BODY_LIMIT: usize = 1 << 20;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a payload goes to the log.
const AUDIT_LIMIT: usize = 4 << 10;

/// What handlers share.
#[derive(Clone)]
struct Context {
    guard: Arc<Guard>,
    /// Those in callback mode.
    ledgers: Arc<[Ledger]>,
}

/// The whole interface. Whoever serves it puts the peer's address into each request, as [`ConnectInfo`].
pub(crate) fn router(guard: Guard, ledgers: Vec<Ledger>) -> Router {
    let context = Context { guard: Arc::new(guard), ledgers: ledgers.into() };
    Router::new()
        .route("/spi/{namespace}/executor_callback", post(executor_callback))
        .fallback(|| async { Failure::new(ErrorCode::NotFound, "there is no such endpoint") })
        .method_not_allowed_fallback(|| async { Failure::new(ErrorCode::MethodNotAllowed, "callbacks are posted") })
        .layer(middleware::from_fn_with_state(context.clone(), admit))
        .with_state(context)
}

/// An executor is done. Whatever has no effect any more is answered with success: to call again would change nothing.
async fn executor_callback(
    State(context): State<Context>,
    Path(namespace): Path<String>,
    Query(place): Query<Place>,
    body: Bytes,
) -> Result<Json<Value>, Failure> {
    let callback = Callback::parse(&body, place).map_err(|reason| Failure::new(ErrorCode::InvalidRequest, reason))?;
    let ledger = context.ledgers.iter().find(|ledger| ledger.backend.table == namespace);
    let ledger = ledger.ok_or_else(|| {
        Failure::new(ErrorCode::NotFound, format!("there is no job table `{namespace}` with executors that call back"))
    })?;
    match callback::conclude(ledger, &callback).await {
        Ok(Effect::Written) => Ok(Json(json!({ "status": "ok" }))),
        Ok(Effect::Stale(reason)) => {
            tracing::warn!(namespace, job = callback.node_uuid, reason, "a stale callback has no effect");
            Ok(Json(json!({ "status": "ok", "stale": true })))
        }
        Ok(Effect::Refused(reason)) => Err(Failure::new(ErrorCode::InvalidRequest, reason)),
        Err(error) => {
            tracing::warn!(namespace, job = callback.node_uuid, %error, "a callback can't be taken now");
            Err(Failure::new(ErrorCode::DatabaseUnavailable, "the callback can't be taken now, call again"))
        }
    }
}

/// Lets in whom the guard lets in, reads the body within its limits, and writes the audit log.
async fn admit(State(context): State<Context>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let verdict = context.guard.judge(peer, request.headers());
    let ip = verdict.address().map_or_else(|| "unknown".to_owned(), |address| address.to_string());
    let (payload, response) = match verdict {
        Verdict::Welcome(_) => match read(request).await {
            Ok((request, body)) => (shown(&body), next.run(request).await),
            Err(failure) => (String::new(), failure.into_response()),
        },
        Verdict::Outside(_) => {
            let failure = Failure::new(ErrorCode::Forbidden, "this network may not call the SPI");
            (String::new(), failure.into_response())
        }
        Verdict::TooMany(_) => {
            let failure = Failure::new(ErrorCode::TooManyRequests, "too many requests from this address");
            (String::new(), failure.into_response())
        }
    };
    let status = response.status().as_u16();
    tracing::info!(target: "spi::audit", ip, method, path, status, payload, "request");
    response
}

/// A payload as it goes to the log.
fn shown(body: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(&body[..body.len().min(AUDIT_LIMIT)]).into_owned();
    truncate(&mut text, AUDIT_LIMIT);
    text
}

/// Reads the body of a request, and answers both.
async fn read(request: Request) -> Result<(Request, Bytes), Failure> {
    let (parts, body) = request.into_parts();
    let reading = axum::body::to_bytes(body, BODY_LIMIT);
    let body = match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            let is_too_large = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
                .any(|error| error.is::<http_body_util::LengthLimitError>());
            return Err(if is_too_large {
                Failure::new(ErrorCode::PayloadTooLarge, format!("the body is larger than {BODY_LIMIT} bytes"))
            } else {
                Failure::new(ErrorCode::InvalidRequest, "the body can't be read")
            });
        }
        Err(_) => return Err(Failure::new(ErrorCode::RequestTimeout, "the body did not arrive in time")),
    };
    Ok((Request::from_parts(parts, Body::from(body.clone())), body))
}

/// An answer that is not a success.
#[derive(Debug)]
struct Failure(ErrorBody);

impl Failure {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Failure(ErrorBody::new(code, message))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.0)).into_response()
    }
}
