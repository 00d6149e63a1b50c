//! What is installed, and what clients can and can't do with it. Catches: an installation that is not idempotent, a
//! client that sees or changes what belongs to another, a registration that a client forges.

mod support;

use std::time::Duration;

use circuit::{Key, RecordId, Value};
use database::{Capture, Database, Edge, EdgeId, Error, QueryRow, RefMode, SchemaOptions, WriteBatch};
use futures::StreamExt;
use protocol::{Format, IngestRequest, Names, Operation, Params, RegisterRequest, ViewKey};
use support::{Server, apply, object, options, query, record, run};
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::{Client, Ws};
use surrealdb::opt::auth::Record;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const ACCESS: &str = "DEFINE TABLE user; \
    DEFINE ACCESS account ON DATABASE TYPE RECORD \
    SIGNUP (CREATE type::record('user', $key) SET name = $key) SIGNIN (SELECT * FROM type::record('user', $key));";

async fn user(server: &Server, key: &str) -> Surreal<Client> {
    let client = Surreal::new::<Ws>(server.address()).await.unwrap();
    client.use_ns("test").use_db("test").await.unwrap();
    let mut params = surrealdb::types::Object::new();
    params.insert("key", key.to_owned());
    let credentials =
        Record { namespace: "test".to_owned(), database: "test".to_owned(), access: "account".to_owned(), params };
    client.signup(credentials).await.unwrap();
    client
}

fn user_id(key: &str) -> RecordId {
    RecordId::new("user", Key::String(key.into()))
}

fn row(key: &str, user: Option<RecordId>) -> QueryRow {
    QueryRow {
        key: key.parse().unwrap(),
        surql: "SELECT * FROM person".to_owned(),
        params: object([]),
        client_id: "client".to_owned(),
        auth_id: user,
        access: Value::None,
        token: Value::from("secret claims"),
        ttl: Duration::from_secs(30),
        format: Format::Streaming,
        frequency: None,
    }
}

async fn put(db: &Database, mode: RefMode, view: &str, user: Option<RecordId>) {
    db.register_query(&row(view, user.clone()), mode).await.unwrap();
    let id = EdgeId::new(db.edge_table(mode, user.as_ref()), view.parse().unwrap(), record("person", 1));
    let edge = Edge { id, version: 1, client_id: "client".into(), auth_id: user.map(Into::into) };
    db.write(&WriteBatch { puts: vec![edge], ..WriteBatch::default() }).await.unwrap();
}

/// Receives HTTP requests and answers each with `{}`.
async fn receiver() -> (String, mpsc::UnboundedReceiver<(String, serde_json::Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while let Ok(count @ 1..) = stream.read_buf(&mut bytes).await {
                    assert!(count > 0);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let Ok(body) = serde_json::from_str(body) else { continue };
                    sender.send((head.to_owned(), body)).unwrap();
                    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    bytes.clear();
                }
            });
        }
    });
    (address, requests)
}

#[tokio::test]
async fn installing_twice_changes_nothing() {
    let server = Server::start();
    let db = server.connect().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a CHANGEFEED 3d; DEFINE TABLE `b c`; DEFINE TABLE d TYPE RELATION; CREATE a:1").await;
    let applied = apply(&db).await;
    assert_eq!(applied.tables, ["a", "b c", "d"]);
    assert_eq!(applied.newly_captured, ["b c", "d"]);
    let before = query(&client, "INFO FOR DB").await;
    db.register_query(&row("q", None), RefMode::Dedicated).await.unwrap();
    run(&client, "UPDATE a:1; UPDATE a:1 SET n = 1").await;
    let applied = apply(&db).await;
    assert!(applied.newly_captured.is_empty());
    let user_table = |text: &Value| format!("{text:?}").contains("CHANGEFEED 3d");
    assert!(user_table(&before), "the application's own changefeed is kept");
    assert_eq!(query(&client, "INFO FOR DB").await, before);
    assert_eq!(db.queries().await.unwrap().len(), 1);
    assert_eq!(db.records(&[record("a", 1)]).await.unwrap()[0].version, 2);
}

#[tokio::test]
async fn the_dry_run_prints_what_is_run() {
    let server = Server::start();
    let db = server.connect().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a").await;
    let script = db.apply_script(&options()).await.unwrap();
    assert!(script.contains("ALTER TABLE `a` CHANGEFEED 1d;"), "{script}");
    assert!(db.tables().await.unwrap().iter().all(|table| !table.name.starts_with("_00_")));
    run(&client, &script).await;
    assert!(db.tables().await.unwrap().iter().any(|table| table.name == "_00_version" && table.has_changefeed));
}

