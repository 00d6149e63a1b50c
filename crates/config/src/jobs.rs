//! Job tables: records of these tables are calls of HTTP backends.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use url::Url;

use crate::Secret;
use crate::error::{Origin, Problem};
use crate::file::Located;
use crate::setting::JOB_TABLES;
use crate::source::Resolved;
use crate::values::{self, Parsed};

/// Job tables by the name of the table.
pub type JobTables = BTreeMap<String, JobTable>;

/// The backend that runs the jobs of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobTable {
    /// Name of the backend in logs and metrics; the table's name unless given.
    pub name: String,
    /// `POST base_url + path` runs a job.
    pub base_url: Url,
    /// Bearer token for the backend.
    pub auth_token: Option<Secret>,
    /// How long the backend may take; `None` leaves it to the job runner.
    pub timeout: Option<Duration>,
    /// True if a job may bring a timeout of its own.
    pub timeout_overridable: bool,
    /// When the result comes.
    pub mode: JobMode,
    /// How many jobs the backend is given at once, by each SSP; `None` leaves it to the job runner.
    pub concurrency: Option<NonZeroUsize>,
    /// The pause before the first retry, from which the others follow; `None` leaves it to the job runner.
    pub retry_delay: Option<Duration>,
}

/// When the result of a job comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobMode {
    /// With the answer to the call.
    #[default]
    Request,
    /// Later, by a call of the SPI.
    Callback,
}

/// The keys of one job table, in the order of [`JobTable`].
pub(crate) const KEYS: [&str; 8] =
    ["name", "base_url", "auth_token", "timeout", "timeout_overridable", "mode", "concurrency", "retry_delay"];

/// Builds the job tables of the file; what is wrong with them goes to `problems`.
pub(crate) fn build(resolved: &Resolved, problems: &mut Vec<Problem>) -> JobTables {
    let Some(path) = &resolved.file else { return JobTables::new() };
    let mut tables = JobTables::new();
    for (table, line, entries) in &resolved.contents.job_tables {
        let at =
            |line: u64, key: &str| Origin::File { path: path.clone(), line, key: format!("{JOB_TABLES}.{table}{key}") };
        let mut name = table.clone();
        let (mut base_url, mut auth_token, mut timeout) = (None, None, None);
        let (mut timeout_overridable, mut mode) = (false, JobMode::default());
        let (mut concurrency, mut retry_delay) = (None, None);
        let mut usable = true;
        for Located { key, line, text } in entries {
            let outcome = match key.as_str() {
                "name" => values::name(text).map(|value| name = value),
                "base_url" => values::http_url(text).map(|value| base_url = Some(value)),
                "auth_token" => values::secret(text).map(|value| auth_token = Some(value)),
                "timeout" => values::positive_duration(text).map(|value| timeout = Some(value)),
                "timeout_overridable" => values::boolean(text).map(|value| timeout_overridable = value),
                "mode" => job_mode(text).map(|value| mode = value),
                "concurrency" => values::count(text).map(|value| concurrency = Some(value)),
                "retry_delay" => values::positive_duration(text).map(|value| retry_delay = Some(value)),
                _ => Err("this key is not known".to_owned()),
            };
            if let Err(reason) = outcome {
                usable = false;
                problems.push(Problem::BadValue { origin: at(*line, &format!(".{key}")), reason });
            }
        }
        match base_url {
            Some(base_url) => {
                let job_table = JobTable {
                    name,
                    base_url,
                    auth_token,
                    timeout,
                    timeout_overridable,
                    mode,
                    concurrency,
                    retry_delay,
                };
                tables.insert(table.clone(), job_table);
            }
            None if usable => {
                let reason = "`base_url` is missing".to_owned();
                problems.push(Problem::BadValue { origin: at(*line, ""), reason });
            }
            None => {}
        }
    }
    tables
}

fn job_mode(text: &str) -> Parsed<JobMode> {
    match text {
        "request" => Ok(JobMode::Request),
        "callback" => Ok(JobMode::Callback),
        _ => Err(format!("expected `request` or `callback`, got `{text}`")),
    }
}
