//! The records of views, and the tables that their edges need.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use circuit::{Datetime, Object, RecordId, Value};
use protocol::{ContentHash, Format, Frequency, ViewKey};
use surrealdb::types as sdk;
use surrealdb::types::Variables;

use crate::chunks::size_of_value;
use crate::connect::Database;
use crate::convert::{ConvertError, object_from_sdk, object_to_sdk, record_id_to_sdk, to_sdk};
use crate::edges::{Edge, keys_of_queries, query_record, records_of_query};
use crate::error::{Error, Result};
use crate::ident::escape;
use crate::members::{Fence, Guard, MOVED};
use crate::pages::{array, converting};
use crate::scan::{self, SOURCE};
use crate::schema::{self, RefMode, user_edge_table};

/// How many rows are read with one request.
const PAGE: usize = 10_000;
/// How many views are removed in one transaction: each takes its edges with it.
const REMOVED_AT_ONCE: usize = 100;

/// Stores `$views`. UPDATE and then CREATE: an UPSERT tries to create first and rolls back to a save point, which takes
/// quadratic time where the rows are there.
const REGISTER: &str = "FOR $view IN $views { \
    LET $known = (UPDATE $view.id SET surql = $view.surql, params = $view.params, clientId = $view.client, \
    authId = $view.user, access = $view.access, token = $view.token, ttl = $view.ttl, format = $view.format, \
    frequency = $view.frequency, lastActiveAt = time::now() RETURN VALUE true); \
    IF array::is_empty($known) { CREATE $view.id SET surql = $view.surql, params = $view.params, \
    clientId = $view.client, authId = $view.user, access = $view.access, token = $view.token, ttl = $view.ttl, \
    format = $view.format, frequency = $view.frequency, lastActiveAt = time::now() RETURN NONE; }; };\n";

/// In a cluster: who keeps them.
const CLAIM: &str = "FOR $view IN $views { UPDATE $view.id SET ssp = $ssp RETURN NONE };\n";

/// A view as its client registered it.
#[derive(Clone, Debug)]
pub struct QueryRow {
    pub key: ViewKey,
    pub surql: String,
    pub params: Object,
    pub client_id: String,
    /// The user that the view belongs to.
    pub auth_id: Option<RecordId>,
    /// `$access` of that user's session.
    pub access: Value,
    /// `$token` of that user's session.
    pub token: Value,
    pub ttl: Duration,
    pub format: Format,
    pub frequency: Option<Frequency>,
}

/// A view as it is stored.
#[derive(Clone, Debug)]
pub struct StoredQuery {
    pub row: QueryRow,
    pub last_active_at: Datetime,
    pub hash: Option<ContentHash>,
    pub row_count: Option<u64>,
}

impl Database {
    /// Stores a view and, in dedicated mode, defines its user's table of edges. One request.
    ///
    /// Registering counts as a sign of life. What is noted about the result stays until the next write.
    pub async fn register_query(&self, row: &QueryRow, mode: RefMode) -> Result<()> {
        self.register_queries(&[row], mode).await
    }

    /// As [`Database::register_query`], for several views: one request, more if they do not fit into a message. In each
    /// of them all views are stored, or none is.
    pub async fn register_queries(&self, rows: &[&QueryRow], mode: RefMode) -> Result<()> {
        const ACTION: &str = "registering views";
        let limit = self.settings().max_message_bytes / 3;
        let mut rest = rows;
        while !rest.is_empty() {
            let mut users: BTreeSet<String> = BTreeSet::new();
            let (mut views, mut bytes) = (Vec::new(), 0);
            while bytes < limit
                && let Some((row, others)) = rest.split_first()
            {
                let view = self.to_sdk(row).map_err(converting(ACTION))?;
                bytes += size_of_value(&view);
                views.push(view);
                if let (Some(user), RefMode::Dedicated) = (&row.auth_id, mode) {
                    users.insert(self.definition_of_user_table(user).map_err(converting(ACTION))?);
                }
                rest = others;
            }
            let mut variables = Variables::new();
            variables.insert("views", sdk::Value::Array(views.into()));
            let users: String = users.into_iter().collect();
            let Guard { text: guard, member } = self.guard(&mut variables);
            let text = match member {
                None => format!("{users}{REGISTER}"),
                Some(member) => {
                    variables.insert("ssp", member);
                    format!("{users}BEGIN;\n{guard}{REGISTER}{CLAIM}COMMIT;")
                }
            };
            self.run_retrying(ACTION, text, variables).await?;
        }
        Ok(())
    }

