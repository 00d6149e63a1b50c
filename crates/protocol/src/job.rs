//! Jobs that are run or concluded because somebody says so.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The body of `POST /job/dispatch`, and of `POST /job/run` of a sidecar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobRequest {
    /// The record id of the job, as SurrealQL writes it.
    #[serde(alias = "job_id", alias = "id")]
    #[cfg_attr(feature = "openapi", schema(examples("mail:123")))]
    pub job: String,
}

/// The answer of a sidecar to [`JobRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobRun {
    /// Whether the sidecar has claimed the job, and runs it.
    pub claimed: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer of the scheduler to [`JobRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dispatched {
    /// The job.
    pub job: String,
    /// The sidecar that was asked.
    pub ssp_id: String,
    /// Where that is.
    pub ssp_url: String,
    /// Whether it runs the job now.
    pub dispatched: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The body of `POST /job/result`: how an attempt at a job has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobResult {
    /// The record id of the job, as SurrealQL writes it.
    #[serde(alias = "job_id", alias = "id")]
    #[cfg_attr(feature = "openapi", schema(examples("mail:123")))]
    pub job: String,
    /// The attempt.
    pub process_uuid: String,
    /// How it has ended.
    pub status: JobStatus,
    /// What came of a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it has failed: a text, or anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// A stable code of the error, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// Whether another attempt may go better.
    #[serde(default)]
    pub retryable: bool,
}

/// How an attempt at a job has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// The job is done.
    #[serde(alias = "completed")]
    Success,
    /// It is not.
    Failed,
}

/// The answer to [`JobResult`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Applied {
    /// Whether the job has been concluded. What is reported of an attempt that has been superseded changes nothing.
    pub applied: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
