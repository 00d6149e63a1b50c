//! What a member says to the scheduler.

use std::time::Duration;

use axum::http::{Response, StatusCode};
use bytes::Bytes;
use circuit::RecordId;
use database::{Page, Paging};
use protocol::{Acknowledged, BINARY, CatchUp, ErrorBody, Heartbeat, Names, SspRegistered, SspRegistration};
use serde::de::DeserializeOwned;
use serving::{Call, Caller, Unanswered};

/// How long a request may take, but for those that wait for tables to be read.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long the reading of a table may take.
const READING: Duration = Duration::from_secs(600);

/// Why the scheduler did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It can't be reached, or does not answer in time.
    #[error("the scheduler can't be reached: {0}")]
    Unreachable(#[from] Unanswered),
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
    caller: Caller,
    scheduler: String,
    names: Names,
}

impl Client {
    pub(crate) fn new(caller: Caller, scheduler: String, names: Names) -> Self {
        Client { caller, scheduler, names }
    }

    pub(crate) async fn register(&self, registration: &SspRegistration) -> Result<SspRegistered, Error> {
        answered(self.post("ssp/register").json(registration), TIMEOUT).await
    }

    pub(crate) async fn heartbeat(&self, heartbeat: &Heartbeat, limit: Duration) -> Result<(), Error> {
        checked(self.post("ssp/heartbeat").json(heartbeat), limit).await.map(drop)
    }

    /// Asks the scheduler to take in what has been committed so far, and answers the number that its log has reached then.
    pub(crate) async fn catch_up(&self, wanted: &CatchUp) -> Result<u64, Error> {
        let Acknowledged { sequence } = answered(self.post("ssp/catch_up").json(wanted), READING).await?;
        Ok(sequence)
    }

    /// A page of a table of the snapshot.
    pub(crate) async fn page(&self, table: &str, after: Option<&RecordId>, limit: usize) -> Result<Page, Error> {
        let mut paging = Paging::new(&self.names, table, after, limit);
        while let Some(question) = paging.question()? {
            match checked(self.post("proxy/query").body(BINARY, question.into()), TIMEOUT).await {
                Ok(answer) => paging.answered(answer.body())?,
                Err(Error::Refused { status: StatusCode::PAYLOAD_TOO_LARGE, .. }) => paging.too_large()?,
                Err(error) => return Err(error),
            }
        }
        Ok(paging.finish())
    }

    fn post(&self, path: &str) -> Call<'_> {
        self.caller.post(&self.scheduler, path)
    }
}

/// What a success says.
async fn answered<T: DeserializeOwned>(call: Call<'_>, limit: Duration) -> Result<T, Error> {
    let answer = checked(call, limit).await?;
    serde_json::from_slice(answer.body())
        .map_err(|error| Error::Refused { status: answer.status(), message: error.to_string() })
}

/// A success, or what the scheduler has against it.
async fn checked(call: Call<'_>, limit: Duration) -> Result<Response<Bytes>, Error> {
    let answer = call.send(limit).await?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    match status {
        StatusCode::NOT_FOUND => return Err(Error::NotRegistered),
        StatusCode::CONFLICT => return Err(Error::StartOver),
        _ => {}
    }
    let body: Result<ErrorBody, _> = serde_json::from_slice(answer.body());
    let message = body.map_or_else(|error| error.to_string(), |body| body.message);
    match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT | StatusCode::BAD_GATEWAY => {
            Err(Error::NotReady(message))
        }
        status => Err(Error::Refused { status, message }),
    }
}
