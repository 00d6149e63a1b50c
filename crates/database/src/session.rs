//! Sessions: what requests are sent by. Those of the SDK go through a WebSocket; whoever simulates a network has others.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use surrealdb::engine::remote::ws::{Client, Ws, Wss};
use surrealdb::opt::auth;
use surrealdb::opt::{Config, WebsocketConfig};
use surrealdb::types::Variables;
use surrealdb::{Connection, IndexedResults, Surreal};

use crate::error::{Error, Result, of_statement};
use crate::settings::Settings;

/// How long opening a session may take, with signing in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const CONNECTING: &str = "connecting";

/// A session, signed in to one database.
#[async_trait]
pub trait Session: Debug + Send + Sync {
    /// Runs statements in one request.
    ///
    /// # Errors
    /// If the request as a whole failed; statements that fail are among the results.
    async fn query(
        &self,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> std::result::Result<IndexedResults, surrealdb::Error>;

    /// The server's version, such as `3.3.5`.
    ///
    /// # Errors
    /// If it can't be asked.
    async fn version(&self) -> std::result::Result<String, surrealdb::Error>;
}

/// Whoever opens sessions.
#[async_trait]
pub trait Connector: Debug + Send + Sync {
    /// Opens one, signed in as the settings say.
    ///
    /// # Errors
    /// [`Error::Connection`] or [`Error::Timeout`] if there is no server, [`Error::Auth`] if it refuses the user.
    async fn open(&self, settings: &Settings) -> Result<Arc<dyn Session>>;
}

/// Sessions of the SDK, each with a WebSocket of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebSockets;

#[async_trait]
impl Connector for WebSockets {
    async fn open(&self, settings: &Settings) -> Result<Arc<dyn Session>> {
        match tokio::time::timeout(CONNECT_TIMEOUT, open(settings)).await {
            Ok(outcome) => Ok(Arc::new(outcome?)),
            Err(_) => Err(Error::Timeout { action: CONNECTING }),
        }
    }
}

#[async_trait]
impl<C: Connection> Session for Surreal<C> {
    async fn query(
        &self,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> std::result::Result<IndexedResults, surrealdb::Error> {
        Surreal::query(self, text).bind(variables).await
    }

    async fn version(&self) -> std::result::Result<String, surrealdb::Error> {
        Ok(Surreal::version(self).await?.to_string())
    }
}

async fn open(settings: &Settings) -> Result<Surreal<Client>> {
    let failed = |error: surrealdb::Error| of_statement(CONNECTING, &error);
    let socket = WebsocketConfig::new().max_message_size(settings.max_message_bytes);
    let config = Config::new().websocket(socket).map_err(failed)?;
    let address = (settings.endpoint.sdk_address(), config);
    let client = if settings.endpoint.is_secure() {
        // rustls has two cryptography providers in this build and takes none of them by itself. That another one is
        // installed already is fine.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Surreal::new::<Wss>(address).await.map_err(failed)?
    } else {
        Surreal::new::<Ws>(address).await.map_err(failed)?
    };
    sign_in(&client, settings).await?;
    client.use_ns(settings.namespace.clone()).use_db(settings.database.clone()).await.map_err(failed)?;
    Ok(client)
}

/// Signs in as a user of the server, the namespace or the database, whichever accepts the name and password.
async fn sign_in(client: &Surreal<Client>, settings: &Settings) -> Result<()> {
    const ACTION: &str = "signing in";
    let Settings { namespace, database, username, password, .. } = settings;
    let root = auth::Root { username: username.clone(), password: password.clone() };
    let Err(refusal) = client.signin(root).await else { return Ok(()) };
    if !refusal.is_not_allowed() {
        return Err(of_statement(ACTION, &refusal));
    }
    let of_namespace =
        auth::Namespace { namespace: namespace.clone(), username: username.clone(), password: password.clone() };
    if client.signin(of_namespace).await.is_ok() {
        return Ok(());
    }
    let of_database = auth::Database {
        namespace: namespace.clone(),
        database: database.clone(),
        username: username.clone(),
        password: password.clone(),
    };
    if client.signin(of_database).await.is_ok() {
        return Ok(());
    }
    Err(of_statement(ACTION, &refusal))
}
