//! The rows that make up stored results: graph edges from a view's record to the records of its result.
//!
//! An edge's id says what the edge is: `[view, record]`, and for a record that a subquery contributes `[view, record,
//! relation, [parent record, …]]`. Writing an edge twice is therefore writing it once, all edges of a view are one
//! range of ids, and the same child under two parents or two aliases is two edges.
//!
//! A row that is no record has a record of its own to point the edge at: [`rows`](crate::rows).

use std::ops::Bound;
use std::sync::Arc;

use circuit::{Key, Object, RecordId, Value};
use protocol::ViewKey;
use surrealdb::types as sdk;

use crate::connect::Database;
use crate::convert::{ConvertError, key_to_sdk, record_id_to_sdk};
use crate::schema::RefMode;

/// What identifies an edge.
#[derive(Clone, Debug)]
pub struct EdgeId {
    /// The table that holds the edge: [`Database::edge_table`].
    pub table: Arc<str>,
    pub query: ViewKey,
    /// The record of the result; of a row that is no record, its row record.
    pub out: RecordId,
    /// The edge of the row whose subquery contributes the record.
    pub parent: Option<Arc<Parent>>,
}

/// Where a record of a subquery hangs.
#[derive(Clone, Debug)]
pub struct Parent {
    pub edge: EdgeId,
    /// The alias of the subquery.
    pub relation: Arc<str>,
}

/// An edge as it is to be stored.
#[derive(Clone, Debug)]
pub struct Edge {
    pub id: EdgeId,
    /// The version of the record.
    pub version: u64,
    pub client_id: Arc<str>,
    /// The user of the view, by whom the shared table's permission decides.
    pub auth_id: Option<Arc<RecordId>>,
}

impl Database {
    /// The table that holds the edges of a view.
    pub fn edge_table(&self, mode: RefMode, user: Option<&RecordId>) -> Arc<str> {
        match (mode, user) {
            (RefMode::Dedicated, Some(user)) => self.user_table(user).into(),
            _ => self.names().list_ref().into(),
        }
    }

    /// The table of one user's edges in dedicated mode.
    pub fn user_table(&self, user: &RecordId) -> String {
        // A key that can't be converted can't be that of a stored record either; its text still tells users apart.
        let key =
            key_to_sdk(&user.key).map(|key| sdk::ToSql::to_sql(&key)).unwrap_or_else(|_| format!("{:?}", user.key));
        self.names().list_ref_user(&user.table, &key)
    }
}

impl EdgeId {
    /// The edge of a record in the result itself.
    pub fn new(table: Arc<str>, query: ViewKey, out: RecordId) -> Self {
        EdgeId { table, query, out, parent: None }
    }

    /// The edge of a record that a subquery contributes to the row of this edge.
    pub fn child(self: &Arc<Self>, relation: impl Into<Arc<str>>, out: RecordId) -> Self {
        let parent = Parent { edge: EdgeId::clone(self), relation: relation.into() };
        EdgeId { table: self.table.clone(), query: self.query.clone(), out, parent: Some(Arc::new(parent)) }
    }

    /// The edge's own record id.
    pub fn record_id(&self) -> RecordId {
        let key = place(&self.query, self.out.clone().into(), self.parent.as_deref());
        RecordId::new(self.table.clone(), key)
    }

    fn push_path(&self, items: &mut Vec<Value>) {
        items.push(Value::from(self.out.clone()));
        if let Some(parent) = &self.parent {
            parent.push_path(items);
        }
    }

    /// Reads an edge's id back from its record id; nothing if it is no edge of ours.
    pub fn parse(id: &RecordId) -> Option<EdgeId> {
        let Key::Array(items) = &id.key else { return None };
        let (Value::String(query), path) = items.split_first()? else { return None };
        Self::parse_path(&id.table, &ViewKey::from_key(&**query).ok()?, path)
    }

    fn parse_path(table: &Arc<str>, query: &ViewKey, path: &[Value]) -> Option<EdgeId> {
        let (Value::RecordId(out), path) = path.split_first()? else { return None };
        let parent = Parent::parse(table, query, path)?;
        Some(EdgeId { table: table.clone(), query: query.clone(), out: (**out).clone(), parent })
    }

    pub(crate) fn to_sdk(&self) -> Result<sdk::RecordId, ConvertError> {
        record_id_to_sdk(&self.record_id())
    }
}

impl Parent {
    fn push_path(&self, items: &mut Vec<Value>) {
        let mut path = Vec::new();
        self.edge.push_path(&mut path);
        items.push(Value::String(self.relation.clone()));
        items.push(path.into_iter().collect());
    }

    /// Reads what follows a record in an id: nothing, or a relation and the path of the parent. The outer `None` says
    /// that it is neither.
    #[expect(clippy::option_option, reason = "the inner one is a row without a parent")]
    pub(crate) fn parse(table: &Arc<str>, query: &ViewKey, path: &[Value]) -> Option<Option<Arc<Parent>>> {
        match path {
            [] => Some(None),
            [Value::String(relation), Value::Array(path)] => {
                let edge = EdgeId::parse_path(table, query, path)?;
                Some(Some(Arc::new(Parent { edge, relation: relation.clone() })))
            }
            _ => None,
        }
    }
}

