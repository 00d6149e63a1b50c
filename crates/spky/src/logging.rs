//! The log: lines on standard error, so that standard output holds nothing but results. And traces, if somebody wants
//! them.

use telemetry::{Export, Traces};
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::error::Error;

/// Names what is logged, as `tracing` writes it: `debug`, or `warn,ssp=trace`.
const FILTER_VARIABLE: &str = "SPKY_LOG";

/// The crates that are ours.
const OURS: [&str; 13] = [
    "spky",
    "ssp",
    "scheduler",
    "serving",
    "cluster",
    "jobs",
    "database",
    "query",
    "circuit",
    "protocol",
    "config",
    "embedded",
    "telemetry",
];

/// What a service exports, while it runs.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    /// Where to, if the environment names a collector.
    pub(crate) export: Option<Export>,
    traces: Option<Traces>,
}

impl Exports {
    /// What the environment asks for, for the instance `id` of a service.
    pub(crate) fn from_environment(id: &str) -> Result<Self, Error> {
        let export = Export::from_environment()?;
        let traces = Traces::new("spky-ssp", id, export.as_ref())?;
        Ok(Exports { export, traces })
    }

    /// Exports what is left.
    pub(crate) async fn stop(self) {
        if let Some(traces) = self.traces {
            traces.stop().await;
        }
    }
}

/// Starts logging: our crates at `level`, others only warnings, unless `SPKY_LOG` says otherwise.
pub(crate) fn start(level: Level, exports: &Exports) -> Result<(), Error> {
    let wanted = match std::env::var(FILTER_VARIABLE) {
        Ok(wanted) if !wanted.is_empty() => wanted,
        _ => {
            // The SDK complains when a request or a live query is given up, as happens at every end of ours. What
            // matters of its errors it answers to whoever asked.
            // Calls of the SPI are logged in any case: nothing else tells who has called.
            let others =
                "warn,spi::audit=info,surrealdb::method::live=error,surrealdb::engine::remote::ws=off".to_owned();
            OURS.iter().fold(others, |filter, name| format!("{filter},{name}={level}"))
        }
    };
    let filter = EnvFilter::try_new(wanted).map_err(|error| Error::Logging(format!("{FILTER_VARIABLE}: {error}")))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(exports.traces.as_ref().map(traced))
        .try_init()
        .map_err(|error| Error::Logging(error.to_string()))
}

/// The spans that are exported: ours, whatever is logged. Those of the exporter's own requests are not, or each export
/// would be the reason of the next.
fn traced<S>(traces: &Traces) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let ours = Targets::new().with_targets(OURS.map(|name| (name, LevelFilter::DEBUG)));
    traces.layer().with_filter(ours)
}