    /// What [`REGISTER`] stores of a view.
    fn to_sdk(&self, row: &QueryRow) -> std::result::Result<sdk::Value, ConvertError> {
        let mut view = sdk::Object::new();
        view.insert("id", query_record(&self.names().query(), &row.key));
        view.insert("surql", row.surql.clone());
        view.insert("params", object_to_sdk(&row.params)?);
        view.insert("client", row.client_id.clone());
        if let Some(user) = &row.auth_id {
            view.insert("user", record_id_to_sdk(user)?);
        }
        view.insert("access", to_sdk(&row.access)?);
        view.insert("token", to_sdk(&row.token)?);
        view.insert("ttl", sdk::Duration::from_std(row.ttl));
        view.insert("format", row.format.as_str().to_owned());
        if let Some(frequency) = row.frequency {
            view.insert("frequency", frequency.as_str().to_owned());
        }
        Ok(sdk::Value::Object(view))
    }

    fn definition_of_user_table(&self, user: &RecordId) -> std::result::Result<String, ConvertError> {
        let text = sdk::ToSql::to_sql(&record_id_to_sdk(user)?);
        Ok(user_edge_table(self.names(), &self.user_table(user), &text))
    }

    /// Defines a user's table of edges, so that the user can subscribe to it before registering a view. One request.
    pub async fn define_user_table(&self, user: &RecordId) -> Result<()> {
        const ACTION: &str = "defining a user's table of edges";
        let text = self.definition_of_user_table(user).map_err(converting(ACTION))?;
        self.run_retrying(ACTION, text, Variables::new()).await.map(drop)
    }

    /// Removes a user's table of edges with all edges, and the row records of the user's views, unless there is such a user
    /// again. One request.
    pub async fn drop_user_table(&self, user: &RecordId) -> Result<()> {
        const ACTION: &str = "removing a user's table of edges";
        let mut variables = Variables::new();
        variables.insert("user", record_id_to_sdk(user).map_err(converting(ACTION))?);
        let text = format!(
            "BEGIN; {guard}IF !record::exists($user) {{\n\
             FOR $view IN (SELECT VALUE id FROM {query} WHERE authId = $user) {{ {rows} }};\n\
             REMOVE TABLE IF EXISTS {edges};\n\
             }}; COMMIT;",
            guard = self.guard(&mut variables).text,
            query = escape(&self.names().query()),
            rows = schema::delete_rows(self.names(), "$view"),
            edges = escape(&self.user_table(user)),
        );
        self.run_retrying(ACTION, text, variables).await.map(drop)
    }

    /// Removes a view with all its edges and row records in one transaction. One request; it does not matter if the
    /// view is gone.
    ///
    /// # Errors
    /// In a cluster, [`Error::Moved`] if another sidecar keeps it.
    pub async fn remove_query(&self, key: &ViewKey, edge_table: &str) -> Result<()> {
        const ACTION: &str = "removing a view";
        let mut variables = Variables::new();
        variables.insert("id", query_record(&self.names().query(), key));
        variables.insert("edges", records_of_query(edge_table, key));
        variables.insert("rows", records_of_query(&self.names().row(), key));
        let mut guard = self.guard(&mut variables);
        if let Some(member) = guard.member.take() {
            variables.insert("ssp", member);
            guard.text.push_str(&format!("IF ($id.ssp ?? $ssp) != $ssp {{ THROW '{MOVED}' }};\n"));
        }
        let guard = guard.text;
        let text = format!(
            "BEGIN; {guard}DELETE $edges RETURN NONE; DELETE $rows RETURN NONE; DELETE $id RETURN NONE; COMMIT;"
        );
        match self.run_retrying(ACTION, text, variables.clone()).await {
            Err(Error::NoSuchTable { .. }) => {
                // The table of edges has gone with the user.
                let text = format!("BEGIN; {guard}DELETE $rows RETURN NONE; DELETE $id RETURN NONE; COMMIT;");
                self.run_retrying(ACTION, text, variables).await.map(drop)
            }
            outcome => outcome.map(drop),
        }
    }

