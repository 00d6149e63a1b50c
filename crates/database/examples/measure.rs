//! Measures what this crate relies on, against a running server: `cargo run -p database --example measure --
//! 127.0.0.1:8000`.
//!
//! Everything happens in a namespace of its own, `measure`.

use std::future::Future;
use std::time::Instant;

use surrealdb::Surreal;
use surrealdb::engine::remote::ws::{Client, Ws};
use surrealdb::opt::auth::Root;
use surrealdb::types::{Object, RecordId, Value, Variables};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let address = std::env::args().nth(1).ok_or("expected the address of a server, such as 127.0.0.1:8000")?;
    let client = Surreal::new::<Ws>(address.trim_start_matches("ws://")).await?;
    client.signin(Root { username: "root".to_owned(), password: "root".to_owned() }).await?;
    client.use_ns("measure").use_db("measure").await?;
    edges(&client).await?;
    reading(&client).await?;
    events(&client).await?;
    Ok(())
}

/// Prints how long something takes, and how many of its rows that makes per second.
async fn time<F: Future<Output = Outcome>>(what: &str, rows: usize, work: F) -> Outcome {
    let begin = Instant::now();
    work.await?;
    let took = begin.elapsed();
    println!("{what:<70} {:>9.2} ms {:>9.0} rows/s", took.as_secs_f64() * 1e3, rows as f64 / took.as_secs_f64());
    Ok(())
}

async fn run(client: &Surreal<Client>, text: &str, variables: Variables) -> Outcome {
    client.query(text).bind(variables).await?.check()?;
    Ok(())
}

fn edge(index: usize) -> Value {
    let out = RecordId::new("person", index as i64);
    let key: Vec<Value> = vec![Value::String("query".to_owned()), Value::RecordId(out.clone())];
    let mut data = Object::new();
    data.insert("version", index as i64);
    data.insert("clientId", "client".to_owned());
    let mut edge = Object::new();
    edge.insert("id", RecordId::new("edge", surrealdb::types::Array::from(key)));
    edge.insert("in", RecordId::new("query", "query"));
    edge.insert("out", out);
    edge.insert("data", data);
    Value::Object(edge)
}

/// A row for INSERT: the fields beside the ends.
fn flat_edge(index: usize) -> Value {
    let Value::Object(mut edge) = edge(index) else { return Value::None };
    if let Some(Value::Object(data)) = edge.remove("data") {
        for (name, value) in data {
            edge.insert(name, value);
        }
    }
    Value::Object(edge)
}

fn bind(name: &str, value: impl Into<Value>) -> Variables {
    let mut variables = Variables::new();
    variables.insert(name, value.into());
    variables
}

fn list(items: Vec<Value>) -> Value {
    Value::Array(items.into())
}

/// Ways that take too long for many rows.
const QUADRATIC: [&str; 2] = ["$puts.map", "INSERT RELATION"];

