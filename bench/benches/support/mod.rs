//! Rows, percentiles and tables for the benchmarks of this crate.
#![allow(dead_code, reason = "each benchmark uses a part")]

use std::sync::Arc;
use std::time::Duration;

use circuit::{Datetime, Geometry, Library, Object, RecordId, Value};

/// A library for values that the benchmarks never make.
#[derive(Debug)]
struct NoShapes;

impl Library for NoShapes {
    fn regex_matches(&self, _: &str, _: &str) -> bool {
        unreachable!("no regexes in the benchmarks")
    }

    fn geometry_contains(&self, _: &Geometry, _: &Geometry) -> bool {
        unreachable!("no geometries in the benchmarks")
    }

    fn geometry_intersects(&self, _: &Geometry, _: &Geometry) -> bool {
        unreachable!("no geometries in the benchmarks")
    }
}

pub fn library() -> Arc<dyn Library> {
    Arc::new(NoShapes)
}

pub fn author(number: u64) -> RecordId {
    RecordId::new("user", circuit::Key::Int(number as i64))
}

pub fn title(row: u64) -> String {
    format!("Thread number {row} about nothing much")
}

pub fn body(row: u64) -> String {
    format!("The body of thread {row}, which is some words long as bodies are.")
}

/// A row of 8 fields, 242 bytes of JSON.
pub fn thread(id: &RecordId, by: u64, version: u64) -> Object {
    let row = match id.key {
        circuit::Key::Int(row) => row as u64,
        _ => 0,
    };
    let fields: [(&str, Value); 8] = [
        ("id", id.clone().into()),
        ("title", Value::from(&*title(row))),
        ("body", Value::from(&*body(row))),
        ("author", author(by).into()),
        ("active", true.into()),
        ("priority", (row as i64 % 10).into()),
        ("score", (version as f64 / 2.0).into()),
        ("created_at", Value::Datetime(Datetime { seconds: 1_700_000_000 + row as i64, nanos: 0 })),
    ];
    fields.into_iter().map(|(name, value)| (Arc::from(name), value)).collect()
}

/// What half, and 99 of 100, of the samples do not exceed.
#[derive(Clone, Copy, Debug)]
pub struct Percentiles {
    pub median: Duration,
    pub p99: Duration,
}

impl Percentiles {
    pub fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Percentiles { median: samples[samples.len() / 2], p99: samples[samples.len() * 99 / 100] }
    }
}

/// A table in Markdown.
pub struct Report {
    rows: Vec<Vec<String>>,
}

impl Report {
    pub fn new(header: &[&str]) -> Self {
        Report { rows: vec![header.iter().map(|cell| cell.to_string()).collect()] }
    }

    pub fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.to_vec());
    }

    pub fn print(&self) {
        for (number, row) in self.rows.iter().enumerate() {
            println!("| {} |", row.join(" | "));
            if number == 0 {
                println!("|{}", "---|".repeat(row.len()));
            }
        }
    }
}