    /// As [`Database::remove_query`], of a view of which only the key is known. One request more, or only that one if there is no
    /// such view.
    ///
    /// # Errors
    /// As [`Database::remove_query`].
    pub async fn find_and_remove_query(&self, key: &ViewKey, mode: RefMode) -> Result<()> {
        match self.query(key).await? {
            Some(stored) => self.remove_query(key, &self.edge_table(mode, stored.row.auth_id.as_ref())).await,
            None => Ok(()),
        }
    }

    /// Removes the edges, in whatever tables they are, and the row records of views that are no more: whoever kept one may have
    /// written some after it was removed. One request.
    pub async fn remove_left(&self, keys: &[ViewKey]) -> Result<()> {
        const ACTION: &str = "removing what is left of views";
        let table = self.names().query();
        let ids: Vec<_> = keys.iter().map(|key| sdk::Value::RecordId(query_record(&table, key))).collect();
        let mut variables = Variables::new();
        variables.insert("ids", sdk::Value::Array(ids.into()));
        let text = format!(
            "BEGIN; {guard}FOR $view IN $ids {{ IF !record::exists($view) {{ DELETE $view->? RETURN NONE; {rows} }} }}; COMMIT;",
            guard = self.guard(&mut variables).text,
            rows = schema::delete_rows(self.names(), "$view"),
        );
        self.run_retrying(ACTION, text, variables).await.map(drop)
    }

    /// Removes a view with all its edges and row records if its time is up, in one transaction; says whether it was
    /// removed. One request.
    ///
    /// A sign of life that comes in between keeps the view.
    pub async fn expire_query(&self, key: &ViewKey) -> Result<bool> {
        const ACTION: &str = "expiring a view";
        let mut variables = Variables::new();
        variables.insert("id", query_record(&self.names().query(), key));
        let text = "DELETE $id WHERE expiresAt < time::now() RETURN BEFORE";
        let removed = self.run_retrying(ACTION, text, variables).await?.take(0)?;
        Ok(!array(ACTION, removed)?.is_empty())
    }

    /// The views whose time is up, in a cluster those that this sidecar keeps. One request; O(views whose time is up).
    pub async fn overdue_queries(&self) -> Result<Vec<ViewKey>> {
        const ACTION: &str = "looking for expired views";
        let table = escape(&self.names().query());
        let mut variables = Variables::new();
        let ours = match self.fence() {
            None => "",
            Some(Fence { member, .. }) => {
                variables.insert("ssp", member);
                "AND ssp = $ssp"
            }
        };
        let text = format!("SELECT VALUE record::id(id) FROM {table} WHERE expiresAt < time::now() {ours}");
        let keys = array(ACTION, self.run(ACTION, text, variables).await?.take(0)?)?.into_iter();
        let key = |key: sdk::Value| match key {
            sdk::Value::String(key) => ViewKey::from_key(key).ok(),
            _ => None,
        };
        Ok(keys.filter_map(key).collect())
    }

    /// Removes those of these views whose time is up with all that they have, each of them as [`Database::expire_query`]
    /// does, in a cluster those that this sidecar keeps; answers which. One request for each [`REMOVED_AT_ONCE`] of them.
    pub async fn expire_queries(&self, keys: &[ViewKey]) -> Result<Vec<ViewKey>> {
        const ACTION: &str = "expiring views";
        let table = self.names().query();
        let mut expired = Vec::new();
        for some in keys.chunks(REMOVED_AT_ONCE) {
            let ids: Vec<_> = some.iter().map(|key| sdk::Value::RecordId(query_record(&table, key))).collect();
            let mut variables = Variables::new();
            variables.insert("ids", sdk::Value::Array(ids.into()));
            let guard = self.guard(&mut variables);
            let count = guard.statements();
            const DELETE: &str = "DELETE $ids WHERE expiresAt < time::now()";
            let (text, statement) = match guard.member {
                None => (format!("{DELETE} RETURN BEFORE"), 0),
                Some(member) => {
                    // It may have gone to another sidecar since it was looked for.
                    variables.insert("ssp", member);
                    (format!("BEGIN; {}{DELETE} AND ssp = $ssp RETURN BEFORE; COMMIT;", guard.text), 1 + count)
                }
            };
            let removed = self.run_retrying(ACTION, text, variables).await?.take(statement)?;
            for row in array(ACTION, removed)? {
                expired.push(stored(ACTION, row)?.row.key);
            }
        }
        Ok(expired)
    }

