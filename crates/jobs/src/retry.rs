//! Whether and when a job is tried again.

use std::time::Duration;

use database::jobs::{Conclusion, Job, JobError, RetryStrategy};

/// The longest pause between two attempts.
pub(crate) const MAX_DELAY: Duration = Duration::from_secs(60 * 60);

/// Why an attempt has failed, and whether the next one may go better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Stable, for programs.
    pub(crate) code: String,
    /// For people.
    pub(crate) reason: String,
    /// Whether the same call can succeed.
    pub(crate) is_retryable: bool,
    /// How long the backend asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

/// How much of a reason is kept.
const MAX_REASON: usize = 1_024;

impl Failure {
    pub(crate) fn retryable(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Failure { code: code.into(), reason: reason.into(), is_retryable: true, retry_after: None }
    }

    pub(crate) fn permanent(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Failure { is_retryable: false, ..Failure::retryable(code, reason) }
    }

    /// What becomes of the job. `base` is the backend's pause before the first retry.
    pub(crate) fn conclude(self, job: &Job, base: Duration) -> Conclusion {
        let mut reason = self.reason;
        truncate(&mut reason, MAX_REASON);
        let error = JobError { code: self.code, reason, attempt: job.attempts };
        if !self.is_retryable || job.retries >= job.max_retries {
            return Conclusion::Failed { error };
        }
        let delay = delay(job.strategy, base, job.retries + 1, rand::random_range(0.0..=1.0));
        Conclusion::Retry { error, delay: delay.max(self.retry_after.unwrap_or_default()).min(MAX_DELAY) }
    }
}

/// The pause before a retry, the first of which is 1. Half of it is chance (from 0 to 1), so that jobs that failed
/// together do not come back together.
fn delay(strategy: RetryStrategy, base: Duration, retry: u32, chance: f64) -> Duration {
    let factor = match strategy {
        RetryStrategy::Linear => f64::from(retry),
        RetryStrategy::Exponential => 2_f64.powi(retry.min(64) as i32 - 1),
    };
    let full = (base.as_secs_f64() * factor).min(MAX_DELAY.as_secs_f64());
    Duration::from_secs_f64(full * (0.5 + 0.5 * chance))
}

/// Cuts a text to at most `limit` bytes, between two characters.
pub(crate) fn truncate(text: &mut String, limit: usize) {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_as_the_strategy_says_and_never_beyond_the_limit() {
        let second = Duration::from_secs(1);
        let pauses = |strategy, chance| [1, 2, 3, 4].map(|retry| delay(strategy, second, retry, chance).as_millis());
        assert_eq!(pauses(RetryStrategy::Linear, 1.0), [1_000, 2_000, 3_000, 4_000]);
        assert_eq!(pauses(RetryStrategy::Exponential, 1.0), [1_000, 2_000, 4_000, 8_000]);
        assert_eq!(pauses(RetryStrategy::Exponential, 0.0), [500, 1_000, 2_000, 4_000]);
        assert_eq!(delay(RetryStrategy::Exponential, second, u32::MAX, 1.0), MAX_DELAY);
        assert_eq!(delay(RetryStrategy::Linear, second, u32::MAX, 1.0), MAX_DELAY);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let mut text = "aé".to_owned();
        truncate(&mut text, 2);
        assert_eq!(text, "a");
    }
}
