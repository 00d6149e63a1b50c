//! Rows per second that a replica takes in, on RocksDB: pages of a table, changes here and there, edges, deletions; and rows
//! per second that are read of it.
//!
//! `SPKY_REPLICA_BENCH_ROWS` (100000) and `SPKY_REPLICA_BENCH_DIRECTORY` change how much, and on which disk.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use circuit::{Change, Key, RecordId, Value};
use cluster::{Event, Read};
use database::{Database, Replica, Settings};
use embedded::{Server, Storage};
use protocol::Names;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The rows of a page, and the changes of an event.
const PAGE: i64 = 1_000;
/// The events that are taken in together.
const TOGETHER: usize = 8;

#[tokio::main]
async fn main() -> Outcome<()> {
    let rows = std::env::var("SPKY_REPLICA_BENCH_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let root = std::env::var_os("SPKY_REPLICA_BENCH_DIRECTORY").map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(root)?;
    let mut server = started(directory.path()).await?;
    let settings = Settings::new(format!("ws://{}", server.address()).parse()?, "bench", "bench", "root", "root");
    let database = Database::connect(settings, Names::default()).await?;
    let mut bench =
        Bench { replica: Replica::open(database, Uuid::nil()).await?, next: 1, random: StdRng::seed_from_u64(1) };

    println!(
        "{rows} rows of about 300 bytes in each table, {TOGETHER} events of {PAGE} rows together; rows per second"
    );
    for (table, is_edge) in [("thread", false), ("wrote", true)] {
        let kind = if is_edge { "edges" } else { "rows" };
        let pages: Vec<Event> = (0..rows / PAGE).map(|page| read(table, page, rows, is_edge)).collect();
        bench.measure(&format!("{kind}, pages of a table"), pages.clone(), rows).await?;
        bench.measure(&format!("{kind}, the same pages again"), pages, rows).await?;
        let changes = (rows / 5).max(PAGE);
        let scattered =
            bench.events(changes, |random, number| row(table, random.random_range(0..rows), number + 2, is_edge));
        bench.measure(&format!("{kind}, changed here and there"), scattered, changes).await?;
        let fresh = bench.events(changes, |_, number| row(table, rows + number, 1, is_edge));
        bench.measure(&format!("{kind}, new ones"), fresh, changes).await?;
        let deletions = bench.events(changes, |_, number| {
            let Change { id, version, .. } = row(table, number * 5 % rows, 99, is_edge);
            Change { id, version, content: None }
        });
        bench.measure(&format!("{kind}, deleted here and there"), deletions, changes).await?;
    }
    bench.read_back("thread").await?;
    bench.measure("a table is gone", vec![Event::Gone { table: "thread".to_owned() }], rows).await?;
    drop(bench);
    server.stop().await?;
    Ok(())
}

async fn started(directory: &Path) -> Outcome<Server> {
    let storage = Storage::RocksDb(directory.join("rows"));
    Ok(Server::start(embedded::Settings { storage, ..embedded::Settings::for_tests() }).await?)
}

struct Bench {
    replica: Replica,
    next: u64,
    random: StdRng,
}

impl Bench {
    fn events(&mut self, changes: i64, mut change: impl FnMut(&mut StdRng, i64) -> Change) -> Vec<Event> {
        let event = |first: i64| {
            let changes = (first * PAGE..(first + 1) * PAGE).map(|number| change(&mut self.random, number)).collect();
            Event::Committed { stamp: 1, continues: false, changes }
        };
        (0..changes / PAGE).map(event).collect()
    }

    async fn measure(&mut self, what: &str, events: Vec<Event>, rows: i64) -> Outcome<()> {
        let numbered: Vec<(u64, Event)> = (self.next..).zip(events).collect();
        self.next += numbered.len() as u64;
        let started = Instant::now();
        for some in numbered.chunks(TOGETHER) {
            self.replica.apply(some).await?;
        }
        println!("{what:<34} {:>8.0}", rows as f64 / started.elapsed().as_secs_f64());
        Ok(())
    }

    async fn read_back(&self, table: &str) -> Outcome<()> {
        let reader = self.replica.reader().await?;
        let (started, mut rows, mut after) = (Instant::now(), 0, None);
        loop {
            let page = reader.page(table, after.as_ref(), PAGE as usize).await?;
            after = page.end()?;
            let is_last = page.is_last();
            rows += page.changes()?.len();
            if is_last {
                break;
            }
        }
        println!("{:<34} {:>8.0}", "rows, read in pages", rows as f64 / started.elapsed().as_secs_f64());
        Ok(())
    }
}

fn read(table: &str, page: i64, rows: i64, is_edge: bool) -> Event {
    let first = page * PAGE;
    let after = (page > 0).then(|| RecordId::new(table, Key::Int(first - 1)));
    let all = (first..first + PAGE).map(|key| row(table, key, 1, is_edge)).collect();
    Event::Read(Read { table: table.to_owned(), id: 1, after, rows: all, is_last: first + PAGE >= rows })
}

fn row(table: &str, key: i64, version: i64, is_edge: bool) -> Change {
    let id = RecordId::new(table, Key::Int(key));
    let mut fields = vec![
        ("id", Value::from(id.clone())),
        ("title", "a title of the length that titles have".into()),
        ("body", Value::from(&*"x".repeat(150))),
        ("votes", version.into()),
    ];
    if is_edge {
        fields.push(("in", RecordId::new("user", Key::Int(key % 1_000)).into()));
        fields.push(("out", RecordId::new("thread", Key::Int(key)).into()));
    }
    let content = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Change { id, version: version.cast_unsigned(), content: Some(content) }
}
