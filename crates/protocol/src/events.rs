//! Bodies of the events of a view.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ContentHash;

/// An event `change` of `GET /view/{view_id}/events`: what has become of a view's result since the event before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ViewChange {
    /// The hash of the result now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<ContentHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_count: Option<u64>,
    /// The net effect, at most one change for each row and each row of a subquery, in no order.
    pub changes: Vec<ChangedRow>,
    /// The whole result, of a view that keeps it on its record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// What SurrealDB answers instead of a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A row that has entered, changed or left a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangedRow {
    pub action: RowAction,
    /// The id of the record as SurrealQL writes it; of a row that is no record, that of its row record.
    pub id: String,
    /// The version now; of a row that has left there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The id of the row above, of a row of a subquery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The alias of the subquery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// What a row that is no record shows, if that is new. Records are read from the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Value>,
}

/// What happened to a row of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum RowAction {
    Create,
    Update,
    Delete,
}