#[tokio::test]
async fn tables_of_a_query_are_captured_on_demand() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "CREATE made:1").await;
    assert_eq!(db.capture(&options(), &["made", "fresh", "_00_query"]).await.unwrap(), ["made", "fresh"]);
    assert!(db.capture(&options(), &["made", "fresh"]).await.unwrap().is_empty());
    run(&client, "UPDATE made:1 SET n = 1; CREATE fresh:1").await;
    let versions: Vec<u64> =
        db.records(&[record("made", 1), record("fresh", 1)]).await.unwrap().iter().map(|row| row.version).collect();
    assert_eq!(versions, [2, 1]);
}

#[tokio::test]
async fn another_prefix_makes_another_installation() {
    let server = Server::start();
    server.connect().await;
    let names = Names::new("_spooky_").unwrap();
    let db = Database::connect(server.settings(), names.clone()).await.unwrap();
    db.apply(&SchemaOptions::new(names, "http://127.0.0.1:9", "secret")).await.unwrap();
    put(&db, RefMode::Dedicated, "q", None).await;
    let tables: Vec<String> = db.tables().await.unwrap().into_iter().map(|table| table.name).collect();
    assert_eq!(
        tables,
        [
            "_spooky_list_ref",
            "_spooky_probe",
            "_spooky_query",
            "_spooky_row",
            "_spooky_runner",
            "_spooky_schedule",
            "_spooky_ssp",
            "_spooky_version"
        ]
    );
}

#[tokio::test]
async fn a_user_sees_only_what_is_the_users() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, ACCESS).await;
    put(&db, RefMode::Dedicated, "alices", Some(user_id("alice"))).await;
    put(&db, RefMode::Single, "alices_single", Some(user_id("alice"))).await;
    put(&db, RefMode::Dedicated, "bobs", Some(user_id("bob"))).await;
    put(&db, RefMode::Dedicated, "nobodys", None).await;
    let alice = user(&server, "alice").await;
    let guest = Surreal::new::<Ws>(server.address()).await.unwrap();
    guest.use_ns("test").use_db("test").await.unwrap();

    let queries = query(&alice, "SELECT VALUE record::id(id) FROM _00_query").await;
    assert_eq!(queries, [Value::from("alices"), Value::from("alices_single")].into_iter().collect());
    let claims = query(&alice, "SELECT VALUE token FROM _00_query:alices").await;
    assert!(!format!("{claims:?}").contains("secret claims"));
    for (table, visible) in
        [("_00_list_ref_user_alice", 1), ("_00_list_ref_user_bob", 0), ("_00_list_ref", 1), ("_00_version", 0)]
    {
        let count = query(&alice, &format!("array::len((SELECT * FROM {table}))")).await;
        assert_eq!(count, Value::from(visible), "{table}");
    }
    for table in ["_00_query", "_00_list_ref", "_00_list_ref_user_alice", "_00_version"] {
        let seen = guest.query(format!("SELECT * FROM {table}")).await.and_then(|answer| answer.check());
        if let Ok(mut seen) = seen {
            let rows: Vec<surrealdb::types::Value> = seen.take(0).unwrap();
            assert!(rows.is_empty(), "a guest sees {table}");
        }
    }
    // Nothing of this may take effect; whether it is an error is up to the database.
    for text in [
        "UPDATE _00_query:alices SET surql = 'SELECT * FROM user', authId = user:bob, token = 1",
        "UPDATE _00_query:bobs SET lastActiveAt = d'2000-01-01T00:00:00Z'",
        "CREATE _00_query:forged SET surql = 'SELECT 1', clientId = 'c', authId = user:alice, ttl = 1s, lastActiveAt = time::now(), format = 'flat'",
        "DELETE _00_query",
        "DELETE _00_list_ref_user_alice",
        "DELETE _00_list_ref",
        "RELATE _00_query:alices->_00_list_ref_user_alice->person:2",
        "CREATE _00_version:1",
    ] {
        let _ = alice.query(text).await.unwrap().check();
    }
    let stored = db.queries().await.unwrap();
    assert_eq!(stored.len(), 4);
    assert!(
        stored
            .iter()
            .all(|query| query.row.surql == "SELECT * FROM person" && query.last_active_at.seconds > 1_600_000_000)
    );
    let key: ViewKey = "alices".parse().unwrap();
    assert_eq!(stored.iter().find(|query| query.row.key == key).unwrap().row.auth_id.as_ref(), Some(&user_id("alice")));
    assert_eq!(db.edges_of(&key, "_00_list_ref_user_alice").await.unwrap().len(), 1);
}

