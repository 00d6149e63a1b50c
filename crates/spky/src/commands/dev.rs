//! `spky dev`: everything on this machine, from one command.
//!
//! Started in the order database, schema, sidecar (or scheduler and sidecars), demo; stopped in the other one. All of it listens on loopback only.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use config::{Config, Setting, Sources};
use database::Database;
use embedded::{Log, Server};
use telemetry::Export;
use tracing::Level;

use super::{apply, db};
use crate::demo::{self, Demo};
use crate::error::Error;
use crate::options::{self, LoginOptions};
use crate::output::{Output, Ready};
use crate::services::{Plan, Services};
use crate::session::{self, Session};
use crate::settings;
use crate::signals::Signals;

/// Options of `spky dev`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Keep the data in this directory, with RocksDB [default: in memory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// SurrealQL file with the application's schema
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Port of the database on 127.0.0.1; 0 for any free one [default: 8000]
    #[arg(long, value_name = "PORT")]
    db_port: Option<u16>,
    /// Port of the sidecar, or of the scheduler, on 127.0.0.1; 0 for any free one [default: 8667, or 9667]
    #[arg(long, value_name = "PORT")]
    ssp_port: Option<u16>,
    /// Run a scheduler with this many sidecars, instead of one sidecar alone
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=16))]
    cluster: Option<u8>,
    /// Print one JSON object a line; the last is {"event":"ready",…}
    #[arg(long)]
    json: bool,
    /// Replay one day of departures from New York, as live data
    #[arg(long)]
    demo: bool,
    /// How many times faster than the clock the demo runs; 144 makes ten minutes of a day
    #[arg(long, value_name = "FACTOR", default_value_t = demo::DEFAULT_SPEED, requires = "demo", value_parser = speed)]
    speed: f64,
    #[command(flatten)]
    login: LoginOptions,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor > 0.0 && factor <= demo::MAX_SPEED => Ok(factor),
        _ => Err(format!("expected a number above 0 and up to {}", demo::MAX_SPEED)),
    }
}

/// Runs until a signal comes, or until something that should never end does.
pub(crate) async fn run(options: Options, sources: Sources) -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    let output = Output::new(options.json);
    let (mut config, exports) = options::load_service(&options.login.over(sources), Level::WARN)?;
    let secret = secret(&config);
    config.auth_secret = Some(config::Secret::new(secret.as_str()));

    let front = match options.cluster {
        None => config.ssp.listen_addr.port(),
        Some(_) => config.scheduler.listen_addr.port(),
    };
    let port = match options.ssp_port.unwrap_or(front) {
        0 => embedded::free_port()?,
        port => port,
    };
    let front = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    config.ssp.scheduler_url = None;
    match options.cluster {
        None => config.ssp.listen_addr = front,
        Some(_) => {
            config.scheduler.listen_addr = front;
            config.ssp.scheduler_url =
                Some(format!("http://{front}").parse().map_err(|error| Error::Usage(format!("{front}: {error}")))?);
        }
    }
    config.ssp.advertise_addr = None;
    // Both ports are looked at before anything is started.
    embedded::check_port(port)?;

    let db_port = options.db_port.unwrap_or_else(|| db::port(&config));
    let server_settings = embedded::Settings {
        port: db_port,
        storage: db::storage(options.data_dir.clone()),
        username: config.database.username.clone(),
        password: config.database.password.expose().to_owned(),
        allow_net: vec![front],
        log: options.data_dir.as_ref().map_or(Log::OnFailure, |directory| Log::File(directory.join("surrealdb.log"))),
        ..embedded::Settings::default()
    };
    output.progress("database", &starting(options.data_dir.as_deref()))?;
    let mut server = signals.unless(Server::start(server_settings)).await?;

    let export = exports.export.clone();
    let outcome = with_database(&options, config, &secret, export, &server, &mut signals, output).await;
    tracing::debug!("stopping the database");
    let stopped = server.stop().await;
    exports.stop().await;
    outcome?;
    Ok(stopped?)
}

fn starting(data_dir: Option<&Path>) -> String {
    match data_dir {
        Some(directory) => format!("starting, data in {}", directory.display()),
        None => "starting, data in memory".to_owned(),
    }
}

