//! Views of users: the edges of each user are in a table of the user's own, and go with the user, whoever keeps the views.

use std::time::{Duration, Instant};

use protocol::ViewKey;
use serde_json::json;
use surrealdb::types::ToSql;

use crate::number;
use crate::stage::{Cluster, LIMIT};
use crate::support::application::Shown;
use crate::support::{Application, Random};

const SCHEMA: &str = "
    DEFINE TABLE user SCHEMALESS PERMISSIONS FOR select FULL;
    DEFINE TABLE note SCHEMALESS PERMISSIONS FOR select FULL;
    FOR $n IN 0..6 { CREATE type::record('user', $n) SET n = $n };
    FOR $n IN 0..30 { CREATE type::record('note', $n) SET owner = type::record('user', $n % 6), n = $n };
";
const SURQL: &str = "SELECT * FROM note WHERE owner = $authId";

async fn register(cluster: &Cluster, user: u64) {
    let body = json!({
        "id": format!("of{user}"), "surql": SURQL, "clientId": "test", "ttl": "1h", "authId": format!("user:{user}")
    });
    cluster.register_as(&body).await;
}

async fn shown(application: &Application, user: u64) -> Shown {
    let key: ViewKey = format!("of{user}").parse().expect("a view id");
    let edges =
        application.database.edges_of(&key, &format!("_00_list_ref_user_{user}")).await.expect("the user has a table");
    let edges = edges.into_iter().map(|edge| (database::text::record_id(&edge.id.out), edge.version as i64));
    let mut shown: Shown = edges.collect();
    shown.sort();
    shown
}

/// Waits until these users' views show what SurrealDB answers, and no others' are there.
async fn agree(cluster: &Cluster, users: &[u64]) {
    let application = &cluster.application;
    let started = Instant::now();
    loop {
        let versions = application.versions().await;
        let mut wrong = Vec::new();
        for user in users {
            let params = format!("{{ authId: user:{user} }}");
            let expected = application.oracle(SURQL, &params, &versions).await.expect("the query is answered");
            let shown = shown(application, *user).await;
            if shown != expected {
                wrong.push(format!("of user {user}: expected {expected:?}, shown {shown:?}"));
            }
        }
        let views =
            application.run("SELECT VALUE record::id(id) FROM _00_query ORDER BY id").await.swap_remove(0).to_sql();
        let expected = users.iter().map(|user| format!("'of{user}'")).collect::<Vec<_>>().join(", ");
        if views != format!("[{expected}]") {
            wrong.push(format!("there are the views {views}"));
        }
        if wrong.is_empty() {
            return;
        }
        assert!(started.elapsed() < LIMIT, "{wrong:#?}\n{}", cluster.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn write(application: &Application, random: &mut Random, count: usize) {
    for _ in 0..count {
        let [note, owner, n] = [30, 6, 1_000].map(|bound| random.below(bound));
        // An edge conflicts with a write of the record that it leads to: then the application tries again.
        let surql = format!("UPSERT note:{note} SET owner = user:{owner}, n = {n} RETURN NONE");
        while let Err(error) = application.client.query(&surql).await.expect("the database answers").check() {
            assert!(error.to_string().contains("can be retried"), "{surql}: {error}");
        }
    }
}

/// Catches views that can't be taken over as the table of their edges is no more, views that stay when nobody has seen their
/// user go, and what a user loses who is deleted and made anew.
#[tokio::test(flavor = "multi_thread")]
async fn views_of_users_come_and_go_with_them_whoever_keeps_them() {
    let mut random = Random(number("SPKY_CLUSTER_SEED", 1));
    let mut cluster = Cluster::start(3, SCHEMA).await;
    for user in 0..6 {
        register(&cluster, user).await;
    }
    write(&cluster.application, &mut random, 40).await;
    agree(&cluster, &[0, 1, 2, 3, 4, 5]).await;

    // One is lost, and a user goes before others have taken its views over.
    cluster.ssps[0].kill();
    cluster.application.run("DELETE user:0").await;
    write(&cluster.application, &mut random, 40).await;
    agree(&cluster, &[1, 2, 3, 4, 5]).await;

    // Nobody sees this one go, and that one go and come back.
    cluster.ssps[1].kill();
    cluster.ssps[2].kill();
    cluster.application.run("DELETE user:1; DELETE user:2; CREATE user:2").await;
    write(&cluster.application, &mut random, 40).await;
    (0..3).for_each(|number| cluster.start_ssp(number));
    cluster.all_ready(3).await;
    register(&cluster, 2).await;
    write(&cluster.application, &mut random, 40).await;
    agree(&cluster, &[2, 3, 4, 5]).await;
    let tables = cluster.application.run("RETURN object::keys((INFO FOR DB).tables)").await.swap_remove(0).to_sql();
    assert!(!tables.contains("list_ref_user_0") && !tables.contains("list_ref_user_1"), "{tables}");
}
