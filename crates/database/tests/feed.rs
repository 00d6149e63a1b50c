//! Capture by changefeed. Catches: a transaction that is lost, cut in two, delivered twice, or delivered although it
//! was aborted; a version that belongs to another change; a gap that goes unnoticed.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use circuit::{Key, RecordId, Value};
use database::{ChangeSet, Database, Error, Feed, Probe};
use support::{Server, apply, record, run};

/// Reads until the feed has been quiet for a moment.
async fn drain(feed: &mut Feed) -> Vec<ChangeSet> {
    let mut sets = Vec::new();
    let mut quiet = 0;
    while quiet < 5 {
        let batch = feed.poll().await.unwrap();
        if batch.is_caught_up && batch.sets.is_empty() {
            quiet += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        } else {
            quiet = 0;
            sets.extend(batch.sets);
        }
    }
    sets
}

/// What a set says: `+` and `-` with id, version and the field `n`.
fn describe(set: &ChangeSet) -> Vec<String> {
    let lines = set.changes.iter().map(|change| {
        let Key::Int(key) = change.id.key else { panic!("unexpected key") };
        match &change.content {
            Some(content) => format!("+{}:{key} v{} n={:?}", change.id.table, change.version, content.get("n")),
            None => format!("-{}:{key} v{}", change.id.table, change.version),
        }
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

async fn open(db: &Database) -> Feed {
    let probe = Feed::probe(db).await.unwrap();
    Feed::open(db.clone(), probe).await.unwrap()
}

#[tokio::test]
async fn transactions_come_whole_in_order_and_with_versions() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a; DEFINE TABLE b; CREATE a:9 SET n = 0;").await;
    apply(&db).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut feed = open(&db).await;
    run(&client, "CREATE a:1 SET n = 1").await;
    run(&client, "BEGIN; UPDATE a:1 SET n = 2; CREATE b:1 SET n = 1; UPDATE b:1 SET n = 2; CREATE b:2; COMMIT;").await;
    for aborted in ["BEGIN; UPDATE a:1 SET n = 99; CANCEL;", "BEGIN; UPDATE a:1 SET n = 99; THROW 'no'; COMMIT;"] {
        assert!(client.query(aborted).await.unwrap().check().is_err());
    }
    run(&client, "UPDATE a:9 SET n = 1").await;
    run(&client, "DELETE b:1").await;
    run(&client, "CREATE b:1 SET n = 3").await;
    run(&client, "BEGIN; DELETE b:1; CREATE b:1 SET n = 4; COMMIT").await;
    run(&client, "BEGIN; CREATE b:3; DELETE b:3; COMMIT").await;
    let sets = drain(&mut feed).await;
    let described: Vec<Vec<String>> = sets.iter().map(describe).filter(|set| !set.is_empty()).collect();
    let expected = vec![
        vec!["+a:1 v1 n=Some(Int(1))"],
        vec!["+a:1 v2 n=Some(Int(2))", "+b:1 v2 n=Some(Int(2))", "+b:2 v1 n=None"],
        // Older than the event that counts, and so version 1 before this.
        vec!["+a:9 v2 n=Some(Int(1))"],
        vec!["-b:1 v3"],
        vec!["+b:1 v4 n=Some(Int(3))"],
        vec!["+b:1 v6 n=Some(Int(4))"],
        vec!["-b:3 v2"],
    ];
    let described: Vec<Vec<&str>> = described.iter().map(|set| set.iter().map(String::as_str).collect()).collect();
    assert!(described.ends_with(&expected), "{described:#?}");
    assert!(sets.is_sorted_by_key(|set| set.versionstamp));
}

#[tokio::test]
async fn cascades_are_part_of_the_set() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a; DEFINE TABLE knows TYPE RELATION; DEFINE TABLE c; DEFINE FIELD a ON c TYPE option<record<a>> REFERENCE ON DELETE CASCADE;").await;
    apply(&db).await;
    run(&client, "CREATE a:1, a:2; RELATE a:1->knows:1->a:2; CREATE c:1 SET a = a:2").await;
    let mut feed = open(&db).await;
    drain(&mut feed).await;
    run(&client, "DELETE a:2").await;
    let sets = drain(&mut feed).await;
    assert_eq!(sets.iter().map(describe).collect::<Vec<_>>(), [["-a:2 v2", "-c:1 v2", "-knows:1 v2"]]);
}

/// `LIMIT` counts pairs of transaction and table: an answer of 1,000 pairs ends in the middle of some transaction here.
#[tokio::test]
async fn a_long_backlog_comes_complete() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a; DEFINE TABLE b;").await;
    apply(&db).await;
    let probe = Feed::probe(&db).await.unwrap();
    let statements: String = (0..1_500)
        .map(|i| match i % 3 {
            0 => format!("CREATE a:{i} SET n = {i};"),
            _ => format!("BEGIN; CREATE a:{i} SET n = {i}; CREATE b:{i} SET n = {i}; COMMIT;"),
        })
        .collect();
    run(&client, &statements).await;
    let mut feed = Feed::open(db, probe).await.unwrap();
    let sets = drain(&mut feed).await;
    let found: Vec<Vec<String>> = sets.iter().map(describe).filter(|set| !set.is_empty()).collect();
    let expected: Vec<Vec<String>> = (0..1_500)
        .map(|i| match i % 3 {
            0 => vec![format!("+a:{i} v1 n=Some(Int({i}))")],
            _ => vec![format!("+a:{i} v1 n=Some(Int({i}))"), format!("+b:{i} v1 n=Some(Int({i}))")],
        })
        .collect();
    assert_eq!(found.len(), expected.len());
    assert_eq!(found, expected);
}

