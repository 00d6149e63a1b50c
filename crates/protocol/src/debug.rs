//! Bodies of the debug pages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ContentHash, Format, ViewKey};

/// `GET /debug/view/{view_id}`: what the service holds of a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DebugView {
    pub view_id: ViewKey,
    /// The number of rows, those of subqueries not counted.
    pub cache_size: u64,
    /// The hash of the result.
    pub last_hash: ContentHash,
    pub format: Format,
    /// The rows, in the order of the view.
    pub cache: Vec<CachedRow>,
    /// Tables that only subqueries read.
    pub subquery_tables: Vec<String>,
    /// All tables that rows of the view come from.
    pub referenced_tables: Vec<String>,
    /// How often the result has changed since the view was registered.
    pub content_generation: u64,
    /// The rows of subqueries, by the relation that they stand in: `comments`, and under these `comments.author`.
    pub subquery_cache: BTreeMap<String, Vec<CachedRow>>,
}

/// A row that the service holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CachedRow {
    /// The id of the record as SurrealQL writes it; of a row that is no record, that of its row record.
    pub id: String,
    pub version: u64,
}

/// `GET /debug/deps`: which views read which tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DebugDependencies {
    /// The views of each table that a view reads.
    pub dependency_map: BTreeMap<String, Vec<ViewKey>>,
    pub tables_in_store: Vec<String>,
    pub view_count: u64,
}
