//! What every benchmark of whole processes can be told.

use std::fmt;

use clap::{Args, Parser, ValueEnum};

use crate::stage::Storage;

/// Arguments that do not depend on what is measured; `C` are the contests.
#[derive(Debug, Args)]
pub struct Common<C: ValueEnum + Send + Sync + 'static> {
    /// What to measure; everything, if nothing is named
    contests: Vec<C>,
    /// Where the database keeps its data
    #[arg(long, default_value = "memory")]
    pub storage: Storage,
    /// How often each contest is repeated
    #[arg(long, env = "SPKY_BENCH_ROUNDS", default_value_t = 7)]
    pub rounds: usize,
    /// What `cargo bench` says
    #[arg(long, hide = true)]
    bench: bool,
}

impl<C: ValueEnum + Send + Sync + 'static> Common<C> {
    /// What to measure, in this order.
    pub fn contests(&self) -> Vec<C> {
        if self.contests.is_empty() { C::value_variants().to_vec() } else { self.contests.clone() }
    }
}

impl<C: ValueEnum + Send + Sync + 'static> fmt::Display for Common<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        write!(f, "The database is {}; {cores} cores; {} rounds.", self.storage, self.rounds)
    }
}

/// What the command line and the environment ask for; of `cargo test`, which names other tests if anything, `little` of everything.
pub fn read<O: Parser>(little: &[&str]) -> Option<O> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--bench" || argument == "--help") {
        return Some(O::parse());
    }
    let names_a_test = arguments.iter().skip(1).any(|argument| !argument.starts_with('-'));
    (!names_a_test).then(|| O::parse_from(["bench", "--rounds=1"].iter().chain(little)))
}
