//! Bodies of the endpoints by which `spky verify` compares a service with the database.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ContentHash, ViewKey};

/// `GET /verify`: what the service holds, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Holdings {
    /// The namespace and the database that it is a copy of.
    pub database: String,
    /// The tables that it keeps up to date.
    pub tables: BTreeMap<String, TableContent>,
}

/// The rows of a table in two numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TableContent {
    pub rows: u64,
    /// The sum of the hashes of all rows.
    pub hash: ContentHash,
}

/// A page of `GET /verify/table/{table}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordPage {
    pub records: Vec<RecordHash>,
    /// The `from` of the next page; without it this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub next: Option<u32>,
    /// The `after` of the next page, where pages go by the ids of records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub after: Option<String>,
}

/// The hash of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordHash {
    /// The id as SurrealQL writes it.
    pub id: String,
    /// Missing if there is no such record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<ContentHash>,
}

/// `POST /verify/records`: asks for the hashes of some records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordsRequest {
    /// Their ids as SurrealQL writes them.
    pub records: Vec<String>,
}

/// `POST /verify/repair`: asks to read tables again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RepairRequest {
    pub tables: Vec<String>,
}

/// `POST /verify/views`: asks to compare what is stored of some views with what they show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ViewsRequest {
    pub views: Vec<ViewKey>,
    /// Whether to write what differs.
    #[serde(default)]
    pub fix: bool,
}

/// How what is stored of a view compares with what it shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ViewComparison {
    pub view: ViewKey,
    pub state: ViewState,
    /// How many rows lack their edge, or have an edge or a row record that they should not have, or not like this.
    #[serde(default)]
    pub differences: u64,
    /// Some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}

/// Whether a view is stored as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ViewState {
    Equal,
    /// It differs, or did before this request put it right.
    Different,
    /// The service does not keep this view.
    Unknown,
    /// The service keeps it, and its record is not in the database.
    Gone,
}
