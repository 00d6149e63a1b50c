//! `spky verify`: finds what differs, names it, repairs it, and is silent about what only changes.

mod support;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use database::Capture;
use serde_json::Value as Json;
use support::{SECRET, Stage, World, stage};

const SCHEMA: &str = "
    DEFINE TABLE thread SCHEMALESS;
    DEFINE TABLE comment SCHEMALESS;
    DEFINE TABLE barrier SCHEMALESS;
    DEFINE TABLE person SCHEMALESS;
    DEFINE FIELD seen ON person COMPUTED time::now();
    FOR $n IN 0..500 { CREATE type::record('thread', $n) SET open = $n % 2 = 0, votes = $n, kind = <string> ($n % 3) };
    CREATE comment:1 SET text = 'first', thread = thread:1;
    CREATE comment:`two words` SET text = 'second', thread = thread:2;
    CREATE person:1;
";
const VIEWS: [(&str, &str); 3] = [
    ("open", "SELECT * FROM thread WHERE open"),
    ("best", "SELECT * FROM thread ORDER BY votes DESC LIMIT 5"),
    ("comments", "SELECT * FROM comment"),
];

async fn world(stage: &Stage, name: &str) -> World {
    let world = World::start(stage, name, Capture::Feed, SCHEMA).await.with_barrier().await;
    for (id, surql) in VIEWS {
        world.register(id, surql, "{}").await;
    }
    world
        .register("kinds", "SELECT kind, count() AS n, math::sum(votes) AS votes FROM thread GROUP BY kind", "{}")
        .await;
    world
}

/// Runs `spky verify` on a database. Answers its exit code, and what it prints: JSON if asked for.
async fn verify(stage: &Stage, world: &World, options: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spky"));
    command.arg("verify").args(options).env("SPKY_AUTH_SECRET", SECRET);
    command.args(["--ssp", &world.url(""), "--db-url", &stage.server.address().to_string()]);
    command.args(["--db", &world.settings.database.database, "--ns", "test"]);
    let output = tokio::task::spawn_blocking(move || {
        let directory = tempfile::tempdir().expect("a directory");
        command.current_dir(directory.path()).output().expect("spky runs")
    });
    let output = output.await.expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.code(), if text.is_empty() { errors } else { text })
}

