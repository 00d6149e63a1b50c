//! `POST /job/run`: a job is to be run now.

use ::jobs::Answer;
use axum::Json;
use axum::extract::State;
use protocol::{ErrorCode, JobRequest, JobRun};

use super::openapi::OfJob;
use super::{Body, Context, Failure};

/// Claims a pending job and runs it, also before it is due. Answers as soon as it is claimed, or is known not to be.
#[utoipa::path(
    post,
    path = "/job/run",
    request_body = JobRequest,
    responses((status = 200, description = "Whether it is run here", body = JobRun), OfJob)
)]
pub(super) async fn run(
    State(context): State<Context>,
    Body(JobRequest { job }): Body<JobRequest>,
) -> Result<Json<JobRun>, Failure> {
    let id = query::parse_record_id(&job)
        .map_err(|error| Failure::new(ErrorCode::InvalidRequest, format!("invalid field `job`: {error}")))?;
    let table = id.table.clone();
    match context.dispatcher.run(id).await {
        Answer::Claimed => Ok(Json(JobRun { claimed: true, reason: None })),
        Answer::NotPending => Ok(Json(JobRun { claimed: false, reason: Some("the job is not pending".to_owned()) })),
        Answer::Full => {
            let message = format!("as many jobs of {table} are under way here as may be");
            Err(Failure::new(ErrorCode::TooManyRequests, message))
        }
        Answer::NoSuchTable => Err(Failure::new(ErrorCode::NotFound, format!("there is no job table {table} here"))),
        Answer::Unavailable(reason) => Err(Failure::new(ErrorCode::DatabaseUnavailable, reason)),
    }
}
