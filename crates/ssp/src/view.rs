//! Registered views, and which results they show.

use std::sync::Arc;

use circuit::{RecordId, ResultId};
use database::{Database, Edge, EdgeId, QueryRow};
use protocol::ViewKey;
use std::collections::HashMap;

use crate::settings::RefMode;

/// A view as a client asked for it, and where its edges are.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) row: QueryRow,
    /// The table that holds the edges.
    pub(crate) edge_table: Arc<str>,
    /// Counts registrations of this process; 0 for a view that an earlier one left.
    pub(crate) generation: u64,
    client_id: Arc<str>,
    /// The user that the edges name, where a table is shared.
    edge_user: Option<Arc<RecordId>>,
}

impl View {
    pub(crate) fn new(row: QueryRow, database: &Database, mode: RefMode) -> Self {
        let edge_user = row.auth_id.clone().filter(|_| mode == RefMode::Single).map(Arc::new);
        View {
            edge_table: database.edge_table(mode, row.auth_id.as_ref()),
            generation: 0,
            client_id: row.client_id.as_str().into(),
            edge_user,
            row,
        }
    }

    pub(crate) fn key(&self) -> &ViewKey {
        &self.row.key
    }

    /// The id of the edge to a record.
    pub(crate) fn edge_id(&self, out: &RecordId) -> EdgeId {
        EdgeId::new(self.edge_table.clone(), self.row.key.clone(), out.clone())
    }

    /// The edge to a record of this version.
    pub(crate) fn edge(&self, out: &RecordId, version: u64) -> Edge {
        Edge { id: self.edge_id(out), version, client_id: self.client_id.clone(), auth_id: self.edge_user.clone() }
    }
}

/// A view with the result that it shows.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) view: Arc<View>,
    pub(crate) result: ResultId,
}

/// All views: by key, and by the result that they show.
#[derive(Debug, Default)]
pub(crate) struct Views {
    by_key: HashMap<ViewKey, Registered>,
    by_result: HashMap<ResultId, Vec<Arc<View>>>,
}

impl Views {
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn get(&self, key: &ViewKey) -> Option<&Registered> {
        self.by_key.get(key)
    }

    /// Adds a view whose key is free.
    pub(crate) fn insert(&mut self, registered: Registered) {
        self.by_result.entry(registered.result).or_default().push(registered.view.clone());
        self.by_key.insert(registered.view.key().clone(), registered);
    }

    pub(crate) fn remove(&mut self, key: &ViewKey) -> Option<Registered> {
        let registered = self.by_key.remove(key)?;
        if let Some(views) = self.by_result.get_mut(&registered.result) {
            views.retain(|view| view.key() != key);
            if views.is_empty() {
                self.by_result.remove(&registered.result);
            }
        }
        Some(registered)
    }

    /// The views that show a result.
    pub(crate) fn showing(&self, result: ResultId) -> &[Arc<View>] {
        self.by_result.get(&result).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
impl View {
    /// A view with this key and nothing special about it.
    pub(crate) fn for_test(key: &str) -> View {
        let row = QueryRow {
            key: key.parse().unwrap(),
            surql: String::new(),
            params: circuit::Object::from_iter([]),
            client_id: "client".to_owned(),
            auth_id: None,
            access: circuit::Value::None,
            token: circuit::Value::None,
            ttl: std::time::Duration::from_secs(60),
            format: protocol::Format::Streaming,
        };
        View { edge_table: "_00_list_ref".into(), generation: 0, client_id: "client".into(), edge_user: None, row }
    }
}
