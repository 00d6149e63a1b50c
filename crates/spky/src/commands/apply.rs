//! `spky apply`: installs Sp00ky in a database.

use std::path::{Path, PathBuf};

use clap::Args;
use config::Sources;
use database::Database;
use tracing::Level;

use crate::error::Error;
use crate::options::{self, DatabaseOptions};
use crate::output::line;
use crate::settings;

/// Options of `spky apply`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// SurrealQL file with the application's own schema, applied first
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Print what would be run, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: DatabaseOptions,
}

/// Applies the schema, and installs tables, functions and the capture of every application table. Idempotent.
pub(crate) async fn run(options: Options, sources: Sources) -> Result<(), Error> {
    let config = options::load(&options.database.over(sources), Level::INFO)?;
    let schema = options.schema.as_deref().map(read).transpose()?;
    let database_settings = settings::database(&config)?;
    let description = database_settings.to_string();
    let connecting = Error::database(format!("can't connect to {description}"));
    let database = Database::connect(database_settings, settings::names(&config)?).await.map_err(connecting)?;
    let install = settings::schema(&config)?;
    if config.auth_secret.is_none() {
        tracing::warn!("no secret is set: the installed functions can call only a sidecar that runs with --insecure");
    }

    if options.dry_run {
        if let Some(schema) = schema {
            line(&format!("{}\n", schema.trim_end()))?;
        }
        let script = database.apply_script(&install).await.map_err(Error::database("can't list the tables"))?;
        return line(script.trim_end());
    }
    if let (Some(path), Some(schema)) = (&options.schema, schema) {
        let importing = Error::database(format!("can't apply {}", path.display()));
        database.import(&schema).await.map_err(importing)?;
        line(&format!("applied {}", path.display()))?;
    }
    let applied = database.apply(&install).await.map_err(Error::database("can't install Sp00ky"))?;
    let (tables, new) = (applied.tables.len(), applied.newly_captured.len());
    line(&format!("installed in {description}, captures {tables} tables, {new} of them from now on"))
}

/// The text of a SurrealQL file.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}
