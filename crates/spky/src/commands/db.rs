//! `spky db`: the embedded database alone.

use std::path::PathBuf;

use clap::Args;
use config::{Setting, Sources};
use embedded::{Log, Server, Storage};
use tracing::Level;

use crate::error::Error;
use crate::options::{self, LoginOptions};
use crate::output::line;
use crate::settings;
use crate::signals::Signals;

/// Options of `spky db`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Keep the data in this directory, with RocksDB [default: in memory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Port on 127.0.0.1; 0 for any free one [default: 8000]
    #[arg(long, value_name = "PORT")]
    db_port: Option<u16>,
    /// Root user [default: root]
    #[arg(long)]
    user: Option<String>,
    /// Password; SPKY_DB_PASS keeps it out of the list of processes [default: root]
    #[arg(long)]
    pass: Option<String>,
}

/// Runs until a signal comes, with the database's own log on the terminal.
pub(crate) async fn run(options: Options, sources: Sources) -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    let login = LoginOptions { user: options.user, pass: options.pass, ..LoginOptions::default() };
    let config = options::load(&login.over(sources), Level::INFO)?;
    let mut server = signals
        .unless(Server::start(embedded::Settings {
            port: options.db_port.unwrap_or_else(|| port(&config)),
            storage: storage(options.data_dir),
            username: config.database.username.clone(),
            password: config.database.password.expose().to_owned(),
            // The sidecar's, which `fn::query::register` calls.
            allow_net: settings::loopback_ssp(&config).into_iter().collect(),
            log: Log::Inherit,
            log_level: "info".to_owned(),
            ..embedded::Settings::default()
        }))
        .await?;
    line(&format!("ws://{}", server.address()))?;

    tokio::select! {
        () = signals.wait() => {}
        status = server.ended() => {
            return Err(Error::DatabaseEnded { status: status?, log: String::new() });
        }
    }
    Ok(server.stop().await?)
}

/// The port of the configured database if that is on this machine, otherwise SurrealDB's usual one.
pub(crate) fn port(config: &config::Config) -> u16 {
    const USUAL: u16 = 8000;
    let url = &config.database.url;
    if url.is_loopback() && !config.is_default(Setting::DbUrl) { url.port() } else { USUAL }
}

/// Where the data of an embedded database goes.
pub(crate) fn storage(data_dir: Option<PathBuf>) -> Storage {
    match data_dir {
        Some(directory) => Storage::RocksDb(directory.join("surrealdb")),
        None => Storage::Memory,
    }
}
