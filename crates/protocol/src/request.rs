//! Bodies of requests.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{DurationError, ViewKey, parse_duration};

/// `POST /view/register`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RegisterRequest {
    pub id: ViewKey,
    /// The SurrealQL `SELECT`; `sql` in older clients.
    #[serde(alias = "sql")]
    #[cfg_attr(feature = "openapi", schema(examples("SELECT * FROM thread WHERE status = 'open'")))]
    pub surql: String,
    #[serde(alias = "client_id")]
    #[cfg_attr(feature = "openapi", schema(examples("client-456")))]
    pub client_id: String,
    /// How long the view lives after the last sign of life, as SurrealQL writes a duration.
    #[cfg_attr(feature = "openapi", schema(examples("30s")))]
    pub ttl: String,
    /// What the query sees as `$name`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Params::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Params>))]
    pub params: Params,
    /// ISO 8601. Registering is itself a sign of life, so this only informs.
    #[serde(default, alias = "last_active_at", skip_serializing_if = "Option::is_none")]
    pub last_active_at: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Format>))]
    pub format: Format,
    /// How soon the stored result follows changes; if not given, as soon as the service is configured to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// The record id of the user that the view belongs to, as SurrealQL writes it. Set by `fn::query::register`.
    #[serde(default, alias = "auth_id", skip_serializing_if = "Option::is_none")]
    pub auth_id: Option<String>,
    /// `$access` of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Value>,
    /// `$token` of the caller: the claims of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Value>,
}

impl RegisterRequest {
    /// The time to live.
    ///
    /// # Errors
    /// If [`RegisterRequest::ttl`] is no duration.
    pub fn ttl(&self) -> Result<Duration, DurationError> {
        parse_duration(&self.ttl)
    }
}

/// Parameters of a query. JSON has fewer types than SurrealQL, so a client that needs them sends text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Params {
    Object(Map<String, Value>),
    /// A SurrealQL object (of which a JSON object is one), not yet parsed.
    Text(String),
}

impl Params {
    pub fn is_empty(&self) -> bool {
        match self {
            Params::Object(fields) => fields.is_empty(),
            Params::Text(text) => text.trim().is_empty(),
        }
    }
}

impl Default for Params {
    fn default() -> Self {
        Params::Object(Map::new())
    }
}

/// How the result of a view is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One edge for each row, and for each row of a subquery under it.
    #[default]
    Streaming,
    /// `[[id, version], …]` and its hash, on the query's row.
    Flat,
    /// What SurrealDB answers, subqueries included, on the query's row.
    Tree,
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Streaming => "streaming",
            Format::Flat => "flat",
            Format::Tree => "tree",
        }
    }
}

/// How soon a view follows changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Frequency {
    /// At once.
    Realtime,
    /// At most every 100 ms.
    Normal,
    /// At most every 5 s.
    Analytics,
}

impl Frequency {
    pub fn as_str(self) -> &'static str {
        match self {
            Frequency::Realtime => "realtime",
            Frequency::Normal => "normal",
            Frequency::Analytics => "analytics",
        }
    }
}

/// `POST /view/unregister`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnregisterRequest {
    pub id: ViewKey,
}

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    Create,
    Update,
    Delete,
}

