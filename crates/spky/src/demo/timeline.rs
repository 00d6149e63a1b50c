//! The day as a sequence of writes, each at its time.
//!
//! The source knows when a flight was to leave and how late it left. The steps between are ours:
//!
//! ```text
//! -120 min     -45 min          scheduled time      scheduled + delay
//! created      40 % of the      75 % of the         departed
//! "scheduled"  delay is known   delay is known
//! ```
//!
//! Delays below 15 minutes show only at the departure. A flight that never left is cancelled half an hour before its
//! time.

use chrono::{DateTime, Duration, Utc};
use surrealdb::types::{Object, Value};

use super::data::{Day, Flight, Weather, datetime, object, record, text};

/// A write, and the moment of the day at which it happens.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: DateTime<Utc>,
    pub(crate) write: Write,
}

/// What is written. Both rows have their `id`.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// The whole record.
    Put(Object),
    /// Some fields of a record that is there.
    Merge(Object),
}

/// A flight appears this long before its scheduled time.
const APPEARS: Duration = Duration::hours(2);
/// The replay begins this long before the first departure, with all flights that have appeared until then.
const LEAD: Duration = Duration::minutes(20);
/// A delay shorter than this is not announced.
const ANNOUNCED_FROM_MINUTES: i64 = 15;

/// The moment at which the replay begins.
pub(crate) fn begin(day: &Day) -> Option<DateTime<Utc>> {
    day.flights.iter().map(|flight| flight.scheduled - LEAD).min()
}

/// All events, in order of time. Events of one record keep their order.
pub(crate) fn of(day: &Day) -> Vec<Event> {
    let mut events: Vec<Event> = day.weather.iter().map(observation).collect();
    events.extend(day.flights.iter().flat_map(departure));
    events.sort_by_key(|event| event.at);
    events
}

fn observation(weather: &Weather) -> Event {
    let row = object([
        ("id", record("weather", &weather.airport)),
        ("airport", record("airport", &weather.airport)),
        ("observed", datetime(weather.time)),
        ("temperature_f", Value::from_t(weather.temperature_f)),
        ("humidity", Value::from_t(weather.humidity)),
        ("wind_mph", Value::from_t(weather.wind_mph)),
        ("precipitation_inches", Value::from_t(weather.precipitation_inches)),
        ("visibility_miles", Value::from_t(weather.visibility_miles)),
    ]);
    Event { at: weather.time, write: Write::Put(row) }
}

fn departure(flight: &Flight) -> Vec<Event> {
    let id = || record("flight", &format!("{}{}", flight.airline, flight.number));
    let estimate = |minutes: i64| {
        [("estimated", datetime(flight.scheduled + Duration::minutes(minutes))), ("delay", Value::from_t(minutes))]
    };
    let merge = |at, fields: Vec<(&str, Value)>| {
        let mut row = object([("id", id())]);
        fields.into_iter().for_each(|(name, value)| drop(row.insert(name, value)));
        Event { at, write: Write::Merge(row) }
    };

    let mut events = vec![Event { at: flight.scheduled - APPEARS, write: Write::Put(announcement(flight, id())) }];
    let Some(delay) = flight.delay else {
        let at = flight.scheduled - Duration::minutes(30);
        events.push(merge(at, vec![("status", text("cancelled"))]));
        return events;
    };
    if delay >= ANNOUNCED_FROM_MINUTES {
        for (before, percent) in [(45, 40), (0, 75)] {
            // Estimates are announced in steps of five minutes.
            let known = (delay * percent / 100 / 5).max(1) * 5;
            let fields = estimate(known).into_iter().chain([("status", text("delayed"))]);
            events.push(merge(flight.scheduled - Duration::minutes(before), fields.collect()));
        }
    }
    let left = flight.scheduled + Duration::minutes(delay);
    let fields = estimate(delay).into_iter().chain([("status", text("departed")), ("departed", datetime(left))]);
    events.push(merge(left, fields.collect()));
    events
}

fn announcement(flight: &Flight, id: Value) -> Object {
    object([
        ("id", id),
        ("airline", record("airline", &flight.airline)),
        ("number", Value::from_t(flight.number)),
        ("plane", flight.plane.as_deref().map_or(Value::None, |tail| record("plane", tail))),
        ("origin", record("airport", &flight.origin)),
        ("destination", record("airport", &flight.destination)),
        ("miles", Value::from_t(flight.miles)),
        ("air_minutes", Value::from_t(flight.air_minutes)),
        ("status", text("scheduled")),
        ("scheduled", datetime(flight.scheduled)),
        ("estimated", datetime(flight.scheduled)),
        ("delay", Value::from_t(0_i64)),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn id(row: &Object) -> String {
        format!("{:?}", row.get("id"))
    }

    /// An update of a record that isn't there would be lost without an error.
    #[test]
    fn every_record_is_put_before_it_is_changed_and_ends_departed_or_cancelled() {
        let day = Day::read().unwrap();
        let mut last_status: HashMap<String, Value> = HashMap::new();
        for event in of(&day) {
            let (Write::Put(row) | Write::Merge(row)) = &event.write;
            if let Write::Merge(_) = event.write {
                assert!(last_status.contains_key(&id(row)), "{row:?}");
            }
            if let Some(status) = row.get("status") {
                last_status.insert(id(row), status.clone());
            }
        }
        assert_eq!(last_status.len(), day.flights.len());
        let departed = last_status.values().filter(|status| **status == text("departed")).count();
        let cancelled = last_status.values().filter(|status| **status == text("cancelled")).count();
        assert_eq!((departed, cancelled), (799, 180));
    }

    #[test]
    fn an_early_departure_comes_after_the_flight_has_appeared() {
        let day = Day::read().unwrap();
        let earliest = day.flights.iter().filter_map(|flight| flight.delay).min().unwrap();
        assert!(Duration::minutes(earliest) > -APPEARS);
        assert!(begin(&day).unwrap() < day.flights[0].scheduled);
    }
}
