//! Text that tries to be a statement, wherever a client or an application can put text: it is data or is refused, and nothing
//! else in the database changes.

mod support;

use std::time::Duration;

use database::Capture;
use database::ident::escape;
use serde_json::{Value as Json, json};
use support::{Application, World, stage};
use surrealdb::types::{RecordId, RecordIdKey, SurrealValue, ToSql};

/// What each text would do, if it ever was a statement or a part of one, is seen in `canary`.
const HOSTILE: [&str; 18] = [
    "'; DELETE canary; --",
    "\"; DELETE canary; --",
    "`; DELETE canary; --",
    "⟩; DELETE canary; --",
    "\\`; DELETE canary; --",
    "\\",
    "'",
    "a'b\"c`d⟩e",
    "}; DELETE canary; {",
    "'); DELETE canary; ('",
    "x' OR true OR '",
    "$auth",
    "(DELETE canary)",
    "canary:1",
    "*/ DELETE canary; /*",
    "-- \u{2028}DELETE canary",
    "<script>alert(1)</script>",
    "../../etc/passwd%00",
];

const SCHEMA: &str = "
    DEFINE TABLE canary SCHEMALESS;
    DEFINE TABLE thread SCHEMALESS;
    DEFINE TABLE user SCHEMALESS;
    DEFINE TABLE barrier SCHEMALESS;
    CREATE canary:1 SET song = 'alive';
    CREATE thread:1 SET word = 'harmless';
";

/// Runs a statement of ours with a value that is none of ours.
async fn bound(application: &Application, surql: &str, value: impl SurrealValue) {
    let query = application.client.query(surql.to_owned()).bind(("value", value.into_value()));
    let errors = query.await.expect("the database answers").take_errors();
    assert!(errors.is_empty(), "{surql}: {errors:?}");
}

