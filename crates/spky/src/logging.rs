//! The log: lines on standard error, so that standard output holds nothing but results.

use tracing::Level;
use tracing_subscriber::EnvFilter;

use crate::error::Error;

/// Names what is logged, as `tracing` writes it: `debug`, or `warn,ssp=trace`.
const FILTER_VARIABLE: &str = "SPKY_LOG";

/// Starts logging: our crates at `level`, others only warnings, unless `SPKY_LOG` says otherwise.
pub(crate) fn start(level: Level) -> Result<(), Error> {
    let wanted = match std::env::var(FILTER_VARIABLE) {
        Ok(wanted) if !wanted.is_empty() => wanted,
        _ => {
            let ours = ["spky", "ssp", "database", "query", "circuit", "protocol", "config", "embedded"];
            // The SDK complains when a request or a live query is given up, as happens at every end of ours. What
            // matters of its errors it answers to whoever asked.
            let others = "warn,surrealdb::method::live=error,surrealdb::engine::remote::ws=off".to_owned();
            ours.iter().fold(others, |filter, name| format!("{filter},{name}={level}"))
        }
    };
    let filter = EnvFilter::try_new(wanted).map_err(|error| Error::Logging(format!("{FILTER_VARIABLE}: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .try_init()
        .map_err(|error| Error::Logging(error.to_string()))
}
