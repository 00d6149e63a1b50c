//! The replica with a real server and a real log. Catches: an event that is taken in twice or not at all when the server or
//! the process ends, a replica that moves while it is frozen, one that goes on with the events of another log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use circuit::{Change, Key, Object, RecordId, Value};
use cluster::{Event, Read};
use database::Database;
use protocol::{ContentHash, Names, TableContent};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use scheduler::log::EventLog;
use scheduler::log::wal::{self, Wal};
use scheduler::replica::{Error, Place, Replica, Settings};
use tempfile::TempDir;
use tokio::time::timeout;
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(60);
/// As long as a replica that moved would have to be seen.
const SOON: Duration = Duration::from_millis(500);

struct Setup {
    directory: TempDir,
    log: Arc<Wal>,
}

impl Setup {
    async fn new() -> Setup {
        let directory = tempfile::tempdir().expect("a directory");
        let log = Arc::new(opened(&directory.path().join("log"), 64 << 20).await);
        Setup { directory, log }
    }

    fn settings(&self) -> Settings {
        Settings {
            home: Arc::new(Place::new(
                self.directory.path().join("replica"),
                embedded::Settings::for_tests().executable,
            )),
            update_interval: Duration::from_millis(50),
            names: Names::default(),
            log: Uuid::from_u128(1),
        }
    }

    async fn replica(&self) -> Replica {
        Replica::start(self.settings(), self.log.clone()).await.expect("a replica")
    }

    async fn append(&self, event: &Event) -> u64 {
        let payload = event.encode().expect("not too deep");
        self.log.append(vec![payload]).await.expect("appended")
    }
}

async fn opened(directory: &Path, segment_bytes: u64) -> Wal {
    Wal::open(wal::Settings { segment_bytes, ..wal::Settings::new(directory) }).await.expect("a log")
}

fn row(key: i64, n: i64) -> Change {
    let id = RecordId::new("t", Key::Int(key));
    let fields = [("id", Value::from(id.clone())), ("n", n.into())];
    let content = fields.into_iter().map(|(name, value)| (name.into(), value)).collect::<Object>();
    Change { id, version: n as u64 + 1, content: Some(content) }
}

fn gone(key: i64) -> Change {
    Change { content: None, ..row(key, 0) }
}

fn committed(changes: Vec<Change>) -> Event {
    Event::Committed { stamp: 1, continues: false, changes }
}

async fn reached(replica: &Replica, position: u64) {
    let mut positions = replica.position();
    let reached = timeout(LONG, positions.wait_for(|at| *at >= position)).await;
    reached.expect("the replica comes to the event").expect("the replica goes on");
}

async fn rows(proxy: &Database) -> Vec<Change> {
    let mut rows: Vec<Change> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.id.clone());
        let page = proxy.page("t", after.as_ref(), 1_000).await.expect("a page");
        let is_last = page.is_last();
        rows.extend(page.changes().expect("rows"));
        if is_last {
            return rows;
        }
    }
}

fn content_of(rows: &[Change]) -> TableContent {
    let hash =
        |row: &Change| row.content.as_ref().map(|content| ContentHash::from(circuit::row_hash(&row.id, content)));
    TableContent { rows: rows.len() as u64, hash: rows.iter().filter_map(hash).sum() }
}

/// What is in the table is what the hash says, and the rows are these.
async fn assert_holds(replica: &Replica, expected: &[Change]) {
    let frozen = replica.freeze().await.expect("frozen");
    let found = rows(replica.proxy()).await;
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    assert_eq!(frozen.contents().get("t").copied().unwrap_or_default(), content_of(expected));
}