async fn edges(client: &Surreal<Client>) -> Outcome {
    let reset = "REMOVE TABLE IF EXISTS edge; DEFINE TABLE edge TYPE RELATION IN query; DEFINE TABLE IF NOT EXISTS query; \
                 UPSERT query:query;";
    let ways = [
        (
            "FOR … RELATE OR UPDATE CONTENT",
            "BEGIN; FOR $put IN $puts { RELATE OR UPDATE ($put.in)->($put.id)->($put.out) CONTENT $put.data RETURN NONE; }; COMMIT;",
            false,
        ),
        (
            "FOR … RELATE OR UPDATE SET",
            "BEGIN; FOR $put IN $puts { RELATE OR UPDATE ($put.in)->($put.id)->($put.out) SET version = $put.data.version, clientId = $put.data.clientId RETURN NONE; }; COMMIT;",
            false,
        ),
        (
            "FOR … RELATE OR UPDATE CONTENT object::extend",
            "BEGIN; LET $now = { updatedAt: time::now() }; FOR $put IN $puts { RELATE OR UPDATE ($put.in)->($put.id)->($put.out) CONTENT object::extend($put.data, $now) RETURN NONE; }; COMMIT;",
            false,
        ),
        (
            "FOR … RELATE SET (no OR UPDATE)",
            "BEGIN; FOR $put IN $puts { RELATE ($put.in)->($put.id)->($put.out) SET version = $put.data.version, clientId = $put.data.clientId, updatedAt = time::now() RETURN NONE; }; COMMIT;",
            false,
        ),
        (
            "$puts.map(RELATE)",
            "BEGIN; RETURN $puts.map(|$put| { RELATE OR UPDATE ($put.in)->($put.id)->($put.out) CONTENT $put.data RETURN NONE; RETURN NONE }).len(); COMMIT;",
            false,
        ),
        (
            "INSERT RELATION … ON DUPLICATE KEY UPDATE",
            "BEGIN; INSERT RELATION INTO edge $puts ON DUPLICATE KEY UPDATE version = $input.version, clientId = $input.clientId RETURN NONE; COMMIT;",
            true,
        ),
    ];
    for count in [1, 100, 1_000, 5_000] {
        for (name, text, is_flat) in ways {
            if count == 5_000 && QUADRATIC.iter().any(|quadratic| name.starts_with(quadratic)) {
                continue;
            }
            run(client, reset, Variables::new()).await?;
            let puts = || {
                bind(
                    "puts",
                    list((0..count).map(|index| if is_flat { flat_edge(index) } else { edge(index) }).collect()),
                )
            };
            time(&format!("{name}, {count} new"), count, run(client, text, puts())).await?;
            time(&format!("{name}, {count} again"), count, run(client, text, puts())).await?;
        }
        run(client, reset, Variables::new()).await?;
        let mut variables = Variables::new();
        let mut text = String::from("BEGIN;");
        for index in 0..count {
            let Value::Object(mut put) = edge(index) else { continue };
            for name in ["in", "id", "out", "data"] {
                variables.insert(format!("{name}{index}"), put.remove(name).unwrap_or_default());
            }
            text.push_str(&format!(
                "RELATE OR UPDATE $in{index}->$id{index}->$out{index} CONTENT $data{index} RETURN NONE;"
            ));
        }
        text.push_str("COMMIT;");
        time(&format!("many bound statements, {count} new"), count, run(client, &text, variables)).await?;
    }
    let ids = |count: usize| {
        let ids = (0..count).filter_map(|index| match edge(index) {
            Value::Object(mut edge) => edge.remove("id"),
            _ => None,
        });
        bind("ids", list(ids.collect()))
    };
    time("DELETE $ids (array), 2,500", 2_500, run(client, "DELETE $ids RETURN NONE", ids(2_500))).await?;
    time("DELETE $ids that are gone, 2,500", 2_500, run(client, "DELETE $ids RETURN NONE", ids(2_500))).await?;
    let range = "DELETE edge:['query']..['query\u{1}'] RETURN NONE";
    time("DELETE range, 2,500", 2_500, run(client, range, Variables::new())).await?;
    let put = ways[0].1;
    let puts = || bind("puts", list((0..5_000).map(edge).collect()));
    run(client, put, puts()).await?;
    time("DELETE of the query, cascading to 5,000 edges", 5_000, run(client, "DELETE query:query", Variables::new()))
        .await?;
    run(client, put, puts()).await?;
    time("DELETE range, 5,000", 5_000, run(client, range, Variables::new())).await?;
    time("a request that does nothing", 1, run(client, "RETURN 1", Variables::new())).await
}