/// The point of a dedicated table: its permission lets a client's live query see what another session writes.
#[tokio::test]
async fn a_user_follows_the_own_results_live() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, ACCESS).await;
    let (alice, bob) = (user(&server, "alice").await, user(&server, "bob").await);
    db.define_user_table(&user_id("alice")).await.unwrap();
    let live = async |client: &Surreal<Client>| {
        let mut answer = client.query("LIVE SELECT * FROM _00_list_ref_user_alice").await.unwrap();
        answer.stream::<surrealdb::Notification<surrealdb::types::Value>>(0).unwrap()
    };
    let (mut alices, mut bobs) = (live(&alice).await, live(&bob).await);
    put(&db, RefMode::Dedicated, "q", Some(user_id("alice"))).await;
    let wait = Duration::from_secs(5);
    let seen = tokio::time::timeout(wait, alices.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(seen.action, surrealdb::types::Action::Create);
    db.remove_query(&"q".parse().unwrap(), &db.user_table(&user_id("alice"))).await.unwrap();
    let seen = tokio::time::timeout(wait, alices.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(seen.action, surrealdb::types::Action::Delete);
    assert!(tokio::time::timeout(Duration::from_millis(300), bobs.next()).await.is_err());
}

#[tokio::test]
async fn users_with_similar_keys_have_tables_of_their_own() {
    let server = Server::start();
    let db = server.installed().await;
    let users = [
        RecordId::new("user", Key::Int(1)),
        RecordId::new("user", Key::String("1".into())),
        RecordId::new("user", Key::String("a b`; REMOVE TABLE _00_query".into())),
        RecordId::new("customer", Key::Int(1)),
    ];
    for (index, user) in users.iter().enumerate() {
        put(&db, RefMode::Dedicated, &format!("q{index}"), Some(user.clone())).await;
    }
    assert_eq!(db.user_table(&users[0]), "_00_list_ref_user_1");
    for (index, user) in users.iter().enumerate() {
        let key = format!("q{index}").parse().unwrap();
        assert_eq!(db.edges_of(&key, &db.user_table(user)).await.unwrap().len(), 1);
        db.drop_user_table(user).await.unwrap();
        db.drop_user_table(user).await.unwrap();
        db.define_user_table(user).await.unwrap();
    }
    assert_eq!(db.queries().await.unwrap().len(), 4);
}

/// Catches a deletion that is taken in late and takes the table of a user who has been made anew.
#[tokio::test]
async fn the_table_of_a_user_who_is_there_again_stays() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    let user = RecordId::new("user", Key::Int(1));
    put(&db, RefMode::Dedicated, "q", Some(user.clone())).await;
    run(&client, "CREATE user:1").await;
    db.drop_user_table(&user).await.unwrap();
    let edges = async || db.edges_of(&"q".parse().unwrap(), &db.user_table(&user)).await;
    assert_eq!(edges().await.unwrap().len(), 1);
    run(&client, "DELETE user:1").await;
    db.drop_user_table(&user).await.unwrap();
    assert!(matches!(edges().await, Err(Error::NoSuchTable { .. })));
}

#[tokio::test]
async fn a_client_registers_in_its_own_name_only() {
    let (address, mut requests) = receiver().await;
    let server = Server::start();
    let db = server.connect().await;
    let client = server.client().await;
    run(&client, ACCESS).await;
    db.apply(&SchemaOptions::new(Names::default(), address, "the secret")).await.unwrap();
    let alice = user(&server, "alice").await;
    let text = "fn::query::register({ id: 'query:abc', surql: 'SELECT * FROM person WHERE at < $at', clientId: 'c1', ttl: '30s', \
                params: { at: d'2024-01-01T00:00:00Z', who: person:1 }, authId: user:bob, access: 'forged', token: 'forged' })";
    run(&alice, text).await;
    let (head, body) = requests.recv().await.unwrap();
    assert!(head.starts_with("POST /view/register "), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer the secret"), "{head}");
    let request: RegisterRequest = serde_json::from_value(body).unwrap();
    assert_eq!(request.id.as_str(), "abc");
    assert_eq!(request.auth_id.as_deref(), Some("user:alice"));
    assert_eq!(request.access, Some("account".into()));
    assert!(request.token.as_ref().is_some_and(|token| token.is_object()));
    assert_eq!(request.ttl(), Ok(Duration::from_secs(30)));
    let Params::Text(params) = request.params else { panic!("parameters lost their types") };
    assert_eq!(params, "{ at: d'2024-01-01T00:00:00Z', who: person:1 }");
    // Of older clients, and of nobody.
    run(
        &client,
        "fn::query::register({ id: _00_query:x, sql: 'SELECT * FROM a', clientId: 'c', ttl: 1h, format: 'flat' })",
    )
    .await;
    let (_, body) = requests.recv().await.unwrap();
    let request: RegisterRequest = serde_json::from_value(body).unwrap();
    assert_eq!((request.id.as_str(), request.surql.as_str()), ("x", "SELECT * FROM a"));
    assert_eq!((request.auth_id, request.format), (None, Format::Flat));
    assert_eq!(request.ttl, "1h");
}

#[tokio::test]
async fn a_sign_of_life_counts_for_the_own_view_only() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, ACCESS).await;
    for (view, owner) in [("alices", "alice"), ("alices too", "alice"), ("bobs", "bob")] {
        db.register_query(&row(view, Some(user_id(owner))), RefMode::Dedicated).await.unwrap();
    }
    run(&client, "UPDATE _00_query SET lastActiveAt = time::now() - 1h").await;
    let alice = user(&server, "alice").await;
    // A client may also say so without the function; when the view expires is not for it to say.
    run(
        &alice,
        "UPDATE _00_query:`alices too`, _00_query:bobs SET lastActiveAt = time::now(), expiresAt = time::now() + 1y",
    )
    .await;
    let expiries = query(&client, "SELECT VALUE expiresAt = lastActiveAt + ttl FROM _00_query").await;
    assert_eq!(expiries, [true, true, true].map(Value::from).into_iter().collect());
    for (call, answer) in [
        ("fn::query::heartbeat('alices')", true),
        ("fn::query::heartbeat('query:alices')", true),
        ("fn::query::heartbeat(_00_query:alices)", true),
        ("fn::query::heartbeat('bobs')", false),
        ("fn::query::heartbeat('unknown')", false),
    ] {
        assert_eq!(query(&alice, call).await, Value::from(answer), "{call}");
    }
    let expired: Vec<String> = db
        .expire_queries(&db.overdue_queries().await.unwrap())
        .await
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(expired, ["bobs"]);
}

