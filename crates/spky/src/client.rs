//! A connection such as any application has: SurrealDB's own SDK, and nothing of Sp00ky. The demo and `spky watch` play
//! applications, so they use this and not the services' connection.

use database::Settings;
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::{Client, Ws, Wss};
use surrealdb::opt::auth::Root;

use crate::error::Error;

/// Connects, signs in as the root user, and selects namespace and database.
pub(crate) async fn connect(settings: &Settings) -> Result<Surreal<Client>, Error> {
    let failed = |source| Error::Connect { database: settings.to_string(), source: Box::new(source) };
    open(settings).await.map_err(failed)
}

async fn open(settings: &Settings) -> surrealdb::Result<Surreal<Client>> {
    let endpoint = settings.endpoint.to_string();
    let client = match endpoint.split_once("://") {
        Some(("wss", address)) => {
            // The build has two providers of cryptography, so one must be chosen; that somebody has done it is fine.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            Surreal::new::<Wss>(address.trim_end_matches("rpc")).await?
        }
        Some((_, address)) => Surreal::new::<Ws>(address.trim_end_matches("rpc")).await?,
        None => Surreal::new::<Ws>(endpoint.as_str()).await?,
    };
    let root = Root { username: settings.username.clone(), password: settings.password.clone() };
    client.signin(root).await?;
    client.use_ns(&settings.namespace).use_db(&settings.database).await?;
    Ok(client)
}
