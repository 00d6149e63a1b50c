//! One database server, and fresh databases on it whose committed changes are read from their changefeeds.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use circuit::{Change, Object, RecordId, SameRecord, Value};
use database::convert::{from_sdk, object_from_sdk, object_to_sdk, record_id_from_sdk};
use surrealdb::engine::remote::ws::Client;
use surrealdb::types as sdk;
use surrealdb::{IndexedResults, Surreal};
use tokio::sync::RwLock;

use crate::support::{Stage, client, items, stage};

/// How long one request may take, which is far more than it does.
const PATIENCE: Duration = Duration::from_secs(8);
/// What stands in place of the answer then. A query that makes SurrealDB panic ends the connection's reader on the server,
/// and is never answered: the variance of decimals whose squares overflow is such a query.
pub const SILENCE: &str = "no answer";
/// A full answer could end in the middle of a transaction, so one is never allowed to become full.
const MAX_PAIRS: usize = 1_000;

/// A server for as many databases as are wanted.
pub struct Arena {
    link: Arc<Link>,
    databases: AtomicU64,
    // Ends the server when it is dropped.
    _stage: Stage,
}

/// The connection that all databases share. Signing in takes far longer than anything else here.
struct Link {
    address: SocketAddr,
    /// With the number of connections before it.
    client: RwLock<(u64, Surreal<Client>)>,
}

impl Arena {
    pub async fn open() -> Arena {
        let stage = stage().await;
        let address = stage.server.address();
        let client = RwLock::new((0, client(address, "arena").await));
        Arena { link: Arc::new(Link { address, client }), databases: AtomicU64::new(0), _stage: stage }
    }

    /// A database that nobody has used before.
    ///
    /// # Panics
    /// If the schema does not apply.
    pub async fn database(&self, schema: &str) -> Base {
        let name = format!("base{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let (generation, client) = self.link.session(&name).await;
        let link = Arc::clone(&self.link);
        let mut base = Base { link, generation, client, name, cursor: 0, versions: HashMap::new() };
        let mut answer = base.send(schema.to_owned()).await;
        let errors = answer.take_errors();
        assert!(errors.is_empty(), "the schema does not apply: {errors:?}");
        base
    }
}

impl Link {
    /// A session of its own on a database, already signed in.
    async fn session(&self, database: &str) -> (u64, Surreal<Client>) {
        let (generation, client) = {
            let link = self.client.read().await;
            (link.0, link.1.clone())
        };
        client.use_ns("test").use_db(database).await.expect("the database exists");
        (generation, client)
    }

    /// Opens another connection, unless somebody else already has.
    async fn renew(&self, failed: u64) {
        let mut link = self.client.write().await;
        if link.0 == failed {
            *link = (failed + 1, client(self.address, "arena").await);
        }
    }
}

/// A database, and how far its changefeed has been read.
pub struct Base {
    link: Arc<Link>,
    generation: u64,
    client: Surreal<Client>,
    name: String,
    cursor: u64,
    versions: HashMap<SameRecord, u64>,
}

impl Base {
    /// Runs the statements of an application; answers which of them failed. That some do is part of the plan.
    pub async fn write(&mut self, surql: &str) -> Vec<String> {
        let mut answer = self.send(surql.to_owned()).await;
        let mut errors: Vec<_> = answer.take_errors().into_iter().collect();
        errors.sort_by_key(|(statement, _)| *statement);
        errors.into_iter().map(|(_, error)| error.to_string()).collect()
    }

    /// What the database itself answers to a query.
    pub async fn answer(&self, surql: &str, params: &Object) -> Result<Value, String> {
        let params = object_to_sdk(params).map_err(|error| error.to_string())?;
        let answer = self.request(surql, params).await.ok_or(SILENCE)?;
        let mut answer = answer.map_err(|error| error.to_string())?;
        let value: sdk::Value = answer.take(0).map_err(|error| error.to_string())?;
        from_sdk(value).map_err(|error| error.to_string())
    }

