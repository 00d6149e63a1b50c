//! What to measure, and how large.

use clap::{Parser, ValueEnum};

use crate::arguments::{self, Common};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Contest {
    /// Changes per second, through the scheduler to its log and to all sidecars.
    Throughput,
    /// From the commit of a row to the notification at the client.
    Latency,
    /// Both, where the database pushes its changes.
    Push,
    /// From the start of a sidecar until it has loaded the replica.
    Bootstrap,
}

/// Measures a scheduler with sidecars beside a sidecar that stands alone.
#[derive(Debug, Parser)]
pub struct Options {
    #[command(flatten)]
    pub common: Common<Contest>,
    /// throughput: how many sidecars the clusters have
    #[arg(long, env = "SPKY_BENCH_SIDECARS", value_delimiter = ',', default_value = "1,2,4")]
    pub sidecars: Vec<usize>,
    /// throughput, push: transactions of each contestant in a round
    #[arg(long, env = "SPKY_BENCH_CHANGES", default_value_t = 2_000)]
    pub changes: usize,
    /// throughput, push: rows that a transaction changes
    #[arg(long, env = "SPKY_BENCH_BATCH", default_value_t = 5)]
    pub batch: usize,
    /// throughput, push: connections that write
    #[arg(long, default_value_t = 8)]
    pub connections: usize,
    /// latency, push: writes of each contestant in a round
    #[arg(long, env = "SPKY_BENCH_SAMPLES", default_value_t = 200)]
    pub samples: usize,
    /// bootstrap: rows in the database
    #[arg(long, env = "SPKY_BENCH_ROWS", default_value_t = 1_000_000)]
    pub rows: usize,
    /// throughput, push: registered views
    #[arg(long, default_value_t = 1_000)]
    pub views: usize,
    /// bootstrap: how often it is repeated
    #[arg(long, env = "SPKY_BENCH_STARTS", default_value_t = 3)]
    pub starts: usize,
}

impl Options {
    pub fn read() -> Option<Options> {
        arguments::read(&["--sidecars=2", "--changes=40", "--views=20", "--samples=5", "--rows=1500", "--starts=1"])
    }
}
