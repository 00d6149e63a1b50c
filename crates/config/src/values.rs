//! The types of settings, and how each is read from text.
//!
//! Flags, variables and scalars of the file are all text before they get here, so a setting is parsed in one way
//! wherever it comes from. The errors are sentences that finish "`NAME`: …".

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use croner::Cron;
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use url::Url;

use crate::Secret;

/// How changes of the application's tables reach the SSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// The SSP tails the database's changefeed.
    Feed,
    /// The database (or another producer) calls `POST /ingest`.
    Push,
}

/// Where the edges of a user's views are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefMode {
    /// A table of its own for every user: `_00_list_ref_user_<id>`.
    Dedicated,
    /// One table for all, `_00_list_ref`, with the field `auth_id`.
    Single,
}

/// How the scheduler chooses the SSP of a new query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadBalance {
    /// Each SSP in turn.
    RoundRobin,
    /// The SSP with the fewest queries.
    LeastQueries,
    /// The SSP with the lowest CPU and memory use.
    LeastLoad,
}

/// The port of a database address that names neither scheme nor port.
const SURREALDB_PORT: u16 = 8000;

/// The address of a SurrealDB server.
///
/// Accepted: `host:port` or `host` (port 8000), and `ws://`, `wss://`, `http://` or `https://` before it, and `/rpc`
/// after it. Sp00ky always speaks WebSocket, so `http` means `ws` and `https` means `wss`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUrl(Url);

impl DatabaseUrl {
    /// `ws://host:port` or `wss://host:port`, without `/rpc` and without a slash at the end.
    pub fn endpoint(&self) -> String {
        self.0.as_str().trim_end_matches('/').to_owned()
    }

    /// The port; the scheme's own (80 or 443) if the address names a scheme and no port.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(80)
    }

    /// True if the server can only be on this machine.
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.endpoint())
    }
}

pub(crate) type Parsed<T> = Result<T, String>;

fn refuse<T>(expected: &str, text: &str) -> Parsed<T> {
    Err(format!("expected {expected}, got `{text}`"))
}

pub(crate) fn listen_addr(text: &str) -> Parsed<SocketAddr> {
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse().or_else(|_| refuse("an IP address and a port such as `127.0.0.1:8667`", text))
}

pub(crate) fn database_url(text: &str) -> Parsed<DatabaseUrl> {
    const EXPECTED: &str = "an address such as `ws://127.0.0.1:8000`";
    let with_scheme = match text.split_once("://") {
        None => format!("ws://{text}"),
        Some(("ws" | "http", rest)) => format!("ws://{rest}"),
        Some(("wss" | "https", rest)) => format!("wss://{rest}"),
        Some(_) => return Err("expected a scheme of `ws`, `wss`, `http` or `https`".to_owned()),
    };
    // The text may hold a password, so it is not repeated here.
    if with_scheme.contains('@') {
        return Err("user and password don't belong in the address: set `db_user` and `db_pass`".to_owned());
    }
    let mut url = Url::parse(&with_scheme).or_else(|_| refuse(EXPECTED, text))?;
    if url.query().is_some() || url.fragment().is_some() {
        return refuse(EXPECTED, text);
    }
    if !text.contains("://") && url.port().is_none() && url.set_port(Some(SURREALDB_PORT)).is_err() {
        return refuse(EXPECTED, text);
    }
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/rpc").unwrap_or(path).to_owned();
    url.set_path(&path);
    Ok(DatabaseUrl(url))
}

pub(crate) fn http_url(text: &str) -> Parsed<Url> {
    const EXPECTED: &str = "an address such as `http://10.0.0.5:8667`";
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    if with_scheme.contains('@') {
        return Err("user and password don't belong in the address".to_owned());
    }
    let url = Url::parse(&with_scheme).or_else(|_| refuse(EXPECTED, text))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => refuse(EXPECTED, text),
    }
}

pub(crate) fn name(text: &str) -> Parsed<String> {
    if text.trim().is_empty() {
        return Err("must not be empty".to_owned());
    }
    Ok(text.to_owned())
}

pub(crate) fn table_prefix(text: &str) -> Parsed<String> {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let all_well = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if starts_well && all_well {
        return Ok(text.to_owned());
    }
    refuse("ASCII letters, digits and `_`, not beginning with a digit", text)
}

