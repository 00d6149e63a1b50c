//! `POST /ingest` and `/ingest/batch`: somebody says that records change.

use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use protocol::{ErrorCode, IngestRequest};
use pushed::Pushed;

use super::cluster::check_alone;
use super::openapi::OfIngestion;
use super::{Body, Context, Failure, bytes_of};
use crate::command::Command;

/// Changes of one request: a JSON array, or one JSON object after the other, as in NDJSON.
pub(super) struct Changes(Vec<IngestRequest>);

/// Answers 200 as soon as the change is accepted in order. The payload is believed only as far as the database confirms
/// it.
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
    check_can_ingest(&context)?;
    let pushed = Pushed::read(&context.settings.names, request)?;
    context.telling.counted.captured("push", 1, None);
    context.send(Command::Speculate(vec![pushed])).await?;
    Ok(StatusCode::OK)
}

/// As [`ingest`], for many changes, which reach the views together. Either all are accepted or, if one can't be, none.
#[utoipa::path(
    post,
    path = "/ingest/batch",
    request_body(
        description = "A JSON array, or one JSON object after the other, as in NDJSON",
        content((Vec<IngestRequest> = "application/json"), (String = "application/x-ndjson"))
    ),
    responses((status = 200, description = "All are accepted"), OfIngestion)
)]
pub(super) async fn ingest_batch(
    State(context): State<Context>,
    Changes(requests): Changes,
) -> Result<StatusCode, Failure> {
    check_can_ingest(&context)?;
    let mut changes = Vec::with_capacity(requests.len());
    for (number, request) in (1..).zip(requests) {
        let pushed = Pushed::read(&context.settings.names, request);
        changes.push(pushed.map_err(|failure| failure.within(&format!("change {number}")))?);
    }
    if !changes.is_empty() {
        context.telling.counted.captured("push", changes.len(), None);
        context.send(Command::Speculate(changes)).await?;
    }
    Ok(StatusCode::OK)
}

impl<S: Send + Sync> FromRequest<S> for Changes {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = bytes_of(request, state).await?;
        let is_array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        let changes = match is_array {
            true => serde_json::from_slice(&bytes),
            false => serde_json::Deserializer::from_slice(&bytes).into_iter().collect(),
        };
        changes.map(Changes).map_err(|error| Failure::new(ErrorCode::InvalidRequest, format!("invalid body: {error}")))
    }
}

fn check_can_ingest(context: &Context) -> Result<(), Failure> {
    context.check_ready()?;
    check_alone(context)?;
    if context.open.is_full() {
        let message = "more changes are announced than become visible in the database, try again later";
        return Err(Failure::new(ErrorCode::TooManyRequests, message));
    }
    Ok(())
}