    /// Removes all views with all that they have. One request for each [`REMOVED_AT_ONCE`] views, and some more.
    pub async fn remove_queries(&self) -> Result<()> {
        const ACTION: &str = "removing all views";
        let query = escape(&self.names().query());
        let text =
            format!("RETURN array::len(DELETE (SELECT VALUE id FROM {query} LIMIT {REMOVED_AT_ONCE}) RETURN BEFORE)");
        while self.run_retrying(ACTION, text.clone(), Variables::new()).await?.take(0)? != sdk::Value::Number(0.into())
        {
        }
        // What belongs to no view is there only if somebody else has put it there.
        let tables = self.tables().await?.into_iter().map(|table| table.name);
        let kept = tables.filter(|table| self.names().is_list_ref(table) || *table == self.names().row());
        let text: String = kept.map(|table| format!("DELETE {} RETURN NONE;", escape(&table))).collect();
        self.run_retrying(ACTION, text, Variables::new()).await.map(drop)
    }

    /// All stored views, in the order of their keys. One request for each 10,000.
    pub async fn queries(&self) -> Result<Vec<StoredQuery>> {
        const ACTION: &str = "reading the views";
        let table = self.names().query();
        let mut queries: Vec<StoredQuery> = Vec::new();
        loop {
            let start = match queries.last() {
                None => Bound::Unbounded,
                Some(last) => Bound::Excluded(sdk::Value::String(last.row.key.to_string())),
            };
            let mut variables = Variables::new();
            scan::bind(&mut variables, &table, start, Bound::Unbounded);
            variables.insert("limit", PAGE as i64);
            let text = format!("SELECT * OMIT result FROM {SOURCE} LIMIT $limit");
            let page = array(ACTION, self.run(ACTION, text, variables).await?.take(0)?)?;
            let is_last = page.len() < PAGE;
            for row in page {
                queries.push(stored(ACTION, row)?);
            }
            if is_last {
                return Ok(queries);
            }
        }
    }

    /// Takes over views that no other sidecar keeps any more, under an epoch that this one was given, and answers those of them
    /// that are there. One request.
    ///
    /// # Errors
    /// [`Error::Fenced`] if the epoch of this sidecar is over.
    pub async fn take_over_queries(&self, keys: &[ViewKey], epoch: u64) -> Result<Vec<StoredQuery>> {
        const ACTION: &str = "taking over views";
        let table = self.names().query();
        let ids: Vec<_> = keys.iter().map(|key| sdk::Value::RecordId(query_record(&table, key))).collect();
        let Some(Fence { member, .. }) = self.fence() else { return Err(Error::Fenced { action: ACTION }) };
        let mut variables = Variables::new();
        variables.insert("ids", sdk::Value::Array(ids.into()));
        variables.insert("ssp", member.clone());
        let guard = self.guard_of(member, epoch, &mut variables);
        let text = format!(
            "BEGIN; {}UPDATE $ids SET ssp = $ssp RETURN NONE; SELECT * OMIT result FROM $ids; COMMIT;",
            guard.text
        );
        let found = self.run_retrying(ACTION, text, variables).await?.take(2 + guard.statements())?;
        array(ACTION, found)?.into_iter().map(|row| stored(ACTION, row)).collect()
    }

    /// A view as it is stored. One request.
    pub async fn query(&self, key: &ViewKey) -> Result<Option<StoredQuery>> {
        const ACTION: &str = "reading a view";
        let mut variables = Variables::new();
        variables.insert("id", query_record(&self.names().query(), key));
        let found = self.run(ACTION, "SELECT * OMIT result FROM $id", variables).await?.take(0)?;
        array(ACTION, found)?.pop().map(|row| stored(ACTION, row)).transpose()
    }

