//! `spky ssp`: the sidecar beside any SurrealDB server.

use clap::Args;
use config::{Setting, Sources};
use tracing::Level;

use crate::error::Error;
use crate::options::{self, DatabaseOptions};
use crate::services::Services;
use crate::settings;
use crate::signals::Signals;

/// Options of `spky ssp`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Address and port to listen on [default: 0.0.0.0:8667]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Run without a secret; only on a loopback address
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    database: DatabaseOptions,
}

/// Runs until a signal comes.
pub(crate) async fn run(options: Options, sources: Sources) -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    let sources = options.database.over(sources).flag(Setting::SspListenAddr, "--listen", options.listen.as_ref());
    let (config, exports) = options::load_service(&sources, Level::INFO)?;
    let settings = settings::ssp(&config, options.insecure, exports.export.clone())?;
    let outcome = serve(settings, settings::jobs(&config), &mut signals).await;
    exports.stop().await;
    outcome
}

async fn serve(settings: ::ssp::Settings, jobs: ::ssp::JobSettings, signals: &mut Signals) -> Result<(), Error> {
    let service = signals.unless(::ssp::Service::start_with_jobs(settings, Some(jobs))).await?;
    Services::from(service).serve(signals).await
}
