//! What a callback does to its job.

use database::Error;
use database::jobs::{Conclusion, Job, JobTable, Phase};

use super::request::{Callback, Outcome};
use crate::call::{capped, executor_type};
use crate::ledger::Ledger;
use crate::retry::Failure;

/// What came of a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The job has been concluded, or will be tried again.
    Written,
    /// Nothing, and it never will.
    Stale(&'static str),
    /// Nothing, as it contradicts its job.
    Refused(String),
}

/// Concludes the attempt that a callback belongs to.
///
/// # Errors
/// If the database can't be reached, or its schema does not take the outcome: then the callback may come again.
pub(crate) async fn conclude(ledger: &Ledger, callback: &Callback) -> Result<Effect, Error> {
    let effect = attempt(ledger, callback).await?;
    if let Effect::Stale(_) = effect {
        ledger.metrics.callback(&ledger.backend.name, "stale");
    }
    Ok(effect)
}

async fn attempt(ledger: &Ledger, callback: &Callback) -> Result<Effect, Error> {
    let Some(table) = ledger.table().await? else { return Ok(Effect::Stale("the job table is not prepared")) };
    let Some(job) = ledger.database.find_job(table, &callback.node_uuid).await? else {
        return Ok(Effect::Stale("there is no such job"));
    };
    if let Some(reason) = staleness(table, &job, callback) {
        return Ok(Effect::Stale(reason));
    }
    let expected = executor_type(&job);
    if callback.executor_type.as_ref().is_some_and(|executor_type| *executor_type != expected) {
        return Ok(Effect::Refused(format!("the job is for an executor of the type `{expected}`")));
    }
    let (conclusion, outcome) = match callback.outcome.clone() {
        Outcome::Result(result) => (Conclusion::Success { result: capped(result) }, "success"),
        Outcome::Error { reason, code, is_retryable } => {
            let code = code.unwrap_or_else(|| "EXECUTOR_ERROR".to_owned());
            let failure = Failure { is_retryable, ..Failure::permanent(code, reason) };
            let conclusion = failure.conclude(&job, ledger.backend.retry_delay);
            let outcome = if matches!(conclusion, Conclusion::Retry { .. }) { "retry" } else { "failed" };
            (conclusion, outcome)
        }
    };
    // The job may have gone on since it was read.
    if !ledger.database.conclude_job(table, &job.attempt, Phase::Accepted, &conclusion).await? {
        return Ok(Effect::Stale("the attempt has been superseded"));
    }
    ledger.metrics.callback(&ledger.backend.name, outcome);
    Ok(Effect::Written)
}

/// Why a callback can have no effect any more.
fn staleness(table: &JobTable, job: &Job, callback: &Callback) -> Option<&'static str> {
    // An executor may be faster than the answer that says that it has accepted the job.
    if job.status != table.waiting && job.status != "processing" {
        return Some("the job is not in progress");
    }
    match &callback.process_uuid {
        Some(process_uuid) if *process_uuid != job.attempt.process_uuid => Some("the attempt has been superseded"),
        // Of the only attempt that there ever was, nobody needs to say which one it is.
        None if job.attempts != 1 => Some("it does not say which of several attempts it belongs to"),
        _ => None,
    }
}
