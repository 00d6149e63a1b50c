//! The typed configuration, built from the decided texts.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;
use uuid::Uuid;

use crate::error::{Error, Notice, Origin, Problem};
use crate::jobs::JobTables;
use crate::setting::{SETTINGS, Setting};
use crate::source::{self, Resolved, Sources};
use crate::values::{self, Capture, DatabaseUrl, LoadBalance, Parsed, RefMode};
use crate::{Secret, jobs};

/// Everything that can be configured, with types, and with defaults filled in.
///
/// Printing it with `Debug` is safe: secrets are redacted.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bearer token of the HTTP APIs. Without one, a service must refuse to listen on anything but loopback.
    pub auth_secret: Option<Secret>,
    /// The application's database.
    pub database: Database,
    /// The sidecar.
    pub ssp: Ssp,
    /// The listener for callbacks of executors.
    pub spi: Spi,
    /// The scheduler.
    pub scheduler: Scheduler,
    /// Job tables; only the file can give them.
    pub job_tables: JobTables,
    origins: Vec<Origin>,
}

/// The application's database.
#[derive(Clone, Debug)]
pub struct Database {
    /// Address of the server.
    pub url: DatabaseUrl,
    /// Root user.
    pub username: String,
    /// Password of that user.
    pub password: Secret,
    /// Namespace.
    pub namespace: String,
    /// Database.
    pub name: String,
    /// Beginning of the names of Sp00ky's own tables.
    pub table_prefix: String,
}

/// The sidecar.
#[derive(Clone, Debug)]
pub struct Ssp {
    /// Address and port to listen on.
    pub listen_addr: SocketAddr,
    /// Name of this SSP; made up at load unless set.
    pub id: String,
    /// Address at which others reach it, if it can't be derived from the listen address.
    pub advertise_addr: Option<Url>,
    /// Scheduler to register with; standalone without one.
    pub scheduler_url: Option<Url>,
    /// Time between two heartbeats to the scheduler.
    pub heartbeat_interval: Duration,
    /// Time between two sweeps for views past their time to live.
    pub ttl_cleanup_interval: Duration,
    /// How changes arrive.
    pub capture: Capture,
    /// Where edges are kept.
    pub ref_mode: RefMode,
    /// How long edges are gathered into one transaction; zero writes at once.
    pub query_update_throttle: Duration,
    /// Rows read in one page.
    pub bootstrap_page_size: NonZeroUsize,
    /// Time between two counts of the tables.
    pub count_interval: Duration,
    /// File that keeps the state over a restart.
    pub persistence_file: PathBuf,
}

/// The listener for callbacks of executors.
#[derive(Clone, Debug)]
pub struct Spi {
    /// Address and port to listen on.
    pub listen_addr: SocketAddr,
    /// Address that executors call back, if it can't be derived from the listen address.
    pub base_url: Option<Url>,
    /// Networks that may call.
    pub allow: Vec<IpNet>,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests a second that one address may send.
    pub rate_limit: NonZeroU32,
}

/// The scheduler.
#[derive(Clone, Debug)]
pub struct Scheduler {
    /// Name of this scheduler; made up at load unless set.
    pub id: String,
    /// Address and port to listen on.
    pub listen_addr: SocketAddr,
    /// How an SSP is chosen for a query.
    pub load_balance: LoadBalance,
    /// Time without a heartbeat after which an SSP is stale.
    pub heartbeat_timeout: Duration,
    /// Time within which an SSP must have loaded.
    pub bootstrap_timeout: Duration,
    /// Directory of the snapshot replica.
    pub replica_db_path: PathBuf,
    /// Directory of the write-ahead log.
    pub wal_path: PathBuf,
    /// Time between two looks at the health of an SSP that loads.
    pub ssp_poll_interval: Duration,
    /// Events that may wait for one SSP.
    pub max_buffer_per_ssp: NonZeroUsize,
    /// Time between two updates of the snapshot replica.
    pub snapshot_update_interval: Duration,
    /// Rows that the replica reads in one page.
    pub bootstrap_page_size: NonZeroUsize,
}

/// A configuration, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Deprecated names and probable mistakes; the program logs each once.
    pub notices: Vec<Notice>,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
}

impl Config {
    /// Decides and checks every setting.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once. Values that a stronger source overrides are not checked.
    pub fn load(sources: &Sources) -> Result<Loaded, Error> {
        let mut problems = Vec::new();
        let mut resolved = source::resolve(sources, &mut problems);
        let job_tables = jobs::build(&resolved, &mut problems);
        if !problems.is_empty() {
            return Err(Error { problems });
        }
        let config = build(&resolved, job_tables)?;
        Ok(Loaded { config, notices: std::mem::take(&mut resolved.notices), file: resolved.file })
    }