impl Edge {
    /// What a `RELATE` of the edge needs: its id, both ends and its fields.
    pub(crate) fn to_sdk(&self, query_table: &str) -> Result<sdk::Value, ConvertError> {
        let mut edge = sdk::Object::new();
        edge.insert("id", self.id.to_sdk()?);
        edge.insert("in", query_record(query_table, &self.id.query));
        edge.insert("out", record_id_to_sdk(&self.id.out)?);
        edge.insert("version", self.version as i64);
        edge.insert("clientId", self.client_id.to_string());
        if let Some(user) = &self.auth_id {
            edge.insert("auth_id", record_id_to_sdk(user)?);
        }
        if let Some(parent) = &self.id.parent {
            edge.insert("parent", parent.edge.to_sdk()?);
            edge.insert("parent_rel", parent.relation.to_string());
        }
        Ok(sdk::Value::Object(edge))
    }

    /// Reads a stored edge; nothing if it is no edge of ours.
    pub(crate) fn from_content(content: &Object) -> Option<Edge> {
        let Some(Value::RecordId(id)) = content.get("id") else { return None };
        let version = match content.get("version") {
            Some(Value::Int(version)) => u64::try_from(*version).ok()?,
            _ => return None,
        };
        let client_id = match content.get("clientId") {
            Some(Value::String(client)) => client.clone(),
            _ => return None,
        };
        let auth_id = match content.get("auth_id") {
            Some(Value::RecordId(user)) => Some(user.clone()),
            _ => None,
        };
        Some(Edge { id: EdgeId::parse(id)?, version, client_id, auth_id })
    }
}

/// The key of what a view keeps of one row: the view, what tells the row among its siblings, and where these are.
pub(crate) fn place(query: &ViewKey, row: Value, parent: Option<&Parent>) -> Key {
    let mut items = vec![Value::from(query.as_str()), row];
    if let Some(parent) = parent {
        parent.push_path(&mut items);
    }
    Key::Array(items.into())
}

/// The record of a view.
pub(crate) fn query_record(query_table: &str, key: &ViewKey) -> sdk::RecordId {
    sdk::RecordId::new(query_table, key.as_str())
}

/// The keys of all edges of the views from one to another, or of all their row records: those that begin with the views'.
pub(crate) fn keys_of_queries(first: &ViewKey, last: &ViewKey) -> (Bound<sdk::Value>, Bound<sdk::Value>) {
    let (start, _) = first_and_next(first);
    let (_, end) = first_and_next(last);
    (Bound::Included(sdk::Value::Array(start)), Bound::Excluded(sdk::Value::Array(end)))
}

/// All that a table holds of a view, as what a `DELETE` deletes.
pub(crate) fn records_of_query(table: &str, key: &ViewKey) -> sdk::RecordId {
    let (start, end) = first_and_next(key);
    let range = sdk::RecordIdKeyRange {
        start: Bound::Included(sdk::RecordIdKey::Array(start)),
        end: Bound::Excluded(sdk::RecordIdKey::Array(end)),
    };
    sdk::RecordId::new(table, range)
}

/// What is not behind any key of a view, and the first that is behind all of them.
fn first_and_next(key: &ViewKey) -> (sdk::Array, sdk::Array) {
    // No key contains a control character, so this is the smallest string behind the key.
    let next = format!("{key}\u{1}");
    (vec![sdk::Value::String(key.to_string())].into(), vec![sdk::Value::String(next)].into())
}

#[cfg(test)]
mod tests {
    use circuit::value::identity;

    use super::*;

    fn record(table: &str, key: i64) -> RecordId {
        RecordId::new(table, Key::Int(key))
    }

    #[test]
    fn an_id_reads_back() {
        let key: ViewKey = "abc".parse().unwrap();
        let root = Arc::new(EdgeId::new("edges".into(), key, record("thread", 1)));
        let child = Arc::new(root.child("comments", record("comment", 2)));
        let grandchild = child.child("author", record("user", 3));
        for id in [&*root, &*child, &grandchild] {
            let parsed = EdgeId::parse(&id.record_id()).unwrap();
            assert!(parsed.record_id().is_same_record(&id.record_id()));
            assert_eq!(parsed.parent.is_some(), id.parent.is_some());
        }
    }

    #[test]
    fn one_child_under_two_parents_or_aliases_is_two_edges() {
        let key: ViewKey = "abc".parse().unwrap();
        let one = Arc::new(EdgeId::new("edges".into(), key.clone(), record("thread", 1)));
        let two = Arc::new(EdgeId::new("edges".into(), key, record("thread", 2)));
        let ids = [
            one.child("author", record("user", 3)),
            two.child("author", record("user", 3)),
            one.child("editor", record("user", 3)),
        ];
        let values: Vec<Value> = ids.iter().map(|id| Value::from(id.record_id())).collect();
        assert!(!identity::are_identical(&values[0], &values[1]));
        assert!(!identity::are_identical(&values[0], &values[2]));
    }
}
