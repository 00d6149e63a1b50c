//! Makes one attempt at a job, and writes how it ended. Who has claimed or dispatched the job is nothing to it.

use std::time::{Duration, Instant};

use database::jobs::{Conclusion, Job, JobError, JobTable, Phase};

use crate::backend::{Backend, Mode};
use crate::call::Caller;
use crate::health::Health;
use crate::ledger::Ledger;
use crate::retry::Failure;

/// The first pause after a conclusion that could not be written, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// What it takes to run the jobs of one backend.
#[derive(Clone, Debug)]
pub(crate) struct Executor {
    pub(crate) ledger: Ledger,
    pub(crate) caller: Caller,
    pub(crate) health: Health,
}

impl Executor {
    /// Calls the backend and writes what came of it.
    pub(crate) async fn run(&self, table: &JobTable, job: Job) {
        let started = Instant::now();
        let _running = self.health.started();
        let outcome = self.caller.call(&self.ledger.backend, &job).await;
        self.health.ended(outcome.as_ref().err());
        let conclusion = match outcome {
            Ok(result) => match self.ledger.backend.mode {
                Mode::Request => Conclusion::Success { result },
                Mode::Callback => Conclusion::Accepted { within: self.ledger.backend.timeout(&job) },
            },
            Err(failure) => failure.conclude(&job, self.ledger.backend.retry_delay),
        };
        self.ledger.metrics.attempt(&self.ledger.backend.name, outcome_of(&conclusion), started.elapsed());
        // A callback may be faster than the answer that accepts the job: then there is nothing left to conclude.
        self.conclude(table, &job, Phase::Made, conclusion).await;
    }

    /// Ends an attempt that nobody makes any more, if it has come no further than `phase`.
    pub(crate) async fn fail(&self, table: &JobTable, job: &Job, phase: Phase, failure: Failure) {
        let conclusion = failure.conclude(job, self.ledger.backend.retry_delay);
        self.ledger.metrics.abandoned(&self.ledger.backend.name, outcome_of(&conclusion));
        self.conclude(table, job, phase, conclusion).await;
    }

    /// Writes how an attempt ended; while the database is away, again and again.
    async fn conclude(&self, table: &JobTable, job: &Job, phase: Phase, mut conclusion: Conclusion) {
        let [mut pause, longest] = PAUSES;
        let id = database::text::record_id(&job.attempt.id);
        loop {
            match self.ledger.database.conclude_job(table, &job.attempt, phase, &conclusion).await {
                Ok(true) => {
                    report(&self.ledger.backend, &id, &conclusion);
                    return;
                }
                Ok(false) => {
                    tracing::info!(
                        job = id,
                        attempt = job.attempts,
                        "an attempt was superseded, its outcome is dropped"
                    );
                    return;
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!(job = id, %error, "the outcome of a job can't be written now");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
                Err(error) => {
                    tracing::error!(job = id, %error, "the database refuses the outcome of a job");
                    if matches!(&conclusion, Conclusion::Failed { error } if error.code == REFUSED) {
                        // It stays as it is, and is found by the next look at what is under way.
                        return;
                    }
                    let reason = format!("the outcome can't be stored: {error}");
                    conclusion = Conclusion::Failed {
                        error: JobError { code: REFUSED.to_owned(), reason, attempt: job.attempts },
                    };
                }
            }
        }
    }
}

/// The code of a job whose outcome the schema of its table does not take.
const REFUSED: &str = "RESULT_REFUSED";

fn outcome_of(conclusion: &Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Success { .. } => "success",
        Conclusion::Accepted { .. } => "accepted",
        Conclusion::Retry { .. } => "retry",
        Conclusion::Failed { .. } => "failed",
    }
}

fn report(backend: &Backend, job: &str, conclusion: &Conclusion) {
    let backend = &backend.name;
    match conclusion {
        Conclusion::Success { .. } => tracing::debug!(backend, job, "a job has succeeded"),
        Conclusion::Accepted { .. } => tracing::debug!(backend, job, "a job was accepted"),
        Conclusion::Retry { error, delay } => {
            tracing::warn!(backend, job, attempt = error.attempt, code = error.code, ?delay, "an attempt has failed");
        }
        Conclusion::Failed { error } => {
            tracing::warn!(backend, job, attempt = error.attempt, code = error.code, "a job has failed");
        }
    }
}