/// The configured secret, or a new one of 256 bits.
fn secret(config: &Config) -> String {
    if let Some(secret) = &config.auth_secret {
        return secret.expose().to_owned();
    }
    let bytes: [u8; 32] = rand::random();
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Everything that needs the database, from the schema to the end.
async fn with_database(
    options: &Options,
    config: Config,
    secret: &str,
    export: Option<Export>,
    server: &Server,
    signals: &mut Signals,
    output: Output,
) -> Result<(), Error> {
    let db_url = format!("ws://{}", server.address());
    let mut database_settings = settings::database(&config)?;
    database_settings.endpoint = db_url.parse()?;
    let install = settings::schema(&config)?;
    let prepared = prepare(options, &database_settings, &install, output);
    let demo = signals.unless(prepared).await?;

    match options.cluster {
        None => output.progress("sidecar", "starting")?,
        Some(number) => output.progress("cluster", &format!("starting a scheduler and {number} sidecars"))?,
    }
    let plan = Plan {
        config: &config,
        database: database_settings,
        data_dir: options.data_dir.as_deref(),
        cluster: options.cluster.map(usize::from),
        export,
    };
    let service = signals.unless(Services::start(plan)).await?;
    let address = service.address().ok_or_else(|| Error::Usage("nothing was started".to_owned()))?;
    let ssp_url = format!("http://{address}");
    let running = async {
        signals.unless(service.ready()).await?;
        let published = session::publish(
            address.port(),
            &Session {
                db: db_url.clone(),
                ssp: ssp_url.clone(),
                secret: secret.to_owned(),
                namespace: config.database.namespace.clone(),
                database: config.database.name.clone(),
                username: config.database.username.clone(),
                password: config.database.password.expose().to_owned(),
                table_prefix: config.database.table_prefix.clone(),
            },
        );
        // Without the file `spky watch` needs a few options more, and everything else works.
        let published = published.inspect_err(|error| tracing::warn!("{}", crate::error::with_causes(error))).ok();
        output.ready(&Ready {
            event: "ready",
            db: &db_url,
            ssp: &ssp_url,
            secret,
            namespace: &config.database.namespace,
            database: &config.database.name,
        })?;
        hints(output, demo.is_some(), &ssp_url, config.is_default(Setting::SspListenAddr))?;
        let outcome = tokio::select! {
            () = signals.wait() => Err(Error::Interrupted),
            status = server.ended() => {
                Err(Error::DatabaseEnded { status: status?, log: server.last_words() })
            }
            failure = service.failed() => Err(failure),
            outcome = replay(demo, options.speed, output) => outcome,
        };
        drop(published);
        outcome
    };
    let outcome = running.await;
    tracing::debug!("stopping the sidecar");
    let stopped = service.stop().await;
    outcome?;
    stopped
}

/// Schema, Sp00ky's own tables, and the demo's rows that are there from the beginning.
async fn prepare(
    options: &Options,
    settings: &database::Settings,
    install: &database::schema::SchemaOptions,
    output: Output,
) -> Result<Option<Demo>, Error> {
    let connecting = Error::database("can't connect to the embedded database");
    let database = Database::connect(settings.clone(), install.names.clone()).await.map_err(connecting)?;
    if let Some(path) = &options.schema {
        output.progress("schema", &format!("applying {}", path.display()))?;
        let importing = Error::database(format!("can't apply {}", path.display()));
        database.import(&apply::read(path)?).await.map_err(importing)?;
    }
    let mut demo = None;
    if options.demo {
        output.progress("demo", "loading one day of departures from New York")?;
        let importing = Error::database("can't apply the schema of the demo");
        database.import(demo::SCHEMA).await.map_err(importing)?;
        demo = Some(Demo::load(settings).await?);
    }
    output.progress("schema", "installing the tables of Sp00ky")?;
    database.apply(install).await.map_err(Error::database("can't install Sp00ky"))?;
    Ok(demo)
}

/// Plays the demo for ever; without one, waits for ever.
async fn replay(demo: Option<Demo>, speed: f64, output: Output) -> Result<(), Error> {
    match demo {
        Some(demo) => demo.replay(speed, |text| output.hint(text)).await,
        None => std::future::pending().await,
    }
}

/// What to type next.
fn hints(output: Output, with_demo: bool, ssp_url: &str, usual_address: bool) -> Result<(), Error> {
    let program = std::env::args().next().unwrap_or_else(|| "spky".to_owned());
    let usual = usual_address && ssp_url.ends_with(":8667");
    let address = if usual { String::new() } else { format!(" --ssp {ssp_url}") };
    let queries: &[&str] = if with_demo { &demo::QUERIES } else { &["SELECT * FROM person WHERE age > 17"] };
    output.hint("\nWatch a query in another terminal:")?;
    for query in queries {
        output.hint(&format!("  {program} watch{address} \"{query}\""))?;
    }
    output.hint("")
}
