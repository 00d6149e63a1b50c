//! Jobs: records that stand for calls of a backend, and what a runner writes to them.
//!
//! ```text
//!            claim                 accept (callback mode)
//!  pending ────────▶ processing ───────────────────────▶ in_progress
//!     ▲                  │                                    │
//!     └──── retry ───────┴──────────────┬─────────────────────┘
//!                                       ▼
//!                      success | completed | failed
//! ```
//!
//! A claim gives the job a new `process_uuid`, and whatever is written of this attempt later is written on the
//! condition that this is still the job's: an attempt that has been superseded can't write any more. `owner` is the
//! runner that works on the job; a job whose owner is not among the living ones is lost, and is somebody else's. A
//! runner says for all its jobs together that it is alive, so that this costs no write of any job. All moments are of
//! the database's clock.
//!
//! Measured on SurrealDB 3.3.5: the index over `(status, next_attempt_at)` serves both conditions, the order and the
//! limit of a look for due jobs, so it reads what it answers. Of transactions that claim the same job at once, one
//! commits, and the others fail with a conflict, on both stores; eight claimers that take the first of the same due
//! jobs fail three times out of four. Whoever has lost one chooses at random from more jobs ([`Which::Due`]).

mod bell;
mod row;
mod schedule;
pub(crate) mod schema;

use std::time::Duration;

use circuit::{Object, RecordId, Value};
use surrealdb::types as sdk;
use surrealdb::types::Variables;

pub use bell::{JobBell, Ring};
pub use row::{Job, JobError, RetryStrategy};
pub use schedule::{DueJob, ScheduleId};

use crate::connect::Database;
use crate::convert::{object_to_sdk, record_id_to_sdk, to_sdk};
use crate::error::{Error, Result};
use crate::ident::escape;
use crate::pages::{array, converting};

/// From how many due jobs a contended claim chooses, for each that it takes.
const CHOICE: usize = 8;
/// How many errors a job keeps; each of its attempts adds one at most.
const MAX_ERRORS: usize = 100;

/// What a table calls the states of its jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobTable {
    pub name: String,
    /// The state of a job that was accepted and whose callback has not come: `in_progress`, or `processing` where the
    /// schema of the table has nothing else.
    pub waiting: &'static str,
    /// The state of a job that has succeeded: `success`, or `completed` for callbacks where the schema has that.
    pub done: &'static str,
}

/// What a runner asks for.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The name of the runner.
    pub runner: &'a str,
    pub which: Which<'a>,
}

/// Which jobs a runner is after.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// Those that are due, the ones that have waited longest first.
    Due {
        /// How many jobs at most.
        limit: usize,
        /// Whether to choose by chance from more jobs than that: others may be after the first of them.
        at_random: bool,
    },
    /// This one, also before it is due.
    One(&'a RecordId),
}

/// What a runner gets.
#[derive(Debug)]
pub struct Claimed {
    /// Whether the runner counts as alive. It gets nothing if it does not.
    pub is_alive: bool,
    pub jobs: Vec<Job>,
    /// In how long the next job is due, if one is waiting that was not claimed.
    pub next_due: Option<Duration>,
}

/// How an attempt ends.
#[derive(Clone, Debug)]
pub enum Conclusion {
    /// The job is done.
    Success { result: Value },
    /// The backend has accepted the job, and calls back within this time.
    Accepted { within: Duration },
    /// The attempt has failed, and there will be another one in this time.
    Retry { error: JobError, delay: Duration },
    /// The job has failed.
    Failed { error: JobError },
}

/// How far an attempt may have come for its conclusion to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A runner makes it.
    Made,
    /// That, or it was accepted, and belongs to no runner any more.
    Accepted,
}

/// An attempt: a job and the mark of its claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub id: RecordId,
    pub process_uuid: String,
}

impl Database {
    /// What the schema of a job table calls the states of its jobs; `None` if the table does not exist or has not been
    /// prepared by [`Database::apply`]. One request.
    pub async fn job_table(&self, name: &str, is_callback: bool) -> Result<Option<JobTable>> {
        const ACTION: &str = "looking at a job table";
        let text = format!("INFO FOR TABLE {} STRUCTURE", escape(name));
        let info = match self.run(ACTION, text, Variables::new()).await {
            Err(Error::NoSuchTable { .. }) => return Ok(None),
            answer => answer?.take(0)?,
        };
        let sdk::Value::Object(info) = info else { return Err(Error::answer(ACTION, "expected an object")) };
        let is_named = |item: &sdk::Object, name: &str| match item.get("name") {
            Some(sdk::Value::String(found)) => found == name,
            _ => false,
        };
        let named = |list: &str, name: &str| match info.get(list) {
            Some(sdk::Value::Array(items)) => items.iter().find_map(|item| match item {
                sdk::Value::Object(item) if is_named(item, name) => Some(item),
                _ => None,
            }),
            _ => None,
        };
        if named("indexes", schema::INDEX).is_none() {
            return Ok(None);
        }
        let assertion = named("fields", "status").and_then(|field| match field.get("assert") {
            Some(sdk::Value::String(assertion)) => Some(assertion.as_str()),
            _ => None,
        });
        // Without an assertion, every state is allowed.
        let allows = |state: &str| assertion.is_none_or(|assertion| assertion.contains(&format!("'{state}'")));
        Ok(Some(JobTable {
            name: name.to_owned(),
            waiting: if allows("in_progress") { "in_progress" } else { "processing" },
            done: if is_callback && allows("completed") { "completed" } else { "success" },
        }))
    }

