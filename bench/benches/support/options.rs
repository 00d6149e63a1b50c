//! The command line of a benchmark.

use std::fs::File;
use std::path::PathBuf;

use pprof::ProfilerGuard;

/// `cargo bench --manifest-path bench/Cargo.toml -- [workload]… [--rounds <n>] [--flamegraph <file.svg>]`
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The workloads to run; all of them if none is named.
    workloads: Vec<String>,
    /// How many rounds, where the workload does not decide it.
    pub rounds: Option<usize>,
    flamegraph: Option<PathBuf>,
}

/// Samples a second: a prime number, so that nothing regular hides between them.
const FREQUENCY: i32 = 997;

impl Options {
    /// Reads the arguments of this process.
    ///
    /// # Panics
    ///
    /// If there is an unknown one.
    pub fn from_args() -> Options {
        let mut options = Options::default();
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // Cargo's own.
                "--bench" => {}
                "--rounds" => {
                    let rounds = args.next().expect("--rounds needs a number");
                    options.rounds = Some(rounds.parse().expect("--rounds needs a number"));
                }
                "--flamegraph" => options.flamegraph = Some(args.next().expect("--flamegraph needs a file").into()),
                flag if flag.starts_with('-') => panic!("unknown flag {flag}"),
                workload => options.workloads.push(workload.to_lowercase()),
            }
        }
        options
    }

    /// Whether a workload was asked for.
    pub fn wants(&self, workload: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|name| *name == workload.to_lowercase())
    }

    /// Starts to sample this process, if a flame graph was asked for.
    pub fn start_profile(&self) -> Option<ProfilerGuard<'static>> {
        self.flamegraph.as_ref()?;
        Some(ProfilerGuard::new(FREQUENCY).expect("the profiler starts once"))
    }

    /// Writes what was sampled as a flame graph. Contestants are apart in it: they are called from different functions.
    pub fn write_profile(&self, profile: &ProfilerGuard<'_>) {
        let Some(path) = &self.flamegraph else { return };
        let report = profile.report().build().expect("a report of the samples");
        let file = File::create(path).expect("a file for the flame graph");
        report.flamegraph(file).expect("a flame graph");
        eprintln!("wrote {}", path.display());
    }
}
