//! The sidecar's HTTP API, as a command calls it.

use config::Secret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::Error;

/// A sidecar.
pub(crate) struct Sidecar {
    client: reqwest::Client,
    base: String,
    secret: Option<Secret>,
}

impl Sidecar {
    pub(crate) fn new(ssp: &Url, secret: Option<&Secret>) -> Result<Self, Error> {
        let base = ssp.as_str().trim_end_matches('/').to_owned();
        let mut builder = reqwest::Client::builder();
        if matches!(ssp.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|source| Error::Unreachable { url: base.clone(), source })?;
        Ok(Self { client, base, secret: secret.cloned() })
    }

    /// Its address, without a slash at the end.
    pub(crate) fn address(&self) -> &str {
        &self.base
    }

    /// Asks whether there is a sidecar at all.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        let answer = self.client.get(format!("{}/version", self.base)).send().await;
        answer.map(drop).map_err(|source| self.unreachable(source))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let answer = self.send(self.client.get(format!("{}{path}", self.base))).await?;
        answer.json().await.map_err(|source| self.unreachable(source))
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        let answer = self.send(self.client.post(format!("{}{path}", self.base)).json(body)).await?;
        answer.json().await.map_err(|source| self.unreachable(source))
    }

    /// Posts what has no answer but success.
    pub(crate) async fn tell(&self, path: &str, body: &impl Serialize) -> Result<(), Error> {
        self.send(self.client.post(format!("{}{path}", self.base)).json(body)).await.map(drop)
    }

    async fn send(&self, mut request: reqwest::RequestBuilder) -> Result<reqwest::Response, Error> {
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