async fn verify_json(stage: &Stage, world: &World, options: &[&str]) -> (Option<i32>, Json) {
    let (code, text) = verify(stage, world, &[options, &["--json"]].concat()).await;
    (code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

async fn assert_equal(stage: &Stage, world: &World) {
    let (code, report) = verify_json(stage, world, &[]).await;
    assert_eq!((code, &report["equal"]), (Some(0), &Json::Bool(true)), "{report}");
    for (id, surql) in VIEWS {
        world.compare(id, surql, "{}").await.unwrap_or_else(|difference| panic!("{surql}: {difference}"));
    }
}

/// The state of a table, with what differs.
fn of_table(report: &Json, name: &str) -> (String, Vec<(String, String)>) {
    let tables = report["tables"].as_array().expect("tables");
    let table = tables.iter().find(|table| table["table"] == name).unwrap_or_else(|| panic!("{name}: {report}"));
    let text = |json: &Json| json.as_str().expect("a text").to_owned();
    let records = table["records"].as_array().expect("records");
    (text(&table["state"]), records.iter().map(|record| (text(&record["id"]), text(&record["kind"]))).collect())
}

/// Catches an import that goes unnoticed, a repair that does not reach the views, and anything that is hashed in two ways.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_found_and_repaired() {
    let stage = stage().await;
    let world = world(&stage, "import").await;
    assert_equal(&stage, &world).await;
    let (code, text) = verify(&stage, &world, &[]).await;
    assert!(code == Some(0) && text.ends_with("equal\n"), "{text}");
    // What reached the sidecar one by one hashes like what the database answers in pages.
    world
        .run(
            "UPDATE thread:1 SET open = true, at = time::now(), who = comment:1, n = 1.5dec, f = 2f, d = 1h, b = <bytes> 'x',
             u = rand::uuid(), g = (1.0, 2.0), nested = { a: [1, 2f, NONE, NULL], none: NONE }, set = {1, 2,};
             CREATE comment:[1, 'a'] SET text = 'third'; CREATE comment:{ a: 1 } SET text = 'fourth';
             CREATE comment:u'0191a5b4-5d3c-7c1e-8f4a-1f2e3d4c5b6a'; RELATE thread:1->comment:wrote->thread:2 SET n = 1;
             DELETE thread:4;",
        )
        .await;
    world.quiet().await;
    assert_equal(&stage, &world).await;

    let import = "OPTION IMPORT; UPDATE thread:6 SET open = false; UPDATE thread:3 SET votes = 3f, kind = '9'; CREATE thread:x SET
                  open = true, votes = 9000, kind = '0'; DELETE thread:8;";
    world.run(import).await;
    world.quiet().await;
    let (code, report) = verify_json(&stage, &world, &[]).await;
    assert_eq!((code, &report["equal"]), (Some(1), &Json::Bool(false)), "{report}");
    let named = [("thread:3", "other"), ("thread:6", "other"), ("thread:8", "extra"), ("thread:x", "missing")];
    let named: Vec<(String, String)> = named.map(|(id, kind)| (id.to_owned(), kind.to_owned())).into();
    assert_eq!(of_table(&report, "thread"), ("different".to_owned(), named));
    assert_eq!(of_table(&report, "comment"), ("equal".to_owned(), Vec::new()));
    // The edges are what the sidecar holds, but for one that went with its record.
    let different = &report["views"]["different"];
    assert_eq!(different[0]["examples"], serde_json::json!(["the edge to thread:8 is missing"]), "{report}");
    assert_eq!(different.as_array().map(Vec::len), Some(1), "{report}");

    let (code, text) = verify(&stage, &world, &["--fix"]).await;
    assert!(code == Some(0) && text.ends_with("repaired\n"), "{text}");
    world.quiet().await;
    assert_equal(&stage, &world).await;
    assert!(world.edges("best").await.contains(&("thread:x".to_owned(), 1)), "the views follow");

    // The hashes are those of the rows, wherever these come from.
    let folder = tempfile::tempdir().expect("a folder");
    let mut world = world;
    world.settings.state_file = Some(folder.path().join("state"));
    let world = world.restart().await.restart().await;
    world.run("UPDATE thread:2 SET votes = 1").await;
    world.quiet().await;
    assert_equal(&stage, &world).await;
    world.ssp.stop().await.expect("the sidecar stops");
}

/// Catches edges that are believed to be there, or to be right, because they were written once.
#[tokio::test(flavor = "multi_thread")]
async fn edges_that_somebody_has_changed_are_found_and_mended() {
    let stage = stage().await;
    let world = world(&stage, "edges").await;
    let flat = serde_json::json!({
        "id": "flat", "surql": "SELECT * FROM comment", "clientId": "test", "ttl": "1h", "format": "flat"
    });
    assert_eq!(world.post("/view/register", &flat).await.0, 200);
    world.register("removed", "SELECT * FROM comment", "{}").await;
    world.quiet().await;
    assert_equal(&stage, &world).await;
    let changes = [
        "DELETE _00_list_ref WHERE in = _00_query:open AND out = thread:2",
        "UPDATE _00_list_ref SET version = 7 WHERE in = _00_query:open AND out = thread:4",
        "UPDATE _00_list_ref SET clientId = 'other' WHERE in = _00_query:open AND out = thread:6",
        "RELATE _00_query:open->_00_list_ref:['open', thread:3]->thread:3 SET version = 1, clientId = 'test'",
        "UPDATE _00_row SET content.n = 0 WHERE content.kind = '1'",
        "UPDATE _00_query:flat SET hash = '00000000000000000000000000000000'",
        "DELETE _00_query:removed",
    ];
    world.run(&changes.join(";")).await;
    let (code, report) = verify_json(&stage, &world, &[]).await;
    assert_eq!(code, Some(1), "{report}");
    let different = report["views"]["different"].as_array().expect("views");
    let of = |id: &str| different.iter().find(|view| view["view"] == id).unwrap_or_else(|| panic!("{id}: {report}"));
    let expected = [
        "the edge to thread:2 is missing",
        "the edge to thread:3 should not be there",
        "the edge to thread:4 has the version 7 instead of 1",
        "the edge to thread:6 is missing",
    ];
    assert_eq!(of("open")["examples"], serde_json::json!(expected), "{report}");
    assert_eq!((&of("kinds")["differences"], &of("flat")["differences"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(of("removed")["state"], "gone", "{report}");
    assert_eq!(different.len(), 4, "{report}");

    let (code, report) = verify_json(&stage, &world, &["--fix"]).await;
    assert_eq!((code, &report["equal"]), (Some(0), &Json::Bool(true)), "{report}");
    assert_equal(&stage, &world).await;
    let content = world.run("SELECT VALUE content.n FROM _00_row WHERE content.kind = '1'").await;
    assert!(format!("{content:?}").contains("167"), "{content:?}");
    // It goes on from there.
    world.run("UPDATE thread:2 SET open = false; UPDATE thread:4 SET votes = 5; UPDATE thread:1 SET open = true, kind = '2'").await;
    world.quiet().await;
    assert_equal(&stage, &world).await;
    world.ssp.stop().await.expect("the sidecar stops");
}

/// Catches an alarm about what is only on its way.
#[tokio::test(flavor = "multi_thread")]
async fn writes_meanwhile_are_no_difference() {
    let stage = stage().await;
    let world = Arc::new(world(&stage, "writes").await);
    let is_over = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (world, is_over) = (world.clone(), is_over.clone());
        async move {
            let mut writes = 0_u64;
            while !is_over.load(Ordering::SeqCst) {
                let n = writes % 400;
                world
                    .run(&format!(
                        "UPDATE thread:{n} SET open = !open, votes += 7; UPDATE thread:0 SET votes += 1;
                         CREATE comment:c{writes} SET text = 'new'; DELETE comment:c{};",
                        writes.saturating_sub(5)
                    ))
                    .await;
                writes += 1;
            }
            writes
        }
    });
    for _ in 0..3 {
        let (code, report) = verify_json(&stage, &world, &["--fix"]).await;
        assert_eq!(code, Some(0), "{report}");
        assert_eq!(of_table(&report, "thread").0, "equal", "{report}");
        assert_eq!(of_table(&report, "comment").0, "equal", "{report}");
        assert_eq!(report["views"]["different"], Json::Array(Vec::new()), "{report}");
    }
    is_over.store(true, Ordering::SeqCst);
    let writes = writer.await.expect("the writer ends");
    assert!(writes > 50, "only {writes} writes");
    world.quiet().await;
    assert_equal(&stage, &world).await;
}

/// What leaves neither an event nor a line in the changefeed is noticed by counting.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_noticed_without_being_asked() {
    let stage = stage().await;
    let mut world = world(&stage, "noticed").await;
    world.settings.count_interval = Duration::from_millis(200);
    let world = world.restart().await;
    world.run("OPTION IMPORT; CREATE comment:imported SET text = 'without a trace'").await;
    let mut waited = 0;
    while !world.edges("comments").await.contains(&("comment:imported".to_owned(), 1)) {
        waited += 1;
        assert!(waited < 300, "not noticed");
        // Other tables are busy meanwhile.
        world.run("UPDATE thread:1 SET votes += 1").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(waited > 10, "a first look is not believed");
    world.quiet().await;
    assert_equal(&stage, &world).await;
    world.ssp.stop().await.expect("the sidecar stops");
}

/// A sidecar that is not there, or that is of another database, is no answer.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_compared_is_neither_equal_nor_different() {
    let stage = stage().await;
    let world = world(&stage, "one").await;
    let (code, text) = verify(&stage, &world, &["--ssp", "http://127.0.0.1:1"]).await;
    assert_eq!(code, Some(2), "{text}");
    let mut other = world;
    other.settings.database.database = "another".to_owned();
    let (code, text) = verify(&stage, &other, &[]).await;
    assert!(code == Some(2) && text.contains("is a copy of test/one"), "{text}");
}
