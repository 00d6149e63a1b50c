//! The command line: its options, and what runs for each subcommand.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use config::Sources;

use crate::commands::{apply, db, dev, lint, scheduler, ssp, status, verify, watch};
use crate::error::{self, Error};

/// Live, always-correct query results on top of SurrealDB.
#[derive(Debug, Parser)]
#[command(name = "spky", version, propagate_version = true)]
struct Cli {
    /// Configuration file [default: $SPKY_CONFIG_PATH, or sp00ky.yml if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Database, sidecar and everything else on this machine, for development
    Dev(dev::Options),
    /// The embedded database alone
    Db(db::Options),
    /// The sidecar, beside any SurrealDB server
    Ssp(ssp::Options),
    /// The scheduler: many sidecars behind one database
    Scheduler(scheduler::Options),
    /// Shows the sidecars of a scheduler
    Status(status::Options),
    /// Installs Sp00ky's tables, functions and capture in a database
    Apply(apply::Options),
    /// Compares what the sidecar holds, and the views' edges, with the database
    Verify(verify::Options),
    /// Shows the live result of a query
    Watch(watch::Options),
    /// Checks a configuration
    Lint(lint::Options),
}

/// Runs the command line of this process.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    // As of `diff` and `grep`: 1 is an answer of this command, and not a failure.
    let on_failure = if matches!(cli.command, Command::Verify(_)) { ExitCode::from(2) } else { ExitCode::FAILURE };
    match cli.run() {
        Ok(code) => code,
        // Somebody wanted it to end, and it did.
        Err(Error::Interrupted) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {}", error::with_causes(&failure));
            on_failure
        }
    }
}

impl Cli {
    fn run(self) -> Result<ExitCode, Error> {
        let sources = Sources::from_process().file(self.config);
        if let Command::Lint(options) = self.command {
            return lint::run(&options, sources).map(|()| ExitCode::SUCCESS);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
        runtime.block_on(async {
            let done = match self.command {
                Command::Verify(options) => return verify::run(options, sources).await,
                Command::Dev(options) => dev::run(options, sources).await,
                Command::Db(options) => db::run(options, sources).await,
                Command::Ssp(options) => ssp::run(options, sources).await,
                Command::Scheduler(options) => scheduler::run(options, sources).await,
                Command::Status(options) => status::run(options, sources).await,
                Command::Apply(options) => apply::run(options, sources).await,
                Command::Watch(options) => watch::run(options, sources).await,
                Command::Lint(options) => lint::run(&options, sources),
            };
            done.map(|()| ExitCode::SUCCESS)
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