/// Stamps are taken before commits, so concurrent transactions become visible in another order than their stamps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_under_concurrent_writers() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path());
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a; DEFINE TABLE b; DEFINE TABLE large; CREATE b:0 SET n = 0").await;
    apply(&db).await;
    let mut feed = open(&db).await;
    // The larger a transaction, the longer it takes from its stamp to its commit.
    let large = tokio::spawn(async move {
        for i in 0..8 {
            run(&client, &format!("FOR $i IN 0..1500 {{ CREATE type::record('large', {i}00000 + $i) SET text = 'a text of some length' }}")).await;
        }
    });
    let mut writers = Vec::new();
    for writer in 0..20_i64 {
        let client = server.client().await;
        writers.push(tokio::spawn(async move {
            let mut committed = 0;
            for i in 0..40 {
                run(&client, &format!("CREATE a:{} SET n = {i}", writer * 1_000 + i)).await;
                let fight = client.query("UPDATE b:0 SET n += 1").await.unwrap().check();
                committed += i64::from(fight.is_ok());
            }
            committed
        }));
    }
    let reader = tokio::spawn(async move {
        let sets = drain(&mut feed).await;
        (sets, feed)
    });
    let mut committed = 0;
    for writer in writers {
        committed += writer.await.unwrap();
    }
    large.await.unwrap();
    let (mut sets, mut feed) = reader.await.unwrap();
    sets.extend(drain(&mut feed).await);
    let mut stamps = BTreeSet::new();
    let mut versions: BTreeMap<String, u64> = BTreeMap::new();
    let mut fights = 0;
    for set in &sets {
        assert!(stamps.insert(set.versionstamp), "a set came twice");
        for change in &set.changes {
            let newest = versions.entry(format!("{:?}", change.id)).or_default();
            assert!(change.version > *newest, "{:?} went back from {newest} to {}", change.id, change.version);
            *newest = change.version;
            fights += i64::from(change.id.is_same_record(&record("b", 0)) && change.version > 1);
        }
    }
    let created = |table: &str| versions.keys().filter(|id| id.contains(table)).count();
    assert_eq!(created("\"a\""), 800);
    assert_eq!(created("\"large\""), 8 * 1_500);
    assert_eq!(fights, committed);
    eprintln!(
        "{} sets, {} late, {committed} of 800 fights won",
        sets.len(),
        sets.iter().filter(|set| set.late).count()
    );
}

/// The server takes a client for dead that has more than 100 notifications waiting, and closes its connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_transaction_cuts_off_no_request() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a").await;
    apply(&db).await;
    let mut feed = open(&db).await;
    let (done, mut is_done) = tokio::sync::oneshot::channel();
    let writer = tokio::spawn(async move {
        for round in 0..5 {
            run(&client, &format!("FOR $i IN 0..1000 {{ UPSERT type::record('a', $i) SET n = {round} }}")).await;
        }
        done.send(()).unwrap();
    });
    let asking = async {
        let mut requests = 0;
        while is_done.try_recv().is_err() {
            db.ping().await.unwrap();
            requests += 1;
        }
        requests
    };
    let mut found = 0;
    let reading = async {
        while found < 5_000 {
            let batch = feed.next().await.unwrap();
            found += batch.sets.iter().map(|set| set.changes.len()).sum::<usize>();
        }
    };
    let (requests, ()) = tokio::join!(asking, reading);
    writer.await.unwrap();
    assert!(requests > 10, "{requests}");
}

