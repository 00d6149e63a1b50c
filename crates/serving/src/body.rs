//! Bodies of requests: how large they may be, how long they may take, and what is wrong with them.

use std::time::Duration;

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;
use protocol::ErrorCode;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// The largest body that is read, where an endpoint does not say otherwise.
pub(crate) const BODY_LIMIT: usize = 16 << 20;
/// How long the body of a request may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body. Whatever is wrong with it is an `INVALID_REQUEST` that says where.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = bytes_of(request, state).await?;
        serde_json::from_slice(&bytes)
            .map(Body)
            .map_err(|error| Failure::new(ErrorCode::InvalidRequest, format!("invalid body: {error}")))
    }
}

/// The whole body.
///
/// # Errors
/// `REQUEST_TIMEOUT` if it takes more than 30 s, `PAYLOAD_TOO_LARGE` if it has more than 16 MiB, or what the endpoint says, and
/// `INVALID_REQUEST`.
pub async fn bytes_of<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Failure> {
    match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await {
        Ok(body) => body.map_err(unreadable),
        Err(_) => {
            let message = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
            Err(Failure::new(ErrorCode::RequestTimeout, message))
        }
    }
}

fn unreadable(rejection: BytesRejection) -> Failure {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Failure::new(ErrorCode::PayloadTooLarge, "the body is larger than this endpoint takes")
        }
        _ => Failure::new(ErrorCode::InvalidRequest, format!("the body can't be read: {rejection}")),
    }
}
