//! The command line: its options, and what runs for each subcommand.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use config::{Config, Loaded, Setting, Sources};

use crate::commands::{apply, db, dev, lint, ssp, watch};
use crate::error::{self, Error};
use crate::logging;

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
    /// Installs Sp00ky's tables, functions and capture in a database
    Apply(apply::Options),
    /// Shows the live result of a query
    Watch(watch::Options),
    /// Checks a configuration
    Lint(lint::Options),
}

/// Which database to use; what is not given comes from the environment, the file, or the defaults.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Database")]
pub(crate) struct DatabaseOptions {
    /// Address of the SurrealDB server
    #[arg(long, value_name = "URL")]
    pub(crate) db_url: Option<String>,
    #[command(flatten)]
    pub(crate) login: LoginOptions,
}

/// Where in the server, and as whom.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Database")]
pub(crate) struct LoginOptions {
    /// Namespace [default: test]
    #[arg(long)]
    pub(crate) ns: Option<String>,
    /// Database [default: test]
    #[arg(long)]
    pub(crate) db: Option<String>,
    /// Root user [default: root]
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Password; SPKY_DB_PASS keeps it out of the list of processes [default: root]
    #[arg(long)]
    pub(crate) pass: Option<String>,
}

impl DatabaseOptions {
    /// Puts what was given over the other sources.
    pub(crate) fn over(&self, sources: Sources) -> Sources {
        self.login.over(sources.flag(Setting::DbUrl, "--db-url", self.db_url.as_ref()))
    }
}

impl LoginOptions {
    /// Puts what was given over the other sources.
    pub(crate) fn over(&self, sources: Sources) -> Sources {
        sources
            .flag(Setting::DbNs, "--ns", self.ns.as_ref())
            .flag(Setting::DbName, "--db", self.db.as_ref())
            .flag(Setting::DbUser, "--user", self.user.as_ref())
            .flag(Setting::DbPass, "--pass", self.pass.as_ref())
    }
}

/// Runs the command line of this process.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    match cli.run() {
        // Somebody wanted it to end, and it did.
        Ok(()) | Err(Error::Interrupted) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {}", error::with_causes(&failure));
            ExitCode::FAILURE
        }
    }
}

impl Cli {
    fn run(self) -> Result<(), Error> {
        let sources = Sources::from_process().file(self.config);
        if let Command::Lint(options) = self.command {
            return lint::run(&options, sources);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
        runtime.block_on(async {
            match self.command {
                Command::Dev(options) => dev::run(options, sources).await,
                Command::Db(options) => db::run(options, sources).await,
                Command::Ssp(options) => ssp::run(options, sources).await,
                Command::Apply(options) => apply::run(options, sources).await,
                Command::Watch(options) => watch::run(options, sources).await,
                Command::Lint(options) => lint::run(&options, sources),
            }
        })
    }
}

/// Starts logging at `level` and above, loads the configuration, and logs what there is to say about it.
pub(crate) fn load(sources: &Sources, level: tracing::Level) -> Result<Config, Error> {
    logging::start(level)?;
    let Loaded { config, notices, file } = Config::load(sources)?;
    if let Some(file) = file {
        tracing::info!(file = %file.display(), "configuration read");
    }
    for notice in notices {
        tracing::warn!("{notice}");
    }
    Ok(config)
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
