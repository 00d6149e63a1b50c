//! Requests to other services, and who carries them there: an HTTP client, or a simulated network.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use axum::http::uri::InvalidUri;
use axum::http::{HeaderValue, Method, Request, Response};
use bytes::Bytes;
use serde::Serialize;

/// How long it may take until somebody is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// No answer has come. Nobody knows whether the request has arrived.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Unanswered {
    reason: String,
}

impl Unanswered {
    /// With a reason, for people.
    pub fn new(reason: impl Into<String>) -> Self {
        Unanswered { reason: reason.into() }
    }
}

/// There is no client for requests to other services.
#[derive(Debug, thiserror::Error)]
#[error("no client for requests to other services: {0}")]
pub struct ClientError(#[from] reqwest::Error);

/// Carries requests.
#[async_trait]
pub trait Carrier: Debug + Send + Sync {
    /// Sends a request, and answers the whole answer, whatever its status.
    ///
    /// # Errors
    /// If there is none within the limit.
    async fn carry(&self, request: Request<Bytes>, limit: Duration) -> Result<Response<Bytes>, Unanswered>;
}

/// The carrier of a machine, which keeps connections.
#[derive(Clone, Debug)]
pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// A client that uses no proxy: services of a cluster reach each other.
    ///
    /// # Errors
    /// If the system has no randomness or no certificates.
    pub fn new() -> Result<Self, ClientError> {
        Ok(HttpClient(reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).build()?))
    }
}

#[async_trait]
impl Carrier for HttpClient {
    async fn carry(&self, request: Request<Bytes>, limit: Duration) -> Result<Response<Bytes>, Unanswered> {
        let request = reqwest::Request::try_from(request).map_err(unanswered)?;
        let carried = async {
            let answer = self.0.execute(request).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        };
        let answer = tokio::time::timeout(limit, carried).await;
        let (status, body) =
            answer.map_err(|_| Unanswered::new(format!("no answer within {limit:?}")))?.map_err(unanswered)?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Ok(response)
    }
}

/// With all causes: the first one alone says little.
fn unanswered(error: reqwest::Error) -> Unanswered {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        reason.push_str(": ");
        reason.push_str(&next.to_string());
        cause = next.source();
    }
    Unanswered::new(reason)
}

/// Speaks to other services, with the secret that they have in common.
#[derive(Clone)]
pub struct Caller {
    carrier: Arc<dyn Carrier>,
    authorization: Option<HeaderValue>,
}

impl Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("carrier", &self.carrier).finish_non_exhaustive()
    }
}

impl Caller {
    /// Speaks through a carrier. A secret that can't be in a header is none.
    pub fn new(carrier: Arc<dyn Carrier>, secret: Option<&str>) -> Self {
        let authorization = secret.and_then(|secret| HeaderValue::try_from(format!("Bearer {secret}")).ok());
        Caller { carrier, authorization }
    }

    /// A `GET` for what is below an address.
    pub fn get(&self, address: &str, path: &str) -> Call<'_> {
        self.call(Method::GET, address, path)
    }

    /// A `POST` to what is below an address.
    pub fn post(&self, address: &str, path: &str) -> Call<'_> {
        self.call(Method::POST, address, path)
    }

    fn call(&self, method: Method, address: &str, path: &str) -> Call<'_> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let uri = format!("{}/{path}", address.trim_end_matches('/')).parse();
        let flaw = match uri {
            Ok(uri) => {
                *request.uri_mut() = uri;
                None
            }
            Err(error) => Some(Flaw::Address(error)),
        };
        Call { carrier: &*self.carrier, request, flaw }
    }
}

/// A request that is being put together.
#[derive(Debug)]
pub struct Call<'a> {
    carrier: &'a dyn Carrier,
    request: Request<Bytes>,
    flaw: Option<Flaw>,
}

/// Why a request can't be put together.
#[derive(Debug)]
enum Flaw {
    Address(InvalidUri),
    Body(serde_json::Error),
}

impl Call<'_> {
    /// With a header.
    pub fn header(mut self, name: &'static str, value: impl Into<HeaderValue>) -> Self {
        self.request.headers_mut().insert(HeaderName::from_static(name), value.into());
        self
    }

    /// With a JSON body.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body("application/json", bytes.into()),
            Err(error) => {
                self.flaw.get_or_insert(Flaw::Body(error));
                self
            }
        }
    }

    /// With a body of some media type.
    pub fn body(mut self, media_type: &'static str, body: Bytes) -> Self {
        self.request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        *self.request.body_mut() = body;
        self
    }

    /// Sends it, and answers the whole answer, whatever its status.
    ///
    /// # Errors
    /// If there is none within the limit, or the request could not be put together.
    pub async fn send(self, limit: Duration) -> Result<Response<Bytes>, Unanswered> {
        match self.flaw {
            None => self.carrier.carry(self.request, limit).await,
            Some(Flaw::Address(error)) => Err(Unanswered::new(format!("the address makes no sense: {error}"))),
            Some(Flaw::Body(error)) => Err(Unanswered::new(format!("the request can't be written: {error}"))),
        }
    }
}
