//! Edges written per second: by the sidecar, from the request or the change that causes them until they are committed, and by a client
//! that sends the very statements that the sidecar would send, with values made beforehand.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::StreamExt;
use surrealdb::Notification;
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::Client;
use surrealdb::method::QueryStream;
use surrealdb::types::{self as sdk, Array, RecordId, SurrealValue, Value, Variables};

use crate::options::Options;
use crate::stage::{CLIENT, Stage};
use crate::statistics::{median, ratios, turns};

const SURQL: &str = "SELECT * FROM item WHERE shelf = $shelf";
const WARM_UP: usize = 1;

/// As in `database::chunks` and `database::queries`.
const PUT: &str = "FOR $put IN $puts { RELATE OR UPDATE ($put.in)->($put.id)->($put.out) SET version = $put.version, \
    clientId = $put.clientId, auth_id = $put.auth_id, parent = $put.parent, parent_rel = $put.parent_rel, \
    updatedAt = time::now() RETURN NONE; };\n";
const REMOVE: &str = "DELETE $removes RETURN NONE;\n";
const NOTE: &str = "FOR $note IN $results { UPDATE $note.id SET hash = $note.hash, rowCount = $note.rowCount, \
    result = $note.result, error = $note.error RETURN NONE; };\n";
const REGISTER: &str = "UPSERT $id SET surql = $surql, params = $params, clientId = $client, ttl = 24h, \
    format = 'streaming', lastActiveAt = time::now() RETURN NONE;";

/// Edges per second of both, round by round.
#[derive(Default)]
struct Rates {
    sidecar: Vec<f64>,
    by_hand: Vec<f64>,
}

pub async fn run(stage: &Stage, options: &Options) {
    let count = options.edges;
    let schema = format!(
        "DEFINE TABLE item SCHEMALESS; FOR $n IN 0..{count} {{ CREATE type::record('item', $n) SET shelf = 0, \
         title = 'a title', n = $n RETURN NONE }};"
    );
    let application = stage.captured("edges", &schema).await;
    let sidecar = stage.sidecar("edges", 0).await;
    // The same tables, and nothing that captures: they are made afterwards.
    let bare = stage.captured("by_hand", "").await;
    bare.run(&schema).await;

    let mut registered = Rates::default();
    for round in 0..WARM_UP + options.common.rounds {
        for contestant in turns(2, round) {
            let started = Instant::now();
            if contestant == 0 {
                sidecar.register("view", SURQL, "{ shelf: 0 }").await;
                let took = started.elapsed();
                sidecar.unregister("view").await;
                registered.sidecar.push(count as f64 / took.as_secs_f64());
            } else {
                let took = register_by_hand(&bare.client, count).await;
                registered.by_hand.push(count as f64 / took.as_secs_f64());
            }
        }
    }

    for shelf in 0..2 {
        sidecar.register(&format!("shelf{shelf}"), SURQL, &format!("{{ shelf: {shelf} }}")).await;
        bare.run(&format!("UPSERT _00_query:shelf{shelf} SET surql = '', clientId = '', ttl = 1h, format = '', lastActiveAt = time::now()")).await;
    }
    write(&bare.client, &bound("puts", puts("shelf0", count, 1)), PUT).await;
    let mut notes = application.client.query("LIVE SELECT * FROM _00_query").await.expect("the database answers");
    let mut notes: QueryStream<Notification<Value>> = notes.stream(0).expect("a live query");
    let mut moved = Rates::default();
    for round in 0..WARM_UP + options.common.rounds {
        let to = (round + 1) % 2;
        for contestant in turns(2, round) {
            if contestant == 0 {
                let took = move_by_sidecar(&application.client, &mut notes, to, count).await;
                moved.sidecar.push(2. * count as f64 / took.as_secs_f64());
            } else {
                let took = move_by_hand(&bare.client, to, count, round as i64).await;
                moved.by_hand.push(2. * count as f64 / took.as_secs_f64());
            }
        }
    }
    sidecar.stop().await;

    println!("| edges | sidecar | by hand | sidecar ÷ by hand |\n|---|---|---|---|");
    for (name, mut rates) in [
        (format!("a view of {count} rows is registered"), registered),
        (format!("{count} rows leave a view for another, in one change"), moved),
    ] {
        rates.sidecar.drain(..WARM_UP);
        rates.by_hand.drain(..WARM_UP);
        let Rates { sidecar, by_hand } = rates;
        println!("| {name} | {:.0}/s | {:.0}/s | {} |", median(&sidecar), median(&by_hand), ratios(&sidecar, &by_hand));
    }
    println!();
}

