//! Row records: rows of results that are no records, such as groups and the parts of split rows.
//!
//! An edge has to lead to a record, so each such row gets one. Its id follows from what the row is, like that of an
//! edge: `[view, row]`, and under a row of a parent `[view, row, relation, [parent record, …]]`. It holds the row as the
//! query shows it. Row records go with their view: an event on the table of views sees to that, whatever removes it.

use std::ops::Bound;
use std::sync::Arc;

use circuit::{Key, Object, RecordId, Value};
use protocol::ViewKey;
use surrealdb::types as sdk;
use surrealdb::types::Variables;

use crate::connect::Database;
use crate::convert::{ConvertError, object_from_sdk, record_id_to_sdk, to_sdk};
use crate::edges::{Parent, keys_of_queries, place, query_record};
use crate::error::{Error, Result};
use crate::pages::{array, converting};
use crate::scan::{self, SOURCE};

/// How many row records are read with one request. Their contents may be large.
const PAGE: usize = 1_000;

/// What identifies a row record.
#[derive(Clone, Debug)]
pub struct RowId {
    /// The table of row records: [`Names::row`](protocol::Names::row).
    pub table: Arc<str>,
    pub query: ViewKey,
    /// What tells the row among its siblings, such as the values of grouping keys; as [`storable`] makes it.
    pub row: Value,
    /// The edge of the row whose subquery this is a row of.
    pub parent: Option<Arc<Parent>>,
}

/// A row record as it is to be stored.
#[derive(Clone, Debug)]
pub struct RowRecord {
    pub id: RowId,
    pub version: u64,
    /// What the query shows of the row.
    pub content: Value,
    /// The user of the view, who alone may read the row.
    pub auth_id: Option<Arc<RecordId>>,
}

impl RowId {
    pub fn record_id(&self) -> RecordId {
        RecordId::new(self.table.clone(), place(&self.query, self.row.clone(), self.parent.as_deref()))
    }

    /// Reads a row's id back from its record id; nothing if it is none of ours. The edges on the way to it are given
    /// this table.
    pub fn parse(id: &RecordId, edge_table: &Arc<str>) -> Option<RowId> {
        let Key::Array(items) = &id.key else { return None };
        let [Value::String(query), row, path @ ..] = &**items else { return None };
        let query = ViewKey::from_key(&**query).ok()?;
        let parent = Parent::parse(edge_table, &query, path)?;
        Some(RowId { table: id.table.clone(), query, row: row.clone(), parent })
    }

    pub(crate) fn to_sdk(&self) -> Result<sdk::RecordId, ConvertError> {
        record_id_to_sdk(&self.record_id())
    }
}

/// The key of the view that a row record is of; nothing if it is none of ours.
pub fn view_of_row(id: &RecordId) -> Option<&str> {
    match &id.key {
        Key::Array(items) => match items.first() {
            Some(Value::String(query)) => Some(query),
            _ => None,
        },
        _ => None,
    }
}

impl RowRecord {
    pub(crate) fn to_sdk(&self, query_table: &str) -> Result<sdk::Value, ConvertError> {
        let mut row = sdk::Object::new();
        row.insert("id", self.id.to_sdk()?);
        row.insert("query", query_record(query_table, &self.id.query));
        row.insert("version", self.version as i64);
        row.insert("content", to_sdk(&self.content)?);
        if let Some(user) = &self.auth_id {
            row.insert("auth_id", record_id_to_sdk(user)?);
        }
        Ok(sdk::Value::Object(row))
    }
}

impl Database {
    /// All row records of a view with their versions and contents, in the order of their ids. One request for each
    /// 1,000, more if they are large.
    pub async fn rows_of(&self, key: &ViewKey) -> Result<Vec<(RecordId, u64, Value)>> {
        self.rows_between(key, key).await
    }