#[tokio::test]
async fn the_replica_follows_the_log_and_stands_still_while_it_is_frozen() {
    let setup = Setup::new().await;
    let replica = setup.replica().await;
    setup.append(&Event::Began { instance: Uuid::from_u128(9), cursor: 5 }).await;
    let read = Read { table: "t".to_owned(), id: 3, after: None, rows: vec![row(1, 1)], is_last: true };
    setup.append(&Event::Read(read)).await;
    reached(&replica, 2).await;
    let frozen = replica.freeze().await.expect("frozen");
    assert_eq!((frozen.position(), frozen.known().cursor, frozen.contents()["t"].rows), (2, 5, 1));
    assert_eq!(frozen.known().tables.get("t"), Some(&3));

    let last = setup.append(&committed(vec![row(2, 1)])).await;
    replica.update_now();
    let clone = frozen.clone();
    let other = timeout(SOON, replica.freeze()).await.expect("not kept waiting").expect("frozen");
    drop(frozen);
    let mut positions = replica.position();
    assert!(timeout(SOON, positions.wait_for(|at| *at == last)).await.is_err(), "it moved");
    assert_eq!((other.position(), rows(replica.proxy()).await.len()), (2, 1));
    drop((clone, other));
    reached(&replica, last).await;
    assert_holds(&replica, &[row(1, 1), row(2, 1)]).await;
    replica.stop().await.expect("stopped");
}

#[tokio::test]
async fn an_update_is_made_at_once_when_it_is_asked_for() {
    let setup = Setup::new().await;
    let settings = Settings { update_interval: Duration::from_secs(3_600), ..setup.settings() };
    let replica = Replica::start(settings, setup.log.clone()).await.expect("a replica");
    // The first look is at once, too.
    tokio::time::sleep(SOON).await;
    let last = setup.append(&committed(vec![row(1, 1)])).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(*replica.position().borrow(), 0);
    replica.update_now();
    reached(&replica, last).await;
}

/// Kills the server again and again while it is written to, and at last the whole.
#[tokio::test]
async fn nothing_is_lost_or_repeated_when_the_server_is_killed() {
    let setup = Setup::new().await;
    let mut replica = setup.replica().await;
    let mut random = StdRng::seed_from_u64(3);
    let mut model = std::collections::BTreeMap::new();
    let mut last = 0;
    for round in 0..5 {
        for number in 0..40_i64 {
            let changes: Vec<Change> = (0..100)
                .map(|_| {
                    let key = random.random_range(0..3_000);
                    if random.random_bool(0.8) { row(key, round * 1_000 + number) } else { gone(key) }
                })
                .collect();
            for change in &changes {
                match change.content {
                    Some(_) => drop(model.insert(change.id.key.clone(), change.clone())),
                    None => drop(model.remove(&change.id.key)),
                }
            }
            last = setup.append(&committed(changes)).await;
        }
        replica.update_now();
        tokio::time::sleep(Duration::from_millis(random.random_range(0..800))).await;
        if round == 3 {
            // Everything ends, as it would with the process.
            drop(replica);
            replica = setup.replica().await;
        } else if let Some(id) = replica.server_id() {
            let id = nix::unistd::Pid::from_raw(id.cast_signed());
            nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL).expect("killed");
        }
        reached(&replica, last).await;
        let expected: Vec<Change> = model.values().cloned().collect();
        assert_holds(&replica, &expected).await;
    }
    replica.stop().await.expect("stopped");
    let replica = setup.replica().await;
    assert_eq!(*replica.position().borrow(), last, "it begins where it ended");
    assert_holds(&replica, &model.into_values().collect::<Vec<_>>()).await;
}