/// `POST /ingest`: one change of one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IngestRequest {
    #[cfg_attr(feature = "openapi", schema(examples("thread")))]
    pub table: String,
    pub op: Operation,
    /// The record id as SurrealQL writes it, or its key alone.
    #[cfg_attr(feature = "openapi", schema(examples("thread:1")))]
    pub id: String,
    /// The record after the change, or before it for a `DELETE`. May hold the record's version as `_00_rv`.
    #[serde(default, deserialize_with = "null_as_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub record: Map<String, Value>,
    /// The same record with all of SurrealDB's types: CBOR as `encoding::cbor::encode` writes it, in base64. Sent by
    /// the events that Sp00ky installs; it wins over `record`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// `POST /log`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogRequest {
    pub message: String,
    #[serde(default, deserialize_with = "null_as_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<LogLevel>))]
    pub level: LogLevel,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// Treats an explicit null as a field that is not there.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_the_documented_registration() {
        let body = json!({
            "id": "incantation:abc123",
            "surql": "SELECT * FROM users WHERE active = true",
            "clientId": "client-456",
            "ttl": "30s",
            "params": null,
            "lastActiveAt": "2024-01-01T00:00:00Z",
            "format": null
        });
        let request: RegisterRequest = serde_json::from_value(body).unwrap();
        assert_eq!(request.id.as_str(), "abc123");
        assert_eq!(request.ttl(), Ok(Duration::from_secs(30)));
        assert!(request.params.is_empty());
        assert_eq!(request.format, Format::Streaming);
        assert_eq!((request.auth_id, request.frequency), (None, None));
    }

    #[test]
    fn reads_format_and_frequency() {
        let mut body = json!({ "id": "a", "surql": "SELECT * FROM a", "clientId": "c", "ttl": "30s" });
        (body["format"], body["frequency"]) = (json!("tree"), json!("analytics"));
        let request: RegisterRequest = serde_json::from_value(body.clone()).unwrap();
        assert_eq!((request.format, request.frequency), (Format::Tree, Some(Frequency::Analytics)));
        body["frequency"] = json!("sometimes");
        assert!(serde_json::from_value::<RegisterRequest>(body).is_err());
    }

    #[test]
    fn reads_what_older_clients_send() {
        let body = json!({ "id": "abc", "sql": "SELECT * FROM user", "params": {}, "clientId": "c", "ttl": "1h" });
        let request: RegisterRequest = serde_json::from_value(body).unwrap();
        assert_eq!(request.surql, "SELECT * FROM user");
    }

    #[test]
    fn params_may_be_an_object_or_text() {
        let with = |params: Value| {
            let body = json!({ "id": "a", "surql": "", "clientId": "c", "ttl": "1h", "params": params });
            serde_json::from_value::<RegisterRequest>(body).map(|request| request.params)
        };
        let object = json!({ "author": "user:1" }).as_object().cloned().unwrap();
        assert_eq!(with(json!({ "author": "user:1" })).unwrap(), Params::Object(object));
        assert_eq!(with(json!("{ author: user:1 }")).unwrap(), Params::Text("{ author: user:1 }".to_owned()));
        assert!(with(json!([1])).is_err());
        assert!(with(json!(7)).is_err());
    }

    #[test]
    fn a_request_reads_back_as_written() {
        let body = json!({
            "id": "abc", "surql": "SELECT * FROM t", "clientId": "c", "ttl": "1h", "params": "{ a: 1 }",
            "format": "flat", "authId": "user:1", "access": "account", "token": { "exp": 1 }
        });
        let request: RegisterRequest = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(serde_json::to_value(&request).unwrap(), body);
    }

    #[test]
    fn an_unknown_format_names_the_known_ones() {
        let body = json!({ "id": "a", "surql": "", "clientId": "c", "ttl": "1h", "format": "table" });
        let error = serde_json::from_value::<RegisterRequest>(body).unwrap_err().to_string();
        assert!(error.contains("`streaming`, `flat`, `tree`"), "{error}");
    }

    #[test]
    fn reads_the_documented_ingestion() {
        let body = json!({ "table": "users", "op": "CREATE", "id": "user:123", "record": { "name": "Alice" } });
        let request: IngestRequest = serde_json::from_value(body).unwrap();
        assert_eq!(request.op, Operation::Create);
        assert_eq!(request.content, None);
        let deletion = json!({ "table": "users", "op": "DELETE", "id": "user:123", "record": null });
        assert!(serde_json::from_value::<IngestRequest>(deletion).unwrap().record.is_empty());
        let unknown = json!({ "table": "users", "op": "MERGE", "id": "user:123", "record": {} });
        assert!(serde_json::from_value::<IngestRequest>(unknown).is_err());
    }

    #[test]
    fn a_log_line_is_informational_unless_said_otherwise() {
        let request: LogRequest = serde_json::from_value(json!({ "message": "hello" })).unwrap();
        assert_eq!(request.level, LogLevel::Info);
    }
}
