//! The demo: one day of departures from New York, replayed as live data.
//!
//! `data` reads the day, `timeline` makes events of it, and this file writes them to the database when they are due, as
//! any application would: through SurrealDB's SDK, with bound parameters.

mod data;
mod timeline;

use std::time::Duration;

use chrono::{DateTime, Utc};
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::Client;
use surrealdb::types::{Array, Object, Value};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::data::Day;
use self::timeline::{Event, Write};
use crate::client;
use crate::error::Error;

/// The tables of the demo, with types and links.
pub(crate) const SCHEMA: &str = include_str!("schema.surql");
/// Makes ten minutes of 24 hours.
pub(crate) const DEFAULT_SPEED: f64 = 144.0;
/// Above this a day takes less than a second.
pub(crate) const MAX_SPEED: f64 = 86_400.0;
/// Queries that are worth watching, for the hints.
pub(crate) const QUERIES: [&str; 3] = [
    "SELECT number, destination, delay, estimated FROM flight WHERE status = 'delayed' ORDER BY delay DESC LIMIT 10",
    "SELECT number, destination, scheduled, status FROM flight WHERE origin = airport:LGA AND status IN ['scheduled', 'delayed'] ORDER BY scheduled LIMIT 10",
    "SELECT * FROM weather WHERE visibility_miles < 2",
];

/// Due events are written this often; everything that became due in between goes out in one request.
const TICK: Duration = Duration::from_millis(100);
/// Time between the end of a day and the beginning of its repetition.
const NIGHT: Duration = Duration::from_secs(5);
/// Rows in one request while loading.
const CHUNK: usize = 200;

/// The demo, ready to be replayed: its unchanging rows are in the database.
pub(crate) struct Demo {
    client: Surreal<Client>,
    day: Day,
}

impl Demo {
    /// Reads the day and writes airlines, airports and planes. About 700 rows in a handful of requests.
    pub(crate) async fn load(settings: &database::Settings) -> Result<Self, Error> {
        let day = Day::read()?;
        let client = client::connect(settings).await?;
        for rows in [day.airlines(), day.airports(), day.planes()] {
            for chunk in rows.chunks(CHUNK) {
                upsert(&client, chunk.to_vec()).await?;
            }
        }
        clear(&client).await?;
        Ok(Self { client, day })
    }

    /// Replays the day again and again, `speed` times faster than it was. `tell` is told when a day begins and ends.
    pub(crate) async fn replay(self, speed: f64, tell: impl Fn(&str) -> Result<(), Error>) -> Result<(), Error> {
        let events = timeline::of(&self.day);
        let (Some(begin), Some(last)) = (timeline::begin(&self.day), events.last()) else { return Ok(()) };
        let end = last.at;
        loop {
            tell(&format!(
                "demo       {} begins, {} flights, at {speed} times the speed of the clock",
                self.day.date,
                self.day.flights.len()
            ))?;
            self.play_once(&events, begin, speed).await?;
            tell(&format!(
                "demo       {} is over ({} UTC), and begins again",
                self.day.date,
                end.format("%d %b %H:%M")
            ))?;
            sleep(NIGHT).await;
            clear(&self.client).await?;
        }
    }

    async fn play_once(&self, events: &[Event], begin: DateTime<Utc>, speed: f64) -> Result<(), Error> {
        let started = Instant::now();
        let mut ticks = interval(TICK);
        // When the machine slept or the database was slow, the clock of the demo jumps; no tick has to be made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rest = events;
        while !rest.is_empty() {
            ticks.tick().await;
            let passed = chrono::Duration::from_std(started.elapsed().mul_f64(speed));
            let now =
                passed.ok().and_then(|passed| begin.checked_add_signed(passed)).unwrap_or(DateTime::<Utc>::MAX_UTC);
            let due = rest.partition_point(|event| event.at <= now);
            let (now_due, later) = rest.split_at(due);
            for chunk in now_due.chunks(CHUNK) {
                self.write(chunk).await?;
            }
            rest = later;
        }
        Ok(())
    }

    /// Writes events in their order: runs of new rows, and runs of changes.
    async fn write(&self, events: &[Event]) -> Result<(), Error> {
        let same_kind = |a: &Event, b: &Event| matches!(a.write, Write::Put(_)) == matches!(b.write, Write::Put(_));
        for run in events.chunk_by(same_kind) {
            let mut puts = Vec::new();
            let mut merges = Vec::new();
            for event in run {
                match &event.write {
                    Write::Put(row) => puts.push(row.clone()),
                    Write::Merge(change) => merges.push(change.clone()),
                }
            }
            if !puts.is_empty() {
                upsert(&self.client, puts).await?;
            }
            if !merges.is_empty() {
                merge(&self.client, merges).await?;
            }
        }
        Ok(())
    }
}

/// Rows with their ids replace what is there.
async fn upsert(client: &Surreal<Client>, rows: Vec<Object>) -> Result<(), Error> {
    run(client, "FOR $row IN $rows { UPSERT $row.id CONTENT $row }", rows).await
}

/// Rows with their ids go over what is there.
async fn merge(client: &Surreal<Client>, rows: Vec<Object>) -> Result<(), Error> {
    run(client, "FOR $row IN $rows { UPDATE $row.id MERGE $row }", rows).await
}

/// Before a day begins there are no flights and no weather.
async fn clear(client: &Surreal<Client>) -> Result<(), Error> {
    client.query("DELETE flight; DELETE weather").await?.check()?;
    Ok(())
}

async fn run(client: &Surreal<Client>, text: &'static str, rows: Vec<Object>) -> Result<(), Error> {
    let rows = Value::Array(Array::from(rows.into_iter().map(Value::Object).collect::<Vec<_>>()));
    client.query(text).bind(("rows", rows)).await?.check()?;
    Ok(())
}
