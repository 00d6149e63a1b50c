//! One call of a backend: the request, its answer, and every way in which there is none.

use std::time::{Duration, SystemTime};

use circuit::Value;
use database::jobs::Job;
use database::json;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Map, Value as Json, json};

use crate::backend::{Backend, Mode};
use crate::path;
use crate::retry::{Failure, truncate};

/// How much of an answer is kept.
pub(crate) const RESULT_LIMIT: usize = 256 << 10;
/// How much of an answer that is no success is kept as the reason.
const REASON_LIMIT: usize = 512;
/// How long connecting may take, if the attempt is not over before.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The header that is the same for all attempts of a job.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header that counts the attempts of a job, from 1.
const ATTEMPT: &str = "spky-attempt";

/// Calls one backend.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    client: Client,
    /// The `Authorization` of every call.
    authorization: Option<HeaderValue>,
    /// Where executors call back, in callback mode.
    callback_url: Option<String>,
}

impl Caller {
    /// # Errors
    /// If the client can't be set up.
    pub(crate) fn new(backend: &Backend, callback_url: Option<String>) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            // Another address would be given the token and the payload.
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("spky/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let authorization = backend.auth_token.as_ref().and_then(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Ok(Caller { client, authorization, callback_url })
    }

    /// Makes an attempt; answers what the backend said. The time limit is for all of it.
    pub(crate) async fn call(&self, backend: &Backend, job: &Job) -> Result<Value, Failure> {
        let limit = backend.call_timeout(job);
        match tokio::time::timeout(limit, self.attempt(backend, job)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::retryable("TIMEOUT", format!("no answer within {limit:?}"))),
        }
    }

    async fn attempt(&self, backend: &Backend, job: &Job) -> Result<Value, Failure> {
        let url =
            path::join(&backend.base_url, &job.path).map_err(|reason| Failure::permanent("INVALID_PATH", reason))?;
        let request = self.client.post(url).headers(self.headers(job)).body(self.body(backend, job).to_string());
        let answer = request.send().await.map_err(no_answer)?;
        if answer.status().is_success() {
            return result(answer).await;
        }
        Err(refusal(answer).await)
    }

    fn headers(&self, job: &Job) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ATTEMPT, HeaderValue::from(job.attempts));
        if let Ok(key) = HeaderValue::try_from(header_text(&json::id_text(&job.attempt.id))) {
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        headers
    }

    /// The payload; in callback mode with what the executor needs to call back.
    fn body(&self, backend: &Backend, job: &Job) -> Json {
        let payload = match json::to_json(&job.payload) {
            Json::Null => json!({}),
            payload => payload,
        };
        if backend.mode == Mode::Request {
            return payload;
        }
        let mut body = match payload {
            Json::Object(fields) => fields,
            other => Map::from_iter([("payload".to_owned(), other)]),
        };
        let process_uuid = &job.attempt.process_uuid;
        // The attempt is in the address too: executors that answer only what they need to still say which one it was.
        let url = self.callback_url.as_ref().map(|url| format!("{url}?process_uuid={process_uuid}"));
        body.insert("callback_url".to_owned(), url.into());
        body.insert("node_uuid".to_owned(), json::id_text(&job.attempt.id).into());
        body.insert("process_uuid".to_owned(), process_uuid.as_str().into());
        body.insert("executor_type".to_owned(), executor_type(job).into());
        Json::Object(body)
    }
}

/// What kind of executor a job is for: as the job says, else the last part of its path.
pub(crate) fn executor_type(job: &Job) -> &str {
    let path = job.path.split('?').next().unwrap_or_default().trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    job.executor_type.as_deref().unwrap_or(last)
}

/// A text as the value of a header: what is not visible ASCII, and `%`, is percent-encoded.
fn header_text(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' => value.push_str("%25"),
            b' '..=b'~' => value.push(char::from(byte)),
            _ => value.push_str(&format!("%{byte:02X}")),
        }
    }
    value
}

/// Why no answer came. The address is left out: whoever may see the job need not know it.
fn no_answer(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let code = match () {
        () if error.is_connect() => "UNREACHABLE",
        () if error.is_timeout() => "TIMEOUT",
        () if error.is_builder() => return Failure::permanent("INVALID_REQUEST", with_causes(&error)),
        () => "CONNECTION",
    };
    Failure::retryable(code, with_causes(&error))
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The body of a success: JSON as what it says, anything else as text.
async fn result(answer: Response) -> Result<Value, Failure> {
    let body = read(answer, RESULT_LIMIT).await?;
    let text = match String::from_utf8(body.bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    if body.is_cut {
        return Ok(cut(text));
    }
    if text.is_empty() {
        return Ok(Value::None);
    }
    Ok(match serde_json::from_str(&text) {
        Ok(result) => json::from_json(result),
        Err(_) => Value::String(text.into()),
    })
}

/// A result that is not kept whole.
fn cut(mut text: String) -> Value {
    truncate(&mut text, RESULT_LIMIT);
    json::from_json(json!({ "truncated": true, "text": text }))
}

/// A result that somebody brings, as it is kept.
pub(crate) fn capped(result: Json) -> Value {
    let text = result.to_string();
    if text.len() <= RESULT_LIMIT { json::from_json(result) } else { cut(text) }
}

/// What an answer that is no success means.
async fn refusal(answer: Response) -> Failure {
    let status = answer.status();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| pause(value.to_str().ok()?));
    // That it breaks off changes nothing about what it says.
    let body = read(answer, REASON_LIMIT).await.map(|body| String::from_utf8_lossy(&body.bytes).into_owned());
    let body = body.unwrap_or_default();
    let reason = if body.trim().is_empty() { status.to_string() } else { format!("{status}: {}", body.trim()) };
    Failure {
        code: format!("HTTP_{}", status.as_u16()),
        reason,
        // These say that the request itself is wrong, and it is going to be the same.
        is_retryable: !matches!(
            status,
            StatusCode::BAD_REQUEST
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::GONE
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::URI_TOO_LONG
                | StatusCode::UNSUPPORTED_MEDIA_TYPE
                | StatusCode::UNPROCESSABLE_ENTITY
        ),
        retry_after,
    }
}

/// What `Retry-After` asks for: seconds, or a date.
fn pause(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(SystemTime::from(date.timestamp()).duration_since(SystemTime::now()).unwrap_or_default())
}

struct Body {
    bytes: Vec<u8>,
    /// Whether there was more than the limit.
    is_cut: bool,
}

/// Reads a body up to a limit; the rest is not taken.
async fn read(mut answer: Response, limit: usize) -> Result<Body, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
        let room = limit - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok(Body { bytes, is_cut: true });
        }
    }
    Ok(Body { bytes, is_cut: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_id_makes_a_header() {
        assert_eq!(header_text("mail:abc"), "mail:abc");
        assert_eq!(header_text("mail:`ü%`"), "mail:`%C3%BC%25`");
        assert!(HeaderValue::try_from(header_text("a\r\nb: c\0")).is_ok());
    }

    #[test]
    fn a_backend_may_ask_to_be_left_alone() {
        assert_eq!(pause("3"), Some(Duration::from_secs(3)));
        assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(pause("soon"), None);
    }
}
