//! What the scheduler says to sidecars.

use std::time::Duration;

use bytes::Bytes;
use cluster::Delivery;
use protocol::{
    Acknowledged, BINARY, EPOCH_HEADER, ErrorBody, HELD_HEADER, Health, JobRequest, JobRun, TICKET_HEADER, TakenOver,
    ViewKey, ViewKeys,
};
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Serialize;

use crate::error::Error;
use crate::pool::Target;

/// How long a sidecar may take for what it answers at once.
const SHORT: Duration = Duration::from_secs(10);
/// How long it may take to put views in place.
const LONG: Duration = Duration::from_secs(90);

/// Why a sidecar has not done what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    /// Nobody knows whether it has.
    #[error("no answer: {0}")]
    Unanswered(#[from] reqwest::Error),
    /// It has not.
    #[error("refused with {status}: {}", .body.message)]
    Refused {
        /// How it answered.
        status: StatusCode,
        /// What it said.
        body: Box<ErrorBody>,
    },
    /// It can't tell, or something between us answered.
    #[error("failed with {status}: {message}")]
    Failed {
        /// How it answered.
        status: StatusCode,
        /// What it said.
        message: String,
    },
}

/// Connections to all sidecars.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    http: reqwest::Client,
    secret: Option<String>,
}

impl Peers {
    pub(crate) fn new(secret: Option<String>) -> Result<Self, Error> {
        let http = reqwest::Client::builder().no_proxy().connect_timeout(SHORT).build().map_err(Error::Client)?;
        Ok(Peers { http, secret })
    }

    /// Delivers events, and answers the last one that the sidecar has.
    pub(crate) async fn deliver(&self, url: &str, delivery: &Delivery) -> Result<u64, PeerError> {
        let request = self.post(url, "cluster/events").timeout(LONG).header(CONTENT_TYPE, BINARY);
        let Acknowledged { sequence } = checked(request.body(delivery.encode()).send().await?).await?.json().await?;
        Ok(sequence)
    }

    /// Whether a sidecar is ready, as it says itself.
    pub(crate) async fn health(&self, url: &str) -> Result<Health, PeerError> {
        // The body tells, whatever the status.
        let request = self.http.get(format!("{}/health", url.trim_end_matches('/'))).timeout(SHORT);
        Ok(request.send().await?.json().await?)
    }

    /// Has a sidecar take over views.
    pub(crate) async fn take_over(&self, to: &Target, views: Vec<ViewKey>) -> Result<TakenOver, PeerError> {
        let request = self.asked(to, "cluster/take_over").json(&ViewKeys { views });
        Ok(checked(request.send().await?).await?.json().await?)
    }

    /// Has a sidecar give views away.
    pub(crate) async fn give_away(&self, to: &Target, views: Vec<ViewKey>) -> Result<(), PeerError> {
        let request = self.asked(to, "cluster/give_away").json(&ViewKeys { views });
        checked(request.send().await?).await.map(drop)
    }

    /// Has a sidecar run a job now.
    pub(crate) async fn run_job(&self, url: &str, job: &JobRequest) -> Result<JobRun, PeerError> {
        let request = self.post(url, "job/run").timeout(SHORT).json(job);
        Ok(checked(request.send().await?).await?.json().await?)
    }

    /// The keys of all views that a sidecar keeps.
    pub(crate) async fn views(&self, url: &str) -> Result<Vec<ViewKey>, PeerError> {
        let request = self.http.get(format!("{}/verify/views", url.trim_end_matches('/'))).timeout(LONG);
        let request = self.authorised(request);
        Ok(checked(request.send().await?).await?.json().await?)
    }

    /// Passes a request about a view on, and answers the body of the answer. `is_held` says that the sidecar keeps the view.
    pub(crate) async fn pass_on(
        &self,
        to: &Target,
        is_held: bool,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Bytes, PeerError> {
        let request = self.asked(to, path).json(body);
        let request = if is_held { request.header(HELD_HEADER, "1") } else { request };
        Ok(checked(request.send().await?).await?.bytes().await?)
    }

    fn asked(&self, to: &Target, path: &str) -> RequestBuilder {
        let request = self.post(&to.url, path).timeout(LONG);
        request.header(EPOCH_HEADER, to.epoch.0).header(TICKET_HEADER, to.ticket.0)
    }

    fn post(&self, url: &str, path: &str) -> RequestBuilder {
        self.authorised(self.http.post(format!("{}/{path}", url.trim_end_matches('/'))))
    }

    fn authorised(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.secret {
            Some(secret) => request.bearer_auth(secret),
            None => request,
        }
    }
}

/// A success, or why it is none: the sidecar says with a code of its own what it has not done for sure.
async fn checked(answer: Response) -> Result<Response, PeerError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let text = answer.text().await?;
    match serde_json::from_str::<ErrorBody>(&text) {
        Ok(body) if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT => {
            Err(PeerError::Refused { status, body: Box::new(body) })
        }
        Ok(body) => Err(PeerError::Failed { status, message: body.message }),
        Err(_) => Err(PeerError::Failed { status, message: text.chars().take(200).collect() }),
    }
}
