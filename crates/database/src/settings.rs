//! Where the database is, and who we are there.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

/// The port of a SurrealDB server when an address names neither scheme nor port.
const DEFAULT_PORT: u16 = 8000;

/// Everything it takes to open a [`crate::Database`].
#[derive(Clone)]
pub struct Settings {
    pub endpoint: Endpoint,
    pub namespace: String,
    pub database: String,
    /// A root, namespace or database user; which of them is found out when signing in.
    pub username: String,
    pub password: String,
    /// How long one request may take before it counts as failed. The default is a minute.
    pub request_timeout: Duration,
    /// The largest message that is sent or taken. The default is 120 MiB; a server takes 128 MiB unless configured
    /// otherwise.
    pub max_message_bytes: usize,
}

impl Settings {
    /// Settings with the default request timeout.
    pub fn new(
        endpoint: Endpoint,
        namespace: impl Into<String>,
        database: impl Into<String>,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        Settings {
            endpoint,
            namespace: namespace.into(),
            database: database.into(),
            username: username.into(),
            password: password.into(),
            request_timeout: Duration::from_secs(60),
            max_message_bytes: 120 << 20,
        }
    }
}

/// Everything but the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("namespace", &self.namespace)
            .field("database", &self.database)
            .field("username", &self.username)
            .field("request_timeout", &self.request_timeout)
            .field("max_message_bytes", &self.max_message_bytes)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}/{})", self.endpoint, self.namespace, self.database)
    }
}

/// The address of a SurrealDB server: `ws://`, `wss://`, `http://`, `https://` or no scheme, with or without `/rpc`.
///
/// All of them lead to the server's WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    secure: bool,
    /// Host and port.
    authority: String,
    /// Empty, or a path before `rpc`, without slashes at its ends.
    path: String,
}

/// A text is no address of a SurrealDB server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("invalid database address `{address}`: {reason}")]
    Invalid { address: String, reason: String },
    #[error("unsupported scheme `{0}` of the database address, expected ws, wss, http or https")]
    Scheme(String),
    #[error("the database address must not contain a user or password, these have settings of their own")]
    Credentials,
}

impl Endpoint {
    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// What the SDK wants: everything behind `ws://`, which it appends `rpc` to.
    pub(crate) fn sdk_address(&self) -> String {
        if self.path.is_empty() { self.authority.clone() } else { format!("{}/{}/", self.authority, self.path) }
    }

    /// The same server's HTTP address, without a slash at the end.
    pub fn http_url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let slash = if self.path.is_empty() { "" } else { "/" };
        format!("{scheme}://{}{slash}{}", self.authority, self.path)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let invalid = |reason: &str| EndpointError::Invalid { address: text.to_owned(), reason: reason.to_owned() };
        let has_scheme = text.contains("://");
        let full = if has_scheme { text.to_owned() } else { format!("ws://{text}") };
        let url = Url::parse(&full).map_err(|error| {
            // The address may hold a password where it does not parse, so it is shown only up to an `@`.
            let address = text.rsplit('@').next().unwrap_or_default().to_owned();
            EndpointError::Invalid { address, reason: error.to_string() }
        })?;
        let secure = match url.scheme() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            other => return Err(EndpointError::Scheme(other.to_owned())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it has a query or a fragment"));
        }
        let host = url.host().ok_or_else(|| invalid("it has no host"))?;
        let default_port = if has_scheme { url.port_or_known_default() } else { Some(DEFAULT_PORT) };
        let port = url.port().or(default_port).ok_or_else(|| invalid("it has no port"))?;
        let path = url.path().trim_matches('/');
        let path = path.strip_suffix("rpc").filter(|rest| rest.is_empty() || rest.ends_with('/')).unwrap_or(path);
        Ok(Endpoint { secure, authority: format!("{host}:{port}"), path: path.trim_matches('/').to_owned() })
    }
}

/// As a WebSocket address, with `/rpc`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        let slash = if self.path.is_empty() { "" } else { "/" };
        write!(f, "{scheme}://{}{slash}{}/rpc", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_an_address_leads_to_the_socket() {
        for (text, address) in [
            ("ws://127.0.0.1:8000", "ws://127.0.0.1:8000/rpc"),
            ("ws://127.0.0.1:8000/rpc", "ws://127.0.0.1:8000/rpc"),
            ("ws://127.0.0.1:8000/rpc/", "ws://127.0.0.1:8000/rpc"),
            ("http://localhost:8666", "ws://localhost:8666/rpc"),
            ("https://db.example.com", "wss://db.example.com:443/rpc"),
            ("wss://db.example.com/surreal/rpc", "wss://db.example.com:443/surreal/rpc"),
            ("wss://db.example.com/surreal", "wss://db.example.com:443/surreal/rpc"),
            ("127.0.0.1:8000", "ws://127.0.0.1:8000/rpc"),
            ("127.0.0.1:8000/rpc", "ws://127.0.0.1:8000/rpc"),
            ("localhost", "ws://localhost:8000/rpc"),
            ("surrealdb", "ws://surrealdb:8000/rpc"),
            ("[::1]:8000", "ws://[::1]:8000/rpc"),
            (" ws://[::1]:8000 ", "ws://[::1]:8000/rpc"),
            ("ws://host:80", "ws://host:80/rpc"),
        ] {
            assert_eq!(text.parse::<Endpoint>().map(|endpoint| endpoint.to_string()), Ok(address.to_owned()), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in ["", "ftp://a", "mem://", "ws://", "ws://u:p@host", "ws://host?x=1", "ws://host#a", "host:port"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_message_repeats_a_password() {
        for text in ["ws://user:secret@host", "ws://user:secret@host:port", "user:secret@host:x"] {
            let message = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(!message.contains("secret"), "{message}");
        }
        let endpoint = "localhost".parse().unwrap();
        let settings = Settings::new(endpoint, "test", "test", "root", "secret");
        assert!(!format!("{settings:?} {settings}").contains("secret"));
    }

    #[test]
    fn the_http_address_is_the_same_server() {
        let endpoint: Endpoint = "wss://db.example.com/surreal/rpc".parse().unwrap();
        assert_eq!(endpoint.http_url(), "https://db.example.com:443/surreal");
        assert_eq!(endpoint.sdk_address(), "db.example.com:443/surreal/");
    }
}