    /// Where the value of a setting came from.
    pub fn origin(&self, setting: Setting) -> &Origin {
        self.origins.get(setting as usize).unwrap_or(&Origin::Default)
    }

    /// True if nothing sets it, so that its value is the default.
    pub fn is_default(&self, setting: Setting) -> bool {
        *self.origin(setting) == Origin::Default
    }
}

fn build(resolved: &Resolved, job_tables: JobTables) -> Result<Config, Error> {
    use Setting::*;
    let r = resolved;
    Ok(Config {
        auth_secret: optional(r, AuthSecret, values::secret)?,
        database: Database {
            url: required(r, DbUrl, values::database_url)?,
            username: required(r, DbUser, values::name)?,
            password: required(r, DbPass, values::secret)?,
            namespace: required(r, DbNs, values::name)?,
            name: required(r, DbName, values::name)?,
            table_prefix: required(r, TablePrefix, values::table_prefix)?,
        },
        ssp: Ssp {
            listen_addr: required(r, SspListenAddr, values::listen_addr)?,
            id: optional(r, SspId, values::identifier)?.unwrap_or_else(|| format!("ssp-{}", Uuid::new_v4())),
            advertise_addr: optional(r, SspAdvertiseAddr, values::http_url)?,
            scheduler_url: optional(r, SchedulerUrl, values::http_url)?,
            heartbeat_interval: required(r, SspHeartbeatIntervalMs, values::positive_millis)?,
            ttl_cleanup_interval: required(r, TtlCleanupIntervalSecs, values::positive_seconds)?,
            capture: required(r, Capture, values::capture)?,
            ref_mode: required(r, SspRefMode, values::ref_mode)?,
            query_update_throttle: required(r, SspQueryUpdateThrottleMs, values::millis)?,
            bootstrap_page_size: required(r, SspBootstrapPageSize, values::count)?,
            count_interval: required(r, SspCountIntervalSecs, values::positive_seconds)?,
            persistence_file: required(r, PersistenceFile, values::path)?,
        },
        spi: Spi {
            listen_addr: required(r, SpiListenAddr, values::listen_addr)?,
            base_url: optional(r, SpiBaseUrl, values::http_url)?,
            allow: required(r, SpiAllow, values::networks)?,
            trusted_proxies: optional(r, SpiTrustedProxies, values::networks)?.unwrap_or_default(),
            rate_limit: required(r, SpiRateLimit, values::positive_u32)?,
        },
        scheduler: Scheduler {
            id: optional(r, SchedulerId, values::identifier)?
                .unwrap_or_else(|| format!("scheduler-{}", Uuid::new_v4())),
            listen_addr: required(r, SchedulerListenAddr, values::listen_addr)?,
            load_balance: required(r, SchedulerLoadBalance, values::load_balance)?,
            heartbeat_timeout: required(r, SchedulerHeartbeatTimeoutMs, values::positive_millis)?,
            bootstrap_timeout: required(r, SchedulerBootstrapTimeoutSecs, values::positive_seconds)?,
            replica_db_path: required(r, SchedulerReplicaDbPath, values::path)?,
            wal_path: required(r, SchedulerWalPath, values::path)?,
            ssp_poll_interval: required(r, SchedulerSspPollIntervalMs, values::positive_millis)?,
            max_buffer_per_ssp: required(r, SchedulerMaxBufferPerSsp, values::count)?,
            snapshot_update_interval: required(r, SnapshotUpdateIntervalSecs, values::positive_seconds)?,
            bootstrap_page_size: required(r, BootstrapPageSize, values::count)?,
        },
        job_tables,
        origins: SETTINGS.iter().map(|spec| resolved.get(spec.setting).1).collect(),
    })
}

/// The value of a setting that may be absent.
fn optional<T>(resolved: &Resolved, setting: Setting, parse: fn(&str) -> Parsed<T>) -> Result<Option<T>, Error> {
    let (text, origin) = resolved.get(setting);
    text.map(parse).transpose().map_err(|reason| Problem::BadValue { origin, reason }.into())
}

/// The value of a setting that has a default in the table.
fn required<T>(resolved: &Resolved, setting: Setting, parse: fn(&str) -> Parsed<T>) -> Result<T, Error> {
    optional(resolved, setting, parse)?.ok_or_else(|| {
        let reason = format!("`{}` must be set", setting.spec().key);
        Problem::BadValue { origin: Origin::Default, reason }.into()
    })
}
