//! Which sidecar and which database a command is about.

use config::{Config, Secret, Setting};
use protocol::Names;
use url::Url;

use crate::error::Error;
use crate::session::{self, Session};
use crate::settings;

/// Where everything is.
pub(crate) struct Target {
    pub(crate) ssp: Url,
    pub(crate) secret: Option<Secret>,
    pub(crate) database: database::Settings,
    pub(crate) names: Names,
}

impl Target {
    /// What was given on the command line or configured, and for the rest a running `spky dev`.
    pub(crate) fn find(config: &Config, ssp: Option<&str>) -> Result<Target, Error> {
        let address = ssp.map_or_else(|| settings::ssp_url(config), str::to_owned);
        let with_scheme = if address.contains("://") { address } else { format!("http://{address}") };
        let ssp = Url::parse(&with_scheme).map_err(|error| Error::Usage(format!("--ssp {with_scheme}: {error}")))?;
        let session = session_of(&ssp);
        let from_session = |setting: Setting| session.as_ref().filter(|_| config.is_default(setting));

        let mut database = settings::database(config)?;
        if let Some(session) = from_session(Setting::DbUrl) {
            database.endpoint = session.db.parse()?;
        }
        if let Some(session) = from_session(Setting::DbNs) {
            database.namespace.clone_from(&session.namespace);
        }
        if let Some(session) = from_session(Setting::DbName) {
            database.database.clone_from(&session.database);
        }
        if let Some(session) = from_session(Setting::DbUser) {
            database.username.clone_from(&session.username);
        }
        if let Some(session) = from_session(Setting::DbPass) {
            database.password.clone_from(&session.password);
        }
        let names = match from_session(Setting::TablePrefix) {
            Some(session) => Names::new(&session.table_prefix)?,
            None => settings::names(config)?,
        };
        let of_session = || from_session(Setting::AuthSecret).map(|session| Secret::new(session.secret.as_str()));
        let secret = config.auth_secret.clone().or_else(of_session);
        Ok(Target { ssp, secret, database, names })
    }
}

/// The `spky dev` behind an address of this machine.
fn session_of(ssp: &Url) -> Option<Session> {
    let is_here = match ssp.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(ip) => ip.is_loopback(),
        url::Host::Ipv6(ip) => ip.is_loopback(),
    };
    session::find(ssp.port_or_known_default()?).filter(|_| is_here)
}
