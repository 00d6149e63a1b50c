//! Job tables: records of these tables are calls of HTTP backends.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use url::Url;

use crate::Secret;
use crate::error::{Origin, Problem};
use crate::file::{JobTableEntries, Located, ScheduleEntries};
use crate::setting::{JOB_TABLES, Setting};
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
    /// Jobs that are made by the clock.
    pub schedules: Vec<Schedule>,
}

/// A job that is made at each due time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name, unique among those of its table.
    pub name: String,
    /// When it is due.
    pub cron: Cron,
    /// The time zone in which that is meant.
    pub time_zone: TimeZone,
    /// Path of the job.
    pub path: String,
    /// Payload of the job.
    pub payload: Option<serde_json::Value>,
    /// What kind of executor the job is for, unless its path says it.
    pub executor_type: Option<String>,
    /// Time limit of the job, if it has one of its own.
    pub timeout: Option<Duration>,
    /// How often the job may be tried again; `None` leaves it to the schema of the table.
    pub max_retries: Option<u32>,
    /// `linear` or `exponential`; `None` leaves it to the schema of the table.
    pub retry_strategy: Option<String>,
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

/// The key of the schedules of a job table.
pub(crate) const SCHEDULE: &str = "schedule";
/// The keys of a schedule whose values are scalars.
pub(crate) const SCHEDULE_KEYS: [&str; 7] =
    ["cron", "time_zone", "path", "executor_type", "timeout", "max_retries", "retry_strategy"];
/// The key of a schedule whose value is whatever the backend takes.
pub(crate) const PAYLOAD: &str = "payload";

/// Builds the job tables of the file; what is wrong with them goes to `problems`.
pub(crate) fn build(resolved: &Resolved, problems: &mut Vec<Problem>) -> JobTables {
    let Some(path) = &resolved.file else { return JobTables::new() };
    let mut tables = JobTables::new();
    for JobTableEntries { table, line, entries, schedules } in &resolved.contents.job_tables {
        let at =
            |line: u64, key: &str| Origin::File { path: path.clone(), line, key: format!("{JOB_TABLES}.{table}{key}") };
        if resolved.get(Setting::TablePrefix).0.is_some_and(|prefix| table.starts_with(prefix)) {
            let reason = "a job table can't be one of Sp00ky's own tables".to_owned();
            problems.push(Problem::BadValue { origin: at(*line, ""), reason });
            continue;
        }
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
        let schedules = schedules.iter().filter_map(|entries| schedule(entries, &at, problems)).collect();
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
                    schedules,
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

/// A schedule; what is wrong with it goes to `problems`. `at` is a place in its table.
fn schedule(
    ScheduleEntries { name, line, entries, payload }: &ScheduleEntries,
    at: &impl Fn(u64, &str) -> Origin,
    problems: &mut Vec<Problem>,
) -> Option<Schedule> {
    let (mut cron, mut time_zone, mut path) = (None, TimeZone::UTC, None);
    let (mut executor_type, mut timeout, mut max_retries, mut retry_strategy) = (None, None, None, None);
    let mut usable = true;
    for Located { key, line, text } in entries {
        let outcome = match key.as_str() {
            "cron" => values::cron(text).map(|value| cron = Some(value)),
            "time_zone" => values::time_zone(text).map(|value| time_zone = value),
            "path" => job_path(text).map(|value| path = Some(value)),
            "executor_type" => values::name(text).map(|value| executor_type = Some(value)),
            "timeout" => values::positive_duration(text).map(|value| timeout = Some(value)),
            "max_retries" => max_retries_of(text).map(|value| max_retries = Some(value)),
            "retry_strategy" => strategy(text).map(|value| retry_strategy = Some(value)),
            _ => Err("this key is not known".to_owned()),
        };
        if let Err(reason) = outcome {
            usable = false;
            problems.push(Problem::BadValue { origin: at(*line, &format!(".{SCHEDULE}.{name}.{key}")), reason });
        }
    }
    match (cron, path) {
        (Some(cron), Some(path)) => Some(Schedule {
            name: name.clone(),
            cron,
            time_zone,
            path,
            payload: payload.clone(),
            executor_type,
            timeout,
            max_retries,
            retry_strategy,
        }),
        (cron, _) => {
            if usable {
                let missing = if cron.is_none() { "cron" } else { "path" };
                let origin = at(*line, &format!(".{SCHEDULE}.{name}"));
                problems.push(Problem::BadValue { origin, reason: format!("`{missing}` is missing") });
            }
            None
        }
    }
}

fn job_path(text: &str) -> Parsed<String> {
    if text.starts_with('/') {
        Ok(text.to_owned())
    } else {
        Err(format!("expected a path such as `/report`, got `{text}`"))
    }
}

fn max_retries_of(text: &str) -> Parsed<u32> {
    match text.parse() {
        Ok(count) if count <= 100 => Ok(count),
        _ => Err(format!("expected a number from 0 to 100, got `{text}`")),
    }
}

fn strategy(text: &str) -> Parsed<String> {
    match text {
        "linear" | "exponential" => Ok(text.to_owned()),
        _ => Err(format!("expected `linear` or `exponential`, got `{text}`")),
    }
}

fn job_mode(text: &str) -> Parsed<JobMode> {
    match text {
        "request" => Ok(JobMode::Request),
        "callback" => Ok(JobMode::Callback),
        _ => Err(format!("expected `request` or `callback`, got `{text}`")),
    }
}
