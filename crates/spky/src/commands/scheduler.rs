//! `spky scheduler`: many sidecars behind one database.

use clap::Args;
use config::{Setting, Sources};
use tracing::Level;

use crate::error::Error;
use crate::options::{self, DatabaseOptions};
use crate::services::Services;
use crate::settings;
use crate::signals::Signals;

/// Options of `spky scheduler`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Runs without a secret; only on a loopback address
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    database: DatabaseOptions,
}

/// Runs until a signal comes.
pub(crate) async fn run(options: Options, sources: Sources) -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    let sources =
        options.database.over(sources).flag(Setting::SchedulerListenAddr, "--listen", options.listen.as_ref());
    let (config, exports) = options::load_service(&sources, Level::INFO)?;
    let settings = settings::scheduler(&config, options.insecure, exports.export.clone())?;
    let outcome = serve(settings, &mut signals).await;
    exports.stop().await;
    outcome
}

async fn serve(settings: ::scheduler::Settings, signals: &mut Signals) -> Result<(), Error> {
    let service = signals.unless(::scheduler::Service::start(settings)).await?;
    Services::from(service).serve(signals).await
}
