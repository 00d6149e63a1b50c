//! Jobs that are made by the clock.
//!
//! A schedule goes from one due time to the next, beginning with how far it has come in the database. Due times that
//! have passed while nobody was there are made up for, one after the other. Which of several runners makes the job is
//! decided by the database; they all come to the same due times, as they bring the same time zones with them.
//!
//! When clocks are changed, a job that is due at a fixed time is due once: after the gap if its time does not exist,
//! the first time if it exists twice. One that is due at intervals is due at each of them, however the clocks are set.

use std::time::{Duration, SystemTime};

use circuit::{Datetime, Object, Value};
use croner::Cron;
use database::Database;
use database::jobs::{DueJob, ScheduleId};
use database::json;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

/// The longest sleep: clocks may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// A job that is made at each due time.
#[derive(Clone, Debug)]
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
    pub payload: Option<Json>,
    /// What kind of executor the job is for, unless its path says it.
    pub executor_type: Option<String>,
    /// Time limit of the job, if it has one of its own.
    pub timeout: Option<Duration>,
    /// How often the job may be tried again, unless the schema of the table says it.
    pub max_retries: Option<u32>,
    /// `linear` or `exponential`, unless the schema of the table says it.
    pub retry_strategy: Option<String>,
}

impl Schedule {
    /// The first due time after a moment; `None` if there is none any more.
    pub(crate) fn due_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let begin = moment.to_zoned(self.time_zone.clone());
        self.cron.find_next_occurrence(&begin, false).ok().map(|due| due.timestamp())
    }

    /// What it says, so that a change of it is noticed.
    fn pattern(&self) -> String {
        format!("{} {}", self.cron.as_str(), self.time_zone.iana_name().unwrap_or("UTC"))
    }

    fn fields(&self) -> Object {
        let text = |text: &str| Value::String(text.into());
        let fields = [
            ("path", Some(text(&self.path))),
            ("payload", self.payload.clone().map(json::from_json)),
            ("executor_type", self.executor_type.as_deref().map(text)),
            ("timeout", self.timeout.map(Value::Duration)),
            ("max_retries", self.max_retries.map(|count| Value::Int(count.into()))),
            ("retry_strategy", self.retry_strategy.as_deref().map(text)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.into(), value?))).collect()
    }
}

/// Makes the jobs of a schedule, for ever.
pub(crate) async fn run(database: Database, table: String, schedule: Schedule) {
    let id = ScheduleId { table, name: schedule.name.clone(), pattern: schedule.pattern() };
    let fields = schedule.fields();
    let mut last = begin(&database, &id).await;
    while let Some(due) = schedule.due_after(last) {
        sleep_until(due).await;
        let job = DueJob { due: datetime(due), fields: &fields };
        match database.create_due_job(&id, &job).await {
            Ok(is_made) => {
                tracing::debug!(table = id.table, schedule = id.name, %due, is_made, "a scheduled job is due");
                last = due;
            }
            Err(error) => {
                tracing::warn!(table = id.table, schedule = id.name, %due, %error, "a scheduled job can't be made now");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    tracing::warn!(table = id.table, schedule = id.name, "this schedule is never due again");
    std::future::pending().await
}

/// How far the schedule has come.
async fn begin(database: &Database, id: &ScheduleId) -> Timestamp {
    loop {
        match database.begin_schedule(id).await {
            Ok(Datetime { seconds, nanos }) => match Timestamp::new(seconds, nanos as i32) {
                Ok(last) => return last,
                // Nobody is that far: it begins now.
                Err(_) => return Timestamp::now(),
            },
            Err(error) => {
                tracing::warn!(table = id.table, schedule = id.name, %error, "a schedule can't begin now");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn sleep_until(due: Timestamp) {
    let due = SystemTime::from(due);
    while let Ok(wait) = due.duration_since(SystemTime::now()) {
        if wait.is_zero() {
            return;
        }
        tokio::time::sleep(wait.min(LONGEST_SLEEP)).await;
    }
}

fn datetime(moment: Timestamp) -> Datetime {
    // Due times are whole seconds, and those of a negative year have other worries.
    Datetime { seconds: moment.as_second(), nanos: moment.subsec_nanosecond().unsigned_abs() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(cron: &str, zone: &str) -> Schedule {
        Schedule {
            name: "s".to_owned(),
            cron: cron.parse().unwrap(),
            time_zone: TimeZone::get(zone).unwrap(),
            path: "/".to_owned(),
            payload: None,
            executor_type: None,
            timeout: None,
            max_retries: None,
            retry_strategy: None,
        }
    }

    /// The due times in a day, which is given with the offsets at its two ends.
    fn due_on(cron: &str, zone: &str, begin: &str, end: &str) -> Vec<String> {
        let schedule = schedule(cron, zone);
        let [begin, end]: [Timestamp; 2] = [begin.parse().unwrap(), end.parse().unwrap()];
        // A moment before the day, so that its very beginning counts.
        let mut last = Timestamp::new(begin.as_second() - 1, 0).unwrap();
        let mut found = Vec::new();
        while let Some(due) = schedule.due_after(last).filter(|due| *due < end) {
            assert!(due > last, "time goes on");
            found.push(due.to_zoned(schedule.time_zone.clone()).strftime("%H:%M%:z").to_string());
            last = due;
        }
        found
    }

    const SPRING: [&str; 2] = ["2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"];
    const AUTUMN: [&str; 2] = ["2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"];

    /// Catches jobs that are left out on the day of 23 hours, or made twice on the day of 25.
    #[test]
    fn fixed_times_are_due_once_when_clocks_are_changed() {
        let due = |cron: &str, [begin, end]: [&str; 2]| due_on(cron, "Europe/Berlin", begin, end);
        assert_eq!(due("30 2 * * *", SPRING), ["03:00+02:00"], "02:30 does not exist");
        assert_eq!(due("30 2 * * *", AUTUMN), ["02:30+02:00"], "02:30 exists twice");
        assert_eq!(due("30 1 * * *", SPRING), ["01:30+01:00"]);
        assert_eq!(due("0 3 * * *", SPRING), ["03:00+02:00"]);
        assert_eq!(due("0 3 * * *", AUTUMN), ["03:00+01:00"]);
        assert_eq!(due("0 0 * * *", SPRING), ["00:00+01:00"]);
        let new_york = |cron: &str, begin: &str, end: &str| due_on(cron, "America/New_York", begin, end);
        assert_eq!(new_york("30 2 * * *", "2026-03-08T00:00:00-05:00", "2026-03-09T00:00:00-04:00"), ["03:00-04:00"]);
        assert_eq!(new_york("30 1 * * *", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"), ["01:30-04:00"]);
        // In one place the clocks go by half an hour, in another they don't go at all.
        let lord_howe =
            due_on("15 2 * * *", "Australia/Lord_Howe", "2026-10-04T00:00:00+10:30", "2026-10-05T00:00:00+11:00");
        assert_eq!(lord_howe, ["02:30+11:00"]);
        assert_eq!(due_on("30 2 * * *", "UTC", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"), ["02:30+00:00"]);
    }

    /// Catches an hour without jobs, or one with twice as many, where they are due at intervals.
    #[test]
    fn intervals_go_on_when_clocks_are_changed() {
        let count = |cron: &str, [begin, end]: [&str; 2]| due_on(cron, "Europe/Berlin", begin, end).len();
        assert_eq!((count("*/15 * * * *", SPRING), count("*/15 * * * *", AUTUMN)), (23 * 4, 25 * 4));
        assert_eq!((count("0 * * * *", SPRING), count("0 * * * *", AUTUMN)), (23, 25));
    }
}
