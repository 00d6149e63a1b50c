//! What the application's own writes cost: without Sp00ky, with its capture, and with a sidecar that works meanwhile.
//!
//! All databases are on one server and all processes on one machine, so what a sidecar does is taken from the application: with as
//! many connections as there are here, nothing waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use surrealdb::Surreal;
use surrealdb::engine::remote::ws::Client;
use tokio::task::JoinSet;

use crate::options::Options;
use crate::stage::{Service, Stage};
use crate::statistics::{median, ratios, turns};
use crate::support::{Application, Random};

const ROWS: u64 = 10_000;
/// Rows of one author.
const OF_AUTHOR: u64 = 10;
const SURQL: &str = "SELECT * FROM thread WHERE author = $author";

struct Contestant {
    name: &'static str,
    application: Application,
    clients: Vec<Surreal<Client>>,
    sidecar: Option<Service>,
    /// Writes per second, of each round.
    rates: Vec<f64>,
}

impl Contestant {
    /// Writes for a while from all connections at once, each of them one write after another.
    async fn slice(&self, length: Duration, seed: u64) -> f64 {
        let count = self.clients.len() as u64;
        let started = Instant::now();
        let deadline = started + length;
        let mut writers = JoinSet::new();
        for (writer, client) in (0..count).zip(self.clients.iter().cloned()) {
            let mut random = Random(seed ^ (writer + 1).wrapping_mul(0x5bd1_e995));
            writers.spawn(async move {
                let mut written = 0_u64;
                while Instant::now() < deadline {
                    // No two connections write one row, so there are no conflicts.
                    let row = random.below(ROWS / count) * count + writer;
                    let text = format!("UPDATE thread:{row} SET n = {written}, title = 'title {written}' RETURN NONE");
                    client.query(text).await.expect("the database answers").check().expect("the write succeeds");
                    written += 1;
                }
                written
            });
        }
        let written: u64 = writers.join_all().await.into_iter().sum();
        let rate = written as f64 / started.elapsed().as_secs_f64();
        if self.sidecar.is_some() {
            // What is left to do must not disturb the next one.
            self.application.quiet_within(Duration::from_secs(300)).await;
        }
        rate
    }
}

pub async fn run(stage: &Stage, options: &Options) {
    let schema = format!(
        "DEFINE TABLE thread SCHEMALESS; DEFINE TABLE barrier SCHEMALESS; FOR $n IN 0..{ROWS} {{ \
         CREATE type::record('thread', $n) SET author = type::record('user', $n / {OF_AUTHOR}), title = 'a title', n = 0, \
         status = 'open', tags = ['a', 'b'], at = time::now(), views = 0, text = 'some text of usual length' }};"
    );
    let mut contestants = Vec::new();
    for (name, database, is_captured, views) in [
        ("nothing installed", "none", false, None),
        ("capture, no sidecar", "capture", true, None),
        ("sidecar, no view of these rows", "idle", true, Some(false)),
        ("sidecar, each row in one of 1,000 views", "busy", true, Some(true)),
    ] {
        let application =
            if is_captured { stage.captured(database, &schema).await } else { stage.bare(database, &schema).await };
        let sidecar = match views {
            None => None,
            Some(of_rows) => {
                let sidecar = stage.sidecar(database, 100).await;
                sidecar.register("barrier", "SELECT * FROM barrier", "{}").await;
                for author in 0..ROWS / OF_AUTHOR {
                    let table = if of_rows { "user" } else { "nobody" };
                    sidecar.register(&format!("v{author}"), SURQL, &format!("{{ author: {table}:{author} }}")).await;
                }
                Some(sidecar)
            }
        };
        let mut clients = Vec::new();
        for _ in 0..options.connections {
            clients.push(stage.client(database).await);
        }
        contestants.push(Contestant { name, application, clients, sidecar, rates: Vec::new() });
    }

    let length = Duration::from_millis(options.slice);
    for contestant in &contestants {
        contestant.slice(length, 1).await;
    }
    for round in 0..options.common.rounds {
        for place in turns(contestants.len(), round) {
            let rate = contestants[place].slice(length, round as u64 + 2).await;
            contestants[place].rates.push(rate);
        }
    }

    println!(
        "| writes of the application, {} connections | writes/s | ÷ nothing installed |\n|---|---|---|",
        options.connections
    );
    let none = Arc::new(contestants[0].rates.clone());
    for Contestant { name, rates, .. } in &contestants {
        println!("| {name} | {:.0} | {} |", median(rates), ratios(rates, &none));
    }
    println!();
}
