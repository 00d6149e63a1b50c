//! What to measure, and how large.

use std::fmt;

use clap::{Parser, ValueEnum};

use crate::stage::Storage;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Contest {
    /// Changes per second, through the scheduler to its log and to all sidecars.
    Throughput,
    /// From the commit of a row to the notification at the client.
    Latency,
    /// From the start of a sidecar until it has loaded the replica.
    Bootstrap,
}

/// Measures a scheduler with sidecars beside a sidecar that stands alone.
#[derive(Debug, Parser)]
pub struct Options {
    /// What to measure; everything, if nothing is named
    pub contests: Vec<Contest>,
    /// Where the database keeps its data
    #[arg(long, default_value = "memory")]
    pub storage: Storage,
    /// How often each contest is repeated
    #[arg(long, env = "SPKY_BENCH_ROUNDS", default_value_t = 5)]
    pub rounds: usize,
    /// throughput: how many sidecars the clusters have
    #[arg(long, env = "SPKY_BENCH_SIDECARS", value_delimiter = ',', default_value = "1,2,4")]
    pub sidecars: Vec<usize>,
    /// throughput: transactions of each contestant in a round
    #[arg(long, env = "SPKY_BENCH_CHANGES", default_value_t = 2_000)]
    pub changes: usize,
    /// throughput: rows that a transaction changes
    #[arg(long, env = "SPKY_BENCH_BATCH", default_value_t = 5)]
    pub batch: usize,
    /// throughput: connections that write
    #[arg(long, default_value_t = 8)]
    pub connections: usize,
    /// latency: writes of each contestant in a round
    #[arg(long, env = "SPKY_BENCH_SAMPLES", default_value_t = 200)]
    pub samples: usize,
    /// bootstrap: rows in the database
    #[arg(long, env = "SPKY_BENCH_ROWS", default_value_t = 1_000_000)]
    pub rows: usize,
    /// throughput: registered views
    #[arg(long, default_value_t = 1_000)]
    pub views: usize,
    /// bootstrap: how often it is repeated
    #[arg(long, env = "SPKY_BENCH_STARTS", default_value_t = 3)]
    pub starts: usize,
    /// What `cargo bench` says
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// What the command line and the environment ask for; of `cargo test`, which names other tests if anything, little of
    /// everything.
    pub fn read() -> Option<Options> {
        let arguments: Vec<String> = std::env::args().collect();
        let is_bench = arguments.iter().any(|argument| argument == "--bench" || argument == "--help");
        let mut options = if is_bench {
            Options::parse()
        } else {
            if arguments.iter().skip(1).any(|argument| !argument.starts_with('-')) {
                return None;
            }
            Options::parse_from([
                "cluster",
                "--rounds=1",
                "--sidecars=2",
                "--changes=40",
                "--views=20",
                "--samples=5",
                "--rows=1500",
                "--starts=1",
            ])
        };
        if options.contests.is_empty() {
            options.contests = Contest::value_variants().to_vec();
        }
        Some(options)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        write!(f, "The database is {}; {cores} cores; {} rounds.", self.storage, self.rounds)
    }
}
