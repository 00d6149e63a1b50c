//! The bearer token.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::middleware::Next;
use axum::response::Response;
use protocol::ErrorCode;
use subtle::ConstantTimeEq;

use crate::failure::Failure;

/// What a request has to carry; nothing where everybody may call.
#[derive(Clone, Default)]
pub struct Secret(Option<Arc<str>>);

impl Secret {
    /// The token that is asked for, if one is.
    pub fn new(secret: Option<&str>) -> Self {
        Secret(secret.map(Arc::from))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Secret(…)" } else { "Secret(none)" })
    }
}

/// Lets a request pass that carries the secret. Without a secret, which is only possible on loopback, all may pass.
///
/// # Errors
/// `UNAUTHORIZED` if the token is missing or wrong.
pub async fn require_token(
    State(Secret(secret)): State<Secret>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    if let Some(secret) = &secret {
        let token = bearer(request.headers())
            .ok_or_else(|| Failure::new(ErrorCode::Unauthorized, "the header `Authorization: Bearer …` is missing"))?;
        // The comparison takes the same time wherever the tokens begin to differ.
        if !bool::from(token.as_bytes().ct_eq(secret.as_bytes())) {
            return Err(Failure::new(ErrorCode::Unauthorized, "the bearer token is wrong"));
        }
    }
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
