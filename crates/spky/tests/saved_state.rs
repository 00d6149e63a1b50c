//! The state that a sidecar keeps over a restart: what changed meanwhile is found, and nothing else is read again.

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use database::Capture;
use support::proxy::proxy;
use support::{Stage, World, stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SCHEMA: &str = "
    DEFINE TABLE thread SCHEMALESS;
    DEFINE TABLE comment SCHEMALESS;
    DEFINE TABLE barrier SCHEMALESS;
    FOR $n IN 0..2000 { CREATE type::record('thread', $n) SET open = $n % 2 = 0, votes = $n };
    CREATE comment:1 SET text = 'first';
";
const VIEWS: [(&str, &str); 3] = [
    ("open", "SELECT * FROM thread WHERE open"),
    ("best", "SELECT * FROM thread ORDER BY votes DESC LIMIT 5"),
    ("comments", "SELECT * FROM comment"),
];
/// Requests of a start that reads 2,000 rows in pages of 40: more than this. Of one that goes on: fewer.
const READS: u64 = 50;

/// A sidecar that keeps its state in a folder, with some views, reached at an address.
async fn world(stage: &Stage, database: SocketAddr, name: &str, folder: &Path, capture: Capture) -> World {
    let throttle = Duration::from_millis(5);
    let mut world = World::start_behind(stage, database, name, capture, throttle, SCHEMA).await;
    world.settings.page_size = 40;
    // Its folder does not exist yet.
    world.settings.state_file = Some(folder.join("data").join(name));
    let world = world.restart().await.with_barrier().await;
    for (id, surql) in VIEWS {
        world.register(id, surql, "{}").await;
    }
    world
}

/// Restarts the sidecar after something has happened, and compares all views with SurrealDB's own answers. Answers how many
/// requests the start took.
async fn restarted(world: World, requests: &AtomicU64, meanwhile: &str) -> (World, u64) {
    let mut before = 0;
    let world = world.restart_after(async |client| {
        client.query(meanwhile.to_owned()).await.expect("the database answers").check().expect("it succeeds");
        before = requests.load(Ordering::SeqCst);
    });
    let world = world.await;
    let took = requests.load(Ordering::SeqCst) - before;
    world.quiet().await;
    for (id, surql) in VIEWS {
        world.compare(id, surql, "{}").await.unwrap_or_else(|difference| panic!("{meanwhile}: {surql}: {difference}"));
    }
    (world, took)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_from_the_saved_state() {
    let stage = stage().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (address, requests) = proxy(stage.server.address()).await;
    let world = world(&stage, address, "goes_on", folder.path(), Capture::Feed).await;
    let file = folder.path().join("data/goes_on");

    let (world, took) = restarted(world, &requests, "RETURN 1").await;
    assert!(took < READS, "nothing has changed, and the start took {took} requests");
    let changes = "
        CREATE thread:n1 SET open = true, votes = 9000; UPDATE thread:1 SET open = true, votes = 8000;
        DELETE thread:1999; DELETE thread:0; UPDATE thread:2 SET open = false;
    ";
    let (world, took) = restarted(world, &requests, changes).await;
    assert!(took < READS, "few rows have changed, and the start took {took} requests");
    // One change more, to see that the feed is followed from there.
    world.run("UPDATE thread:3 SET open = true; DELETE thread:n1").await;
    let (world, took) = restarted(world, &requests, "CREATE comment:2").await;
    assert!(took < READS, "{took}");

    // Of these nothing is in the feed.
    let gone = "REMOVE TABLE comment; DEFINE TABLE comment SCHEMALESS CHANGEFEED 1d; CREATE comment:3; CREATE note:1";
    let (world, took) = restarted(world, &requests, gone).await;
    assert!(took < READS, "one small table is another, and the start took {took} requests");
    let world = world.restart_after(async |client| {
        client.query("REMOVE TABLE comment").await.expect("the database answers").check().expect("it succeeds");
    });
    let world = world.await;
    world.quiet().await;
    assert_eq!(world.edges("comments").await, [], "SurrealDB answers an error, and there are no rows");
    world.run("DEFINE TABLE comment SCHEMALESS; CREATE comment:4").await;
    world.register("again", "SELECT * FROM comment", "{}").await;
    world.quiet().await;
    assert_eq!(world.edges("again").await, [("comment:4".to_owned(), 1)]);

    // A damaged file is as good as none.
    let (world, took) = restarted_after_damage(world, &requests, &file).await;
    assert!(took > READS, "the tables are read again, not only {took} requests");
    world.ssp.stop().await.expect("the sidecar stops");
}

async fn restarted_after_damage(world: World, requests: &AtomicU64, file: &Path) -> (World, u64) {
    let mut before = 0;
    let world = world.restart_after(async |_| {
        let mut bytes = std::fs::read(file).expect("a saved state");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file, bytes).expect("the file is ours");
        before = requests.load(Ordering::SeqCst);
    });
    let world = world.await;
    let took = requests.load(Ordering::SeqCst) - before;
    let (id, surql) = VIEWS[0];
    world.compare(id, surql, "{}").await.unwrap_or_else(|difference| panic!("{surql}: {difference}"));
    (world, took)
}

/// Where no feed reaches back to the saved state, the versions tell what has changed since.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_a_feed_goes_by_versions() {
    const CHANGES: &str = "
        CREATE thread:n1 SET open = true, votes = 9000; UPDATE thread:1 SET open = true, votes = 8000;
        DELETE thread:1999; DELETE thread:0; UPDATE thread:2 SET open = false; DELETE thread:1998; CREATE thread:1998 SET open = true;
    ";
    let stage = stage().await;
    let folder = tempfile::tempdir().expect("a folder");

    let (address, requests) = proxy(stage.server.address()).await;
    let world = world(&stage, address, "outlived", folder.path(), Capture::Feed).await;
    let (world, took) = restarted(world, &requests, "ALTER TABLE _00_version CHANGEFEED 1s; SLEEP 1200ms; ").await;
    assert!(took < READS, "nothing has changed, and the start took {took} requests");
    let changes = format!("{CHANGES} DELETE comment:1; SLEEP 1200ms;");
    let (world, took) = restarted(world, &requests, &changes).await;
    assert!(took < READS, "few rows have changed, and the start took {took} requests");
    // What was deleted before stays so, and what the feed says from now on is heard.
    let (world, took) = restarted(world, &requests, "CREATE comment:2; SLEEP 1200ms;").await;
    assert!(took < READS, "{took}");
    world.run("UPDATE thread:3 SET open = true; DELETE thread:n1; CREATE comment:1").await;
    world.quiet().await;
    for (id, surql) in VIEWS {
        world.compare(id, surql, "{}").await.unwrap_or_else(|difference| panic!("{surql}: {difference}"));
    }
    world.ssp.stop().await.expect("the sidecar stops");

    let (address, requests) = proxy(stage.server.address()).await;
    let world = self::world(&stage, address, "pushed", folder.path(), Capture::Push).await;
    world.run("DELETE comment:1; UPDATE thread:4 SET votes = 7000").await;
    let (world, took) = restarted(world, &requests, "RETURN 1").await;
    assert!(took < READS, "nothing has changed, and the start took {took} requests");
    // Taken, and forgotten before the state was saved.
    let taker = taker(world.settings.listen);
    let mut taking = None;
    let mut before = 0;
    let world = world.restart_after(async |client| {
        taking = Some(tokio::spawn(taker));
        client.query(CHANGES).await.expect("the database answers").check().expect("it succeeds");
        if let Some(taking) = taking.take() {
            taking.abort();
            assert!(taking.await.expect_err("it has no end").is_cancelled());
        }
        before = requests.load(Ordering::SeqCst);
    });
    let world = world.await;
    let took = requests.load(Ordering::SeqCst) - before;
    assert!(took < READS, "few rows have changed, and the start took {took} requests");
    world.run("UPDATE thread:5 SET open = true").await;
    world.quiet().await;
    for (id, surql) in VIEWS {
        world.compare(id, surql, "{}").await.unwrap_or_else(|difference| panic!("pushed: {surql}: {difference}"));
    }
    world.ssp.stop().await.expect("the sidecar stops");
}

