//! Records and transactions of many megabytes.

use crate::stage::Cluster;
use crate::workload::SCHEMA;

/// Runs a statement with a text of so many bytes as `$text`, in a transaction of its own.
async fn run_with_text(cluster: &Cluster, statement: &str, bytes: usize) {
    let query = cluster.application.client.query(statement.to_owned()).bind(("text", "x".repeat(bytes)));
    query.await.expect("the database answers").check().expect("the statement succeeds");
}

/// Catches a limit between the database and the sidecars that is below SurrealDB's own: of a record, and of all records of a
/// transaction or a page together.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_takes_arrives() {
    let mut cluster = Cluster::start(2, SCHEMA).await;
    // It joins when all is there: what it has comes from the replica.
    cluster.ssps[1].kill();
    let view = |id: &str, table: &str| {
        let (id, surql) =
            (id.to_owned(), format!("SELECT id FROM {table} WHERE n = $n AND string::len(text) > $length"));
        (id, surql, "{ n: 1, length: 1000000 }".to_owned())
    };
    let mut views = vec![view("one", "thing")];
    cluster.register(&views[0].0, &views[0].1, &views[0].2).await;
    run_with_text(&cluster, "CREATE thing:1 SET n = 1, text = $text RETURN NONE", 20 << 20).await;
    cluster.agree(&views).await;
    run_with_text(&cluster, "FOR $i IN 2..7 { CREATE type::record('thing', $i) SET n = 1, text = $text }", 17 << 20)
        .await;
    let hundred = "CREATE thing:7 SET n = 1, text = $text, more = [$text, $text, $text, $text] RETURN NONE";
    run_with_text(&cluster, hundred, 20 << 20).await;
    // These are there before anybody captures them, so that they are read in one page.
    let table = "BEGIN; DEFINE TABLE late SCHEMALESS; \
                 FOR $i IN 0..8 { CREATE type::record('late', $i) SET n = $i % 2, text = $text }; COMMIT";
    run_with_text(&cluster, table, 10 << 20).await;
    cluster.agree(&views).await;
    views.push(view("late", "late"));
    cluster.register(&views[1].0, &views[1].1, &views[1].2).await;
    cluster.agree(&views).await;

    cluster.start_ssp(1);
    cluster.all_ready(2).await;
    cluster.ssps[0].kill();
    cluster.all_ready(1).await;
    cluster.application.run("UPDATE thing:1, late:1 SET n = 2 RETURN NONE").await;
    cluster.agree(&views).await;
    let said = cluster.log_of("scheduler");
    assert!(!said.contains("ERROR") && !said.contains("falls behind"), "{}", cluster.logs());
}
