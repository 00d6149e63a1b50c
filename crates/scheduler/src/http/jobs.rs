//! `POST /job/dispatch` and `/job/result`: a job goes to a sidecar, and how an attempt has ended comes back.
//!
//! The state of a job is its record, and sidecars find and claim due ones by themselves. So nothing is kept here, and a job that
//! is dispatched to a sidecar that dies then is found by another one like any other.

use ::jobs::{Callback, Effect, Outcome};
use axum::Json;
use axum::extract::State;
use circuit::RecordId;
use protocol::{Applied, Dispatched, ErrorCode, JobRequest, JobResult, JobRun, JobStatus};
use serde_json::Value as Json_;
use serving::{Body, Failure};

use super::openapi::{OfDispatch, OfResult};
use super::{Context, not_ready, unavailable};
use crate::peers::PeerError;

/// Has a ready sidecar run a job now: one that the strategy chooses, or the next one if that can't.
#[utoipa::path(
    post,
    path = "/job/dispatch",
    request_body = JobRequest,
    responses((status = 200, description = "Who runs it", body = Dispatched), OfDispatch)
)]
pub(super) async fn dispatch(
    State(context): State<Context>,
    Body(JobRequest { job }): Body<JobRequest>,
) -> Result<Json<Dispatched>, Failure> {
    let id = record_id(&job)?;
    let job = database::text::record_id(&id);
    check_exists(&context, &id, &job).await?;
    let request = JobRequest { job: job.clone() };
    let mut excluded = Vec::new();
    let mut refusal = not_ready("no sidecar is ready");
    while let Some(at) = context.coordinator.choose_ready(&excluded) {
        match context.coordinator.peers().run_job(&at.url, &request).await {
            Ok(JobRun { claimed, reason }) => {
                tracing::debug!(job, ssp = %at.ssp, claimed, reason, "a job was dispatched");
                let (ssp_id, ssp_url) = (at.ssp.to_string(), at.url.to_string());
                return Ok(Json(Dispatched { job, ssp_id, ssp_url, dispatched: claimed, reason }));
            }
            Err(PeerError::Refused { body, .. }) => refusal = (*body).into(),
            // It may have claimed the job nevertheless. Then nobody else can, and says so.
            Err(error) => refusal = not_ready(format!("the sidecar {} does not answer: {error}", at.ssp)),
        }
        excluded.push(at.ssp);
    }
    Err(refusal)
}

/// Concludes an attempt at a job, if it still is the job's.
#[utoipa::path(
    post,
    path = "/job/result",
    request_body = JobResult,
    responses((status = 200, description = "Whether it counts", body = Applied), OfResult)
)]
pub(super) async fn result(
    State(context): State<Context>,
    Body(report): Body<JobResult>,
) -> Result<Json<Applied>, Failure> {
    let id = record_id(&report.job)?;
    let callback = callback(report, &id)?;
    let effect = context.clerk.conclude(&id.table, &callback).await.map_err(|error| unavailable(&error))?;
    let applied = match effect {
        Some(Effect::Written) => Applied { applied: true, reason: None },
        Some(Effect::Stale(reason)) => {
            tracing::warn!(job = callback.node_uuid, reason, "a stale result has no effect");
            Applied { applied: false, reason: Some(reason.to_owned()) }
        }
        Some(Effect::Refused(reason)) => return Err(Failure::new(ErrorCode::InvalidRequest, reason)),
        None => {
            let message = format!("there is no job table {} in the configuration of the scheduler", id.table);
            return Err(Failure::new(ErrorCode::NotFound, message));
        }
    };
    Ok(Json(applied))
}

async fn check_exists(context: &Context, id: &RecordId, job: &str) -> Result<(), Failure> {
    let database = context.coordinator.database();
    // What its table calls states that are reached later is of no interest here.
    let table = database.job_table(&id.table, false).await.map_err(|error| unavailable(&error))?;
    let found = match &table {
        Some(table) => database.find_job(table, job).await.map_err(|error| unavailable(&error))?,
        None => None,
    };
    match found {
        Some(_) => Ok(()),
        None => Err(Failure::new(ErrorCode::NotFound, format!("there is no job {job}"))),
    }
}

fn callback(report: JobResult, id: &RecordId) -> Result<Callback, Failure> {
    let invalid = |message: &str| Err(Failure::new(ErrorCode::InvalidRequest, message));
    let JobResult { process_uuid, status, result, error, error_type, retryable, .. } = report;
    if process_uuid.is_empty() {
        return invalid("`process_uuid` is empty");
    }
    let outcome = match (status, result, error) {
        (JobStatus::Success, _, Some(_)) => return invalid("a success has no `error`"),
        (JobStatus::Failed, Some(_), _) => return invalid("a failure has no `result`"),
        (JobStatus::Success, result, None) => Outcome::Result(result.unwrap_or_default()),
        (JobStatus::Failed, None, error) => Outcome::Error {
            reason: match error {
                None => "no reason was given".to_owned(),
                Some(Json_::String(reason)) => reason,
                Some(other) => other.to_string(),
            },
            code: error_type,
            is_retryable: retryable,
        },
    };
    let node_uuid = database::text::record_id(id);
    Ok(Callback { node_uuid, process_uuid: Some(process_uuid), executor_type: None, outcome })
}

fn record_id(text: &str) -> Result<RecordId, Failure> {
    query::parse_record_id(text)
        .map_err(|error| Failure::new(ErrorCode::InvalidRequest, format!("invalid field `job`: {error}")))
}
