//! From the configuration to the settings of the other crates.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;

use config::Config;
use protocol::Names;
use telemetry::Export;

use crate::error::Error;

/// The database.
pub(crate) fn database(config: &Config) -> Result<database::Settings, Error> {
    let database = &config.database;
    Ok(database::Settings::new(
        database.url.endpoint().parse()?,
        &database.namespace,
        &database.name,
        &database.username,
        database.password.expose(),
    ))
}

/// The names of the system tables.
pub(crate) fn names(config: &Config) -> Result<Names, Error> {
    Ok(Names::new(&config.database.table_prefix)?)
}

/// What is to be installed in the database. The address of the SSP is the one that the database calls.
pub(crate) fn schema(config: &Config) -> Result<database::schema::SchemaOptions, Error> {
    let secret = config.auth_secret.as_ref().map(config::Secret::expose).unwrap_or_default();
    // In a cluster views are registered at the scheduler.
    let url = config.ssp.scheduler_url.as_ref().map_or_else(|| ssp_url(config), without_slash);
    let mut options = database::schema::SchemaOptions::new(names(config)?, url, secret);
    options.capture = capture(config);
    options.ref_mode = ref_mode(config);
    options.job_tables = config.job_tables.keys().cloned().collect();
    Ok(options)
}

/// The sidecar. `insecure` is what the command line said.
pub(crate) fn ssp(config: &Config, insecure: bool, export: Option<Export>) -> Result<ssp::Settings, Error> {
    Ok(ssp::Settings {
        listen: config.ssp.listen_addr,
        secret: config.auth_secret.as_ref().map(|secret| secret.expose().to_owned()),
        insecure,
        database: database(config)?,
        capture: capture(config),
        ref_mode: ref_mode(config),
        throttle: config.ssp.query_update_throttle,
        page_size: config.ssp.bootstrap_page_size.get(),
        ttl_sweep: config.ssp.ttl_cleanup_interval,
        count_interval: config.ssp.count_interval,
        state_file: Some(config.ssp.persistence_file.clone()),
        id: config.ssp.id.clone(),
        names: names(config)?,
        cluster: config.ssp.scheduler_url.as_ref().map(|scheduler| ssp::Cluster {
            scheduler: scheduler.clone(),
            advertise: config.ssp.advertise_addr.is_some().then(|| ssp_url(config)),
            heartbeat: config.ssp.heartbeat_interval,
        }),
        export,
    })
}

/// The scheduler. `insecure` is what the command line said.
pub(crate) fn scheduler(config: &Config, insecure: bool, export: Option<Export>) -> Result<scheduler::Settings, Error> {
    let settings = &config.scheduler;
    Ok(scheduler::Settings {
        id: settings.id.clone(),
        listen: settings.listen_addr,
        secret: config.auth_secret.as_ref().map(|secret| secret.expose().to_owned()),
        insecure,
        database: database(config)?,
        capture: capture(config),
        ref_mode: ref_mode(config),
        names: names(config)?,
        log: settings.wal_path.clone(),
        replica: settings.replica_db_path.clone(),
        executable: None,
        update_interval: settings.snapshot_update_interval,
        page_size: settings.bootstrap_page_size.get(),
        poll_interval: settings.ssp_poll_interval,
        pool: scheduler::pool::Settings {
            load_balance: match settings.load_balance {
                config::LoadBalance::RoundRobin => scheduler::pool::LoadBalance::RoundRobin,
                config::LoadBalance::LeastQueries => scheduler::pool::LoadBalance::LeastQueries,
                config::LoadBalance::LeastLoad => scheduler::pool::LoadBalance::LeastLoad,
            },
            heartbeat_timeout: settings.heartbeat_timeout,
            bootstrap_timeout: settings.bootstrap_timeout,
            max_buffer_per_ssp: settings.max_buffer_per_ssp.get() as u64,
            ..scheduler::pool::Settings::default()
        },
        job_tables: backends(config),
        export,
    })
}

/// The runner of jobs, and the listener that executors call back.
pub(crate) fn jobs(config: &Config) -> ssp::JobSettings {
    ssp::JobSettings {
        runner: jobs::Settings::new(backends(config)),
        spi: ssp::SpiSettings {
            listen: config.spi.listen_addr,
            base_url: config.spi.base_url.as_ref().map(ToString::to_string),
            allow: config.spi.allow.clone(),
            trusted_proxies: config.spi.trusted_proxies.clone(),
            rate_limit: config.spi.rate_limit,
        },
    }
}

fn backends(config: &Config) -> Vec<jobs::Backend> {
    config.job_tables.iter().map(|(table, configured)| backend(table, configured)).collect()
}

fn backend(table: &str, configured: &config::JobTable) -> jobs::Backend {
    let mode = match configured.mode {
        config::JobMode::Request => jobs::Mode::Request,
        config::JobMode::Callback => jobs::Mode::Callback,
    };
    let defaults = jobs::Backend::new(table, configured.base_url.clone(), mode);
    jobs::Backend {
        name: configured.name.clone(),
        auth_token: configured.auth_token.as_ref().map(|token| token.expose().to_owned()),
        timeout: configured.timeout.unwrap_or(defaults.timeout),
        timeout_overridable: configured.timeout_overridable,
        concurrency: configured.concurrency.map_or(defaults.concurrency, NonZeroUsize::get),
        retry_delay: configured.retry_delay.unwrap_or(defaults.retry_delay),
        schedules: configured.schedules.iter().map(schedule).collect(),
        ..defaults
    }
}

fn schedule(configured: &config::Schedule) -> jobs::Schedule {
    jobs::Schedule {
        name: configured.name.clone(),
        cron: configured.cron.clone(),
        time_zone: configured.time_zone.clone(),
        path: configured.path.clone(),
        payload: configured.payload.clone(),
        executor_type: configured.executor_type.clone(),
        timeout: configured.timeout,
        max_retries: configured.max_retries,
        retry_strategy: configured.retry_strategy.clone(),
    }
}

/// The address at which others reach the SSP: as configured, or this machine, if it listens on all interfaces.
pub(crate) fn ssp_url(config: &Config) -> String {
    match &config.ssp.advertise_addr {
        Some(url) => without_slash(url),
        None => format!("http://{}", reachable(config.ssp.listen_addr)),
    }
}

/// The address at which the scheduler is reached: as configured for sidecars, or on this machine.
pub(crate) fn scheduler_url(config: &Config) -> String {
    match &config.ssp.scheduler_url {
        Some(url) => without_slash(url),
        None => format!("http://{}", reachable(config.scheduler.listen_addr)),
    }
}

fn without_slash(url: &url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// Where a listener on `address` is reached from the same machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn capture(config: &Config) -> database::schema::Capture {
    match config.ssp.capture {
        config::Capture::Feed => database::schema::Capture::Feed,
        config::Capture::Push => database::schema::Capture::Push,
    }
}

fn ref_mode(config: &Config) -> database::schema::RefMode {
    match config.ssp.ref_mode {
        config::RefMode::Dedicated => database::schema::RefMode::Dedicated,
        config::RefMode::Single => database::schema::RefMode::Single,
    }
}

/// The sidecar's address, if it is on this machine.
pub(crate) fn loopback_ssp(config: &Config) -> Option<SocketAddr> {
    let address = reachable(config.ssp.listen_addr);
    address.ip().is_loopback().then_some(address)
}
