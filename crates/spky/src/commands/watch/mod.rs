//! `spky watch`: a query's live result in the terminal.
//!
//! It does what any client of Sp00ky does: register the query, and follow the view's edges with a plain `LIVE SELECT`.
//!
//! ```text
//! edges.rs   LIVE SELECT  ──▶ which rows came, changed, went
//! view.rs    rows         ──▶ their content, in the query's order
//! display    table.rs on a terminal, lines.rs elsewhere
//! ```

mod api;
mod edges;
mod lines;
mod table;
mod text;
mod view;

use std::io::IsTerminal;
use std::time::Duration;

use circuit::{Object, Value};
use clap::Args;
use config::Sources;
use database::Database;
use futures::StreamExt;
use protocol::ViewKey;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tracing::Level;

use self::edges::Edge;
use self::lines::Lines;
use self::table::Table;
use self::view::{Changed, View};
use crate::client;
use crate::error::Error;
use crate::options::{self, DatabaseOptions};
use crate::sidecar::Sidecar;
use crate::signals::Signals;
use crate::target::Target;

/// Options of `spky watch`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The SurrealQL SELECT to watch
    query: String,
    /// A parameter of the query, as name=value: a SurrealQL value such as 5, user:1 or ['a'], otherwise a string
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Address of the sidecar [default: the one of `spky dev`, or the configured one]
    #[arg(long, value_name = "URL")]
    ssp: Option<String>,
    #[command(flatten)]
    database: DatabaseOptions,
}

/// The view lives this long after the last sign of life: so that a watcher that was killed is soon forgotten.
const TTL: &str = "2m";
/// Time between two signs of life. Each compares the whole result, too, which heals whatever LIVE may have lost.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Edges that come this soon after each other are shown together.
const GATHER: Duration = Duration::from_millis(30);

/// Where changes are shown.
enum Display {
    Table(Table),
    Lines(Lines),
}

/// Shows the result until a signal comes; then the view is unregistered.
pub(crate) async fn run(options: Options, sources: Sources) -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    let config = options::load(&options.database.over(sources), Level::WARN)?;
    let target = Target::find(&config, options.ssp.as_deref())?;
    let params = params(&options.params)?;

    let sidecar = Sidecar::new(&target.ssp, target.secret.as_ref())?;
    let key: ViewKey = format!("watch-{}", uuid::Uuid::new_v4().simple())
        .parse()
        .map_err(|error: protocol::ViewKeyError| Error::Query(error.to_string()))?;
    let request = api::request(key.clone(), &options.query, &params)?;

    signals.unless(sidecar.check()).await?;
    // Listening begins before the view is there, so that no edge is missed.
    let client = signals.unless(client::connect(&target.database)).await?;
    let mut edges = signals.unless(edges::follow(&client, &target.names, &key)).await?;
    let description = format!("can't connect to {}", target.database);
    let connecting = Database::connect(target.database.clone(), target.names.clone());
    let database = signals.unless(async { connecting.await.map_err(Error::database(description)) }).await?;
    // From here on the view may exist, whatever happens next.
    let outcome = async {
        let rows = signals.unless(api::register(&sidecar, &request)).await?;
        let mut view = View::new(database, &options.query, &params);
        let mut display = Display::new(&options.query)?;
        let changed = view.reconcile(rows).await?;
        display.show(&view, &changed)?;

        let mut heartbeats = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let fade = display.fades_at();
            tokio::select! {
                biased;
                () = signals.wait() => return Ok(()),
                edge = edges.next() => {
                    let gathered = gather(edge, &mut edges).await?;
                    let changed = view.update(gathered).await?;
                    display.show(&view, &changed)?;
                }
                _ = heartbeats.tick() => {
                    let changed = view.reconcile(api::register(&sidecar, &request).await?).await?;
                    display.show(&view, &changed)?;
                }
                () = at(fade) => display.show(&view, &[])?,
            }
        }
    };
    let outcome: Result<(), Error> = outcome.await;
    let unregistered = api::unregister(&sidecar, key).await;
    outcome?;
    unregistered
}

/// Everything that follows an edge at once.
async fn gather(
    first: Option<Result<Edge, Error>>,
    edges: &mut (impl StreamExt<Item = Result<Edge, Error>> + Unpin),
) -> Result<Vec<Edge>, Error> {
    let ended = || Error::Usage("the database has closed the live query".to_owned());
    let mut gathered = vec![first.ok_or_else(ended)??];
    let until = Instant::now() + GATHER;
    loop {
        tokio::select! {
            () = sleep_until(until) => return Ok(gathered),
            edge = edges.next() => gathered.push(edge.ok_or_else(ended)??),
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

impl Display {
    fn new(query: &str) -> Result<Self, Error> {
        match std::io::stdout().is_terminal() {
            true => Ok(Self::Table(Table::open(query)?)),
            false => Ok(Self::Lines(Lines)),
        }
    }

    fn show(&mut self, view: &View, changed: &[Changed]) -> Result<(), Error> {
        match self {
            Self::Table(table) => table.show(view, changed),
            Self::Lines(lines) => lines.show(changed),
        }
    }

    fn fades_at(&self) -> Option<Instant> {
        match self {
            Self::Table(table) => table.fades_at(),
            Self::Lines(_) => None,
        }
    }
}

fn params(given: &[String]) -> Result<Object, Error> {
    let parse = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            // `name=John` is a string without asking for quotes within the shell's.
            let value = query::parse_value(value).unwrap_or_else(|_| Value::String(value.into()));
            Ok((name.into(), value))
        }
        _ => Err(Error::Parameter(text.clone())),
    };
    given.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_values_of_surrealql_or_else_strings() {
        let given = ["n=5", "who=user:1", "name=John Smith", "quoted='5'", "empty="].map(str::to_owned);
        let params = params(&given).unwrap();
        assert_eq!(params.get("n"), Some(&Value::Int(5)));
        assert!(matches!(params.get("who"), Some(Value::RecordId(_))));
        assert_eq!(params.get("name"), Some(&Value::String("John Smith".into())));
        assert_eq!(params.get("quoted"), Some(&Value::String("5".into())));
        assert_eq!(params.get("empty"), Some(&Value::String("".into())));
        assert!(super::params(&["=5".to_owned()]).is_err() && super::params(&["n".to_owned()]).is_err());
    }
}
