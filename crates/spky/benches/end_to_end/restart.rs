//! From the start of the sidecar until it is ready: from its saved state and from nothing, beside a client that only reads the
//! rows, page by page with the same statement, and does nothing with them.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::Client;
use surrealdb::types::{self as sdk, Value};

use crate::options::Options;
use crate::stage::{Stage, capture};
use crate::statistics::{median, ratios, spread};
use crate::support::{Application, items};

const NAME: &str = "restart";
/// Rows written with one statement, and read with one.
const AT_ONCE: usize = 1_000;
/// Rows of one author, which are those of a view.
const OF_AUTHOR: usize = 10;
const REGISTERED_AT_ONCE: usize = 64;

pub async fn run(stage: &Stage, options: &Options) {
    let application = stage.bare(NAME, "DEFINE TABLE thread SCHEMALESS").await;
    let client = &application.client;
    let started = Instant::now();
    fill(&application, options.rows).await;
    println!("{} rows with their versions written in {:.1} s", options.rows, started.elapsed().as_secs_f64());

    let sidecar = stage.sidecar(NAME, 100).await;
    let started = Instant::now();
    let views = stream::iter(0..options.views).map(|view| {
        let (sidecar, params) = (&sidecar, format!("{{ author: user:{view} }}"));
        async move {
            sidecar.register(&format!("v{view}"), "SELECT * FROM thread WHERE author = $author", &params).await;
        }
    });
    views.buffer_unordered(REGISTERED_AT_ONCE).collect::<()>().await;
    println!("{} views registered in {:.1} s\n", options.views, started.elapsed().as_secs_f64());
    let state = stage.state(NAME);
    sidecar.stop().await;

    let [mut paging, mut saved, mut nothing] = [(); 3].map(|()| Vec::new());
    for _ in 0..options.starts {
        paging.push(read_all(client, options.rows).await.as_secs_f64());
        let sidecar = stage.sidecar(NAME, 100).await;
        saved.push(sidecar.took.as_secs_f64());
        sidecar.stop().await;
        std::fs::remove_file(&state).expect("the state has been saved");
        let sidecar = stage.sidecar(NAME, 100).await;
        nothing.push(sidecar.took.as_secs_f64());
        sidecar.stop().await;
    }
    println!(
        "| restart, {} rows, {} views | seconds | median ÷ bare paging |\n|---|---|---|",
        options.rows, options.views
    );
    for (name, seconds) in
        [("bare paging", &paging), ("ready from saved state", &saved), ("ready from nothing", &nothing)]
    {
        println!("| {name} | {} | {} |", spread(seconds), ratios(seconds, &paging));
    }
    println!("\nMedians: {:.2} s, {:.2} s, {:.2} s.\n", median(&paging), median(&saved), median(&nothing));
}

/// Writes rows, and the versions that counting them as they are written one by one would have left: that takes ten times as long.
pub async fn fill(application: &Application, rows: usize) {
    let insert = async |table: &str, item: &str| {
        for first in (0..rows).step_by(AT_ONCE) {
            let end = (first + AT_ONCE).min(rows);
            let rows = format!("(<array> {first}..{end}).map(|$n| {item})");
            application.run(&format!("INSERT INTO {table} {rows} RETURN NONE")).await;
        }
    };
    let row = format!(
        "{{ id: type::record('thread', $n), author: type::record('user', math::floor($n / {OF_AUTHOR})), \
         title: 'the title of a thread', n: $n, status: 'open', tags: ['a', 'b'], at: time::now(), views: 0, \
         text: 'some text of usual length' }}"
    );
    insert("thread", &row).await;
    capture(application).await;
    insert("_00_version", "{ id: [type::record('thread', $n)], version: 1, gone: false }").await;
}

/// Reads all rows with their versions, with the statement that the sidecar reads them with.
pub async fn read_all(client: &Surreal<Client>, rows: usize) -> Duration {
    const TEXT: &str = "{ LET $rows = SELECT * FROM type::record($scan.table, $scan.keys) LIMIT $limit; \
        LET $first = array::first($rows).id; LET $last = array::last($rows).id; \
        RETURN [$rows, (SELECT VALUE [record::id(id)[0], version] FROM _00_version:[$first]..=[$last])]; }";
    let started = Instant::now();
    let (mut read, mut last) = (0, None);
    loop {
        let start = last.take().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut scan = sdk::Object::new();
        scan.insert("table", "thread".to_owned());
        scan.insert("keys", Value::Range(Box::new(sdk::Range::new(start, std::ops::Bound::Unbounded))));
        let query = client.query(TEXT).bind(("scan", Value::Object(scan))).bind(("limit", AT_ONCE as i64));
        let answer: Value = query.await.expect("the database answers").take(0).expect("a page");
        let [page, _versions] = <[Value; 2]>::try_from(items(answer)).expect("rows and versions");
        let page = items(page);
        read += page.len();
        let Some(Value::Object(row)) = page.last().filter(|_| page.len() == AT_ONCE) else { break };
        let Some(Value::RecordId(id)) = row.get("id") else { panic!("a row has an id") };
        let sdk::RecordIdKey::Number(key) = id.key else { panic!("the keys are numbers") };
        last = Some(Value::Number(key.into()));
    }
    assert_eq!(read, rows);
    started.elapsed()
}
