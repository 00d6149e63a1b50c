//! `spky status`: the pool of a scheduler as a table.

use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use config::{Setting, Sources};
use protocol::{PoolStatus, SspStatus};
use tracing::Level;
use url::Url;

use crate::error::Error;
use crate::options;
use crate::output::line;
use crate::settings;
use crate::sidecar::Sidecar;

/// Options of `spky status`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Address of the scheduler [default: as configured]
    #[arg(long, value_name = "URL")]
    scheduler: Option<String>,
    /// Bearer token of the scheduler
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks the scheduler, and prints what it says.
pub(crate) async fn run(options: Options, sources: Sources) -> Result<(), Error> {
    let sources = sources.flag(Setting::AuthSecret, "--secret", options.secret.as_ref());
    let config = options::load(&sources, Level::WARN)?;
    let address = options.scheduler.unwrap_or_else(|| settings::scheduler_url(&config));
    let address = if address.contains("://") { address } else { format!("http://{address}") };
    let url = Url::parse(&address).map_err(|error| Error::Usage(format!("--scheduler {address}: {error}")))?;
    let status: PoolStatus = Sidecar::new(&url, config.auth_secret.as_ref())?.get("/status").await?;
    if options.json {
        let text = serde_json::to_string(&status).map_err(|error| Error::Usage(error.to_string()))?;
        return line(&text);
    }
    line(&format!(
        "scheduler {} is {}: event {}{}, snapshot at {}{}, {} views without a sidecar\n{}",
        status.id,
        status.status.as_str(),
        status.head,
        if status.is_interrupted { " (nothing is captured now)" } else { "" },
        status.snapshot_seq,
        if status.is_frozen { " (frozen)" } else { "" },
        status.unassigned,
        table(&status.ssps),
    ))
}

fn table(ssps: &[SspStatus]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["sidecar", "state", "views", "event", "behind", "cpu", "memory", "heartbeat", "address"]);
    for ssp in ssps {
        table.add_row([
            ssp.ssp_id.clone(),
            ssp.state.clone(),
            ssp.views.to_string(),
            ssp.sequence.to_string(),
            ssp.behind.to_string(),
            format!("{:.0} %", ssp.cpu * 100.0),
            format!("{:.0} %", ssp.memory * 100.0),
            format!("{:.1} s ago", ssp.heartbeat_age_ms as f64 / 1000.0),
            ssp.url.clone(),
        ]);
    }
    for column in 2..=7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
