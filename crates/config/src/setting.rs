//! The one table of all settings: names, defaults, types. Environment, file, flags and the documentation follow it.

use crate::values;

/// A setting of Sp00ky. The order is that of [`SETTINGS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // each is described by its row of the table
pub enum Setting {
    SspListenAddr,
    AuthSecret,
    DbUrl,
    DbUser,
    DbPass,
    DbNs,
    DbName,
    TablePrefix,
    PersistenceFile,
    SspId,
    SspAdvertiseAddr,
    SchedulerUrl,
    SspHeartbeatIntervalMs,
    TtlCleanupIntervalSecs,
    Capture,
    SspRefMode,
    SspQueryUpdateThrottleMs,
    SspBootstrapPageSize,
    SspCountIntervalSecs,
    BootstrapPageSize,
    SpiListenAddr,
    SpiBaseUrl,
    SpiAllow,
    SpiTrustedProxies,
    SpiRateLimit,
    SchedulerId,
    SchedulerListenAddr,
    SchedulerLoadBalance,
    SchedulerHeartbeatTimeoutMs,
    SchedulerBootstrapTimeoutSecs,
    SchedulerReplicaDbPath,
    SchedulerWalPath,
    SchedulerSspPollIntervalMs,
    SchedulerMaxBufferPerSsp,
    SnapshotUpdateIntervalSecs,
}

/// One row of [`SETTINGS`].
#[derive(Debug)]
pub struct Spec {
    /// Which setting this row describes.
    pub setting: Setting,
    /// The key in the configuration file.
    pub key: &'static str,
    /// Other keys that the file may use for it. Not deprecated.
    pub also_key: &'static [&'static str],
    /// Canonical environment variables; an earlier one wins.
    pub env: &'static [&'static str],
    /// Older environment variables: accepted, and reported as deprecated.
    pub older_env: &'static [&'static str],
    /// The value if nothing sets it; `None` if it is derived when needed or simply not set.
    pub default: Option<&'static str>,
    /// True if its value must not be repeated in an error.
    pub secret: bool,
    /// True if the file may give a list, which is the same as its parts separated by commas.
    pub list: bool,
    /// What it means, with its unit, in one line.
    pub about: &'static str,
    pub(crate) check: fn(&str) -> values::Parsed<()>,
}

impl Setting {
    /// The row of this setting.
    pub fn spec(self) -> &'static Spec {
        &SETTINGS[self as usize]
    }
}

/// Declares the table; every row has all columns that are not empty.
macro_rules! settings {
    ($($setting:ident $key:literal { $($field:ident: $value:expr),* $(,)? } $parse:path, $about:literal;)*) => {
        /// Every setting that Sp00ky has, in the order of [`Setting`].
        pub const SETTINGS: &[Spec] = &[$(Spec {
            $($field: $value,)*
            ..Spec {
                setting: Setting::$setting,
                key: $key,
                also_key: &[],
                env: &[],
                older_env: &[],
                default: None,
                secret: false,
                list: false,
                about: $about,
                check: |text| $parse(text).map(drop),
            }
        },)*];
    };
}

