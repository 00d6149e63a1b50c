//! The committed rows of the day, and the records that don't change.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use surrealdb::types::{Geometry, Object, RecordId, Value};

use crate::error::Error;

const DAY: &str = include_str!("../../data/nyc-2013-03-08.json");

/// The whole day.
#[derive(Debug, Deserialize)]
pub(crate) struct Day {
    #[serde(rename = "day")]
    pub(crate) date: String,
    airlines: Vec<Airline>,
    airports: Vec<Airport>,
    planes: Vec<Plane>,
    pub(crate) weather: Vec<Weather>,
    /// By scheduled time.
    pub(crate) flights: Vec<Flight>,
}

#[derive(Debug, Deserialize)]
struct Airline {
    code: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Airport {
    code: String,
    name: String,
    latitude: f64,
    longitude: f64,
    altitude_feet: i64,
    timezone: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Plane {
    tail: String,
    year: Option<i64>,
    manufacturer: String,
    model: String,
    seats: i64,
}

/// One hour at one airport.
#[derive(Debug, Deserialize)]
pub(crate) struct Weather {
    pub(crate) airport: String,
    pub(crate) time: DateTime<Utc>,
    pub(crate) temperature_f: Option<f64>,
    pub(crate) humidity: Option<f64>,
    pub(crate) wind_mph: Option<f64>,
    pub(crate) precipitation_inches: Option<f64>,
    pub(crate) visibility_miles: Option<f64>,
}

/// One departure, as it turned out.
#[derive(Debug, Deserialize)]
pub(crate) struct Flight {
    pub(crate) airline: String,
    pub(crate) number: i64,
    pub(crate) plane: Option<String>,
    pub(crate) origin: String,
    pub(crate) destination: String,
    pub(crate) scheduled: DateTime<Utc>,
    /// Minutes by which it left late; negative if early, none if it never left.
    pub(crate) delay: Option<i64>,
    pub(crate) air_minutes: Option<i64>,
    pub(crate) miles: i64,
}

impl Day {
    /// The day that is compiled in.
    pub(crate) fn read() -> Result<Self, Error> {
        serde_json::from_str(DAY).map_err(Error::DemoData)
    }

    pub(crate) fn airlines(&self) -> Vec<Object> {
        let row = |airline: &Airline| object([("id", record("airline", &airline.code)), ("name", text(&airline.name))]);
        self.airlines.iter().map(row).collect()
    }

    pub(crate) fn airports(&self) -> Vec<Object> {
        let row = |airport: &Airport| {
            object([
                ("id", record("airport", &airport.code)),
                ("name", text(&airport.name)),
                ("location", Value::Geometry(Geometry::Point((airport.longitude, airport.latitude).into()))),
                ("altitude_feet", Value::from_t(airport.altitude_feet)),
                ("timezone", airport.timezone.as_deref().map_or(Value::None, text)),
            ])
        };
        self.airports.iter().map(row).collect()
    }

    pub(crate) fn planes(&self) -> Vec<Object> {
        let row = |plane: &Plane| {
            object([
                ("id", record("plane", &plane.tail)),
                ("year", Value::from_t(plane.year)),
                ("manufacturer", text(&plane.manufacturer)),
                ("model", text(&plane.model)),
                ("seats", Value::from_t(plane.seats)),
            ])
        };
        self.planes.iter().map(row).collect()
    }
}

pub(crate) fn object<const N: usize>(fields: [(&str, Value); N]) -> Object {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(crate) fn record(table: &str, key: &str) -> Value {
    Value::RecordId(RecordId::new(table, key))
}

pub(crate) fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

pub(crate) fn datetime(moment: DateTime<Utc>) -> Value {
    Value::Datetime(moment.into())
}
