//! The HTTP interface as a client sees it: answers, errors, the bearer token.

mod support;

use std::time::Duration;

use database::Capture;
use serde_json::{Value as Json, json};
use support::{SECRET, World, stage};

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
        world.run("UPDATE _00_query:kept SET lastActiveAt = time::now()").await;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(world.edges("short").await, []);
    assert_eq!(world.edges("kept").await.len(), 3);
    assert_eq!(get(&world, "/info").await.1[0]["views"], 1);
    world.run("CREATE thread:4 SET status = 'open'").await;
    world.run("UPDATE _00_query:kept SET lastActiveAt = time::now()").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.edges("short").await, []);
    assert_eq!(world.edges("kept").await.len(), 4);
    world.ssp.stop().await.expect("the sidecar stops");
}

async fn get(world: &World, path: &str) -> (u16, Json) {
    let answer = reqwest::Client::new().get(world.url(path)).bearer_auth(SECRET).send().await;
    let answer = answer.expect("the sidecar answers");
    (answer.status().as_u16(), answer.json().await.expect("a body"))
}