settings! {
    SspListenAddr "ssp_listen_addr" {
        env: &["SPKY_SSP_LISTEN_ADDR"], older_env: &["LISTEN_ADDR"], default: Some("0.0.0.0:8667"),
    } values::listen_addr, "address and port that the SSP listens on";

    AuthSecret "auth_secret" {
        env: &["SPKY_AUTH_SECRET"], older_env: &["SPOOKY_AUTH_SECRET"], secret: true,
    } values::secret, "bearer token of the HTTP API; must be set unless the SSP is on loopback and told --insecure";

    DbUrl "db_url" {
        also_key: &["db_ws"], env: &["SPKY_DB_URL", "SPKY_DB_WS"], older_env: &["SURREALDB_ADDR"],
        default: Some("ws://127.0.0.1:8000"),
    } values::database_url, "SurrealDB server, with or without scheme (http, https, ws, wss) and /rpc";

    DbUser "db_user" {
        env: &["SPKY_DB_USER"], older_env: &["SURREALDB_USER"], default: Some("root"),
    } values::name, "root user of the SurrealDB server";

    DbPass "db_pass" {
        env: &["SPKY_DB_PASS"], older_env: &["SURREALDB_PASS"], default: Some("root"), secret: true,
    } values::secret, "password of that user";

    DbNs "db_ns" {
        env: &["SPKY_DB_NS"], older_env: &["SURREALDB_NS"], default: Some("test"),
    } values::name, "namespace";

    DbName "db_name" {
        also_key: &["db_db"], env: &["SPKY_DB_NAME"], older_env: &["SURREALDB_DB"], default: Some("test"),
    } values::name, "database";

    TablePrefix "table_prefix" {
        env: &["SPKY_TABLE_PREFIX"], default: Some("_00_"),
    } values::table_prefix, "beginning of the names of Sp00ky's own tables";

    PersistenceFile "persistence_file" {
        env: &["SPKY_PERSISTENCE_FILE"], older_env: &["SPOOKY_PERSISTENCE_FILE"],
        default: Some("data/spooky_state.json"),
    } values::path, "file that keeps the SSP's state over a restart";

    SspId "ssp_id" {
        env: &["SPKY_SSP_ID"], older_env: &["SSP_ID"],
    } values::identifier, "name of this SSP; a new ssp-<uuid> unless set";

    SspAdvertiseAddr "ssp_advertise_addr" {
        env: &["SPKY_SSP_ADVERTISE_ADDR"], older_env: &["ADVERTISE_ADDR"],
    } values::http_url, "address at which others reach this SSP; derived from the listen address unless set";

    SchedulerUrl "scheduler_url" {
        env: &["SPKY_SCHEDULER_URL"], older_env: &["SCHEDULER_URL"],
    } values::http_url, "scheduler to register with; standalone unless set";

    SspHeartbeatIntervalMs "ssp_heartbeat_interval_ms" {
        also_key: &["heartbeat_interval_ms"], env: &["SPKY_SSP_HEARTBEAT_INTERVAL_MS"],
        older_env: &["HEARTBEAT_INTERVAL_MS"], default: Some("5000"),
    } values::positive_millis, "milliseconds between two heartbeats to the scheduler";

    TtlCleanupIntervalSecs "ttl_cleanup_interval_secs" {
        env: &["SPKY_TTL_CLEANUP_INTERVAL_SECS"], older_env: &["TTL_CLEANUP_INTERVAL_SECS"], default: Some("60"),
    } values::positive_seconds, "seconds between two sweeps for views past their time to live";

    Capture "capture" {
        env: &["SPKY_CAPTURE"], default: Some("feed"),
    } values::capture, "how changes reach the SSP: feed (changefeed) or push (POST /ingest)";

    SspRefMode "ssp_ref_mode" {
        also_key: &["ref_mode", "refMode"], env: &["SPKY_SSP_REF_MODE"], default: Some("dedicated"),
    } values::ref_mode, "edges in a table for each user (dedicated) or in one table (single)";

    SspQueryUpdateThrottleMs "ssp_query_update_throttle_ms" {
        also_key: &["query_update_throttle_ms"], env: &["SPKY_SSP_QUERY_UPDATE_THROTTLE_MS"], default: Some("100"),
    } values::millis, "milliseconds for which edges are gathered into one transaction; 0 writes at once";

    SspBootstrapPageSize "ssp_bootstrap_page_size" {
        env: &["SPKY_SSP_BOOTSTRAP_PAGE_SIZE"], default: Some("1000"),
    } values::count, "rows that the SSP reads in one page";

    SspCountIntervalSecs "ssp_count_interval_secs" {
        env: &["SPKY_SSP_COUNT_INTERVAL_SECS"], default: Some("60"),
    } values::positive_seconds, "seconds between two counts of the tables, which find imports; at most 1 % of the time goes into it";

    BootstrapPageSize "bootstrap_page_size" {
        env: &["SPKY_BOOTSTRAP_PAGE_SIZE"], default: Some("1000"),
    } values::count, "rows that the scheduler's replica reads in one page";

    SpiListenAddr "spi_listen_addr" {
        env: &["SPKY_SPI_LISTEN_ADDR"], default: Some("127.0.0.1:3061"),
    } values::listen_addr, "address and port of the listener for callbacks of executors";

    SpiBaseUrl "spi_base_url" {
        env: &["SPKY_SPI_BASE_URL"], older_env: &["spi_base_url"],
    } values::http_url, "address that executors call back; derived from the listener's unless set";

    SpiAllow "spi_allow" {
        env: &["SPKY_SPI_ALLOW"], default: Some("127.0.0.0/8,::1/128"), list: true,
    } values::networks, "networks (CIDR, separated by commas) that may call the SPI";

    SpiTrustedProxies "spi_trusted_proxies" {
        env: &["SPKY_SPI_TRUSTED_PROXIES"], list: true,
    } values::networks, "networks of proxies whose X-Forwarded-For the SPI believes; none unless set";

    SpiRateLimit "spi_rate_limit" {
        env: &["SPKY_SPI_RATE_LIMIT"], default: Some("100"),
    } values::positive_u32, "requests a second that one address may send to the SPI";

    SchedulerId "scheduler_id" {
        env: &["SPKY_SCHEDULER_ID"], older_env: &["SCHEDULER_ID"],
    } values::identifier, "name of this scheduler; a new scheduler-<uuid> unless set";

    SchedulerListenAddr "scheduler_listen_addr" {
        env: &["SPKY_SCHEDULER_LISTEN_ADDR"], default: Some("0.0.0.0:9667"),
    } values::listen_addr, "address and port that the scheduler listens on";

    SchedulerLoadBalance "scheduler_load_balance" {
        also_key: &["load_balance"], env: &["SPKY_SCHEDULER_LOAD_BALANCE"], default: Some("LeastQueries"),
    } values::load_balance, "how an SSP is chosen for a query: RoundRobin, LeastQueries or LeastLoad";

    SchedulerHeartbeatTimeoutMs "scheduler_heartbeat_timeout_ms" {
        also_key: &["heartbeat_timeout_ms"], env: &["SPKY_SCHEDULER_HEARTBEAT_TIMEOUT_MS"], default: Some("15000"),
    } values::positive_millis, "milliseconds without a heartbeat after which an SSP is stale";

    SchedulerBootstrapTimeoutSecs "scheduler_bootstrap_timeout_secs" {
        also_key: &["bootstrap_timeout_secs"], env: &["SPKY_SCHEDULER_BOOTSTRAP_TIMEOUT_SECS"], default: Some("120"),
    } values::positive_seconds, "seconds within which an SSP must have loaded";

    SchedulerReplicaDbPath "scheduler_replica_db_path" {
        also_key: &["replica_db_path"], env: &["SPKY_SCHEDULER_REPLICA_DB_PATH"], default: Some("data/replica"),
    } values::path, "directory of the snapshot replica";

    SchedulerWalPath "scheduler_wal_path" {
        also_key: &["wal_path"], env: &["SPKY_SCHEDULER_WAL_PATH"], default: Some("data/wal"),
    } values::path, "directory of the write-ahead log";

    SchedulerSspPollIntervalMs "scheduler_ssp_poll_interval_ms" {
        also_key: &["ssp_poll_interval_ms"], env: &["SPKY_SCHEDULER_SSP_POLL_INTERVAL_MS"], default: Some("3000"),
    } values::positive_millis, "milliseconds between two looks at the health of an SSP that loads";

    SchedulerMaxBufferPerSsp "scheduler_max_buffer_per_ssp" {
        also_key: &["max_buffer_per_ssp"], env: &["SPKY_SCHEDULER_MAX_BUFFER_PER_SSP"], default: Some("10000"),
    } values::count, "events that may wait for one SSP";

    SnapshotUpdateIntervalSecs "snapshot_update_interval_secs" {
        env: &["SPKY_SNAPSHOT_UPDATE_INTERVAL_SECS"], default: Some("10"),
    } values::positive_seconds, "seconds between two updates of the snapshot replica";
}

