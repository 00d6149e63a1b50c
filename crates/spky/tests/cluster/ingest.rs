//! Changes that are announced to the scheduler.

use serde_json::json;

use crate::stage::Cluster;
use crate::workload::SCHEMA;

/// Catches a scheduler that believes what is announced, and one that loses what is committed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_counts_as_soon_as_it_is_committed() {
    let cluster = Cluster::start(1, SCHEMA).await;
    let view = ("all".to_owned(), "SELECT * FROM thing".to_owned(), "{}".to_owned());
    cluster.register(&view.0, &view.1, &view.2).await;
    let announced = |table: &str, id: &str| json!({ "op": "CREATE", "table": table, "id": id, "record": { "n": 1 } });
    assert_eq!(cluster.post("/ingest", &announced("thing", "thing:never")).await.0, 200);
    cluster.application.run("CREATE thing:1 SET n = 1").await;
    assert_eq!(cluster.post("/ingest", &announced("thing", "thing:1")).await.0, 200);
    for _ in 0..1_000 {
        assert_eq!(cluster.post("/ingest", &announced("thing", "thing:never")).await.0, 200);
    }
    cluster.agree(&[view]).await;
    assert_eq!(cluster.post("/ingest", &announced("_00_query", "_00_query:1")).await.0, 400);
    assert_eq!(cluster.post("/ingest", &json!({ "table": "thing" })).await.0, 400);
}
