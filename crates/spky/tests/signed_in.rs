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
