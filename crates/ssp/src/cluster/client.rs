//! What a member says to the scheduler.

use std::time::Duration;

use circuit::RecordId;
use database::{Page, Paging};
use protocol::{Acknowledged, BINARY, CatchUp, ErrorBody, Heartbeat, Names, SspRegistered, SspRegistration};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode, Url};
use serde::Serialize;

/// How long a request may take, but for those that wait for tables to be read.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long the reading of a table may take.
const READING: Duration = Duration::from_secs(600);

/// Why the scheduler did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It can't be reached, or does not answer in time.
    #[error("the scheduler can't be reached: {0}")]
    Unreachable(#[from] reqwest::Error),
    /// It does not know this registration.
    #[error("the scheduler does not know this sidecar (any more)")]
    NotRegistered,
    /// It wants the snapshot to be loaded again.
    #[error("the scheduler wants this sidecar to start over")]
    StartOver,
    /// It can't do this now.
    #[error("the scheduler is not ready: {0}")]
    NotReady(String),
    /// Anything else.
    #[error("the scheduler refuses ({status}): {message}")]
    Refused { status: StatusCode, message: String },
    /// Its answer is none.
    #[error("the scheduler's answer makes no sense: {0}")]
    Answer(#[from] database::Error),
}

/// A connection to the scheduler.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    scheduler: Url,
    secret: Option<String>,
    names: Names,
}

impl Client {
    pub(crate) fn new(scheduler: Url, secret: Option<String>, names: Names) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
        Ok(Client { http, scheduler, secret, names })
    }

    pub(crate) async fn register(&self, registration: &SspRegistration) -> Result<SspRegistered, Error> {
        Ok(self.post("ssp/register", registration).await?.json().await?)
    }

    pub(crate) async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), Error> {
        self.post("ssp/heartbeat", heartbeat).await.map(drop)
    }

    /// Asks the scheduler to take in what has been committed so far, and answers the number that its log has reached then.
    pub(crate) async fn catch_up(&self, wanted: &CatchUp) -> Result<u64, Error> {
        let request = self.request("ssp/catch_up").timeout(READING).json(wanted);
        let Acknowledged { sequence } = checked(request.send().await?).await?.json().await?;
        Ok(sequence)
    }

    /// A page of a table of the snapshot.
    pub(crate) async fn page(&self, table: &str, after: Option<&RecordId>, limit: usize) -> Result<Page, Error> {
        let mut paging = Paging::new(&self.names, table, after, limit);
        while let Some(question) = paging.question()? {
            let request = self.request("proxy/query").header(CONTENT_TYPE, BINARY).body(question);
            match checked(request.send().await?).await {
                Ok(answer) => paging.answered(&answer.bytes().await?)?,
                Err(Error::Refused { status: StatusCode::PAYLOAD_TOO_LARGE, .. }) => paging.too_large()?,
                Err(error) => return Err(error),
            }
        }
        Ok(paging.finish())
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<Response, Error> {
        checked(self.request(path).json(body).send().await?).await
    }

    fn request(&self, path: &str) -> reqwest::RequestBuilder {
        let mut url = self.scheduler.clone();
        url.set_path(&format!("{}/{path}", self.scheduler.path().trim_end_matches('/')));
        let request = self.http.post(url);
        match &self.secret {
            Some(secret) => request.bearer_auth(secret),
            None => request,
        }
    }
}

/// A success, or what the scheduler has against it.
async fn checked(answer: Response) -> Result<Response, Error> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    match status {
        StatusCode::NOT_FOUND => return Err(Error::NotRegistered),
        StatusCode::CONFLICT => return Err(Error::StartOver),
        _ => {}
    }
    let body: Result<ErrorBody, _> = answer.json().await;
    let message = body.map_or_else(|error| error.to_string(), |body| body.message);
    match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT | StatusCode::BAD_GATEWAY => {
            Err(Error::NotReady(message))
        }
        status => Err(Error::Refused { status, message }),
    }
}
