//! What every endpoint has: a limit in time and size, and an answer whatever happens.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use protocol::ErrorCode;
use tower_http::catch_panic::CatchPanicLayer;

use crate::body::BODY_LIMIT;
use crate::failure::Failure;

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Adds to a router what every interface has: an answer for paths and methods that there are not, limits for bodies and for
/// the time that a request may take, and an answer where a handler panics.
pub fn finish<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(|_| Failure::new(ErrorCode::Internal, "this is a bug").into_response()))
        .layer(middleware::from_fn(limit_time))
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