/// What must not change, whatever is tried: the canary, and all that is defined but the tables of the application.
async fn state(world: &World) -> String {
    let canary = world.run("SELECT * FROM canary").await;
    let defined = world.run("INFO FOR DB STRUCTURE").await.swap_remove(0).into_json_value();
    let others = ["accesses", "analyzers", "functions", "params", "users"].map(|kind| defined[kind].to_string());
    format!("{canary:?} {others:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn text_never_becomes_a_statement() {
    let stage = stage().await;
    for (name, capture) in [("injection_feed", Capture::Feed), ("injection_push", Capture::Push)] {
        let world = World::start(&stage, name, capture, SCHEMA).await.with_barrier().await;
        let before = state(&world).await;
        record_ids_and_values(&world).await;
        assert_eq!(state(&world).await, before, "by ids and values");
        parameters(&world).await;
        assert_eq!(state(&world).await, before, "by parameters");
        names_of_clients(&world).await;
        assert_eq!(state(&world).await, before, "by ids of views and clients");
        queries(&world).await;
        assert_eq!(state(&world).await, before, "by queries");
        users(&world).await;
        assert_eq!(state(&world).await, before, "by users");
        announcements(&world).await;
        assert_eq!(state(&world).await, before, "by what is announced");
        if capture == Capture::Feed {
            // By push, a new table is captured when `spky apply` runs again.
            tables_and_fields(&world).await;
            assert_eq!(state(&world).await, before, "by tables and fields");
        }
        world.quiet().await;
        world.compare("all", "SELECT * FROM thread", "{}").await.expect("the sidecar goes on");
        world.ssp.stop().await.expect("the sidecar stops");
    }
}

async fn record_ids_and_values(world: &World) {
    world.register("all", "SELECT * FROM thread", "{}").await;
    for text in HOSTILE {
        bound(world, "CREATE type::record('thread', $value) SET word = $value", text).await;
        bound(world, "UPDATE type::record('thread', $value) SET list = [$value, { a: $value }]", text).await;
        bound(world, "CREATE type::record('thread', [$value, 1]) SET word = $value", text).await;
    }
    // Values that are stored like any other, and are easily overlooked.
    world.run("CREATE thread:odd SET link = thread:1..5, list = [user:.., thread], range = 1..=3, table = type::table('x')").await;
    world.quiet().await;
    world.compare("all", "SELECT * FROM thread", "{}").await.expect("every record is in the view");
    assert_eq!(world.edges("all").await.len(), 2 + 2 * HOSTILE.len());
}

/// A view finds the row that has the text, and no other.
async fn parameters(world: &World) {
    const SURQL: &str = "SELECT * FROM thread WHERE word = $word";
    for text in HOSTILE {
        // As an object, and as a text that holds one.
        for params in [json!({ "word": text }), Json::String(json!({ "word": text }).to_string())] {
            let body = json!({ "id": "param", "surql": SURQL, "clientId": "test", "ttl": "1h", "params": params });
            let (status, answer) = world.post("/view/register", &body).await;
            assert_eq!(status, 200, "{text}: {answer}");
            assert_eq!(answer["rows"].as_array().map(Vec::len), Some(2), "{text}: {answer}");
        }
        let (status, answer) = world.try_register("param", SURQL, text).await;
        assert!(status == 400 && answer["code"] == "INVALID_REQUEST", "{text}: {status} {answer}");
        let body = json!({ "id": "param", "surql": "SELECT * FROM thread", "clientId": "test", "ttl": "1h",
                           "params": { text: 1 } });
        let (status, answer) = world.post("/view/register", &body).await;
        assert!(status == 200 || (status == 400 && answer["code"] == "INVALID_REQUEST"), "{text}: {answer}");
    }
    for params in [
        "{ word: (DELETE canary) }",
        "{ word: { DELETE canary; RETURN 1 } }",
        "{ word: (SELECT * FROM canary) }",
        "{ word: fn::query::register({}) }",
        "{ word: rand() }",
        "{ word: $auth }",
        "{ word: function() { return 1 } }",
        "{ word: http::get('http://127.0.0.1') }",
        "DELETE canary",
        "{}; DELETE canary",
    ] {
        let (status, answer) = world.try_register("param", SURQL, params).await;
        assert!(status == 400 && answer["code"] == "INVALID_REQUEST", "{params}: {status} {answer}");
    }
}

/// Ids of views and clients are kept as they are.
async fn names_of_clients(world: &World) {
    for text in HOSTILE {
        let id = RecordId::new("_00_query", text);
        let spelled = id.to_sql();
        let body = json!({ "id": spelled, "surql": "SELECT * FROM thread:1", "clientId": text, "ttl": "1h" });
        let (status, answer) = world.post("/view/register", &body).await;
        if text.chars().any(char::is_control) {
            assert_eq!(status, 400, "{text}");
            continue;
        }
        assert_eq!((status, &answer["id"]), (200, &json!(text)), "{answer}");
        let stored = world.client.query("SELECT VALUE clientId FROM $id").bind(("id", id.clone())).await;
        let stored: Option<String> = stored.expect("an answer").take(0).expect("a text");
        assert_eq!(stored.as_deref(), Some(text));
        let edges = world.client.query("SELECT VALUE clientId FROM $id->_00_list_ref").bind(("id", id.clone())).await;
        let edges: Vec<String> = edges.expect("an answer").take(0).expect("texts");
        assert_eq!(edges, [text]);
        let (status, answer) = world.post("/view/unregister", &json!({ "id": spelled })).await;
        assert_eq!(status, 200, "{answer}");
        for path in ["/debug/view/", "/view/"] {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let events = if path == "/view/" { "/events" } else { "" };
            let request = reqwest::Client::new().get(world.url(&format!("{path}{encoded}{events}")));
            let answer = request.bearer_auth(support::SECRET).send().await.expect("the sidecar answers");
            assert!([400, 404].contains(&answer.status().as_u16()), "{path} {text}: {}", answer.status());
        }
        for (field, value) in [("ttl", text), ("format", text), ("frequency", text), ("authId", text)] {
            let mut body = json!({ "id": "x", "surql": "SELECT * FROM thread:1", "clientId": "c", "ttl": "1h" });
            body[field] = json!(value);
            let (status, answer) = world.post("/view/register", &body).await;
            // `canary:1` is a user like any other, for whom nothing is defined that could be read.
            assert!(status == 400 || (field == "authId" && text == "canary:1"), "{field} {text}: {status} {answer}");
        }
    }
    world.post("/view/unregister", &json!({ "id": "x" })).await;
}

/// What is no single SELECT is refused, with its place.
async fn queries(world: &World) {
    let views = "RETURN array::len(SELECT * FROM _00_query)";
    let before = world.run(views).await;
    let wrapped = |text: &str| {
        [
            text.to_owned(),
            format!("SELECT * FROM thread; {text}"),
            format!("SELECT * FROM thread WHERE word = '{text}'; DELETE canary"),
            format!("SELECT (DELETE canary) FROM thread WHERE word = \"{text}\""),
            format!("SELECT * FROM (DELETE canary RETURN BEFORE) WHERE word = `{text}`"),
        ]
    };
    let statements =
        ["CREATE canary:2", "{ DELETE canary }", "RETURN fn::query::heartbeat('x')", "REMOVE TABLE canary"];
    let all = HOSTILE.iter().flat_map(|text| wrapped(text)).chain(statements.map(str::to_owned));
    for surql in all {
        let (status, answer) = world.try_register("query", &surql, "{}").await;
        let message = answer["message"].as_str().unwrap_or_default();
        let is_refused = status == 400 && answer["code"] == "UNSUPPORTED_QUERY" && message.contains("line");
        assert!(is_refused, "{surql}: {status} {answer}");
    }
    assert_eq!(world.run(views).await, before);
}

/// A user whose id is a statement has a table of edges of its own, which other users can't read.
async fn users(world: &World) {
    let tables = || async {
        let names = world.run("RETURN object::keys((INFO FOR DB).tables)").await.swap_remove(0);
        let names = support::items(names).into_iter().map(|name| name.into_json_value().to_string());
        names.filter(|name| name.contains("_00_list_ref_user_")).count()
    };
    // `canary:1` has one since it was taken for a user.
    let before = tables().await;
    for text in HOSTILE {
        bound(world, "CREATE type::record('user', $value) SET word = $value", text).await;
    }
    assert_eq!(tables().await, before + HOSTILE.len());
    for text in HOSTILE {
        let user = RecordId::new("user", text);
        let spelled = user.to_sql();
        let body = json!({ "id": "of_user", "surql": "SELECT * FROM user WHERE id = $auth", "clientId": "c", "ttl": "1h",
                           "authId": spelled });
        let (status, answer) = world.post("/view/register", &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    for text in HOSTILE {
        bound(world, "DELETE type::record('user', $value)", text).await;
    }
    for _ in 0..200 {
        if tables().await == before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} tables are left", tables().await);
}

/// `/ingest` believes nothing that the database does not confirm.
async fn announcements(world: &World) {
    for text in HOSTILE {
        let record = json!({ "id": text, "word": text });
        let bodies = [
            json!({ "table": text, "op": "CREATE", "id": format!("{text}:1"), "record": record }),
            json!({ "table": "thread", "op": text, "id": "thread:1", "record": record }),
            json!({ "table": "thread", "op": "UPDATE", "id": text, "record": record }),
            json!({ "table": "thread", "op": "DELETE", "id": format!("thread:`{text}`"), "record": record }),
            json!({ "table": "thread", "op": "CREATE", "id": "thread:1", "record": { text: text, "id": "thread:1" } }),
        ];
        for body in bodies {
            let (status, answer) = world.post("/ingest", &body).await;
            assert!([200, 400].contains(&status), "{body}: {status} {answer}");
            let (status, answer) = world.post("/ingest/batch", &json!([body])).await;
            assert!([200, 400].contains(&status), "{body}: {status} {answer}");
        }
        let log = json!({ "level": "info", "message": text, "data": { text: text } });
        let (status, answer) = world.post("/log", &log).await;
        assert!([200, 400].contains(&status), "{text}: {status} {answer}");
    }
}

/// A table and a field may have any name that the database takes.
async fn tables_and_fields(world: &World) {
    let mut views = Vec::new();
    for (number, text) in HOSTILE.iter().enumerate() {
        let (table, record) = (escape(text), RecordId::new(*text, RecordIdKey::Number(1)));
        world.run(&format!("DEFINE TABLE {table} SCHEMALESS")).await;
        bound(world, "CREATE $value", record).await;
        world.run(&format!("UPDATE {table} SET {table} = 'x', n = 1")).await;
        let surql = format!("SELECT * FROM {table} WHERE {table} = 'x' AND n > 0");
        let id = format!("h{number}");
        let answer = world.register(&id, &surql, "{}").await;
        assert_eq!(answer["rows"].as_array().map(Vec::len), Some(1), "{surql}: {answer}");
        views.push((id, surql, table));
    }
    for (_, _, table) in &views {
        world.run(&format!("UPDATE {table} SET n = 2; CREATE {table}:2 SET {table} = 'x', n = 3")).await;
    }
    world.quiet().await;
    for (id, surql, _) in views {
        world.compare(&id, &surql, "{}").await.unwrap_or_else(|difference| panic!("{surql}: {difference}"));
        assert_eq!(world.edges(&id).await.len(), 2, "{surql}");
    }
}