#[tokio::test]
async fn in_push_mode_every_write_is_posted_with_all_its_types() {
    let (address, mut requests) = receiver().await;
    let server = Server::start();
    let db = server.connect().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE a").await;
    let mut options = SchemaOptions::new(Names::default(), address, "the secret");
    options.capture = Capture::Push;
    db.apply(&options).await.unwrap();
    run(&client, "CREATE a:1 SET at = d'2024-01-01T00:00:00Z', price = 1.50dec; UPDATE a:1 SET at = NONE; DELETE a:1")
        .await;
    for (version, op) in [(1, Operation::Create), (2, Operation::Update), (3, Operation::Delete)] {
        let (head, body) = requests.recv().await.unwrap();
        assert!(head.starts_with("POST /ingest "), "{head}");
        assert!(head.to_lowercase().contains("authorization: bearer the secret"), "{head}");
        let request: IngestRequest = serde_json::from_value(body).unwrap();
        assert_eq!((request.table.as_str(), request.op, request.id.as_str()), ("a", op, "a:1"));
        assert_eq!(request.record.get("_00_rv"), Some(&version.into()));
        let Value::Object(content) = database::cbor::decode_base64(&request.content.unwrap()).unwrap() else {
            panic!()
        };
        assert_eq!(content.get("id"), Some(&Value::from(record("a", 1))));
        assert_eq!(content.get("_00_rv"), Some(&Value::from(version)));
        assert_eq!(content.get("price"), Some(&Value::Decimal("1.50".parse().unwrap())));
        assert_eq!(matches!(content.get("at"), Some(Value::Datetime(_))), version == 1);
    }
    // Back to the feed: nothing is posted any more.
    options.capture = Capture::Feed;
    db.apply(&options).await.unwrap();
    run(&client, "CREATE a:2; UPDATE a:2 SET n = 1").await;
    assert_eq!(db.records(&[record("a", 2)]).await.unwrap()[0].version, 2);
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_schema_file_is_applied_and_its_errors_name_the_statement() {
    let server = Server::start();
    let db = server.connect().await;
    db.import("-- my schema\nDEFINE TABLE person SCHEMAFULL;\nDEFINE FIELD name ON person TYPE string;\n")
        .await
        .unwrap();
    db.import("-- nothing\n").await.unwrap();
    let text =
        "DEFINE TABLE IF NOT EXISTS x;\n-- the culprit\nCREATE person SET name = 7;\nDEFINE TABLE IF NOT EXISTS y;";
    let error = db.import(text).await.unwrap_err();
    let Error::Schema { number, statement, reason } = &error else { panic!("{error}") };
    assert_eq!((*number, statement.as_str()), (2, "CREATE person SET name = 7"));
    assert!(reason.contains("name"), "{reason}");
    let error = db.import("DEFINE TABLE a;\nDEFINE TABEL b;").await.unwrap_err().to_string();
    assert!(error.contains("TABEL"), "{error}");
}
