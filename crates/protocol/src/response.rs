//! Bodies of answers.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{ContentHash, ViewKey};

/// Where a service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    Bootstrapping,
    Ready,
    Failed,
}

impl HealthStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            HealthStatus::Bootstrapping => "bootstrapping",
            HealthStatus::Ready => "ready",
            HealthStatus::Failed => "failed",
        }
    }
}

impl<'de> Deserialize<'de> for HealthStatus {
    /// Reads `ok` as ready, which older services say.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "bootstrapping" => Ok(HealthStatus::Bootstrapping),
            "ready" | "ok" => Ok(HealthStatus::Ready),
            "failed" => Ok(HealthStatus::Failed),
            other => Err(serde::de::Error::unknown_variant(other, &["bootstrapping", "ready", "failed"])),
        }
    }
}

/// `GET /health`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    pub status: HealthStatus,
}

/// `GET /version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VersionInfo {
    pub version: String,
    /// How results are kept: `streaming`.
    pub mode: String,
}

/// One entry of `GET /info`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EntityInfo {
    /// `ssp` or `scheduler`.
    pub entity: String,
    pub id: String,
    pub status: HealthStatus,
    pub views: u64,
    /// The backends that it runs jobs of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<BackendInfo>,
}

/// How a backend of jobs is doing, as one SSP sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackendInfo {
    pub name: String,
    /// The table of its jobs.
    pub table: String,
    /// Whether it has answered the last attempt, or none has been made.
    pub up: bool,
    /// Attempts under way.
    pub running: u64,
    /// Attempts that have failed since one has succeeded.
    pub failures: u64,
    /// The code of the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// The answer of `POST /view/register`: the initial result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegisterResponse {
    pub id: ViewKey,
    pub hash: ContentHash,
    /// In the order of the view.
    pub rows: Vec<ResultRow>,
    /// What is kept on the view's record, for the formats that keep something there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// What SurrealDB answers instead of a result, because of a row that the query can't be evaluated for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A row of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResultRow {
    /// The id of the record as SurrealQL writes it; of a row that is no record, that of its row record.
    pub id: String,
    pub version: u64,
    /// What the query selects of the record.
    pub record: Value,
    /// The rows of the subqueries under it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Child>,
}

/// A row that a subquery contributes to another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Child {
    /// The alias of the subquery.
    pub relation: String,
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    pub row: ResultRow,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ok_is_read_as_ready_and_never_written() {
        let health: Health = serde_json::from_value(json!({ "status": "ok" })).unwrap();
        assert_eq!(serde_json::to_value(health).unwrap(), json!({ "status": "ready" }));
        assert!(serde_json::from_value::<Health>(json!({ "status": "fine" })).is_err());
    }

    #[test]
    fn a_result_names_its_children_by_relation() {
        let leaf = ResultRow {
            id: "comment:1".to_owned(),
            version: 3,
            record: json!({ "id": "comment:1" }),
            children: Vec::new(),
        };
        let row = ResultRow {
            id: "thread:1".to_owned(),
            version: 2,
            record: json!({ "id": "thread:1" }),
            children: vec![Child { relation: "comments".to_owned(), row: leaf }],
        };
        let json = json!({
            "id": "thread:1", "version": 2, "record": { "id": "thread:1" },
            "children": [{ "relation": "comments", "id": "comment:1", "version": 3, "record": { "id": "comment:1" } }]
        });
        assert_eq!(serde_json::to_value(&row).unwrap(), json);
        assert_eq!(serde_json::from_value::<ResultRow>(json).unwrap(), row);
    }
}
