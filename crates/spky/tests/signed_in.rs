//! A signed-in user registers a view from inside SurrealDB, and follows the edges in the table that only this user may
//! read.

mod support;

use std::time::Duration;

use database::Capture;
use futures::StreamExt;
use serde_json::json;
use support::{World, stage};
use surrealdb::engine::remote::ws::{Client, Ws};
use surrealdb::opt::auth::Record;
use surrealdb::types::{Action, ToSql, Value};
use surrealdb::{Notification, Surreal};

const SCHEMA: &str = "
    DEFINE TABLE user SCHEMALESS PERMISSIONS FOR select WHERE id = $auth.id;
    DEFINE TABLE note SCHEMALESS PERMISSIONS FOR select FULL;
    DEFINE TABLE barrier SCHEMALESS;
    DEFINE ACCESS account ON DATABASE TYPE RECORD
        SIGNUP (CREATE type::record('user', $name) SET name = $name)
        SIGNIN (SELECT * FROM type::record('user', $name));
    CREATE note:1 SET owner = user:ada;
    CREATE note:2 SET owner = user:bob;
";

async fn signed_up(world: &World, name: &str) -> Surreal<Client> {
    let address = world.settings.database.endpoint.http_url().replace("http://", "");
    let client = Surreal::new::<Ws>(address).await.expect("the database answers");
    let credentials = Record {
        namespace: "test".to_owned(),
        database: "user_views".to_owned(),
        access: "account".to_owned(),
        params: json!({ "name": name }),
    };
    client.signup(credentials).await.expect("the user signs up");
    client.use_ns("test").use_db("user_views").await.expect("the database exists");
    client
}

async fn ask(client: &Surreal<Client>, surql: &str) -> Value {
    client.query(surql).await.expect("the database answers").take(0).expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_view_is_that_users_alone() {
    let stage = stage().await;
    let world = World::start(&stage, "user_views", Capture::Feed, SCHEMA).await.with_barrier().await;
    let (ada, bob) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await);

    // What the client says about who it is counts for nothing.
    let register = "fn::query::register({ id: 'mine', surql: 'SELECT * FROM note WHERE owner = $authId', clientId: 'c', ttl: 1h, \
                    params: { authId: user:bob }, authId: 'user:bob' })";
    let first = ask(&ada, register).await.to_sql();
    assert!(first.contains("note:1") && !first.contains("note:2"), "{first}");

    let tables = support::items(world.run("RETURN object::keys((INFO FOR DB).tables)").await.swap_remove(0));
    let own: Vec<String> = tables
        .iter()
        .map(ToSql::to_sql)
        .map(|name| name.trim_matches(['\'', '"']).to_owned())
        .filter(|name| name.starts_with("_00_list_ref_user_") && name.contains("ada"))
        .collect();
    let [own] = &own[..] else { panic!("one table for the user, not {own:?} of {tables:?}") };

    let mut live = ada.query(format!("LIVE SELECT * FROM `{own}`")).await.expect("the database answers");
    let mut edges = live.stream::<Notification<Value>>(0).expect("a live query");
    world.run("CREATE note:3 SET owner = user:ada; CREATE note:4 SET owner = user:bob").await;
    let edge = tokio::time::timeout(Duration::from_secs(10), edges.next()).await.expect("in time");
    let edge = edge.expect("the live query goes on").expect("a notification");
    assert_eq!(edge.action, Action::Create);
    assert!(edge.data.to_sql().contains("note:3"), "{}", edge.data.to_sql());

    let count = format!("RETURN array::len(SELECT * FROM `{own}`)");
    assert_eq!(ask(&ada, &count).await.to_sql(), "2");
    assert_eq!(ask(&bob, &count).await.to_sql(), "0", "another user sees none of the edges");
    assert_eq!(ask(&ada, "fn::query::heartbeat('mine')").await.to_sql(), "true");
    assert_eq!(ask(&bob, "fn::query::heartbeat('mine')").await.to_sql(), "false");
    world.ssp.stop().await.expect("the sidecar stops");
}

