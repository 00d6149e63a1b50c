//! A backend as it is configured.

use std::fmt;
use std::time::Duration;

use database::jobs::Job;
use url::Url;

use crate::schedule::Schedule;

/// The longest time limit that a job can bring.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an executor may take to say that it has accepted a job.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(30);

/// What runs the jobs of one table.
#[derive(Clone)]
pub struct Backend {
    /// The table of the jobs.
    pub table: String,
    /// The backend's name in logs and metrics.
    pub name: String,
    /// A job is `POST base_url + path`.
    pub base_url: Url,
    /// The bearer token that the backend asks for.
    pub auth_token: Option<String>,
    /// How long the backend may take: for its answer or, in callback mode, until it calls back.
    pub timeout: Duration,
    /// Whether a job may bring a time limit of its own.
    pub timeout_overridable: bool,
    /// When the result comes.
    pub mode: Mode,
    /// How many jobs are under way at once.
    pub concurrency: usize,
    /// The pause before the first retry.
    pub retry_delay: Duration,
    /// Jobs that are made by the clock.
    pub schedules: Vec<Schedule>,
}

/// When the result of a job comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// With the answer to the call.
    Request,
    /// Later, by a call of the SPI.
    Callback,
}

impl Backend {
    /// How many jobs are under way at once, unless configured.
    pub const CONCURRENCY: usize = 16;
    /// The pause before the first retry, unless configured.
    pub const RETRY_DELAY: Duration = Duration::from_secs(1);

    /// A backend with the defaults of its mode.
    pub fn new(table: impl Into<String>, base_url: Url, mode: Mode) -> Self {
        let table = table.into();
        Backend {
            name: table.clone(),
            table,
            base_url,
            auth_token: None,
            timeout: match mode {
                Mode::Request => Duration::from_secs(30),
                Mode::Callback => Duration::from_secs(60 * 60),
            },
            timeout_overridable: false,
            mode,
            concurrency: Self::CONCURRENCY,
            retry_delay: Self::RETRY_DELAY,
            schedules: Vec::new(),
        }
    }

    /// How long a job may take.
    pub(crate) fn timeout(&self, job: &Job) -> Duration {
        match job.timeout {
            Some(timeout) if self.timeout_overridable && !timeout.is_zero() => timeout.min(MAX_TIMEOUT),
            _ => self.timeout,
        }
    }

    /// How long the answer to the call may take.
    pub(crate) fn call_timeout(&self, job: &Job) -> Duration {
        match self.mode {
            Mode::Request => self.timeout(job),
            Mode::Callback => self.timeout(job).min(ACCEPT_TIMEOUT),
        }
    }
}

/// Everything but the token.
impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("table", &self.table)
            .field("name", &self.name)
            .field("base_url", &self.base_url.as_str())
            .field("timeout", &self.timeout)
            .field("timeout_overridable", &self.timeout_overridable)
            .field("mode", &self.mode)
            .field("concurrency", &self.concurrency)
            .field("retry_delay", &self.retry_delay)
            .finish_non_exhaustive()
    }
}
