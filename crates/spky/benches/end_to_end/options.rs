//! What to measure, and how large.

use clap::{Parser, ValueEnum};

use crate::arguments::{self, Common};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Contest {
    /// From the commit of a row to the notification at the client.
    Latency,
    /// Edges written per second.
    Edges,
    /// The application's own writes per second.
    Writes,
    /// From the start of the sidecar until it is ready.
    Restart,
    /// What the number of tables costs a deletion, without Sp00ky.
    Deletes,
}

/// Measures Sp00ky beside a database without it.
#[derive(Debug, Parser)]
pub struct Options {
    #[command(flatten)]
    pub common: Common<Contest>,
    /// latency, deletes: writes of each contestant in a round
    #[arg(long, default_value_t = 100)]
    pub samples: usize,
    /// edges: rows of a view, and rows that move between two
    #[arg(long, default_value_t = 5_000)]
    pub edges: usize,
    /// writes: the length of a turn in milliseconds
    #[arg(long, default_value_t = 2_000)]
    pub slice: u64,
    /// writes: connections that write
    #[arg(long, default_value_t = 8)]
    pub connections: usize,
    /// restart: rows in the database
    #[arg(long, default_value_t = 1_000_000)]
    pub rows: usize,
    /// restart: registered views
    #[arg(long, default_value_t = 10_000)]
    pub views: usize,
    /// restart: how often each kind of start is repeated
    #[arg(long, default_value_t = 3)]
    pub starts: usize,
}

impl Options {
    pub fn read() -> Option<Options> {
        arguments::read(&["--samples=5", "--edges=50", "--slice=100", "--rows=500", "--views=20", "--starts=1"])
    }
}
