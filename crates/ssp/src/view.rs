//! Registered views, and which results they show.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use circuit::{Plan, RecordId, ResultId, SameRecord, Value, WatchId};
use database::{Database, Edge, EdgeId, Parent, Place, QueryRow, RowId, RowRecord};
use protocol::{ContentHash, Format, Frequency, ViewKey};
use tokio::time::Instant;

use crate::cluster::Ticket;
use crate::path::Path;
use crate::settings::{RefMode, Settings};
use crate::showing::Showing;

/// A view as a client asked for it, and where its edges are.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) row: QueryRow,
    /// The table that holds the edges.
    pub(crate) edge_table: Arc<str>,
    /// Counts registrations of this process; 0 for a view that an earlier one left.
    pub(crate) generation: u64,
    /// How it came here.
    pub(crate) ticket: Ticket,
    /// How long changes are collected before they are written together.
    pub(crate) interval: Duration,
    row_table: Arc<str>,
    client_id: Arc<str>,
    user: Option<Arc<RecordId>>,
    /// Whether edges name the user, because the table is shared.
    names_user: bool,
}

impl View {
    pub(crate) fn new(row: QueryRow, ticket: Ticket, database: &Database, settings: &Settings) -> Self {
        let mode = settings.ref_mode;
        View {
            edge_table: database.edge_table(mode, row.auth_id.as_ref()),
            generation: 0,
            ticket,
            interval: row.frequency.map_or(settings.throttle, interval),
            row_table: database.names().row().into(),
            client_id: row.client_id.as_str().into(),
            user: row.auth_id.clone().map(Arc::new),
            names_user: mode == RefMode::Single,
            row,
        }
    }

    pub(crate) fn key(&self) -> &ViewKey {
        &self.row.key
    }

    pub(crate) fn format(&self) -> Format {
        self.row.format
    }

    /// Whose view it is.
    fn user(&self) -> Option<SameRecord> {
        self.user.clone().map(SameRecord)
    }

    /// Where all that the view keeps is.
    pub(crate) fn place(&self) -> Place {
        Place { edge_table: self.edge_table.clone(), query: self.key().clone() }
    }

    /// Whether what is stored of this view may be brought in line with another one of the same key, row by row.
    pub(crate) fn is_stored_as(&self, other: &View) -> bool {
        let is_same_place = self.edge_table == other.edge_table && self.user() == other.user();
        is_same_place && self.client_id == other.client_id && self.format() == other.format()
    }

    /// The id of the edge to a row.
    pub(crate) fn edge_id(&self, path: &Path) -> EdgeId {
        let parent = self.parent(path);
        let out = match self.own_row(path, parent.clone()) {
            Some(row) => row.record_id(),
            None => (**path.id()).clone(),
        };
        EdgeId { table: self.edge_table.clone(), query: self.key().clone(), out, parent }
    }

    /// The id of the row record of a row that is no record.
    pub(crate) fn row_id(&self, path: &Path) -> Option<RowId> {
        self.own_row(path, self.parent(path))
    }

    /// The record that the edge to a row leads to.
    pub(crate) fn out(&self, path: &Path) -> RecordId {
        self.row_id(path).map_or_else(|| (**path.id()).clone(), |row| row.record_id())
    }

    fn own_row(&self, path: &Path, parent: Option<Arc<Parent>>) -> Option<RowId> {
        let row = path.own_key()?;
        Some(RowId { table: self.row_table.clone(), query: self.key().clone(), row, parent })
    }

    fn parent(&self, path: &Path) -> Option<Arc<Parent>> {
        let (parent, relation) = path.under()?;
        Some(Arc::new(Parent { edge: self.edge_id(parent), relation: relation.clone() }))
    }

    /// The edge to a row of this version.
    pub(crate) fn edge(&self, path: &Path, version: u64) -> Edge {
        let auth_id = self.user.clone().filter(|_| self.names_user);
        Edge { id: self.edge_id(path), version, client_id: self.client_id.clone(), auth_id }
    }

    /// Whether an edge that is stored has the same client and user as those of this view.
    pub(crate) fn is_like_ours(&self, edge: &Edge) -> bool {
        let user = self.user().filter(|_| self.names_user);
        edge.client_id == self.client_id && edge.auth_id.clone().map(SameRecord) == user
    }

    /// The row record of a row that is no record.
    pub(crate) fn row_record(&self, path: &Path, version: u64, content: Value) -> Option<RowRecord> {
        Some(RowRecord { id: self.row_id(path)?, version, content, auth_id: self.user.clone() })
    }

    pub(crate) fn row_table(&self) -> &str {
        &self.row_table
    }
}