/// Readers wait for a change beside other things, and drop the future when one of those comes first.
#[tokio::test]
async fn a_dropped_future_loses_nothing() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a").await;
    apply(&db).await;
    let mut feed = open(&db).await;
    let writer = tokio::spawn(async move {
        for i in 0..600 {
            run(&client, &format!("CREATE a:{i}")).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut found = Vec::new();
    let mut dropped = 0;
    while !writer.is_finished() || dropped < 100 {
        match tokio::time::timeout(Duration::from_micros(700), feed.next()).await {
            Ok(Ok(batch)) => found.extend(batch.sets),
            Ok(Err(error)) => assert!(error.is_retryable(), "{error}"),
            Err(_) => dropped += 1,
        }
    }
    found.extend(drain(&mut feed).await);
    let found: Vec<Vec<String>> = found.iter().map(describe).filter(|set| !set.is_empty()).collect();
    let expected: Vec<Vec<String>> = (0..600).map(|i| vec![format!("+a:{i} v1 n=None")]).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_doorbell_rings_at_once() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a").await;
    apply(&db).await;
    let mut feed = open(&db).await;
    drain(&mut feed).await;
    let mut waits = Vec::new();
    for i in 0..50 {
        let reader = async {
            let batch = feed.next().await.unwrap();
            (Instant::now(), batch.sets.len())
        };
        let writer = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            run(&client, &format!("CREATE a:{i}")).await;
            Instant::now()
        };
        let ((read, sets), written) = tokio::join!(reader, writer);
        assert_eq!(sets, 1);
        waits.push(read.saturating_duration_since(written));
    }
    waits.sort();
    eprintln!("from the writer's answer to the feed's: p50 {:?}, p90 {:?}", waits[25], waits[45]);
    assert!(waits[25] < Duration::from_millis(60), "the bell does not ring: {:?}", waits[25]);
}

#[tokio::test]
async fn a_new_table_is_announced() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    let mut feed = open(&db).await;
    drain(&mut feed).await;
    run(&client, "DEFINE TABLE fresh CHANGEFEED 1d").await;
    let sets = drain(&mut feed).await;
    assert_eq!(sets.iter().flat_map(|set| &set.tables).collect::<Vec<_>>(), ["fresh"]);
}

#[tokio::test]
async fn a_probe_without_installation_says_so() {
    let server = Server::start();
    let db = server.connect().await;
    let error = Feed::probe(&db).await.unwrap_err();
    assert!(matches!(error, Error::Changefeed { .. }), "{error}");
}

#[tokio::test]
async fn a_gap_is_noticed() {
    let server = Server::start();
    let db = server.installed().await;
    let probe = Feed::probe(&db).await.unwrap();
    assert_eq!(Feed::probe(&db).await.unwrap().instance, probe.instance);
    let two_days = (2 * 24 * 60 * 60 * 1_000) << 16;
    let old = Probe { cursor: probe.cursor - two_days, ..probe };
    assert!(matches!(Feed::open(db.clone(), old).await, Err(Error::Gap { .. })));
    let foreign = Probe { instance: uuid::Uuid::new_v4(), ..probe };
    assert!(matches!(Feed::open(db.clone(), foreign).await, Err(Error::Gap { .. })));
    assert!(Feed::open(db, probe).await.is_ok());
}