/// The key of the file that holds the job tables; the only one whose value is a mapping.
pub const JOB_TABLES: &str = "job_tables";

/// The variables that name the configuration file: canonical, older.
pub const CONFIG_PATH: (&str, &str) = ("SPKY_CONFIG_PATH", "SPOOKY_CONFIG_PATH");

/// The row that a key of the file belongs to.
pub(crate) fn by_key(key: &str) -> Option<&'static Spec> {
    SETTINGS.iter().find(|spec| spec.key == key || spec.also_key.contains(&key))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// `Setting::spec` indexes the table by the enum.
    #[test]
    fn rows_are_in_the_order_of_the_enum() {
        for (index, spec) in SETTINGS.iter().enumerate() {
            assert_eq!(spec.setting as usize, index, "{}", spec.key);
        }
    }

    #[test]
    fn every_default_is_a_good_value() {
        for spec in SETTINGS {
            if let Some(default) = spec.default {
                assert_eq!((spec.check)(default), Ok(()), "{}", spec.key);
            }
        }
    }

    #[test]
    fn no_name_is_used_twice() {
        let mut keys = HashSet::from([JOB_TABLES]);
        let mut variables = HashSet::from([CONFIG_PATH.0, CONFIG_PATH.1]);
        for spec in SETTINGS {
            for key in std::iter::once(&spec.key).chain(spec.also_key) {
                assert!(keys.insert(key), "{key}");
            }
            for variable in spec.env.iter().chain(spec.older_env) {
                assert!(variables.insert(variable), "{variable}");
            }
        }
    }
}