fn interval(frequency: Frequency) -> Duration {
    match frequency {
        Frequency::Realtime => circuit::Frequency::Realtime,
        Frequency::Normal => circuit::Frequency::Normal,
        Frequency::Analytics => circuit::Frequency::Analytics,
    }
    .interval()
}

/// A view with the result that it shows.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) view: Arc<View>,
    pub(crate) plan: Plan,
    pub(crate) result: ResultId,
    /// For a view that shows more than ids and versions.
    pub(crate) watch: Option<WatchId>,
    pub(crate) showing: Showing,
    /// The number under which this sidecar keeps it.
    pub(crate) number: u64,
    /// The hash of what was last noted on the view's record, where the result itself is kept there.
    pub(crate) noted: Option<ContentHash>,
    /// When that was.
    pub(crate) noted_at: Instant,
    /// What is stored may not be what it should be, because it could not be written.
    pub(crate) is_damaged: bool,
    /// How often the result has changed.
    pub(crate) updates: u64,
}

/// All views: by number, by key, by the result that they show, and by the answer that they watch.
#[derive(Debug, Default)]
pub(crate) struct Views {
    views: Vec<Option<Registered>>,
    vacant: Vec<usize>,
    by_key: HashMap<ViewKey, usize>,
    by_result: HashMap<ResultId, Vec<usize>>,
    by_watch: HashMap<WatchId, Vec<usize>>,
    by_user: HashMap<SameRecord, Vec<usize>>,
}

impl Views {
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn get(&self, key: &ViewKey) -> Option<&Registered> {
        self.views.get(*self.by_key.get(key)?)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: &ViewKey) -> Option<&mut Registered> {
        self.at(*self.by_key.get(key)?)
    }

    /// The view of a number that [`Views::showing`] or [`Views::watching`] told.
    pub(crate) fn at(&mut self, number: usize) -> Option<&mut Registered> {
        self.views.get_mut(number)?.as_mut()
    }

    /// Adds a view whose key is free.
    pub(crate) fn insert(&mut self, registered: Registered) {
        let number = self.vacant.pop().unwrap_or_else(|| {
            self.views.push(None);
            self.views.len() - 1
        });
        self.by_key.insert(registered.view.key().clone(), number);
        self.by_result.entry(registered.result).or_default().push(number);
        if let Some(watch) = registered.watch {
            self.by_watch.entry(watch).or_default().push(number);
        }
        if let Some(user) = registered.view.user() {
            self.by_user.entry(user).or_default().push(number);
        }
        self.views[number] = Some(registered);
    }

    pub(crate) fn remove(&mut self, key: &ViewKey) -> Option<Registered> {
        let number = self.by_key.remove(key)?;
        let registered = self.views.get_mut(number)?.take()?;
        self.vacant.push(number);
        drop_number(&mut self.by_result, &registered.result, number);
        if let Some(watch) = registered.watch {
            drop_number(&mut self.by_watch, &watch, number);
        }
        if let Some(user) = registered.view.user() {
            drop_number(&mut self.by_user, &user, number);
        }
        Some(registered)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Registered> {
        self.views.iter().flatten()
    }

    /// The numbers of the views that show a result.
    pub(crate) fn showing(&self, result: ResultId) -> Vec<usize> {
        self.by_result.get(&result).cloned().unwrap_or_default()
    }

    pub(crate) fn has_user(&self, user: &SameRecord) -> bool {
        self.by_user.contains_key(user)
    }

    /// The keys of the views of a user.
    pub(crate) fn of_user(&self, user: &SameRecord) -> Vec<ViewKey> {
        let numbers = self.by_user.get(user).into_iter().flatten();
        numbers.filter_map(|number| Some(self.views.get(*number)?.as_ref()?.view.key().clone())).collect()
    }

    /// The numbers of the views that watch an answer.
    pub(crate) fn watching(&self, watch: WatchId) -> Vec<usize> {
        self.by_watch.get(&watch).cloned().unwrap_or_default()
    }
}

fn drop_number<K: std::hash::Hash + Eq>(index: &mut HashMap<K, Vec<usize>>, key: &K, number: usize) {
    let Some(numbers) = index.get_mut(key) else { return };
    numbers.retain(|other| *other != number);
    if numbers.is_empty() {
        index.remove(key);
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
            access: Value::None,
            token: Value::None,
            ttl: Duration::from_secs(60),
            format: Format::Streaming,
            frequency: None,
        };
        View {
            edge_table: "_00_list_ref".into(),
            generation: 0,
            ticket: Ticket::default(),
            interval: Duration::ZERO,
            row_table: "_00_row".into(),
            client_id: "client".into(),
            user: None,
            names_user: false,
            row,
        }
    }
}