/// Two requests, as the sidecar makes for a registration.
async fn register_by_hand(client: &Surreal<Client>, count: usize) -> Duration {
    let mut variables = Variables::new();
    variables.insert("id", RecordId::new("_00_query", "view"));
    variables.insert("surql", SURQL.to_owned());
    variables.insert("params", sdk::Object::new());
    variables.insert("client", CLIENT.to_owned());
    let mut edges = bound("puts", puts("view", count, 1));
    edges.insert("results", array(vec![note("view", count)]));
    let started = Instant::now();
    write(client, &variables, REGISTER).await;
    write(client, &edges, &format!("{PUT}{NOTE}")).await;
    let took = started.elapsed();
    write(client, &Variables::new(), "DELETE _00_query:view RETURN NONE;").await;
    took
}

/// All rows move to a shelf: from the answer to the change until both views are noted to have what they should.
async fn move_by_sidecar(
    client: &Surreal<Client>,
    notes: &mut QueryStream<Notification<Value>>,
    to: usize,
    count: usize,
) -> Duration {
    let change = client.query(format!("UPDATE item SET shelf = {to} RETURN NONE")).await;
    change.expect("the database answers").check().expect("the change succeeds");
    let started = Instant::now();
    let mut missing = HashMap::from([(format!("shelf{to}"), count), (format!("shelf{}", 1 - to), 0)]);
    while !missing.is_empty() {
        let Notification { data, .. } = notes.next().await.expect("the live query goes on").expect("a notification");
        let Value::Object(row) = data else { continue };
        let (Some(Value::RecordId(id)), Some(rows)) = (row.get("id"), row.get("rowCount")) else { continue };
        let rows = i64::from_value(rows.clone()).unwrap_or_default();
        let key = String::from_value(id.key.clone().into_value()).expect("a text");
        if missing.get(&key).is_some_and(|wanted| *wanted as i64 == rows) {
            missing.remove(&key);
        }
    }
    started.elapsed()
}

async fn move_by_hand(client: &Surreal<Client>, to: usize, count: usize, version: i64) -> Duration {
    let change = client.query(format!("UPDATE item SET shelf = {to} RETURN NONE")).await;
    change.expect("the database answers").check().expect("the change succeeds");
    let (new, old) = (format!("shelf{to}"), format!("shelf{}", 1 - to));
    let mut variables = bound("puts", puts(&new, count, version + 2));
    variables.insert("removes", array((0..count).map(|row| Value::RecordId(edge(&old, row))).collect()));
    variables.insert("results", array(vec![note(&new, count), note(&old, 0)]));
    let started = Instant::now();
    write(client, &variables, &format!("{PUT}{REMOVE}{NOTE}")).await;
    started.elapsed()
}

/// One transaction, one request.
async fn write(client: &Surreal<Client>, variables: &Variables, text: &str) {
    let query = client.query(format!("BEGIN;\n{text}COMMIT;")).bind(variables.clone());
    query.await.expect("the database answers").check().expect("the write succeeds");
}

fn bound(name: &str, values: Vec<Value>) -> Variables {
    let mut variables = Variables::new();
    variables.insert(name, array(values));
    variables
}

fn array(values: Vec<Value>) -> Value {
    Value::Array(Array::from(values))
}

fn edge(view: &str, row: usize) -> RecordId {
    let key = vec![Value::String(view.to_owned()), Value::RecordId(RecordId::new("item", row as i64))];
    RecordId::new("_00_list_ref", Array::from(key))
}

fn puts(view: &str, count: usize, version: i64) -> Vec<Value> {
    let put = |row: usize| {
        let mut put = sdk::Object::new();
        put.insert("id", edge(view, row));
        put.insert("in", RecordId::new("_00_query", view));
        put.insert("out", RecordId::new("item", row as i64));
        put.insert("version", version);
        put.insert("clientId", CLIENT.to_owned());
        Value::Object(put)
    };
    (0..count).map(put).collect()
}

fn note(view: &str, rows: usize) -> Value {
    let mut note = sdk::Object::new();
    note.insert("id", RecordId::new("_00_query", view));
    note.insert("rowCount", rows as i64);
    note.insert("hash", "0123456789abcdef0123456789abcdef".to_owned());
    Value::Object(note)
}