/// Says yes to whatever is posted, in the place of a sidecar that dies right after.
async fn taker(address: SocketAddr) {
    let listener = tokio::net::TcpListener::bind(address).await.expect("the port is free");
    loop {
        let (mut connection, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 4096];
        let _ = connection.read(&mut request).await.expect("a request");
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
        connection.write_all(answer.as_bytes()).await.expect("somebody listens");
    }
}

/// A state is only good for the database that it is of, and for the content of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_another_database_is_not_used() {
    let stage = stage().await;
    let folder = tempfile::tempdir().expect("a folder");
    let world = world(&stage, stage.server.address(), "replaced", folder.path(), Capture::Feed).await;
    let replaced = world.restart_after(async |client| {
        let script = "REMOVE DATABASE replaced; DEFINE DATABASE replaced; USE DB replaced;
                      DEFINE TABLE thread; DEFINE TABLE comment; DEFINE TABLE barrier; CREATE thread:1 SET open = true";
        client.query(script).await.expect("the database answers").check().expect("it succeeds");
        client.use_ns("test").use_db("replaced").await.expect("the database exists");
        let settings = support::database_settings(stage.server.address(), "replaced");
        let database = database::Database::connect(settings, Default::default()).await.expect("the database answers");
        let options = database::SchemaOptions::new(Default::default(), "http://127.0.0.1:1", support::SECRET);
        database.apply(&options).await.expect("the schema applies");
    });
    let world = replaced.await.with_barrier().await;
    for (id, surql) in VIEWS {
        world.register(id, surql, "{}").await;
        world.compare(id, surql, "{}").await.unwrap_or_else(|difference| panic!("{surql}: {difference}"));
    }
    assert_eq!(world.edges("open").await, [("thread:1".to_owned(), 1)]);
    world.ssp.stop().await.expect("the sidecar stops");
}

