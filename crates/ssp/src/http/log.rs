//! `POST /log`: what a client wants to have in our log.

use axum::http::StatusCode;
use protocol::{LogLevel, LogRequest};

use super::Body;
use super::openapi::OfBody;

/// Logs under the target `client`. The text is escaped, so that no client writes lines that look like ours.
#[utoipa::path(
    post,
    path = "/log",
    request_body = LogRequest,
    responses((status = 200, description = "Logged"), OfBody)
)]
pub(super) async fn log(Body(request): Body<LogRequest>) -> StatusCode {
    let LogRequest { message, level, data } = request;
    let data = data.map(|data| data.to_string()).unwrap_or_default();
    match level {
        LogLevel::Error => tracing::error!(target: "client", ?message, data),
        LogLevel::Warn => tracing::warn!(target: "client", ?message, data),
        LogLevel::Info => tracing::info!(target: "client", ?message, data),
        LogLevel::Debug => tracing::debug!(target: "client", ?message, data),
        LogLevel::Trace => tracing::trace!(target: "client", ?message, data),
    }
    StatusCode::OK
}