async fn reading(client: &Surreal<Client>) -> Outcome {
    let text = "REMOVE TABLE IF EXISTS person; REMOVE TABLE IF EXISTS version; DEFINE TABLE person; DEFINE TABLE version; \
        FOR $i IN 0..50000 { CREATE type::record('person', $i) SET name = 'a name', age = $i, email = 'someone@example.com', \
        active = true, score = 1.5, city = 'Berlin', country = 'Germany' RETURN NONE; \
        CREATE type::record('version', [type::record('person', $i)]) SET version = 1 RETURN NONE; };";
    time("creating 50,000 records and versions", 50_000, run(client, text, Variables::new())).await?;
    for limit in [1_000, 5_000] {
        for (name, text) in [
            ("WHERE id > ORDER BY id", "SELECT * FROM person WHERE id > person:20000 ORDER BY id LIMIT $limit"),
            ("WHERE id >", "SELECT * FROM person WHERE id > person:20000 LIMIT $limit"),
            ("record range", "SELECT * FROM person:20001.. LIMIT $limit"),
            ("bound record range, exclusive", "LET $r = person:20000>..; SELECT * FROM $r LIMIT $limit"),
            (
                "range + version by map",
                "{ LET $rows = SELECT * FROM person:20001.. LIMIT $limit; RETURN [$rows, $rows.map(|$row| type::record('version', [$row.id]).version)] }",
            ),
            (
                "range + version by SELECT of ids",
                "{ LET $rows = SELECT * FROM person:20001.. LIMIT $limit; LET $ids = $rows.map(|$row| type::record('version', [$row.id])); RETURN [$rows, SELECT VALUE [id, version] FROM $ids] }",
            ),
            (
                "range + version in the projection",
                "SELECT *, type::record('version', [id]).version AS _00_rv FROM person:20001.. LIMIT $limit",
            ),
            (
                "range by a function of fields",
                "LET $scan = { table: 'person', keys: 20000>.. }; \
                 SELECT * FROM type::record($scan.table, $scan.keys) LIMIT $limit",
            ),
            (
                "range by a function of fields + version range",
                "LET $scan = { table: 'person', keys: 20000>.. }; \
                 { LET $rows = SELECT * FROM type::record($scan.table, $scan.keys) LIMIT $limit; \
                 LET $first = array::first($rows).id; LET $last = array::last($rows).id; \
                 RETURN [$rows, (SELECT VALUE [record::id(id)[0], version] FROM version:[$first]..=[$last])]; }",
            ),
            (
                "range + version range",
                "{ LET $rows = SELECT * FROM person:20001.. LIMIT $limit; LET $first = array::first($rows).id; \
                 LET $last = array::last($rows).id; \
                 RETURN [$rows, (SELECT VALUE [record::id(id)[0], version] FROM version:[$first]..=[$last])]; }",
            ),
        ] {
            time(
                &format!("{name}, {limit}"),
                limit,
                run(client, text, bind("limit", Value::Number((limit as i64).into()))),
            )
            .await?;
        }
    }
    Ok(())
}

async fn events(client: &Surreal<Client>) -> Outcome {
    let create = "FOR $i IN 0..2000 { CREATE type::record('t', $i) SET n = $i RETURN NONE }";
    let update = "UPDATE t SET n += 1 RETURN NONE";
    let captured = "ALTER TABLE t CHANGEFEED 1d; DEFINE TABLE v CHANGEFEED 1d; ";
    let by_upsert = "DEFINE EVENT v ON t WHEN true THEN { UPSERT type::record('v', [$value.id]) \
        SET version = (version ?? IF $event = 'CREATE' { 0 } ELSE { 1 }) + 1 RETURN NONE };";
    let by_update = "DEFINE EVENT v ON t WHEN true THEN { LET $counter = type::record('v', [$value.id]); \
        LET $version = (UPDATE $counter SET version += 1 RETURN VALUE version)[0] \
        ?? (CREATE $counter SET version = IF $event = 'CREATE' { 1 } ELSE { 2 } RETURN VALUE version)[0]; };";
    for (name, definition) in [
        ("no event", String::new()),
        ("changefeed", captured.to_owned()),
        ("changefeed, version by UPSERT", format!("{captured}{by_upsert}")),
        ("changefeed, version by UPDATE", format!("{captured}{by_update}")),
    ] {
        let text = format!("REMOVE TABLE IF EXISTS t; REMOVE TABLE IF EXISTS v; DEFINE TABLE t; {definition}");
        run(client, &text, Variables::new()).await?;
        time(&format!("{name}: creating 2,000 in one transaction"), 2_000, run(client, create, Variables::new()))
            .await?;
        time(&format!("{name}: updating 2,000 in one transaction"), 2_000, run(client, update, Variables::new()))
            .await?;
        time(&format!("{name}: 500 updates one by one"), 500, async {
            for i in 0..500_i64 {
                run(client, "UPDATE $id SET n += 1 RETURN NONE", bind("id", Value::RecordId(RecordId::new("t", i))))
                    .await?;
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}