    /// Says that a runner is alive for as long as the lease, and forgets those that have not been for long. One
    /// request.
    pub async fn keep_runner(&self, runner: &str, lease: Duration) -> Result<()> {
        const ACTION: &str = "keeping a runner alive";
        let mut variables = self.runner(runner);
        variables.insert("lease", sdk::Duration::from_std(lease));
        let runners = escape(&self.names().runner());
        let text = format!(
            "UPSERT $runner SET alive_until = time::now() + $lease RETURN NONE; \
             DELETE {runners} WHERE alive_until < time::now() - 1h RETURN NONE;"
        );
        self.run_retrying(ACTION, text, variables).await.map(drop)
    }

    /// Says that a runner is gone: what it has not concluded is lost from now on. One request.
    pub async fn remove_runner(&self, runner: &str) -> Result<()> {
        const ACTION: &str = "removing a runner";
        self.run_retrying(ACTION, "DELETE $runner RETURN NONE", self.runner(runner)).await.map(drop)
    }

    /// Claims jobs that are pending. One request, O(log n + claimed).
    ///
    /// # Errors
    /// [`Error::Conflict`] if another runner was after the same jobs: claim again, at random.
    pub async fn claim_jobs(&self, table: &JobTable, claim: Claim<'_>) -> Result<Claimed> {
        const ACTION: &str = "claiming jobs";
        let mut variables = self.runner(claim.runner);
        variables.insert("owner", claim.runner.to_owned());
        let name = escape(&table.name);
        let (due, first) = match claim.which {
            Which::Due { limit, at_random } => {
                let choice = if at_random { limit.saturating_mul(CHOICE) } else { limit };
                variables.insert("limit", limit as i64);
                variables.insert("choice", choice as i64);
                let due = format!(
                    "SELECT VALUE id FROM {name} WHERE status = 'pending' AND next_attempt_at <= time::now() \
                     ORDER BY next_attempt_at LIMIT $choice"
                );
                (due, if at_random { "array::slice(array::shuffle($due), 0, $limit)" } else { "$due" })
            }
            Which::One(id) => {
                variables.insert("job", record_id_to_sdk(id).map_err(converting(ACTION))?);
                ("SELECT VALUE id FROM $job WHERE status = 'pending'".to_owned(), "$due")
            }
        };
        let text = format!(
            "BEGIN; \
             LET $alive = (SELECT VALUE alive_until > time::now() FROM ONLY $runner) ?? false; \
             LET $due = IF $alive {{ {due} }} ELSE {{ [] }}; \
             LET $claimed = UPDATE {first} SET status = 'processing', owner = $owner, started_at = time::now(), \
                 process_uuid = <string> rand::uuid::v4(), attempts = (attempts ?? 0) + 1 \
                 WHERE status = 'pending' RETURN {fields}; \
             LET $next = (SELECT VALUE next_attempt_at FROM {name} WHERE status = 'pending' \
                 ORDER BY next_attempt_at LIMIT 1)[0]; \
             RETURN {{ alive: $alive, jobs: $claimed, next: IF $next = NONE {{ NONE }} ELSE IF $next > time::now() {{ \
                 $next - time::now() }} ELSE {{ 0s }} }}; \
             COMMIT;",
            fields = row::FIELDS,
        );
        let mut answer = self.run(ACTION, text, variables).await?;
        let Value::Object(answer) = crate::convert::from_sdk(answer.take(CLAIMED)?).map_err(converting(ACTION))? else {
            return Err(Error::answer(ACTION, "expected an object"));
        };
        let jobs = match answer.get("jobs") {
            Some(Value::Array(jobs)) => jobs.iter().map(|job| Job::from_value(ACTION, job)).collect::<Result<_>>()?,
            _ => Vec::new(),
        };
        let next_due = match answer.get("next") {
            Some(Value::Duration(delay)) => Some(*delay),
            _ => None,
        };
        Ok(Claimed { is_alive: answer.get("alive") == Some(&Value::Bool(true)), jobs, next_due })
    }