    /// All edges of a view, in the order of their ids. One request for each 10,000.
    pub async fn edges_of(&self, key: &ViewKey, edge_table: &str) -> Result<Vec<Edge>> {
        self.edges_between(key, key, edge_table).await
    }

    /// All edges that a table holds of the views from one to another, in the order of their ids, so those of a view stand
    /// together. One request for each 10,000.
    pub async fn edges_between(&self, first: &ViewKey, last: &ViewKey, edge_table: &str) -> Result<Vec<Edge>> {
        const ACTION: &str = "reading the edges of views";
        let mut edges: Vec<Edge> = Vec::new();
        let (mut start, end) = keys_of_queries(first, last);
        loop {
            let mut variables = Variables::new();
            scan::bind(&mut variables, edge_table, start, end.clone());
            variables.insert("limit", PAGE as i64);
            let text = format!("SELECT id, version, clientId, auth_id FROM {SOURCE} LIMIT $limit");
            let page = array(ACTION, self.run(ACTION, text, variables).await?.take(0)?)?;
            let is_last = page.len() < PAGE;
            for row in page {
                let content = object(ACTION, row)?;
                let edge = Edge::from_content(&content);
                edges.push(edge.ok_or_else(|| Error::answer(ACTION, format!("{content:?} is no edge")))?);
            }
            let last = match edges.last() {
                Some(last) if !is_last => Value::from(last.id.record_id().key),
                _ => return Ok(edges),
            };
            start = Bound::Excluded(to_sdk(&last).map_err(converting(ACTION))?);
        }
    }
}

fn object(action: &'static str, row: sdk::Value) -> Result<Object> {
    match row {
        sdk::Value::Object(row) => object_from_sdk(row).map_err(converting(action)),
        _ => Err(Error::answer(action, "expected an object")),
    }
}

fn stored(action: &'static str, row: sdk::Value) -> Result<StoredQuery> {
    let row = object(action, row)?;
    let field = |name: &str| row.get(name).cloned().unwrap_or_default();
    let wrong = |name: &str| Error::answer(action, format!("a view with an unexpected `{name}`"));
    let text = |name: &str| match field(name) {
        Value::String(text) => Ok(text.to_string()),
        _ => Err(wrong(name)),
    };
    let key = match field("id") {
        Value::RecordId(id) => match &id.key {
            circuit::Key::String(key) => ViewKey::from_key(&**key).ok(),
            _ => None,
        },
        _ => None,
    };
    Ok(StoredQuery {
        row: QueryRow {
            key: key.ok_or_else(|| wrong("id"))?,
            surql: text("surql")?,
            params: match field("params") {
                Value::Object(params) => (*params).clone(),
                Value::None | Value::Null => Object::from_iter([]),
                _ => return Err(wrong("params")),
            },
            client_id: text("clientId")?,
            auth_id: match field("authId") {
                Value::RecordId(user) => Some((*user).clone()),
                _ => None,
            },
            access: field("access"),
            token: field("token"),
            ttl: match field("ttl") {
                Value::Duration(ttl) => ttl,
                _ => return Err(wrong("ttl")),
            },
            format: match text("format")?.as_str() {
                "streaming" => Format::Streaming,
                "flat" => Format::Flat,
                "tree" => Format::Tree,
                _ => return Err(wrong("format")),
            },
            frequency: match field("frequency") {
                Value::String(text) => match &*text {
                    "realtime" => Some(Frequency::Realtime),
                    "normal" => Some(Frequency::Normal),
                    "analytics" => Some(Frequency::Analytics),
                    _ => return Err(wrong("frequency")),
                },
                _ => None,
            },
        },
        last_active_at: match field("lastActiveAt") {
            Value::Datetime(moment) => moment,
            _ => return Err(wrong("lastActiveAt")),
        },
        hash: match field("hash") {
            Value::String(hash) => hash.parse().ok(),
            _ => None,
        },
        row_count: match field("rowCount") {
            Value::Int(count) => u64::try_from(count).ok(),
            _ => None,
        },
    })
}
