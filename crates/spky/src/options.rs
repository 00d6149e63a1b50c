//! Options that several subcommands have, and the configuration that they are part of.

use clap::Args;
use config::{Config, Loaded, Setting, Sources};

use crate::error::Error;
use crate::logging::{self, Exports};

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

/// Loads the configuration, starts logging at `level` and above, and logs what there is to say about it.
pub(crate) fn load(sources: &Sources, level: tracing::Level) -> Result<Config, Error> {
    let loaded = Config::load(sources)?;
    logging::start(level, &Exports::default())?;
    Ok(announce(loaded))
}

/// As [`load`], for a service: it exports what the environment asks for.
pub(crate) fn load_service(sources: &Sources, level: tracing::Level) -> Result<(Config, Exports), Error> {
    let loaded = Config::load(sources)?;
    let exports = Exports::from_environment(&loaded.config.ssp.id)?;
    logging::start(level, &exports)?;
    Ok((announce(loaded), exports))
}

fn announce(Loaded { config, notices, file }: Loaded) -> Config {
    if let Some(file) = file {
        tracing::info!(file = %file.display(), "configuration read");
    }
    for notice in notices {
        tracing::warn!("{notice}");
    }
    config
}
