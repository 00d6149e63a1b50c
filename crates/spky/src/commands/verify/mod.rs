//! `spky verify`: whether the sidecar, or the scheduler and all its sidecars, hold what the database holds, and the database the edges that it should.
//!
//! Both go on changing meanwhile, so a difference counts only when it stays the same: `tables.rs` says how.
//!
//! ```text
//! tables.rs   database ──▶ count and hash ◀── sidecar, and record by record where these differ
//! views.rs    database ──▶ which views there are; each is compared by the sidecar that keeps it
//! report.rs   what differs, for people or programs
//! ```

mod copy;
mod report;
mod tables;
mod views;

use std::process::ExitCode;

use clap::Args;
use config::Sources;
use database::Database;
use tracing::Level;

use self::copy::Copy;
use self::report::Report;
use crate::error::Error;
use crate::options::{self, DatabaseOptions};
use crate::target::Target;

/// Options of `spky verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every table of the application is read from the database and compared with what the sidecar holds, by the number of its \
records and a hash of their contents, and record by record where these differ. Then the edges of every view are compared with \
what the view shows. Writes may go on meanwhile.

Exit code: 0 if all is equal, or has been repaired; 1 if something differs; 2 if it could not be compared.

Fields that are COMPUTED when they are read are not stored; of tables with such fields only the ids are compared.")]
pub(crate) struct Options {
    /// Read tables that differ again, and write edges that differ
    #[arg(long)]
    fix: bool,
    /// One JSON object instead of lines for people
    #[arg(long)]
    json: bool,
    /// Address of the sidecar, or of a scheduler, which stands for its replica and all its sidecars [default: the one of `spky
    /// dev`, or the configured one]; may be given several times
    #[arg(long, value_name = "URL")]
    ssp: Vec<String>,
    #[command(flatten)]
    database: DatabaseOptions,
}

/// Compares, repairs if told so, and says what differs.
pub(crate) async fn run(options: Options, sources: Sources) -> Result<ExitCode, Error> {
    let config = options::load(&options.database.over(sources), Level::WARN)?;
    let target = Target::find(&config, options.ssp.first().map(String::as_str))?;
    let mut copies = Copy::behind(&target).await?;
    for address in options.ssp.iter().skip(1) {
        copies.extend(Copy::behind(&Target::find(&config, Some(address))?).await?);
    }
    let description = target.database.to_string();
    let connecting = Error::database(format!("can't connect to {description}"));
    let name = format!("{}/{}", target.database.namespace, target.database.database);
    let database = Database::connect(target.database, target.names).await.map_err(connecting)?;
    for copy in &copies {
        copy.check(&name).await?;
    }

    let tables = tables::compare(&database, &copies, options.fix).await?;
    let views = views::compare(&database, &copies, options.fix).await?;
    let report = Report::new(name, tables, views);
    if options.json {
        report.print_json()?
    } else {
        report.print(options.fix)?
    }
    Ok(if report.is_equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
