//! The HTTP interface as a client sees it: answers, errors, the bearer token.

mod support;

use std::sync::Mutex;
use std::time::Duration;

use database::Capture;
use serde_json::{Value as Json, json};
use support::{SECRET, World, stage};
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::Client;

const SCHEMA: &str = "
    DEFINE TABLE thread SCHEMALESS;
    DEFINE TABLE barrier SCHEMALESS;
    CREATE thread:1 SET status = 'open', priority = 3, at = d'2026-01-01T00:00:00Z', author = user:1;
    CREATE thread:2 SET status = 'open', priority = 1;
    CREATE thread:3 SET status = 'closed', priority = 2;
";

#[tokio::test(flavor = "multi_thread")]
async fn the_interface_answers_as_documented() {
    let stage = stage().await;
    let world = World::start(&stage, "http", Capture::Feed, SCHEMA).await.with_barrier().await;
    registers_and_refreshes(&world).await;
    refuses_with_position(&world).await;
    asks_for_the_token(&world).await;
    ingests(&world).await;
    ingests_batches(&world).await;
    logs(&world).await;
    shows_what_it_holds(&world).await;
    resets(&world).await;
    world.ssp.stop().await.expect("the sidecar stops");
}

async fn registers_and_refreshes(world: &World) {
    let surql = "SELECT * FROM thread WHERE status = $status ORDER BY priority";
    let answer = world.register("incantation:abc", surql, "{ status: 'open' }").await;
    assert_eq!(answer["id"], "abc");
    let ids: Vec<&Json> = answer["rows"].as_array().expect("rows").iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, ["thread:2", "thread:1"]);
    let record = &answer["rows"][1]["record"];
    assert_eq!(record["at"], "2026-01-01T00:00:00Z");
    assert_eq!(record["author"], "user:1");
    assert_eq!(world.edges("abc").await, [("thread:1".to_owned(), 1), ("thread:2".to_owned(), 1)]);

    // The same id by another of its names, with the same query: a refresh.
    let again = world.register("_00_query:abc", surql, "{ status: 'open' }").await;
    assert_eq!(again["hash"], answer["hash"]);
    // Another query replaces it.
    world.register("query:abc", surql, "{ status: 'closed' }").await;
    assert_eq!(world.edges("abc").await, [("thread:3".to_owned(), 1)]);
    let stored = world.run("RETURN _00_query:abc.{ params, rowCount, clientId }").await;
    let text = format!("{:?}", stored[0]);
    assert!(text.contains("closed") && text.contains("test"), "{text}");

    let (status, info) = get(world, "/info").await;
    assert_eq!((status, &info[0]["entity"], &info[0]["views"]), (200, &json!("ssp"), &json!(2)));
    assert_eq!(world.post("/view/unregister", &json!({ "id": "abc" })).await.0, 200);
    assert_eq!(world.edges("abc").await, []);
    assert_eq!(world.run("RETURN array::len(SELECT * FROM _00_query)").await[0].clone().into_json_value(), json!(1));
    assert_eq!(world.post("/view/unregister", &json!({ "id": "abc" })).await.0, 200, "twice is no error");
}