/// A user can follow the own table of edges from the first moment of the first session, and the table goes with the user,
/// as the views do.
#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_a_user_comes_and_goes_with_the_user() {
    let stage = stage().await;
    let world = World::start(&stage, "user_views", Capture::Feed, SCHEMA).await.with_barrier().await;
    let ada = signed_up(&world, "ada").await;
    let mut live = ada.query("LIVE SELECT * FROM _00_list_ref_user_ada").await.expect("the database answers");
    let mut edges = live.stream::<Notification<Value>>(0).expect("a live query");
    let bob = signed_up(&world, "bob").await;
    let register = "fn::query::register({ id: 'mine', surql: 'SELECT * FROM note', clientId: 'c', ttl: 1h })";
    ask(&ada, register).await;
    let edge = tokio::time::timeout(Duration::from_secs(10), edges.next()).await.expect("in time");
    assert_eq!(edge.expect("the live query goes on").expect("a notification").action, Action::Create);
    assert_eq!(ask(&bob, "SELECT * FROM _00_list_ref_user_ada").await.to_sql(), "[]", "of another user");
    assert_eq!(ask(&bob, "SELECT * FROM _00_list_ref_user_bob").await.to_sql(), "[]");

    world.run("CREATE note:9; DELETE user:ada").await;
    world.quiet().await;
    let tables = world.run("RETURN object::keys((INFO FOR DB).tables)").await.swap_remove(0).to_sql();
    assert!(!tables.contains("list_ref_user_ada") && tables.contains("list_ref_user_bob"), "{tables}");
    let views = "RETURN array::len(SELECT * FROM _00_query WHERE authId = user:ada)";
    let mut left = world.run(views).await.swap_remove(0).to_sql();
    for _ in 0..100 {
        if left == "0" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        left = world.run(views).await.swap_remove(0).to_sql();
    }
    assert_eq!(left, "0");
    world.run("CREATE note:10").await;
    world.quiet().await;
    let tables = world.run("RETURN object::keys((INFO FOR DB).tables)").await.swap_remove(0).to_sql();
    assert!(!tables.contains("list_ref_user_ada"), "no edge has brought it back: {tables}");
    world.ssp.stop().await.expect("the sidecar stops");
}

/// Catches a view that stays, as nobody was there to see its user go, and a sidecar that does not start without the user's table.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_goes_whose_user_is_deleted_while_nobody_keeps_it() {
    let stage = stage().await;
    let world = World::start(&stage, "user_views", Capture::Feed, SCHEMA).await.with_barrier().await;
    let (ada, bob) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await);
    for (client, id) in [(&ada, "ofada"), (&bob, "ofbob")] {
        let register =
            format!("fn::query::register({{ id: '{id}', surql: 'SELECT * FROM note', clientId: 'c', ttl: 1h }})");
        ask(client, &register).await;
    }
    // This one never was a record, which is no reason to go.
    let stranger =
        json!({ "id": "stranger", "surql": "SELECT * FROM note", "clientId": "c", "ttl": "1h", "authId": "guest:1" });
    assert_eq!(world.post("/view/register", &stranger).await.0, 200);
    let deletes = async |client: &Surreal<Client>| {
        client
            .query("DELETE user:ada; CREATE note:3")
            .await
            .expect("the database answers")
            .check()
            .expect("it is deleted");
    };
    let world = world.restart_after(deletes).await;
    world.quiet().await;
    let left = "SELECT VALUE record::id(id) FROM _00_query ORDER BY id";
    assert_eq!(world.run(left).await.swap_remove(0).to_sql(), "['barrier', 'ofbob', 'stranger']");
    assert_eq!(ask(&bob, "RETURN array::len(SELECT * FROM _00_list_ref_user_bob)").await.to_sql(), "3");
    let tables = world.run("RETURN object::keys((INFO FOR DB).tables)").await.swap_remove(0).to_sql();
    assert!(!tables.contains("list_ref_user_ada"), "no edge has brought it back: {tables}");
    world.ssp.stop().await.expect("the sidecar stops");
}

