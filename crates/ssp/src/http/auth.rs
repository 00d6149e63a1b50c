//! The bearer token.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::middleware::Next;
use axum::response::Response;
use protocol::ErrorCode;
use subtle::ConstantTimeEq;

use super::{Context, Failure};

/// Lets a request pass that carries the secret. Without a secret, which is only possible on loopback, all may pass.
pub(super) async fn require_token(
    State(context): State<Context>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    if let Some(secret) = &context.settings.secret {
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