async fn refuses_with_position(world: &World) {
    for (surql, code, part) in [
        ("SELECT * FROM thread WHERE rand() > 0.5", "UNSUPPORTED_QUERY", "line 1, column 28"),
        ("SELECT status,\n* FROM thread GROUP BY status", "UNSUPPORTED_QUERY", "line 2"),
        ("SELECT * FROM thread WHERE", "UNSUPPORTED_QUERY", "line 1"),
        ("DELETE thread", "UNSUPPORTED_QUERY", "line 1"),
        ("SELECT * FROM thread; SELECT * FROM thread", "UNSUPPORTED_QUERY", "line 1"),
    ] {
        let (status, body) = world.try_register("bad", surql, "{}").await;
        let message = body["message"].as_str().unwrap_or_default();
        assert!(status == 400 && body["code"] == code && message.contains(part), "{surql}: {status} {body}");
    }
    // What the database computes is refused, and left as it is.
    world.run("DEFINE TABLE by_status AS SELECT status, count() AS n FROM thread GROUP BY status").await;
    world.run("BEGIN; DEFINE TABLE priced; DEFINE FIELD first ON priced COMPUTED thread:1.priority; COMMIT").await;
    for (surql, part) in [
        ("SELECT * FROM by_status", "by_status"),
        ("SELECT * FROM thread WHERE status IN (SELECT VALUE status FROM by_status)", "by_status"),
        ("SELECT * FROM priced WHERE first", "COMPUTED"),
        ("SELECT id, article.first FROM thread", "the field first"),
        ("SELECT * FROM thread FETCH article", "a whole record"),
    ] {
        let (status, body) = world.try_register("bad", surql, "{}").await;
        let message = body["message"].as_str().unwrap_or_default();
        assert!(status == 400 && body["code"] == "UNSUPPORTED_QUERY" && message.contains(part), "{status} {body}");
    }
    // Of a table that is known already, it is found with the next look; a view that is there by then is removed.
    world.run("DEFINE TABLE later; CREATE later:1 SET n = 1").await;
    world.register("computed", "SELECT * FROM later", "{}").await;
    world.register("linked", "SELECT id, author.twice FROM thread", "{}").await;
    world.register("unconcerned", "SELECT id, author.name FROM thread", "{}").await;
    world.run("DEFINE FIELD twice ON later COMPUTED n * 2").await;
    let views = "RETURN array::len(SELECT * FROM _00_query:computed, _00_query:linked)";
    let started = std::time::Instant::now();
    while world.run(views).await[0].clone().into_json_value() != json!(0) {
        assert!(started.elapsed() < Duration::from_secs(60), "the view is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let left = world.run("RETURN array::len(SELECT * FROM _00_query:unconcerned)").await;
    assert_eq!(left[0].clone().into_json_value(), json!(1));
    assert_eq!(world.post("/view/unregister", &json!({ "id": "unconcerned" })).await.0, 200);
    world.run("REMOVE TABLE later; REMOVE TABLE priced").await;
    let left = world.run("RETURN (INFO FOR TABLE by_status).events").await;
    assert_eq!(left[0].clone().into_json_value(), json!({}));
    for (body, part) in [
        (json!({ "id": "x" }), "surql"),
        (json!({ "id": "x", "surql": "SELECT * FROM thread", "clientId": "c", "ttl": "soon" }), "ttl"),
        (json!({ "id": "", "surql": "SELECT * FROM thread", "clientId": "c", "ttl": "1h" }), "empty"),
        (json!({ "id": "x", "surql": "SELECT * FROM thread", "clientId": "c", "ttl": "1h", "params": "[" }), "params"),
        (json!([]), "invalid"),
    ] {
        let (status, answer) = world.post("/view/register", &body).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(status == 400 && answer["code"] == "INVALID_REQUEST" && message.contains(part), "{body}: {answer}");
    }
    assert_eq!(world.post("/nowhere", &json!({})).await.1["code"], "NOT_FOUND");
    assert_eq!(get(world, "/ingest").await.1["code"], "METHOD_NOT_ALLOWED");
    let huge = json!({ "id": "x".repeat(17 << 20) });
    assert_eq!(world.post("/ingest", &huge).await.0, 413);
}

/// The debug pages, as documented.
async fn shows_what_it_holds(world: &World) {
    let surql = "SELECT *, (SELECT * FROM note WHERE thread = $parent.id) AS notes FROM thread WHERE status = 'shown'";
    world.run("CREATE thread:7 SET status = 'shown'; CREATE note:1 SET thread = thread:7").await;
    world.register("shown", surql, "{}").await;
    world.quiet().await;
    let (status, view) = get(world, "/debug/view/shown").await;
    assert_eq!((status, &view["view_id"], &view["cache_size"]), (200, &json!("shown"), &json!(1)));
    assert_eq!(view["cache"], json!([{ "id": "thread:7", "version": 1 }]));
    assert_eq!(view["subquery_cache"], json!({ "notes": [{ "id": "note:1", "version": 1 }] }));
    assert_eq!((&view["subquery_tables"], &view["format"]), (&json!(["note"]), &json!("streaming")));
    assert_eq!(view["referenced_tables"], json!(["note", "thread"]));
    let generation = view["content_generation"].as_u64().expect("a number");
    world.run("UPDATE note:1 SET text = 'new'").await;
    world.quiet().await;
    let (_, after) = get(world, "/debug/view/_00_query:shown").await;
    assert_eq!(after["subquery_cache"]["notes"][0]["version"], 2);
    assert_eq!(after["content_generation"], generation + 1);
    assert_eq!(world.run("RETURN _00_query:shown.hash").await[0].clone().into_json_value(), after["last_hash"]);

    assert_eq!(get(world, "/debug/view/nobody").await.1["code"], "NOT_FOUND");
    let (status, deps) = get(world, "/debug/deps").await;
    assert_eq!((status, &deps["dependency_map"]["note"]), (200, &json!(["shown"])));
    assert!(deps["dependency_map"]["thread"].as_array().expect("views").contains(&json!("shown")), "{deps}");
    let (_, info) = get(world, "/info").await;
    assert_eq!(deps["view_count"], info[0]["views"]);
    assert!(deps["tables_in_store"].as_array().expect("tables").contains(&json!("thread")), "{deps}");
}

/// Afterwards there are no views, in the database neither, and what is registered next is right.
async fn resets(world: &World) {
    assert_eq!(world.post("/reset", &json!({})).await.0, 200);
    assert_eq!(get(world, "/health").await.1["status"], "ready");
    assert_eq!(get(world, "/info").await.1[0]["views"], 0);
    let left = world.run("SELECT * FROM _00_query, _00_list_ref, _00_row").await;
    assert_eq!(left[0].clone().into_json_value(), json!([]));
    let surql = "SELECT * FROM thread WHERE status = 'shown'";
    world.register("after", surql, "{}").await;
    world.register("barrier", "SELECT * FROM barrier", "{}").await;
    world.run("CREATE thread:8 SET status = 'shown'").await;
    world.quiet().await;
    world.compare("after", surql, "{}").await.expect("the view is right");
    assert_eq!(world.edges("after").await.len(), 2);
}

async fn asks_for_the_token(world: &World) {
    let http = reqwest::Client::new();
    for token in [None, Some("wrong"), Some("")] {
        let mut request = http.post(world.url("/view/unregister")).json(&json!({ "id": "x" }));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.expect("the sidecar answers");
        assert_eq!(answer.status().as_u16(), 401);
        let body: Json = answer.json().await.expect("a body");
        assert_eq!(body["code"], "UNAUTHORIZED");
        assert!(!body.to_string().contains(SECRET));
    }
    for path in ["/health", "/version", "/info"] {
        let answer = http.get(world.url(path)).send().await.expect("the sidecar answers");
        assert_eq!(answer.status().as_u16(), 200, "{path} is open to everybody");
    }
}

/// What is ingested and is not what the database holds leaves no trace; what it holds is confirmed.
async fn ingests(world: &World) {
    world.register("all", "SELECT * FROM thread WHERE status = 'held'", "{}").await;
    let lie = json!({ "table": "thread", "op": "CREATE", "id": "thread:99", "record": { "status": "held" } });
    assert_eq!(world.post("/ingest", &lie).await.0, 200);
    world.run("UPDATE thread:1 SET status = 'held'").await;
    let truth = json!({ "table": "thread", "op": "UPDATE", "id": "thread:1", "record": { "status": "held" } });
    assert_eq!(world.post("/ingest", &truth).await.0, 200);
    world.quiet().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.edges("all").await, [("thread:1".to_owned(), 2)]);
    for bad in [
        json!({ "table": "thread", "op": "MERGE", "id": "thread:1", "record": {} }),
        json!({ "table": "thread", "op": "UPDATE", "id": "user:1", "record": {} }),
        json!({ "table": "_00_query", "op": "UPDATE", "id": "_00_query:all", "record": {} }),
        json!({ "table": "thread", "op": "UPDATE", "id": "thread:1", "record": { "_00_rv": "x" } }),
        json!({ "table": "thread", "op": "UPDATE", "id": "thread:1", "record": {}, "content": "%%%" }),
    ] {
        let (status, answer) = world.post("/ingest", &bad).await;
        assert!(status == 400 && answer["code"] == "INVALID_REQUEST", "{bad}: {answer}");
    }
}

/// A batch is taken in as a whole, in either form, or not at all.
async fn ingests_batches(world: &World) {
    world.register("batch", "SELECT * FROM thread WHERE status = 'batched'", "{}").await;
    let change = |number: u32| json!({ "table": "thread", "op": "CREATE", "id": format!("thread:{number}"), "record": { "status": "batched" } });
    world.run("CREATE thread:101 SET status = 'batched'; CREATE thread:102 SET status = 'batched'").await;
    assert_eq!(world.post("/ingest/batch", &json!([change(101), change(102), change(199)])).await.0, 200);
    world.run("CREATE thread:103 SET status = 'batched'").await;
    let lines = format!("{}\n\n{}\n", change(103), change(198));
    assert_eq!(post_text(world, "/ingest/batch", lines).await.0, 200);
    for nothing in ["[]", "", " \n"] {
        assert_eq!(post_text(world, "/ingest/batch", nothing.to_owned()).await.0, 200, "{nothing:?}");
    }
    world.quiet().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let expected = [101, 102, 103].map(|number| (format!("thread:{number}"), 1));
    assert_eq!(world.edges("batch").await, expected);

    let of_system = json!({ "table": "_00_query", "op": "UPDATE", "id": "_00_query:all", "record": {} });
    for (body, part) in [
        (format!("[{}, {of_system}]", change(104)), "change 2"),
        (format!("{}\n{}", change(104), r#"{ "table": "thread", "op": "MERGE" }"#), "line 2"),
        (format!("{}\n{{", change(104)), "line 2"),
        ("7".to_owned(), "invalid body"),
    ] {
        let (status, answer) = post_text(world, "/ingest/batch", body.clone()).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(status == 400 && answer["code"] == "INVALID_REQUEST" && message.contains(part), "{body}: {answer}");
    }
    let huge = "[".repeat(17 << 20);
    assert_eq!(post_text(world, "/ingest/batch", huge).await.0, 413);
    let deep = "[".repeat(1 << 20);
    assert_eq!(post_text(world, "/ingest/batch", deep).await.0, 400);
}

static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Keeps what is logged.
struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.lock().expect("nobody panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What clients log is in the log at its level, on one line each.
async fn logs(world: &World) {
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).finish();
    tracing::subscriber::set_global_default(subscriber).expect("nobody else has set one");
    let message = "clicked\n2026-01-01 ERROR forged";
    for body in [
        json!({ "message": message, "level": "warn", "data": { "user_id": "123", "text": "a\nb" } }),
        json!({ "message": "plain" }),
        json!({ "message": "too fine", "level": "trace", "data": null }),
    ] {
        assert_eq!(world.post("/log", &body).await.0, 200, "{body}");
    }
    for bad in [json!({}), json!({ "message": "x", "level": "loud" }), json!({ "message": 7 })] {
        assert_eq!(world.post("/log", &bad).await.1["code"], "INVALID_REQUEST", "{bad}");
    }
    let text = String::from_utf8(LOGGED.lock().expect("nobody panics").clone()).expect("a text");
    let of_clients: Vec<&str> = text.lines().filter(|line| line.contains(" client: ")).collect();
    let [warning, info] = of_clients[..] else { panic!("{text}") };
    assert!(warning.contains("WARN") && warning.contains(r"clicked\n2026") && warning.contains("user_id"), "{warning}");
    assert!(info.contains("INFO") && info.contains("plain"), "{info}");
}

async fn post_text(world: &World, path: &str, body: String) -> (u16, Json) {
    let request = reqwest::Client::new().post(world.url(path)).bearer_auth(SECRET).body(body);
    let answer = request.send().await.expect("the sidecar answers");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// A view whose time to live passes is removed with its edges; a sign of life keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn views_expire_unless_they_live() {
    let stage = stage().await;
    let mut world = World::start(&stage, "expiry", Capture::Feed, SCHEMA).await;
    world.settings.ttl_sweep = Duration::from_millis(200);
    let world = world.restart().await;
    for id in ["short", "kept"] {
        let view = json!({ "id": id, "surql": "SELECT * FROM thread", "clientId": "test", "ttl": "1s" });
        assert_eq!(world.post("/view/register", &view).await.0, 200);
    }
    for _ in 0..8 {
        sign_of_life(&world, "kept").await;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(world.edges("short").await, []);
    assert_eq!(world.edges("kept").await.len(), 3);
    assert_eq!(get(&world, "/info").await.1[0]["views"], 1);
    world.run("CREATE thread:4 SET status = 'open'").await;
    sign_of_life(&world, "kept").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.edges("short").await, []);
    assert_eq!(world.edges("kept").await.len(), 4);
    world.ssp.stop().await.expect("the sidecar stops");
}

/// As a client gives it: the sidecar writes the same record, and one of the two may lose.
async fn sign_of_life(world: &World, view: &str) {
    loop {
        let text = format!("UPDATE _00_query:{view} SET lastActiveAt = time::now()");
        match world.client.query(text).await.expect("the database answers").check() {
            Ok(_) => return,
            Err(error) => assert!(error.to_string().contains("conflict"), "{error}"),
        }
    }
}

async fn get(world: &World, path: &str) -> (u16, Json) {
    let answer = reqwest::Client::new().get(world.url(path)).bearer_auth(SECRET).send().await;
    let answer = answer.expect("the sidecar answers");
    (answer.status().as_u16(), answer.json().await.expect("a body"))
}

/// Catches a view that is taken up and stays as it was for good: what it shows has become computed while nobody kept it.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_goes_of_what_is_computed_by_the_time_it_is_taken_up() {
    let stage = stage().await;
    let world = World::start(&stage, "computed", Capture::Feed, "DEFINE TABLE thing; CREATE thing:1 SET n = 1").await;
    world.register("computed", "SELECT * FROM thing", "{}").await;
    world.register("unconcerned", "SELECT * FROM other", "{}").await;
    let defines = async |client: &Surreal<Client>| {
        let defined = client.query("DEFINE FIELD twice ON thing COMPUTED n * 2").await.expect("the database answers");
        defined.check().expect("it is defined");
    };
    let world = world.restart_after(defines).await;
    let views = "SELECT VALUE record::id(id) FROM _00_query";
    let started = std::time::Instant::now();
    while world.run(views).await[0].clone().into_json_value() != json!(["unconcerned"]) {
        assert!(started.elapsed() < Duration::from_secs(60), "the view is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.edges("computed").await, []);
    world.ssp.stop().await.expect("the sidecar stops");
}