    /// Writes how an attempt ended, unless it has been superseded or has come further than `phase`, or its job is gone;
    /// answers whether it was written. One request.
    pub async fn conclude_job(
        &self,
        table: &JobTable,
        attempt: &Attempt,
        phase: Phase,
        conclusion: &Conclusion,
    ) -> Result<bool> {
        const ACTION: &str = "concluding a job";
        let mut variables = Variables::new();
        variables.insert("id", record_id_to_sdk(&attempt.id).map_err(converting(ACTION))?);
        variables.insert("process", attempt.process_uuid.clone());
        variables.insert("waiting", table.waiting.to_owned());
        let mut prelude = "";
        let append = format!("errors = array::slice(array::append(errors ?? [], $error), -{MAX_ERRORS})");
        let (state, changes) = match conclusion {
            Conclusion::Success { result } => {
                variables.insert("result", to_sdk(result).map_err(converting(ACTION))?);
                (table.done, "result = $result, finished_at = time::now()".to_owned())
            }
            Conclusion::Accepted { within } => {
                variables.insert("delay", sdk::Duration::from_std(*within));
                prelude = "LET $then = time::now() + $delay; ";
                (table.waiting, "next_attempt_at = $then, deadline = $then".to_owned())
            }
            Conclusion::Retry { error, delay } => {
                variables.insert("error", error.to_sdk());
                variables.insert("delay", sdk::Duration::from_std(*delay));
                let changes = format!("{append}, retries = (retries ?? 0) + 1, next_attempt_at = time::now() + $delay");
                ("pending", changes)
            }
            Conclusion::Failed { error } => {
                variables.insert("error", error.to_sdk());
                ("failed", format!("{append}, finished_at = time::now()"))
            }
        };
        variables.insert("state", state.to_owned());
        let still = match phase {
            Phase::Made => "status = 'processing' AND owner != NONE",
            Phase::Accepted => "(status = 'processing' OR status = $waiting)",
        };
        let text = format!(
            "{prelude}UPDATE $id SET status = $state, owner = NONE, {changes} \
             WHERE process_uuid = $process AND {still} RETURN VALUE true"
        );
        let written = self.run_retrying(ACTION, text, variables).await?.take_last()?;
        Ok(!array(ACTION, written)?.is_empty())
    }

    /// The jobs that are being processed by this runner, or by one that is no longer alive. One request, O(jobs that
    /// are being processed).
    pub async fn processing_jobs(&self, table: &JobTable, runner: &str) -> Result<Vec<Job>> {
        const ACTION: &str = "looking at jobs under way";
        let mut variables = Variables::new();
        variables.insert("owner", runner.to_owned());
        let text = format!(
            "LET $alive = SELECT VALUE record::id(id) FROM {runners} WHERE alive_until > time::now(); \
             SELECT {fields} FROM {jobs} WHERE status = 'processing' \
             AND (owner = $owner OR (owner != NONE AND owner NOT IN $alive));",
            runners = escape(&self.names().runner()),
            fields = row::FIELDS,
            jobs = escape(&table.name),
        );
        let jobs = self.run(ACTION, text, variables).await?.take(1)?;
        array(ACTION, jobs)?.into_iter().map(|job| Job::from_sdk(ACTION, job)).collect()
    }

    /// Accepted jobs whose callback has not come in time, at most `limit`. One request, O(log n + answered).
    pub async fn overdue_jobs(&self, table: &JobTable, limit: usize) -> Result<Vec<Job>> {
        const ACTION: &str = "looking for overdue jobs";
        let mut variables = Variables::new();
        variables.insert("waiting", table.waiting.to_owned());
        variables.insert("limit", limit as i64);
        let text = format!(
            "SELECT {fields} FROM {jobs} WHERE status = $waiting AND next_attempt_at <= time::now() AND owner = NONE \
             LIMIT $limit",
            fields = row::FIELDS,
            jobs = escape(&table.name),
        );
        let jobs = self.run(ACTION, text, variables).await?.take(0)?;
        array(ACTION, jobs)?.into_iter().map(|job| Job::from_sdk(ACTION, job)).collect()
    }

    /// The job with this id, as somebody wrote it: `table:key`, or the key alone; `None` if there is none in this
    /// table. One request.
    pub async fn find_job(&self, table: &JobTable, id: &str) -> Result<Option<Job>> {
        const ACTION: &str = "looking for a job";
        let mut variables = Variables::new();
        variables.insert("text", id.to_owned());
        variables.insert("table", table.name.clone());
        // A key alone is text, and is not parsed.
        let which = if id.contains(':') { "type::record($text)" } else { "type::record($table, $text)" };
        let text = format!("SELECT {} FROM {which}", row::FIELDS);
        let found = match self.run(ACTION, text, variables).await {
            Ok(mut answer) => array(ACTION, answer.take(0)?)?,
            // A text that is no record id, or a table that does not exist.
            Err(Error::Query { .. } | Error::NoSuchTable { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let job = found.into_iter().next().map(|job| Job::from_sdk(ACTION, job)).transpose()?;
        Ok(job.filter(|job| *job.attempt.id.table == *table.name))
    }

    fn runner(&self, runner: &str) -> Variables {
        let mut variables = Variables::new();
        variables.insert("runner", sdk::RecordId::new(self.names().runner(), runner.to_owned()));
        variables
    }
}

/// The statement of [`Database::claim_jobs`] that answers.
const CLAIMED: usize = 5;

/// A new job as content of its record.
pub(crate) fn content(fields: &Object) -> Result<sdk::Object> {
    object_to_sdk(fields).map_err(converting("creating a job"))
}
