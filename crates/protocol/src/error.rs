//! The body of every HTTP error, and its stable codes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, in a form that programs can rely on: codes are added, and never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ErrorCode {
    /// 400: the body or a parameter is not what the endpoint takes.
    InvalidRequest,
    /// 400: the query is no SurrealQL, or can't be maintained incrementally.
    UnsupportedQuery,
    /// 401: the bearer token is missing or wrong.
    Unauthorized,
    /// 403: the token is right, the address or the action is not allowed.
    Forbidden,
    /// 404: no such view, job or service.
    NotFound,
    /// 405: the endpoint exists with another method.
    MethodNotAllowed,
    /// 408: the request did not arrive in time.
    RequestTimeout,
    /// 409: the state of the service contradicts the request.
    Conflict,
    /// 413: the body is larger than the limit.
    PayloadTooLarge,
    /// 429: too many requests, or a queue is full.
    TooManyRequests,
    /// 500: a fault of the service.
    Internal,
    /// 502: the database can't be reached or failed.
    DatabaseUnavailable,
    /// 503: bootstrapping, failed, or shutting down.
    SspNotReady,
    /// 504: the request took longer than its limit.
    Timeout,
}

impl ErrorCode {
    /// All codes.
    pub const ALL: [ErrorCode; 14] = [
        ErrorCode::InvalidRequest,
        ErrorCode::UnsupportedQuery,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::MethodNotAllowed,
        ErrorCode::RequestTimeout,
        ErrorCode::Conflict,
        ErrorCode::PayloadTooLarge,
        ErrorCode::TooManyRequests,
        ErrorCode::Internal,
        ErrorCode::DatabaseUnavailable,
        ErrorCode::SspNotReady,
        ErrorCode::Timeout,
    ];

    /// The HTTP status that goes with the code.
    pub fn status(self) -> u16 {
        match self {
            ErrorCode::InvalidRequest | ErrorCode::UnsupportedQuery => 400,
            ErrorCode::Unauthorized => 401,
            ErrorCode::Forbidden => 403,
            ErrorCode::NotFound => 404,
            ErrorCode::MethodNotAllowed => 405,
            ErrorCode::RequestTimeout => 408,
            ErrorCode::Conflict => 409,
            ErrorCode::PayloadTooLarge => 413,
            ErrorCode::TooManyRequests => 429,
            ErrorCode::Internal => 500,
            ErrorCode::DatabaseUnavailable => 502,
            ErrorCode::SspNotReady => 503,
            ErrorCode::Timeout => 504,
        }
    }

    /// The code as it stands in the body.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::InvalidRequest => "INVALID_REQUEST",
            ErrorCode::UnsupportedQuery => "UNSUPPORTED_QUERY",
            ErrorCode::Unauthorized => "UNAUTHORIZED",
            ErrorCode::Forbidden => "FORBIDDEN",
            ErrorCode::NotFound => "NOT_FOUND",
            ErrorCode::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            ErrorCode::RequestTimeout => "REQUEST_TIMEOUT",
            ErrorCode::Conflict => "CONFLICT",
            ErrorCode::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            ErrorCode::TooManyRequests => "TOO_MANY_REQUESTS",
            ErrorCode::Internal => "INTERNAL",
            ErrorCode::DatabaseUnavailable => "DATABASE_UNAVAILABLE",
            ErrorCode::SspNotReady => "SSP_NOT_READY",
            ErrorCode::Timeout => "TIMEOUT",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    pub code: ErrorCode,
    /// One or more sentences for a human; a query error names line, column and the offending part.
    pub message: String,
}

impl ErrorBody {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        ErrorBody { code, message: message.into() }
    }
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ErrorBody {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_and_the_text_of_a_code_agree() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), serde_json::json!(code.as_str()));
            assert!((400..600).contains(&code.status()));
        }
    }

    #[test]
    fn an_error_is_a_code_and_a_message() {
        let body = ErrorBody::new(ErrorCode::SspNotReady, "bootstrapping");
        let json = serde_json::json!({ "code": "SSP_NOT_READY", "message": "bootstrapping" });
        assert_eq!(serde_json::to_value(&body).unwrap(), json);
    }
}