/// One event that takes several transactions, in the middle of which the server ends, and then everything.
#[tokio::test]
async fn nobody_sees_a_part_of_an_event() {
    const ROWS: i64 = 12_000;
    let setup = Setup::new().await;
    let mut replica = setup.replica().await;
    let all: Vec<Change> = (0..ROWS).map(|key| row(key, 1)).collect();
    let mut before = 0;
    for (page, rows) in (0..).zip(all.chunks(1_000)) {
        let after = (page > 0).then(|| row(page * 1_000 - 1, 0).id);
        let read = Read { table: "t".to_owned(), id: 3, after, rows: rows.to_vec(), is_last: false };
        before = setup.append(&Event::Read(read)).await;
    }
    reached(&replica, before).await;
    let end = Read { table: "t".to_owned(), id: 3, after: Some(row(9, 0).id), rows: vec![], is_last: true };
    let last = setup.append(&Event::Read(end)).await;
    let mut seen = 0;
    for attempt in 0..30 {
        tokio::time::sleep(Duration::from_millis(400 + 100 * attempt)).await;
        if *replica.position().borrow() == last {
            break;
        }
        if attempt % 2 == 0 {
            if let Some(id) = replica.server_id() {
                let id = nix::unistd::Pid::from_raw(id.cast_signed());
                nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL).expect("killed");
            }
        } else {
            drop(replica);
            replica = setup.replica().await;
        }
        if let Ok(frozen) = timeout(SOON, replica.freeze()).await {
            let expected = if frozen.expect("frozen").position() == last { &all[..10] } else { &all[..] };
            assert_holds(&replica, expected).await;
            seen += 1;
        }
    }
    reached(&replica, last).await;
    assert_holds(&replica, &all[..10]).await;
    eprintln!("looked at it {seen} times");
}

#[tokio::test]
async fn the_replica_of_another_log_begins_anew() {
    let setup = Setup::new().await;
    let last = setup.append(&committed(vec![row(1, 1)])).await;
    let replica = setup.replica().await;
    reached(&replica, last).await;
    replica.stop().await.expect("stopped");

    // Another log, whose events have the same numbers.
    let log = Arc::new(opened(&setup.directory.path().join("other"), 64 << 20).await);
    let payload = committed(vec![row(2, 2)]).encode().expect("not too deep");
    log.append(vec![payload]).await.expect("appended");
    let settings = Settings { log: Uuid::from_u128(2), ..setup.settings() };
    let replica = Replica::start(settings.clone(), log).await.expect("a replica");
    reached(&replica, 1).await;
    assert_holds(&replica, &[row(2, 2)]).await;
    replica.stop().await.expect("stopped");

    // The same log, as it was before the replica's last event.
    let log = Arc::new(opened(&setup.directory.path().join("empty"), 64 << 20).await);
    let replica = Replica::start(settings, log.clone()).await.expect("a replica");
    assert_eq!(*replica.position().borrow(), 0);
    assert_holds(&replica, &[]).await;
}

#[tokio::test]
async fn a_log_that_lacks_events_is_refused() {
    let setup = Setup::new().await;
    // Small segments, as only whole ones are removed.
    let log = Arc::new(opened(&setup.directory.path().join("small"), 1).await);
    for key in 0..5 {
        log.append(vec![committed(vec![row(key, 1)]).encode().expect("not too deep")]).await.expect("appended");
    }
    log.truncate_before(4).await.expect("truncated");
    let error = Replica::start(setup.settings(), log.clone()).await.expect_err("events are missing");
    assert!(matches!(error, Error::Behind { needed: 1, first: 4 }), "{error}");

    // One that it can't read, while it runs.
    let replica = setup.replica().await;
    setup.log.append(vec![Bytes::from_static(b"\xffno event")]).await.expect("appended");
    let error = timeout(LONG, replica.failed()).await.expect("it fails");
    assert!(matches!(error, Error::Event { sequence: 1, .. }), "{error}");
    assert!(replica.freeze().await.is_err());
}

#[tokio::test]
async fn whoever_reads_can_not_write() {
    let setup = Setup::new().await;
    let replica = setup.replica().await;
    let last = setup.append(&committed(vec![row(1, 1)])).await;
    reached(&replica, last).await;
    let text = "DELETE t; SELECT VALUE n FROM t; CREATE new; REMOVE TABLE t; RETURN http::get('http://127.0.0.1:1')";
    let answer = replica.proxy().answer_json(text, serde_json::json!({})).await.expect("an answer");
    assert_eq!(answer[1]["result"], serde_json::json!([1]), "{answer}");
    assert!((2..5).all(|statement| answer[statement]["status"] == "ERR"), "{answer}");
    assert!(answer[4]["result"].to_string().contains("not allowed"), "{answer}");
}
