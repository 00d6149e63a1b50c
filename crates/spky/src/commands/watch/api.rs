//! The sidecar's HTTP API, as far as a watcher needs it.

use circuit::{Object, Value};
use config::Secret;
use protocol::{Format, Params, RegisterRequest, RegisterResponse, ResultRow, UnregisterRequest, ViewKey};
use serde::Serialize;
use url::Url;

use super::{TTL, text};
use crate::error::Error;

/// The sidecar.
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
    secret: Option<Secret>,
}

/// The registration of a query under a key.
pub(super) fn request(id: ViewKey, surql: &str, params: &Object) -> Result<RegisterRequest, Error> {
    // As SurrealQL's text, which keeps all types.
    let params = match params.is_empty() {
        true => Params::default(),
        false => Params::Text(text::surql(&Value::from(params.clone()))?),
    };
    Ok(RegisterRequest {
        client_id: id.as_str().to_owned(),
        id,
        surql: surql.to_owned(),
        ttl: TTL.to_owned(),
        params,
        last_active_at: None,
        format: Format::Streaming,
        frequency: None,
        auth_id: None,
        access: None,
        token: None,
    })
}

impl Api {
    pub(super) fn new(ssp: &Url, secret: Option<&Secret>) -> Result<Self, Error> {
        let base = ssp.as_str().trim_end_matches('/').to_owned();
        let mut builder = reqwest::Client::builder();
        if matches!(ssp.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|source| Error::Unreachable { url: base.clone(), source })?;
        Ok(Self { client, base, secret: secret.cloned() })
    }

    /// Asks whether there is a sidecar at all.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let answer = self.client.get(format!("{}/version", self.base)).send().await;
        answer.map(drop).map_err(|source| self.unreachable(source))
    }

    /// Registers the view, or says that it is still wanted. Answers its rows in the query's order.
    pub(super) async fn register(&self, request: &RegisterRequest) -> Result<Vec<ResultRow>, Error> {
        let answer = self.post("/view/register", request).await?;
        let response: RegisterResponse = answer.json().await.map_err(|source| self.unreachable(source))?;
        Ok(response.rows)
    }

    pub(super) async fn unregister(&self, id: ViewKey) -> Result<(), Error> {
        self.post("/view/unregister", &UnregisterRequest { id }).await.map(drop)
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<reqwest::Response, Error> {
        let mut request = self.client.post(format!("{}{path}", self.base)).json(body);
        if let Some(secret) = &self.secret {
            request = request.bearer_auth(secret.expose());
        }
        let answer = request.send().await.map_err(|source| self.unreachable(source))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let body = answer.text().await.map_err(|source| self.unreachable(source))?;
        let message = match serde_json::from_str::<protocol::ErrorBody>(&body) {
            Ok(error) => format!("{} ({})", error.message, error.code.as_str()),
            Err(_) => body,
        };
        Err(Error::Refused { status, message })
    }

    fn unreachable(&self, source: reqwest::Error) -> Error {
        Error::Unreachable { url: self.base.clone(), source: source.without_url() }
    }
}
