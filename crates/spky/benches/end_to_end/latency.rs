//! From a write to the notification at a client that follows with `LIVE SELECT`: of the row itself in a database without Sp00ky,
//! and of the edge to the row.
//!
//! The clock starts when the write is sent, so both contain the write itself; how long that takes is shown beside. The captured
//! write does more than the bare one, which is part of what is measured.

use std::time::Instant;

use futures::StreamExt;
use surrealdb::Notification;
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::Client;
use surrealdb::method::QueryStream;
use surrealdb::types::{Number, Value};

use crate::options::Options;
use crate::stage::{Service, Stage};
use crate::statistics::{median, milliseconds, quantile, ratios, turns};

/// Rows, and views of ten rows each.
const ROWS: usize = 1_000;
const AUTHORS: usize = ROWS / 10;
const WARM_UP: usize = 20;
const SURQL: &str = "SELECT * FROM thread WHERE author = $author";

pub struct Contestant {
    name: String,
    client: Surreal<Client>,
    live: QueryStream<Notification<Value>>,
    /// The live query ends with its connection.
    _follower: Surreal<Client>,
    _services: Vec<Service>,
    /// How often it has written and waited.
    samples: usize,
    /// Of each round, in milliseconds.
    p50: Vec<f64>,
    p99: Vec<f64>,
    write: Vec<f64>,
}

impl Contestant {
    /// A client that follows the rows of the first author.
    async fn new(
        stage: &Stage,
        name: impl Into<String>,
        database: &str,
        live: &str,
        services: Vec<Service>,
    ) -> Contestant {
        let follower = stage.client(database).await;
        let mut answer = follower.query(live.to_owned()).await.expect("the database answers");
        let live = answer.stream(0).expect("a live query");
        let client = stage.client(database).await;
        let [p50, p99, write] = Default::default();
        Contestant {
            name: name.into(),
            client,
            live,
            _follower: follower,
            _services: services,
            samples: 0,
            p50,
            p99,
            write,
        }
    }

    /// A client that follows the edges to the rows of the first author, which one of many views has. Views are registered at
    /// the first of the services.
    pub async fn of_edges(
        stage: &Stage,
        name: impl Into<String>,
        database: &str,
        services: Vec<Service>,
    ) -> Contestant {
        for author in 0..AUTHORS {
            services[0].register(&format!("v{author}"), SURQL, &format!("{{ author: user:{author} }}")).await;
        }
        let live = "LIVE SELECT * FROM _00_list_ref WHERE in = _00_query:v0";
        Contestant::new(stage, name, database, live, services).await
    }

    /// Writes, and waits for the notification: milliseconds until the write is answered and until the notification comes.
    async fn sample(&mut self) -> (f64, f64) {
        const OF_AUTHOR: usize = ROWS / AUTHORS;
        self.samples += 1;
        let number = self.samples;
        let row = number % OF_AUTHOR * AUTHORS;
        // Of a pushed change that can't be read yet, the edge may be written once more as it was.
        let version = 1 + number.div_ceil(OF_AUTHOR);
        let is_new = |data: &Value| match (data.get("version"), data.get("n")) {
            (Value::Number(Number::Int(seen)), _) => usize::try_from(*seen) == Ok(version),
            (_, n) => *n == Value::Number(Number::Int(number as i64)),
        };
        let text = format!("UPDATE thread:{row} SET n = {number}");
        let started = Instant::now();
        let write = async {
            self.client.query(text).await.expect("the database answers").check().expect("the write succeeds");
            started.elapsed()
        };
        let notice = async {
            while !is_new(&self.live.next().await.expect("the live query goes on").expect("a notification").data) {}
            started.elapsed()
        };
        let (written, noticed) = tokio::join!(write, notice);
        (milliseconds(written), milliseconds(noticed))
    }
}

/// Rows of all authors.
pub fn schema() -> String {
    format!(
        "DEFINE TABLE thread SCHEMALESS; FOR $n IN 0..{ROWS} {{ CREATE type::record('thread', $n) SET \
         author = type::record('user', $n % {AUTHORS}), title = 'a title', n = 0 }};"
    )
}

pub async fn run(stage: &Stage, options: &Options) {
    let schema = schema();
    stage.bare("plain", &schema).await;
    let source = "LIVE SELECT * FROM thread WHERE author = user:0";
    let mut contestants = vec![Contestant::new(stage, "`LIVE SELECT` on the table", "plain", source, Vec::new()).await];
    for (name, database, throttle) in [("edges, throttle 0", "soon", 0), ("edges, throttle 100", "later", 100)] {
        stage.captured(database, &schema).await;
        let services = vec![stage.sidecar(database, throttle).await];
        contestants.push(Contestant::of_edges(stage, name, database, services).await);
    }
    contest(contestants, options, "plain").await;
}

/// Has them write and wait in turn, and shows how long they have waited, beside the first of them.
pub async fn contest(mut contestants: Vec<Contestant>, options: &Options, first: &str) {
    for _ in 0..WARM_UP {
        for contestant in &mut contestants {
            contestant.sample().await;
        }
    }
    for _ in 0..options.common.rounds {
        let mut noticed = vec![Vec::new(); contestants.len()];
        let mut written = noticed.clone();
        for sample in 0..options.samples {
            for place in turns(contestants.len(), sample) {
                let (write, notice) = contestants[place].sample().await;
                written[place].push(write);
                noticed[place].push(notice);
            }
        }
        for ((contestant, noticed), written) in contestants.iter_mut().zip(noticed).zip(written) {
            contestant.p50.push(median(&noticed));
            contestant.p99.push(quantile(&noticed, 990));
            contestant.write.push(median(&written));
        }
    }

    println!(
        "| latency, {} samples a round | write p50 | p50 | p99 | p50 ÷ {first} p50 |\n|---|---|---|---|---|",
        options.samples
    );
    let plain = contestants[0].p50.clone();
    for Contestant { name, p50, p99, write, .. } in &contestants {
        let [write_p50, p50_ms, p99_ms] = [write, p50, p99].map(|values| median(values));
        println!("| {name} | {write_p50:.2} ms | {p50_ms:.2} ms | {p99_ms:.2} ms | {} |", ratios(p50, &plain));
    }
    println!();
}
