//! `POST /ingest`: somebody says that a record changes.
//!
//! The changefeed delivers the change as soon as it is committed, and only then. What is said here is not believed: it is a
//! reason to look.

use axum::extract::State;
use axum::http::StatusCode;
use protocol::{ErrorCode, IngestRequest};
use serving::{Body, Failure};

use super::openapi::OfIngestion;
use super::{Context, not_ready};

/// Has the changefeed looked at soon. Answers 200 without waiting for that: the writer's transaction may wait for this answer.
#[utoipa::path(
    post,
    path = "/ingest",
    request_body = IngestRequest,
    responses((status = 200, description = "Accepted"), OfIngestion)
)]
pub(super) async fn ingest(
    State(context): State<Context>,
    Body(request): Body<IngestRequest>,
) -> Result<StatusCode, Failure> {
    if !context.status.is_ready() {
        return Err(not_ready("the tables are still being read"));
    }
    if context.names.is_system(&request.table) {
        let message = format!("the table {} belongs to Sp00ky itself", request.table);
        return Err(Failure::new(ErrorCode::InvalidRequest, message));
    }
    context.bell.notify_one();
    Ok(StatusCode::OK)
}