    /// The same of all views from one to another.
    pub async fn rows_between(&self, first: &ViewKey, last: &ViewKey) -> Result<Vec<(RecordId, u64, Value)>> {
        const ACTION: &str = "reading the row records of views";
        let table = self.names().row();
        let mut rows: Vec<(RecordId, u64, Value)> = Vec::new();
        let (mut start, end) = keys_of_queries(first, last);
        let mut limit = PAGE;
        loop {
            let mut variables = Variables::new();
            scan::bind(&mut variables, &table, start.clone(), end.clone());
            variables.insert("limit", limit as i64);
            let text = format!("SELECT id, version, content FROM {SOURCE} LIMIT $limit");
            let page = match self.run(ACTION, text, variables).await {
                Ok(mut answer) => array(ACTION, answer.take(0)?)?,
                // Nobody has installed the table, or stored a row.
                Err(Error::NoSuchTable { .. }) => return Ok(rows),
                Err(error) if limit > 1 && self.was_too_large(&error).await => {
                    limit = (limit / 4).max(1);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let is_last = page.len() < limit;
            for row in page {
                rows.push(stored(ACTION, row)?);
            }
            let last = match rows.last() {
                Some((last, ..)) if !is_last => Value::from(last.key.clone()),
                _ => return Ok(rows),
            };
            start = Bound::Excluded(to_sdk(&last).map_err(converting(ACTION))?);
        }
    }
}

fn stored(action: &'static str, row: sdk::Value) -> Result<(RecordId, u64, Value)> {
    let sdk::Value::Object(row) = row else { return Err(Error::answer(action, "expected an object")) };
    let row: Object = object_from_sdk(row).map_err(converting(action))?;
    let content = row.get("content").cloned().unwrap_or_default();
    match (row.get("id"), row.get("version")) {
        (Some(Value::RecordId(id)), Some(Value::Int(version))) => {
            Ok(((**id).clone(), u64::try_from(*version).unwrap_or_default(), content))
        }
        _ => Err(Error::answer(action, format!("{row:?} is no row record"))),
    }
}

/// The value as the key of a record can hold it. SurrealDB can't serialise a regular expression in a key, and takes both
/// zeros for one.
pub fn storable(value: &Value) -> Value {
    match value {
        Value::Float(number) if *number == 0.0 => Value::Float(0.0),
        Value::Regex(source) => {
            Value::from([(Arc::from("regex"), Value::String(source.clone()))].into_iter().collect::<Object>())
        }
        Value::Array(items) => items.iter().map(storable).collect(),
        Value::Set(items) => Value::set(items.iter().map(storable)),
        Value::Object(object) => {
            let fields = object.iter().map(|(name, value)| (name.clone(), storable(value)));
            Value::from(fields.collect::<Object>())
        }
        other => other.clone(),
    }
}

/// The value as a field of a record holds it: SurrealDB leaves out fields that are `NONE`.
pub fn as_stored(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(as_stored).collect(),
        Value::Object(object) => {
            let fields = object.iter().filter(|(_, value)| !matches!(value, Value::None));
            let fields = fields.map(|(name, value)| (name.clone(), as_stored(value)));
            Value::from(fields.collect::<Object>())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use circuit::value::identity;

    use super::*;
    use crate::edges::EdgeId;

    #[test]
    fn an_id_reads_back() {
        let query: ViewKey = "stats".parse().unwrap();
        let edges: Arc<str> = "edges".into();
        let edge = EdgeId::new(edges.clone(), query.clone(), RecordId::new("thread", Key::Int(1)));
        let parent = Arc::new(Parent { edge, relation: "tags".into() });
        let row: Value = [Value::from("open"), Value::None].into_iter().collect();
        for parent in [None, Some(parent)] {
            let id = RowId { table: "rows".into(), query: query.clone(), row: row.clone(), parent };
            let parsed = RowId::parse(&id.record_id(), &edges).unwrap();
            assert!(parsed.record_id().is_same_record(&id.record_id()));
            assert_eq!(parsed.parent.is_some(), id.parent.is_some());
        }
    }

    #[test]
    fn what_a_key_can_not_hold_is_told_apart_all_the_same() {
        let regex = |source: &str| storable(&[Value::Regex(source.into())].into_iter().collect());
        assert!(!identity::are_identical(&regex("a"), &regex("b")));
        assert!(!identity::are_identical(&regex("a"), &[Value::from("a")].into_iter().collect()));
        assert!(identity::are_identical(&storable(&Value::Float(-0.0)), &storable(&Value::Float(0.0))));
    }
}