#[tokio::test]
async fn the_feed_goes_on_after_the_server_was_down() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start_in(directory.path());
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a").await;
    apply(&db).await;
    let mut feed = open(&db).await;
    run(&client, "CREATE a:1").await;
    drain(&mut feed).await;
    server.kill();
    server.restart();
    let client = server.client().await;
    run(&client, "CREATE a:2").await;
    let begin = Instant::now();
    let mut found = Vec::new();
    while begin.elapsed() < Duration::from_secs(20) && found.is_empty() {
        match tokio::time::timeout(Duration::from_secs(1), feed.next()).await {
            Ok(Ok(batch)) => found.extend(batch.sets),
            Ok(Err(error)) => {
                assert!(error.is_retryable(), "{error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(_) => {}
        }
    }
    assert_eq!(found.iter().map(describe).collect::<Vec<_>>(), [["+a:2 v1 n=None"]]);
}

#[tokio::test]
async fn another_database_behind_the_same_address_is_a_gap() {
    let mut server = Server::start();
    let db = server.installed().await;
    let mut feed = open(&db).await;
    drain(&mut feed).await;
    server.kill();
    // In memory: all is gone.
    server.restart();
    server.installed().await;
    let begin = Instant::now();
    loop {
        assert!(begin.elapsed() < Duration::from_secs(20));
        match tokio::time::timeout(Duration::from_secs(1), feed.next()).await {
            Ok(Err(Error::Gap { .. })) => return,
            Ok(Err(error)) => assert!(error.is_retryable(), "{error}"),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_transaction_of_many_records_comes_as_one_set() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a").await;
    apply(&db).await;
    let mut feed = open(&db).await;
    drain(&mut feed).await;
    run(&client, "FOR $i IN 0..3000 { CREATE type::record('a', $i) }").await;
    let sets = drain(&mut feed).await;
    assert_eq!(sets.iter().map(|set| set.changes.len()).collect::<Vec<_>>(), [3_000]);
    let id = RecordId::new("a", Key::Int(2_999));
    let last = sets[0].changes.iter().find(|change| change.id.is_same_record(&id)).unwrap();
    assert_eq!(last.content.as_ref().unwrap().get("id"), Some(&Value::from(id)));
}

/// Everything that is larger than a message: it must be read or written in parts, or named, and never end in a loop.
#[tokio::test]
async fn what_does_not_fit_into_a_message_is_split_or_named() {
    let server = Server::start();
    server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a; DEFINE TABLE b").await;
    let mut settings = server.settings();
    settings.max_message_bytes = 200_000;
    let db = Database::connect(settings, protocol::Names::default()).await.unwrap();
    apply(&db).await;
    let probe = Feed::probe(&db).await.unwrap();
    // 400 transactions of 2 KB, a table of 800 KB.
    let statements: String =
        (0..400).map(|i| format!("CREATE a:{i} SET n = {i}, text = string::repeat('x', 2000);")).collect();
    run(&client, &statements).await;
    assert_eq!(db.page("a", None, 1_000).await.unwrap().changes().unwrap().len(), 400);
    assert_eq!(db.page("a", None, 300).await.unwrap().changes().unwrap().len(), 300);
    let ids: Vec<RecordId> = (0..400).map(|i| record("a", i)).collect();
    let found = db.records(&ids).await.unwrap();
    assert!(found.iter().zip(&ids).all(|(found, id)| found.id.is_same_record(id) && found.content.is_some()));
    let mut feed = Feed::open(db.clone(), probe).await.unwrap();
    let sets = drain(&mut feed).await;
    assert_eq!(sets.iter().map(|set| set.changes.len()).sum::<usize>(), 400);
    // One transaction of 400 KB.
    run(&client, "FOR $i IN 0..200 { CREATE type::record('b', $i) SET text = string::repeat('x', 2000) }").await;
    let error = tokio::time::timeout(Duration::from_secs(30), feed.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::ChangeSetTooLarge { .. }), "{error}");
    // What follows it can be captured again, at the latest when a feed no longer looks back at it.
    let begin = Instant::now();
    loop {
        run(&client, "UPDATE a:1 SET n += 1").await;
        let mut feed = open(&db).await;
        run(&client, "UPDATE a:2 SET n += 1").await;
        match feed.next().await {
            Ok(batch) => {
                assert!(!batch.sets.is_empty());
                break;
            }
            Err(error) => assert!(matches!(error, Error::ChangeSetTooLarge { .. }), "{error}"),
        }
        assert!(begin.elapsed() < Duration::from_secs(15));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // One record of 300 KB, behind another one.
    run(&client, "DEFINE TABLE c; CREATE c:first; CREATE c:large SET text = string::repeat('x', 300000)").await;
    let error = db.page("c", None, 10).await.unwrap_err();
    assert!(matches!(&error, Error::TooLarge { reason, .. } if reason.contains("c:large")), "{error}");
}

/// Catches a feed that asks for less and for more in turn: one transaction takes a page, and does not fit beside the next one.
#[tokio::test]
async fn large_transactions_behind_each_other_are_no_loop() {
    let server = Server::start();
    server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a").await;
    let mut settings = server.settings();
    settings.max_message_bytes = 200_000;
    let db = Database::connect(settings, protocol::Names::default()).await.unwrap();
    apply(&db).await;
    let probe = Feed::probe(&db).await.unwrap();
    run(&client, "FOR $i IN 0..5 { CREATE type::record('a', $i) SET text = string::repeat('x', 30000) }").await;
    run(&client, "CREATE a:large SET text = string::repeat('x', 120000)").await;
    let mut feed = Feed::open(db, probe).await.unwrap();
    let sets = tokio::time::timeout(Duration::from_secs(30), drain(&mut feed)).await.expect("an end");
    assert_eq!(sets.iter().map(|set| set.changes.len()).sum::<usize>(), 6);
}
