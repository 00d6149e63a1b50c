//! Views beside SurrealDB's own answers, subqueries included.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use futures::{StreamExt, stream};
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::Client;
use surrealdb::types::{Object, SurrealValue, ToSql, Value};

use crate::machine::DATABASE;
use crate::queries::Query;
use crate::support::application::Shown;
use crate::support::{Application, client, items};
use crate::views::Expected;

/// Connections that ask SurrealDB.
const CONNECTIONS: usize = 3;
/// Edges read with one request.
const PAGE: usize = 20_000;
/// Mismatches that are shown.
const EXAMPLES: u64 = 20;
/// How long it may take until what was written has arrived.
const LIMIT: Duration = Duration::from_secs(600);

/// What was compared so far.
pub struct Comparison {
    application: Application,
    connections: Vec<Surreal<Client>>,
    comparisons: u64,
    mismatches: u64,
}

type Versions = HashMap<String, i64>;

impl Comparison {
    pub async fn connect(address: SocketAddr, application: Application) -> Comparison {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(client(address, DATABASE).await);
        }
        Comparison { application, connections, comparisons: 0, mismatches: 0 }
    }

    pub fn mismatches(&self) -> u64 {
        self.mismatches
    }

    /// Compares views while nothing is written. A query that several views share is asked once.
    pub async fn run(&mut self, expected: &Expected) {
        let versions = self.settled().await;
        let mut edges = self.edges().await;
        for id in edges.keys().filter(|id| !expected.known.contains(*id)) {
            self.mismatches += 1;
            println!("{id} is gone, and has edges");
        }
        let mut of_query: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        for (id, Query { surql, params }) in &expected.compared {
            of_query.entry((surql, params)).or_default().push(id);
        }
        let asked = of_query.into_iter().zip(self.connections.iter().cycle());
        let mut answers = stream::iter(asked)
            .map(async |((query, ids), client)| (query, ids, oracle(client, query, &versions).await))
            .buffer_unordered(CONNECTIONS);
        let (mut comparisons, mut mismatches) = (0, 0);
        while let Some(((surql, params), ids, expected)) = answers.next().await {
            for id in ids {
                comparisons += 1;
                let shown = edges.remove(id).unwrap_or_default();
                if expected.as_ref() != Ok(&shown) {
                    mismatches += 1;
                    if self.mismatches + mismatches <= EXAMPLES {
                        println!("{id}: {surql} with {params}\n expected {expected:?}\n shown    {shown:?}");
                    }
                }
            }
        }
        drop(answers);
        self.comparisons += comparisons;
        self.mismatches += mismatches;
        assert!(versions == self.settled().await, "something was written while the writers paused");
    }

    /// The versions of the application's records, once everything that has made them has arrived.
    async fn settled(&self) -> Versions {
        // A window of changes that loses against the application time and again is written in parts, and the first barrier
        // may be in one of them. The second is in a later window.
        self.application.quiet_within(LIMIT).await;
        self.application.quiet_within(LIMIT).await;
        let mut versions = self.application.versions().await;
        versions.remove("barrier:b");
        versions
    }

    /// The edges of all views, those of subqueries among them.
    async fn edges(&self) -> HashMap<String, Shown> {
        let mut views: HashMap<String, Shown> = HashMap::new();
        let mut keys = "..".to_owned();
        loop {
            // Only so is a range not read to its end: `database::scan`.
            let source = format!(
                "LET $scan = {{ table: '_00_list_ref', keys: {keys} }}; SELECT VALUE \
                [id, record::id(in), out, version] FROM type::record($scan.table, $scan.keys) LIMIT {PAGE}"
            );
            let page = items(self.application.run(&source).await.swap_remove(1));
            let count = page.len();
            for row in page {
                let [id, view, out, version] = <[Value; 4]>::try_from(items(row)).expect("four values");
                let Value::RecordId(id) = id else { panic!("an edge has an id") };
                keys = format!("{}>..", id.key.to_sql());
                let edges = views.entry(String::from_value(view).expect("a key")).or_default();
                edges.push((out.to_sql(), i64::from_value(version).expect("an integer")));
            }
            if count < PAGE {
                break;
            }
        }
        views.values_mut().for_each(|edges| edges.sort());
        views
    }
}

/// What SurrealDB itself answers, as edges would say it.
async fn oracle(client: &Surreal<Client>, (surql, params): (&str, &str), versions: &Versions) -> Result<Shown, String> {
    let text = |error: surrealdb::Error| error.to_string();
    let bound: Value = client.query(format!("RETURN {params}")).await.map_err(text)?.take(0).map_err(text)?;
    let Value::Object(bound) = bound else { return Err(format!("{params} is no object")) };
    let rows: Value = client.query(surql.to_owned()).bind(bound).await.map_err(text)?.take(0).map_err(text)?;
    let Value::Array(rows) = rows else { return Err(format!("{surql} answers no rows")) };
    let mut shown = Vec::new();
    for row in rows {
        if let Value::Object(row) = row {
            collect(row, versions, &mut shown);
        }
    }
    shown.sort();
    Ok(shown)
}

/// A row, and the rows of subqueries under it: what else has an id, among what the tables here hold.
fn collect(mut row: Object, versions: &Versions, shown: &mut Shown) {
    let Some(Value::RecordId(id)) = row.remove("id") else { return };
    let id = id.to_sql();
    let version = versions.get(&id).copied().unwrap_or(1);
    shown.push((id, version));
    for (_, value) in row {
        let Value::Array(rows) = value else { continue };
        for row in rows {
            if let Value::Object(row) = row {
                collect(row, versions, shown);
            }
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} comparisons, {} mismatches", self.comparisons, self.mismatches)
    }
}
