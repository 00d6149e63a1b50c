//! `POST /ingest`: somebody says that a record changes.
//!
//! What is said here is not believed, whoever says it. Where the changefeed delivers a change as soon as it is committed, it is
//! a reason to look there. Where changes are pushed, the transaction that makes the change says so before it commits: the
//! record is read until the change is there.

use axum::extract::State;
use axum::http::StatusCode;
use cluster::{Announcement, Goal};
use protocol::{ErrorCode, HealthStatus, IngestRequest};
use pushed::Pushed;
use serving::{Body, Failure};

use super::openapi::OfIngestion;
use super::{Context, not_ready};
use crate::capture::{Announcer, NotAnnounced, Told};
use crate::log;

/// Has the changefeed looked at soon, or, where changes are pushed, the record read until it has changed. Answers 200 without
/// waiting for that: the writer's transaction may wait for this answer.
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
    let Told { bell, announcer } = &context.told;
    match announcer {
        None if !context.status.is_ready() => return Err(not_ready("the tables are still being read")),
        // While tables are read, changes can be announced: they are looked for afterwards.
        Some(_) if context.status.get() == HealthStatus::Failed => return Err(not_ready("the scheduler has failed")),
        _ => {}
    }
    let pushed = Pushed::read(&context.names, request)?;
    match announcer {
        None => bell.notify_one(),
        Some(announcer) => announce(announcer, pushed).await?,
    }
    Ok(StatusCode::OK)
}

async fn announce(announcer: &Announcer, pushed: Pushed) -> Result<(), Failure> {
    let exists = pushed.content.is_some();
    let goal = pushed.version.map_or(Goal::UNKNOWN, |version| Goal { version, exists });
    let announced = announcer.announce(vec![Announcement { id: pushed.id, goal }]).await;
    announced.map_err(|error| {
        let code = match &error {
            NotAnnounced::TooMany => ErrorCode::TooManyRequests,
            NotAnnounced::Log(log::Error::TooLarge { .. }) => ErrorCode::PayloadTooLarge,
            NotAnnounced::Log(_) => ErrorCode::SspNotReady,
            NotAnnounced::Encoding(_) => ErrorCode::InvalidRequest,
        };
        Failure::new(code, error.to_string())
    })
}