/// While changes come and go, the state is saved on its own; a file that is there is always whole.
#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_saved_after_the_last_change() {
    let stage = stage().await;
    let folder = tempfile::tempdir().expect("a folder");
    let world = world(&stage, stage.server.address(), "debounced", folder.path(), Capture::Feed).await;
    let file = folder.path().join("data/debounced");
    let saved = |file: &Path| std::fs::metadata(file).and_then(|file| file.modified()).ok();
    wait_for("a first save", || saved(&file).is_some()).await;
    let first = saved(&file);
    world.run("UPDATE thread:1 SET open = true").await;
    wait_for("another save", || saved(&file) != first).await;
    let beside: PathBuf = file.with_added_extension("new");
    assert!(!beside.exists(), "nothing is left beside it");
    // A file that can't be written is reported, and the service goes on.
    std::fs::remove_dir_all(folder.path().join("data")).expect("the folder is ours");
    std::fs::write(folder.path().join("data"), "in the way").expect("the folder is ours");
    world.run("UPDATE thread:1 SET open = false").await;
    world.quiet().await;
    let (id, surql) = VIEWS[0];
    world.compare(id, surql, "{}").await.expect("the view is right");
    world.ssp.stop().await.expect("the sidecar stops all the same");
}

/// An application that defines its table anew takes our event away: without it, versions would stand still, and nothing would
/// tell the sidecar that there is something to fetch.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_defined_anew_is_counted_again() {
    let stage = stage().await;
    let world = World::start(&stage, "anew", Capture::Feed, SCHEMA).await.with_barrier().await;
    world.register("comments", "SELECT * FROM comment", "{}").await;
    let becomes = async |edges: &[(&str, i64)]| {
        let expected: Vec<(String, i64)> = edges.iter().map(|(id, version)| ((*id).to_owned(), *version)).collect();
        for _ in 0..400 {
            if world.edges("comments").await == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("expected {expected:?}, shown {:?}", world.edges("comments").await);
    };
    let event = async || {
        let info = world.run("RETURN (INFO FOR TABLE comment).events").await;
        format!("{info:?}").contains("_00_version")
    };
    world.run("REMOVE TABLE comment; DEFINE TABLE comment SCHEMALESS CHANGEFEED 1d; CREATE comment:3").await;
    becomes(&[("comment:3", 1)]).await;
    assert!(event().await, "versions of the new table are counted");
    world.run("UPDATE comment:3 SET text = 'changed'").await;
    becomes(&[("comment:3", 2)]).await;

    world.run("REMOVE EVENT _00_version ON comment; UPDATE comment:3 SET text = 'not counted'").await;
    for _ in 0..400 {
        if event().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    world.run("UPDATE comment:3 SET text = 'again'").await;
    becomes(&[("comment:3", 3)]).await;
    world.ssp.stop().await.expect("the sidecar stops");
}

async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..200 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain for {what}");
}
