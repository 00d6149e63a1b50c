//! What to measure, and how large.

use std::fmt;

use clap::{Parser, ValueEnum};

use crate::stage::Storage;

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
    /// What to measure; everything, if nothing is named
    pub contests: Vec<Contest>,
    /// Where the database keeps its data
    #[arg(long, default_value = "memory")]
    pub storage: Storage,
    /// How often each contest is repeated
    #[arg(long, default_value_t = 7)]
    pub rounds: usize,
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
    /// What `cargo bench` says
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// What the command line asks for; of `cargo test`, which names other tests if anything, little of everything.
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
                "end_to_end",
                "--rounds=1",
                "--samples=5",
                "--edges=50",
                "--slice=100",
                "--rows=500",
                "--views=20",
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