/// Catches a deletion that is taken in late, and takes the views of a user who has been made anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_there_again_keeps_what_is_registered_then() {
    let stage = stage().await;
    let world = World::start(&stage, "user_views", Capture::Feed, SCHEMA).await.with_barrier().await;
    let view =
        json!({ "id": "own", "surql": "SELECT * FROM note", "clientId": "c", "ttl": "1h", "authId": "user:eve" });
    for round in 0..30 {
        world.run("DELETE user:eve; CREATE user:eve").await;
        assert_eq!(world.post("/view/register", &view).await.0, 200);
        world.quiet().await;
        let edges = world.run("RETURN array::len(SELECT * FROM _00_list_ref_user_eve)").await.swap_remove(0);
        assert_eq!(edges.to_sql(), "2", "round {round}");
    }
    world.ssp.stop().await.expect("the sidecar stops");
}

/// A view never shows, orders by or counts what its user may not read; and when that changes, so does the view.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_holds_only_what_its_user_may_read() {
    let stage = stage().await;
    let world = World::start(&stage, "user_views", Capture::Feed, SCHEMA).await.with_barrier().await;
    world
        .run(
            "DEFINE TABLE secret SCHEMALESS PERMISSIONS FOR select WHERE owner = $auth OR shared;
             DEFINE FIELD price ON secret PERMISSIONS FOR select WHERE owner = $auth;
             CREATE secret:1 SET owner = user:ada, price = 10; CREATE secret:2 SET owner = user:bob, price = 20;
             CREATE secret:3 SET owner = user:bob, price = 5, shared = true",
        )
        .await;
    world.quiet().await;
    let ada = signed_up(&world, "ada").await;
    let register = |id: &str, surql: &str| {
        format!("fn::query::register({{ id: '{id}', surql: '{surql}', clientId: 'c', ttl: 1h, format: 'tree' }})")
    };
    // What is defined is looked at every few seconds: until then, a new table is not known, and nothing of it is shown.
    let all = "SELECT * FROM secret";
    let mut first = ada.query(register("all", all)).await.expect("the database answers").take::<Value>(0);
    for _ in 0..100 {
        if first.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        first = ada.query(register("all", all)).await.expect("the database answers").take::<Value>(0);
    }
    let first = first.expect("the view is registered").to_sql();
    assert!(first.contains("secret:1") && first.contains("secret:3") && !first.contains("secret:2"), "{first}");
    let queries = [
        ("all", all),
        ("count", "SELECT count(), math::sum(price) AS prices FROM secret GROUP ALL"),
        // All of a row: a field that is not there is not stored, and `price: NONE` would be.
        ("best", "SELECT * FROM secret ORDER BY price DESC LIMIT 1"),
        ("dear", "SELECT id FROM secret WHERE price > 3"),
    ];
    for (id, surql) in &queries[1..] {
        ask(&ada, &register(id, surql)).await;
    }
    let changes = [
        "CREATE secret:4 SET owner = user:bob, price = 99",
        "UPDATE secret:2 SET shared = true",
        "UPDATE secret:3 SET owner = user:ada",
        "UPDATE secret:1 SET owner = user:bob; DELETE secret:4",
        "DEFINE TABLE OVERWRITE secret SCHEMALESS CHANGEFEED 1d PERMISSIONS FOR select FULL",
        "DEFINE TABLE OVERWRITE secret SCHEMALESS CHANGEFEED 1d PERMISSIONS FOR select WHERE price = 20",
        "DEFINE FIELD OVERWRITE price ON secret PERMISSIONS FOR select FULL",
        "DEFINE TABLE OVERWRITE secret SCHEMALESS CHANGEFEED 1d PERMISSIONS NONE",
    ];
    for change in changes {
        world.run(change).await;
        for (id, surql) in &queries {
            let expected = ask(&ada, surql).await.to_sql();
            let kept = format!("RETURN _00_query:{id}.result");
            let mut shown = String::new();
            // A definition that leaves nothing in the feed is found out within some seconds.
            for _ in 0..120 {
                shown = world.run(&kept).await.swap_remove(0).to_sql();
                if shown == expected {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert_eq!(shown, expected, "{change}: {surql}");
        }
    }
    world.ssp.stop().await.expect("the sidecar stops");
}
