//! Schedules: each of their due times becomes one job, whoever notices it and however often.
//!
//! A record per schedule says how far it has come. It moves on in the transaction that creates the job, and only
//! forward, so of several runners one creates it. The id of the job follows from schedule and due time all the same, so
//! that even a schedule that is set back does not repeat a job that is still there.

use circuit::{Datetime, Object, Value};
use surrealdb::types as sdk;
use surrealdb::types::Variables;

use crate::connect::Database;
use crate::convert::{from_sdk, to_sdk};
use crate::error::{Error, Result};
use crate::pages::{array, converting};

/// A schedule of a job table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleId {
    pub table: String,
    pub name: String,
    /// What it says, with its time zone. One that says something else begins anew.
    pub pattern: String,
}

/// A job that is due.
#[derive(Clone, Debug)]
pub struct DueJob<'a> {
    pub due: Datetime,
    /// The fields of the job, besides those that follow from the schedule.
    pub fields: &'a Object,
}

impl Database {
    /// Answers how far a schedule has come: until now, if it is new or says something else than before. One request.
    pub async fn begin_schedule(&self, schedule: &ScheduleId) -> Result<Datetime> {
        const ACTION: &str = "beginning a schedule";
        let text = "BEGIN; \
                    LET $known = SELECT VALUE pattern FROM ONLY $schedule; \
                    IF $known != $pattern { UPSERT $schedule SET pattern = $pattern, last = time::now() RETURN NONE }; \
                    RETURN (SELECT VALUE last FROM ONLY $schedule); \
                    COMMIT;";
        let mut answer = self.run_retrying(ACTION, text, self.schedule(schedule)).await?;
        match from_sdk(answer.take(3)?).map_err(converting(ACTION))? {
            Value::Datetime(last) => Ok(last),
            _ => Err(Error::answer(ACTION, "expected a datetime")),
        }
    }

    /// Creates the job of a due time, unless that has been done; answers whether it was done now. One request.
    ///
    /// Nothing is created for a schedule that has come to say something else.
    pub async fn create_due_job(&self, schedule: &ScheduleId, job: &DueJob<'_>) -> Result<bool> {
        const ACTION: &str = "creating a scheduled job";
        let due = to_sdk(&Value::Datetime(job.due)).map_err(converting(ACTION))?;
        let mut content = super::content(job.fields)?;
        let key: Vec<sdk::Value> = vec![sdk::Value::String(schedule.name.clone()), due.clone()];
        let id = sdk::RecordId::new(schedule.table.clone(), sdk::RecordIdKey::Array(key.into()));
        content.insert("id", id);
        content.insert("run_at", due.clone());
        content.insert("schedule", schedule.name.clone());
        let mut variables = self.schedule(schedule);
        variables.insert("due", due);
        variables.insert("table", schedule.table.clone());
        variables.insert("job", content);
        let text = "BEGIN; \
                    LET $moved = UPDATE $schedule SET last = $due WHERE pattern = $pattern AND last < $due \
                        RETURN VALUE last; \
                    IF array::len($moved) > 0 { INSERT IGNORE INTO $table $job RETURN NONE }; \
                    RETURN $moved; \
                    COMMIT;";
        let moved = self.run_retrying(ACTION, text, variables).await?.take(3)?;
        Ok(!array(ACTION, moved)?.is_empty())
    }

    fn schedule(&self, schedule: &ScheduleId) -> Variables {
        let mut variables = Variables::new();
        let key = [&schedule.table, &schedule.name].map(|part| sdk::Value::String(part.clone()));
        let id = sdk::RecordId::new(self.names().schedule(), sdk::RecordIdKey::Array(key.to_vec().into()));
        variables.insert("schedule", id);
        variables.insert("pattern", schedule.pattern.clone());
        variables
    }
}
