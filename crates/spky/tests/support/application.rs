//! The application's side: a client of the database, which writes, reads edges, and asks SurrealDB itself.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use database::Database;
use protocol::ViewKey;
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::Client;
use surrealdb::types::{Array, RecordId, SurrealValue, ToSql, Value};

/// An application on one database.
pub struct Application {
    pub client: Surreal<Client>,
    pub database: Database,
}

/// What a view's edges say: record and version, sorted.
pub type Shown = Vec<(String, i64)>;

impl Application {
    /// Runs statements as the application, and insists on success.
    pub async fn run(&self, surql: &str) -> Vec<Value> {
        let mut answer = self.client.query(surql.to_owned()).await.expect("the database answers");
        let errors = answer.take_errors();
        assert!(errors.is_empty(), "{surql}: {errors:?}");
        (0..answer.num_statements()).map(|statement| answer.take(statement).expect("a result")).collect()
    }

    /// The same application, for a task of its own.
    pub fn clone_for_writing(&self) -> Application {
        Application { client: self.client.clone(), database: self.database.clone() }
    }

    /// What the edges of a view say now.
    pub async fn edges(&self, id: &str) -> Shown {
        let key: ViewKey = id.parse().expect("a view id");
        let edges = self.database.edges_of(&key, "_00_list_ref").await.expect("edges are readable");
        let mut shown: Shown =
            edges.into_iter().map(|edge| (database::text::record_id(&edge.id.out), edge.version as i64)).collect();
        shown.sort();
        shown
    }

    /// The edges of all views, by view.
    pub async fn all_edges(&self) -> HashMap<String, Shown> {
        let rows = self.run("SELECT VALUE [record::id(in), out, version] FROM _00_list_ref").await.swap_remove(0);
        let mut views: HashMap<String, Shown> = HashMap::new();
        for row in items(rows) {
            let [view, out, version] = <[Value; 3]>::try_from(items(row)).expect("three values");
            let edges = views.entry(String::from_value(view).expect("a key")).or_default();
            edges.push((out.to_sql(), i64::from_value(version).expect("an integer")));
        }
        views.values_mut().for_each(|edges| edges.sort());
        views
    }

    /// The versions of all records that were ever written.
    pub async fn versions(&self) -> HashMap<String, i64> {
        let rows = self.run("SELECT VALUE [record::id(id)[0], version] FROM _00_version").await.swap_remove(0);
        let pair = |row| {
            let [id, version] = <[Value; 2]>::try_from(items(row)).expect("a pair");
            (id.to_sql(), i64::from_value(version).expect("an integer"))
        };
        items(rows).into_iter().map(pair).collect()
    }

    /// What SurrealDB itself answers to a query, with the versions of the records.
    pub async fn oracle(&self, surql: &str, params: &str, versions: &HashMap<String, i64>) -> Result<Shown, String> {
        let Value::Object(bound) = self.value(params).await else { panic!("params are an object: {params}") };
        let query = self.client.query(surql.to_owned()).bind(bound);
        let mut answer = query.await.map_err(|error| error.to_string())?;
        let rows: Value = answer.take(0).map_err(|error| error.to_string())?;
        let Value::Array(rows) = rows else { return Err(format!("{surql} answers no rows")) };
        let ids = rows.into_iter().filter_map(id_of).map(|id| id.to_sql());
        let mut shown: Shown = ids
            .map(|id| {
                let version = versions.get(&id).copied().unwrap_or(1);
                (id, version)
            })
            .collect();
        shown.sort();
        Ok(shown)
    }

    /// Compares a view with SurrealDB's own answer.
    pub async fn compare(&self, id: &str, surql: &str, params: &str) -> Result<(), String> {
        let expected = self.oracle(surql, params, &self.versions().await).await?;
        let shown = self.edges(id).await;
        if shown == expected { Ok(()) } else { Err(format!("expected {expected:?}\n shown    {shown:?}")) }
    }

    async fn value(&self, text: &str) -> Value {
        self.run(&format!("RETURN {text}")).await.swap_remove(0)
    }

    /// Waits until everything that has been committed before this call has reached the edges: a write of our own, which
    /// comes after it in every queue, has.
    pub async fn quiet(&self) {
        self.quiet_within(Duration::from_secs(20)).await;
    }

    /// As [`Application::quiet`], with another limit.
    ///
    /// Where a window is written in several transactions, because it has lost conflicts, the first barrier may be visible
    /// before the rest. The second one is of a later window.
    pub async fn quiet_within(&self, limit: Duration) {
        self.barrier(limit).await;
        self.barrier(limit).await;
    }

    async fn barrier(&self, limit: Duration) {
        let wanted = self.value("(UPSERT ONLY barrier:b SET n = rand::int() RETURN VALUE n)").await;
        let started = Instant::now();
        loop {
            let shown = self.run("SELECT VALUE [->_00_list_ref.version, 1] FROM _00_query:barrier").await;
            let version = self.run("RETURN _00_version:[barrier:b].version").await.swap_remove(0);
            if shown[0].to_sql().contains(&format!("[{}]", version.to_sql())) {
                return;
            }
            assert!(started.elapsed() < limit, "the write {wanted:?} does not arrive: {shown:?}");
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
}

fn id_of(row: Value) -> Option<RecordId> {
    match row {
        Value::Object(mut row) => match row.remove("id") {
            Some(Value::RecordId(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

pub fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => Array::into_iter(items).collect(),
        other => panic!("expected an array, got {other:?}"),
    }
}
