//! What an executor says when it is done.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The longest text that is taken for an id or a type.
const MAX_TEXT: usize = 1_024;

/// What the address of a callback says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Place {
    process_uuid: Option<String>,
}

/// What somebody who is done says.
#[derive(Clone, Debug, PartialEq)]
pub struct Callback {
    /// The job.
    pub node_uuid: String,
    /// The attempt, as the body says or else the address.
    pub process_uuid: Option<String>,
    /// What kind of executor it is; nothing if that is not to be compared with the job.
    pub executor_type: Option<String>,
    /// How it went.
    pub outcome: Outcome,
}

/// How it went.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The job is done, with this result.
    Result(Value),
    /// It is not.
    Error {
        /// For people.
        reason: String,
        /// Stable, for programs.
        code: Option<String>,
        /// Whether another attempt may go better.
        is_retryable: bool,
    },
}

impl Callback {
    /// # Errors
    /// Says which parameter is missing, or wrong.
    pub(super) fn parse(body: &[u8], place: Place) -> Result<Self, String> {
        let body: Value = serde_json::from_slice(body).map_err(|error| format!("invalid body: {error}"))?;
        let Value::Object(mut body) = body else { return Err("invalid body: expected an object".to_owned()) };
        let node_uuid = required(&mut body, "node_uuid")?;
        let executor_type = Some(required(&mut body, "executor_type")?);
        let process_uuid = text(&mut body, "process_uuid")?.or(place.process_uuid.filter(|uuid| !uuid.is_empty()));
        let is_retryable = match body.remove("retryable") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => return Err("`retryable` is not a boolean".to_owned()),
        };
        let code = text(&mut body, "error_type")?;
        let error = body.remove("error").and_then(reason);
        let outcome = match (body.remove("result"), error) {
            (Some(_), Some(_)) => return Err("`result` and `error` are given at once".to_owned()),
            (Some(result), None) => Outcome::Result(result),
            (None, Some(reason)) => Outcome::Error { reason, code, is_retryable },
            (None, None) => return Err("`result` or `error` is missing".to_owned()),
        };
        Ok(Callback { node_uuid, process_uuid, executor_type, outcome })
    }
}

/// What is given as an error. Whatever it is, it is the reason.
fn reason(error: Value) -> Option<String> {
    match error {
        Value::Null => None,
        Value::String(reason) => Some(reason),
        other => Some(other.to_string()),
    }
}

fn required(body: &mut Map<String, Value>, name: &str) -> Result<String, String> {
    text(body, name)?.ok_or_else(|| format!("`{name}` is missing"))
}

/// A text that is not empty, if it is given.
fn text(body: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match body.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() > MAX_TEXT => Err(format!("`{name}` is longer than {MAX_TEXT} bytes")),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(format!("`{name}` is not a text")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Result<Callback, String> {
        Callback::parse(body.to_string().as_bytes(), Place::default())
    }

    #[test]
    fn success_and_error_are_told_apart() {
        let both = json!({ "node_uuid": "abc-123", "executor_type": "merge-videos" });
        let with = |name: &str, value: Value| {
            let mut body = both.clone();
            body[name] = value;
            body
        };
        let success = parse(&with("result", json!({ "size": 1 }))).unwrap();
        assert_eq!((success.node_uuid.as_str(), success.executor_type.as_deref()), ("abc-123", Some("merge-videos")));
        assert_eq!(success.outcome, Outcome::Result(json!({ "size": 1 })));
        assert_eq!(parse(&with("result", Value::Null)).unwrap().outcome, Outcome::Result(Value::Null));
        let mut error = with("error", json!("FFmpeg failed"));
        error["error_type"] = json!("ffmpeg_error");
        let expected = Outcome::Error {
            reason: "FFmpeg failed".to_owned(),
            code: Some("ffmpeg_error".to_owned()),
            is_retryable: false,
        };
        assert_eq!(parse(&error).unwrap().outcome, expected);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (body, named) in [
            (json!([]), "object"),
            (json!({ "executor_type": "a", "result": 1 }), "node_uuid"),
            (json!({ "node_uuid": "", "executor_type": "a", "result": 1 }), "node_uuid"),
            (json!({ "node_uuid": 1, "executor_type": "a", "result": 1 }), "node_uuid"),
            (json!({ "node_uuid": "a", "result": 1 }), "executor_type"),
            (json!({ "node_uuid": "a", "executor_type": "a" }), "`result` or `error`"),
            (json!({ "node_uuid": "a", "executor_type": "a", "error": null }), "`result` or `error`"),
            (json!({ "node_uuid": "a", "executor_type": "a", "result": 1, "error": "x" }), "at once"),
            (json!({ "node_uuid": "a", "executor_type": "a", "error": "x", "retryable": 1 }), "retryable"),
            (json!({ "node_uuid": "a".repeat(2_000), "executor_type": "a", "result": 1 }), "longer"),
        ] {
            let refusal = parse(&body).unwrap_err();
            assert!(refusal.contains(named), "{body}: {refusal}");
        }
        assert!(Callback::parse(b"{", Place::default()).is_err());
    }

    #[test]
    fn the_attempt_is_in_the_body_or_in_the_address() {
        let body = json!({ "node_uuid": "a", "executor_type": "a", "result": 1 }).to_string();
        let place = || Place { process_uuid: Some("p".to_owned()) };
        assert_eq!(Callback::parse(body.as_bytes(), place()).unwrap().process_uuid.as_deref(), Some("p"));
        let body = json!({ "node_uuid": "a", "executor_type": "a", "result": 1, "process_uuid": "q" }).to_string();
        assert_eq!(Callback::parse(body.as_bytes(), place()).unwrap().process_uuid.as_deref(), Some("q"));
    }
}
