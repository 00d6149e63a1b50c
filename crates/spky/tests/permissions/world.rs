//! A database with its users, and an engine that has the same records.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use circuit::{Change, Circuit, Object, RecordId, ResultId, SameRecord, Value};
use database::convert::from_sdk;
use query::{Catalog, Query, SurrealLibrary, compile_as, parse_record_id};
use serde_json::json;
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::{Client, Ws};
use surrealdb::opt::auth::Record;
use surrealdb::types as sdk;

use crate::compare::{Sequence, are_same};
use crate::schema::{EDGES, TABLES, USERS};
use crate::support::client;

pub struct World {
    root: Surreal<Client>,
    users: Vec<User>,
    catalog: Catalog,
    circuit: Circuit,
    records: HashMap<SameRecord, (Object, u64)>,
    views: Vec<View>,
}

struct User {
    name: &'static str,
    client: Surreal<Client>,
}

struct View {
    user: usize,
    text: String,
    query: Query,
    result: ResultId,
}

impl World {
    /// A fresh database with this schema, in which all users have signed up.
    ///
    /// # Panics
    /// If the schema does not apply.
    pub async fn start(address: SocketAddr, database: &str, schema: &[String]) -> World {
        let root = client(address, database).await;
        let mut answer = root.query(schema.join(";\n")).await.expect("the database answers");
        let errors = answer.take_errors();
        assert!(errors.is_empty(), "the schema does not apply: {errors:?}\n{}", schema.join(";\n"));
        let mut users = Vec::new();
        for name in USERS {
            let client = Surreal::new::<Ws>(address.to_string()).await.expect("the database answers");
            let credentials = Record {
                namespace: "test".to_owned(),
                database: database.to_owned(),
                access: "account".to_owned(),
                params: json!({ "name": name }),
            };
            client.signup(credentials).await.expect("the user signs up");
            client.use_ns("test").use_db(database).await.expect("the database exists");
            users.push(User { name, client });
        }
        let circuit = Circuit::new(Arc::new(SurrealLibrary));
        let catalog = catalog(&root).await;
        World { root, users, catalog, circuit, records: HashMap::new(), views: Vec::new() }
    }

    /// Runs statements of an application, of which some may fail.
    pub async fn write(&self, statements: &str) {
        self.root.query(statements.to_owned()).await.expect("the database answers");
    }

    /// Tells the engine what has changed since the last call.
    pub async fn take_changes(&mut self) {
        let mut changes = Vec::new();
        let mut present = HashSet::new();
        for table in TABLES.iter().chain(EDGES) {
            let Value::Array(rows) = ask(&self.root, &format!("SELECT * FROM {table}")).await.expect("the rows") else {
                panic!("the rows of {table} are no list")
            };
            for row in rows.iter() {
                let Value::Object(content) = row else { panic!("no row: {row:?}") };
                let Some(Value::RecordId(id)) = content.get("id") else { panic!("a row without an id: {row:?}") };
                let (id, content) = (RecordId::clone(id), Object::clone(content));
                present.insert(SameRecord::from(id.clone()));
                let known = self.records.entry(SameRecord::from(id.clone())).or_insert_with(|| (nothing(), 0));
                if known.0 != content || known.1 == 0 {
                    *known = (content.clone(), known.1 + 1);
                    changes.push(Change { id, version: known.1, content: Some(content) });
                }
            }
        }
        for (record, (content, version)) in &mut self.records {
            let Some(Value::RecordId(id)) = content.get("id").filter(|_| !present.contains(record)) else { continue };
            *version += 1;
            changes.push(Change { id: RecordId::clone(id), version: *version, content: None });
            *content = nothing();
        }
        self.circuit.step(changes);
    }

    /// Keeps a query up to date for each user; answers why not.
    pub fn register(&mut self, text: &str) -> Vec<String> {
        let mut refused = Vec::new();
        for (user, User { name, .. }) in self.users.iter().enumerate() {
            let id = Value::from(parse_record_id(&format!("user:{name}")).expect("an id"));
            let caller = [(Arc::from("authId"), id), (Arc::from("access"), Value::from("account"))];
            match compile_as(text, &caller.into_iter().collect(), &self.catalog) {
                Ok(query) => {
                    let result = self.circuit.register(&query.plan);
                    self.views.push(View { user, text: text.to_owned(), query, result });
                }
                Err(error) => refused.push(error.kind.to_string()),
            }
        }
        refused
    }

    /// Compares all answers: how many could be, and which are not the same. Where SurrealDB answers an error there is
    /// nothing to compare.
    pub async fn compare(&self) -> (u64, Vec<String>) {
        let (mut compared, mut mismatches) = (0, Vec::new());
        for view in &self.views {
            let user = &self.users[view.user];
            let Ok(expected) = ask(&user.client, &view.text).await else { continue };
            let got = self.circuit.answer(view.result, &view.query.plan.output);
            compared += 1;
            // Groups that are not ordered come as they are found.
            let sequence = if view.text.contains("GROUP") { Sequence::Any } else { Sequence::Exact };
            match got {
                Ok(got) if are_same(&expected, &got, sequence) => {}
                other => mismatches.push(format!(
                    "{} asks {}\n  SurrealDB: {expected:?}\n  the engine: {other:?}",
                    user.name, view.text
                )),
            }
        }
        (compared, mismatches)
    }
}

/// The content of a record that is gone.
fn nothing() -> Object {
    [].into_iter().collect()
}

async fn catalog(root: &Surreal<Client>) -> Catalog {
    let database = ask(root, "INFO FOR DB STRUCTURE").await.expect("the structure of the database");
    let mut catalog = Catalog::read_database(&database).expect("a structure");
    for table in TABLES.iter().chain(EDGES) {
        let structure =
            ask(root, &format!("INFO FOR TABLE {table} STRUCTURE")).await.expect("the structure of a table");
        catalog.read_table(table, &structure).expect("a structure");
    }
    catalog
}

async fn ask(client: &Surreal<Client>, text: &str) -> Result<Value, String> {
    let mut answer = client.query(text.to_owned()).await.map_err(|error| error.to_string())?;
    let value: sdk::Value = answer.take(0).map_err(|error| error.to_string())?;
    from_sdk(value).map_err(|error| error.to_string())
}