/// An identifier that goes into URLs, record ids and logs.
pub(crate) fn identifier(text: &str) -> Parsed<String> {
    let well = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !text.is_empty() && text.len() <= 128 && text.chars().all(well) {
        return Ok(text.to_owned());
    }
    refuse("1 to 128 ASCII letters, digits, `-`, `_` and `.`", text)
}

// No error: any text is a secret. Empty text never gets here, it counts as not set.
pub(crate) fn secret(text: &str) -> Parsed<Secret> {
    Ok(Secret::new(text))
}

pub(crate) fn path(text: &str) -> Parsed<PathBuf> {
    Ok(PathBuf::from(text))
}

pub(crate) fn millis(text: &str) -> Parsed<Duration> {
    text.parse().map(Duration::from_millis).or_else(|_| refuse("a whole number of milliseconds", text))
}

pub(crate) fn positive_millis(text: &str) -> Parsed<Duration> {
    match millis(text)? {
        Duration::ZERO => refuse("a number of milliseconds above 0", text),
        duration => Ok(duration),
    }
}

pub(crate) fn positive_seconds(text: &str) -> Parsed<Duration> {
    match text.parse() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => refuse("a whole number of seconds above 0", text),
    }
}

/// A number with a unit (`30s`, `1m 30s`, `500ms`), or whole seconds.
pub(crate) fn duration(text: &str) -> Parsed<Duration> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).or_else(|_| refuse("a duration such as `30s` or `500ms`", text)),
    }
}

pub(crate) fn positive_duration(text: &str) -> Parsed<Duration> {
    match duration(text)? {
        Duration::ZERO => refuse("a duration above 0", text),
        duration => Ok(duration),
    }
}

/// A cron expression of five fields, or of six with the seconds first.
pub(crate) fn cron(text: &str) -> Parsed<Cron> {
    const EXPECTED: &str = "a cron expression such as `30 7 * * MON-FRI`";
    let cron: Cron = text.parse().or_else(|error| refuse(&format!("{EXPECTED} ({error})"), text))?;
    let begin = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    match cron.find_next_occurrence(&begin, true) {
        Ok(_) => Ok(cron),
        Err(_) => refuse(&format!("{EXPECTED} that is due at some time"), text),
    }
}

pub(crate) fn time_zone(text: &str) -> Parsed<TimeZone> {
    TimeZone::get(text).or_else(|_| refuse("a time zone such as `Europe/Berlin`", text))
}

pub(crate) fn boolean(text: &str) -> Parsed<bool> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => refuse("`true` or `false`", text),
    }
}

pub(crate) fn count(text: &str) -> Parsed<NonZeroUsize> {
    text.parse().or_else(|_| refuse("a whole number above 0", text))
}

pub(crate) fn positive_u32(text: &str) -> Parsed<NonZeroU32> {
    text.parse().or_else(|_| refuse("a whole number above 0", text))
}

pub(crate) fn capture(text: &str) -> Parsed<Capture> {
    match text {
        "feed" => Ok(Capture::Feed),
        "push" => Ok(Capture::Push),
        _ => refuse("`feed` or `push`", text),
    }
}

pub(crate) fn ref_mode(text: &str) -> Parsed<RefMode> {
    match text {
        "dedicated" => Ok(RefMode::Dedicated),
        "single" => Ok(RefMode::Single),
        _ => refuse("`dedicated` or `single`", text),
    }
}

pub(crate) fn load_balance(text: &str) -> Parsed<LoadBalance> {
    match text {
        "RoundRobin" | "round_robin" => Ok(LoadBalance::RoundRobin),
        "LeastQueries" | "least_queries" => Ok(LoadBalance::LeastQueries),
        "LeastLoad" | "least_load" => Ok(LoadBalance::LeastLoad),
        _ => refuse("`RoundRobin`, `LeastQueries` or `LeastLoad`", text),
    }
}

/// Networks in CIDR notation or single addresses, separated by commas.
pub(crate) fn networks(text: &str) -> Parsed<Vec<IpNet>> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.parse::<IpNet>()
                .or_else(|_| part.parse::<std::net::IpAddr>().map(IpNet::from))
                .or_else(|_| refuse("networks such as `10.0.0.0/8, ::1`", part))
        })
        .collect()
}