    /// All that was committed since the last call, in commit order.
    pub async fn changes(&mut self) -> Vec<Change> {
        let text = format!("SHOW CHANGES FOR DATABASE SINCE {} LIMIT {MAX_PAIRS}", self.cursor);
        let mut answer = self.send(text).await;
        let sets: sdk::Value = answer.take(0).expect("the changefeed answers");
        let mut changes = Vec::new();
        let mut mutations = 0;
        for set in items(sets) {
            let sdk::Value::Object(mut set) = set else { panic!("a change set is an object: {set:?}") };
            let Some(sdk::Value::Number(stamp)) = set.remove("versionstamp") else { panic!("no stamp: {set:?}") };
            let stamp = stamp.to_int().and_then(|stamp| u64::try_from(stamp).ok()).expect("a stamp is an integer");
            self.cursor = self.cursor.max(stamp + 1);
            for mutation in items(set.remove("changes").expect("a change set has changes")) {
                mutations += 1;
                changes.extend(self.change(mutation));
            }
        }
        assert!(mutations < MAX_PAIRS, "write less between two looks at the changefeed");
        changes
    }

    fn change(&mut self, mutation: sdk::Value) -> Option<Change> {
        let sdk::Value::Object(mut mutation) = mutation else { panic!("a mutation is an object: {mutation:?}") };
        if mutation.remove("define_table").is_some() {
            return None;
        }
        let (id, content) = match (mutation.remove("delete"), mutation.remove("update")) {
            (Some(sdk::Value::Object(mut deleted)), None) => {
                let Some(sdk::Value::RecordId(id)) = deleted.remove("id") else { panic!("no id: {deleted:?}") };
                (record_id_from_sdk(id).expect("an id"), None)
            }
            (None, Some(sdk::Value::Object(content))) => {
                let content = object_from_sdk(content).expect("a row");
                let Some(Value::RecordId(id)) = content.get("id") else { panic!("a row without an id: {content:?}") };
                (RecordId::clone(id), Some(content))
            }
            other => panic!("a mutation of an unknown kind: {other:?} {mutation:?}"),
        };
        let version = self.versions.entry(SameRecord::from(id.clone())).or_default();
        *version += 1;
        Some(Change { id, version: *version, content })
    }

    /// Writes the rows of a table to another database, the last one first.
    pub async fn copy(&mut self, table: &str, is_edge: bool, other: &mut Base) {
        let mut answer = self.send(format!("SELECT * FROM {table}")).await;
        let rows: sdk::Value = answer.take(0).expect("the rows of a table");
        let relation = if is_edge { "RELATION " } else { "" };
        for row in items(rows).into_iter().rev() {
            let mut variables = sdk::Object::new();
            variables.insert("row", row);
            let text = format!("INSERT {relation}INTO {table} $row");
            let answer = other.request(&text, variables).await.expect("an answer");
            let errors = answer.expect("rows can be inserted").take_errors();
            assert!(errors.is_empty(), "{text}: {errors:?}");
        }
    }

    /// Opens another connection in place of one on which the database is silent.
    pub async fn reconnect(&mut self) {
        self.link.renew(self.generation).await;
        (self.generation, self.client) = self.link.session(&self.name).await;
    }

    /// Frees what the database holds.
    pub async fn close(mut self) {
        let text = format!("REMOVE DATABASE IF EXISTS {}", self.name);
        self.send(text).await;
    }

    async fn send(&mut self, text: String) -> IndexedResults {
        let mut answer = self.request(&text, sdk::Object::new()).await;
        if answer.is_none() {
            // A query of somebody else has ended the connection.
            self.reconnect().await;
            answer = self.request(&text, sdk::Object::new()).await;
        }
        let answer = answer.unwrap_or_else(|| panic!("the database does not answer to {text}"));
        answer.unwrap_or_else(|error| panic!("the database refuses {text}: {error}"))
    }

    /// `None` if the database does not answer.
    async fn request(&self, text: &str, variables: sdk::Object) -> Option<surrealdb::Result<IndexedResults>> {
        let request = self.client.query(text.to_owned()).bind(variables).into_future();
        tokio::time::timeout(PATIENCE, request).await.ok()
    }
}
