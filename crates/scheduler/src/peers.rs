//! What the scheduler says to sidecars.

use std::time::Duration;

use axum::http::{Response, StatusCode};
use bytes::Bytes;
use cluster::Delivery;
use protocol::{
    Acknowledged, BINARY, EPOCH_HEADER, ErrorBody, HELD_HEADER, Health, JobRequest, JobRun, TICKET_HEADER, TakenOver,
    ViewKey, ViewKeys,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serving::{Call, Caller, Unanswered};

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
    Unanswered(#[from] Unanswered),
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
    caller: Caller,
}

impl Peers {
    pub(crate) fn new(caller: Caller) -> Self {
        Peers { caller }
    }

    /// Delivers events, and answers the last one that the sidecar has.
    pub(crate) async fn deliver(&self, url: &str, delivery: &Delivery) -> Result<u64, PeerError> {
        let call = self.caller.post(url, "cluster/events").body(BINARY, delivery.encode());
        let Acknowledged { sequence } = answered(call, LONG).await?;
        Ok(sequence)
    }

    /// Whether a sidecar is ready, as it says itself.
    pub(crate) async fn health(&self, url: &str, limit: Duration) -> Result<Health, PeerError> {
        // The body tells, whatever the status.
        let answer = self.caller.get(url, "health").send(limit).await?;
        read(&answer)
    }

    /// Has a sidecar take over views.
    pub(crate) async fn take_over(&self, to: &Target, views: Vec<ViewKey>) -> Result<TakenOver, PeerError> {
        answered(self.asked(to, "cluster/take_over").json(&ViewKeys { views }), LONG).await
    }

    /// Has a sidecar give views away.
    pub(crate) async fn give_away(&self, to: &Target, views: Vec<ViewKey>) -> Result<(), PeerError> {
        checked(self.asked(to, "cluster/give_away").json(&ViewKeys { views }), LONG).await.map(drop)
    }

    /// Has a sidecar run a job now.
    pub(crate) async fn run_job(&self, url: &str, job: &JobRequest) -> Result<JobRun, PeerError> {
        answered(self.caller.post(url, "job/run").json(job), SHORT).await
    }

    /// The keys of all views that a sidecar keeps.
    pub(crate) async fn views(&self, url: &str) -> Result<Vec<ViewKey>, PeerError> {
        answered(self.caller.get(url, "verify/views"), LONG).await
    }

    /// Passes a request about a view on, and answers the body of the answer. `is_held` says that the sidecar keeps the view.
    pub(crate) async fn pass_on(
        &self,
        to: &Target,
        is_held: bool,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Bytes, PeerError> {
        let call = self.asked(to, path).json(body);
        let call = if is_held { call.header(HELD_HEADER, 1) } else { call };
        Ok(checked(call, LONG).await?.into_body())
    }

    fn asked(&self, to: &Target, path: &str) -> Call<'_> {
        self.caller.post(&to.url, path).header(EPOCH_HEADER, to.epoch.0).header(TICKET_HEADER, to.ticket.0)
    }
}

/// What a success says.
async fn answered<T: DeserializeOwned>(call: Call<'_>, limit: Duration) -> Result<T, PeerError> {
    read(&checked(call, limit).await?)
}

fn read<T: DeserializeOwned>(answer: &Response<Bytes>) -> Result<T, PeerError> {
    serde_json::from_slice(answer.body())
        .map_err(|error| PeerError::Failed { status: answer.status(), message: error.to_string() })
}

/// A success, or why it is none: the sidecar says with a code of its own what it has not done for sure.
async fn checked(call: Call<'_>, limit: Duration) -> Result<Response<Bytes>, PeerError> {
    let answer = call.send(limit).await?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    match serde_json::from_slice::<ErrorBody>(answer.body()) {
        Ok(body) if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT => {
            Err(PeerError::Refused { status, body: Box::new(body) })
        }
        Ok(body) => Err(PeerError::Failed { status, message: body.message }),
        Err(_) => {
            let message = String::from_utf8_lossy(answer.body()).chars().take(200).collect();
            Err(PeerError::Failed { status, message })
        }
    }
}
