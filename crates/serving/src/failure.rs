//! Answers that are no success.

use axum::Extension;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use protocol::{ErrorBody, ErrorCode};

/// An answer that is not a success. As a response it carries its code as an extension, for those who count.
#[derive(Debug)]
pub struct Failure(ErrorBody);

impl Failure {
    /// A failure with a stable code, and a message for people.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Failure(ErrorBody::new(code, message))
    }

    /// What it is about.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The same failure, with the part of the request that it is about.
    #[must_use]
    pub fn within(self, part: &str) -> Self {
        Failure::new(self.0.code, format!("{part}: {}", self.0.message))
    }
}

/// A failure that another service has answered.
impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        Failure(body)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Extension(self.0.code), axum::Json(self.0)).into_response()
    }
}
