//! Reading tables page by page, and single records. Catches: a row that is skipped or read twice at a page's border, a
//! wrong version, a key of another type that is left out.

mod support;

use circuit::{Change, Key, RecordId, Value};
use support::{Server, apply, query, record, run};

async fn all_pages(db: &database::Database, table: &str, limit: usize) -> Vec<Change> {
    let mut rows: Vec<Change> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.id.clone());
        let page = db.page(table, after.as_ref(), limit).await.unwrap().changes().unwrap();
        assert!(page.len() <= limit);
        let is_last = page.len() < limit;
        rows.extend(page);
        if is_last {
            return rows;
        }
    }
}

#[tokio::test]
async fn pages_join_to_the_table_whatever_their_size() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(
        &client,
        "DEFINE TABLE t; FOR $i IN 0..25 { CREATE type::record('t', $i) };
         CREATE t:abc, t:⟨12⟩, t:u'018f4e5a-7b3c-7def-8123-456789abcdef', t:[1, 'a'], t:[2], t:{ a: 1 };",
    )
    .await;
    let Value::Array(expected) = query(&client, "SELECT VALUE id FROM t ORDER BY id").await else { panic!("no array") };
    for limit in [1, 2, 7, 31, 100] {
        let rows = all_pages(&db, "t", limit).await;
        let ids: Vec<Value> = rows.iter().map(|row| Value::from(row.id.clone())).collect();
        assert_eq!(ids, expected.to_vec(), "pages of {limit}");
    }
}

#[tokio::test]
async fn rows_come_with_their_versions() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    // The first record is older than the event that counts.
    run(&client, "DEFINE TABLE t; CREATE t:1; ").await;
    apply(&db).await;
    run(&client, "CREATE t:2; UPDATE t:2 SET n = 1; UPDATE t:2 SET n = 2; CREATE t:[1]; UPDATE t:[1] SET n = 1").await;
    let rows = all_pages(&db, "t", 10).await;
    let versions: Vec<u64> = rows.iter().map(|row| row.version).collect();
    assert_eq!(versions, [1, 3, 2]);
    assert_eq!(rows[1].content.as_ref().unwrap().get("n"), Some(&Value::from(2)));
    assert_eq!(rows[1].content.as_ref().unwrap().get("id"), Some(&Value::from(record("t", 2))));
}

#[tokio::test]
async fn a_page_resumes_behind_a_record_that_was_deleted() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE t; CREATE t:1, t:2, t:3, t:4;").await;
    let first = db.page("t", None, 2).await.unwrap().changes().unwrap();
    run(&client, "DELETE t:1; DELETE t:2;").await;
    let second = db.page("t", Some(&first[1].id), 2).await.unwrap().changes().unwrap();
    let ids: Vec<&Key> = second.iter().map(|row| &row.id.key).collect();
    assert_eq!(ids, [&Key::Int(3), &Key::Int(4)]);
}

#[tokio::test]
async fn a_table_may_have_any_name() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE `a\\`; REMOVE TABLE b`; CREATE type::record('a`; REMOVE TABLE b', 1);").await;
    apply(&db).await;
    run(&client, "UPDATE type::record('a`; REMOVE TABLE b', 1) SET n = 1").await;
    let rows = db.page("a`; REMOVE TABLE b", None, 10).await.unwrap().changes().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].version, 2);
    assert!(db.page("nothing", None, 10).await.unwrap().changes().unwrap().is_empty(), "a missing table is empty");
}

#[tokio::test]
async fn records_are_read_in_the_order_asked_for() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE t;").await;
    apply(&db).await;
    run(&client, "CREATE t:1 SET n = 1; CREATE t:2; UPDATE t:2 SET n = 2; CREATE t:4; DELETE t:4;").await;
    let missing = RecordId::new("unknown", Key::String("x".into()));
    let ids = [record("t", 2), record("t", 3), record("t", 1), record("t", 4), missing];
    let before = db.requests();
    let found = db.records(&ids).await.unwrap();
    assert_eq!(db.requests() - before, 1);
    assert!(found.iter().zip(&ids).all(|(found, asked)| found.id.is_same_record(asked)));
    let state: Vec<(bool, u64)> = found.iter().map(|row| (row.content.is_some(), row.version)).collect();
    assert_eq!(state, [(true, 2), (false, 1), (true, 1), (false, 2), (false, 1)]);
    assert!(db.records(&[]).await.unwrap().is_empty());
}

/// Each page must cost the same, wherever it begins: else reading a table takes quadratic time.
#[tokio::test]
async fn the_last_page_costs_what_the_first_does() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE t; FOR $i IN 0..10000 { CREATE type::record('t', $i) RETURN NONE }").await;
    let mut first = std::time::Duration::MAX;
    let mut last = std::time::Duration::MAX;
    for _ in 0..5 {
        let begin = std::time::Instant::now();
        assert_eq!(db.page("t", None, 10).await.unwrap().changes().unwrap().len(), 10);
        first = first.min(begin.elapsed());
        let begin = std::time::Instant::now();
        assert_eq!(db.page("t", Some(&record("t", 9_989)), 10).await.unwrap().changes().unwrap().len(), 10);
        last = last.min(begin.elapsed());
    }
    eprintln!("first page {first:?}, last page {last:?}");
    let ceiling = std::time::Duration::from_millis(5);
    assert!(first < last * 4 + ceiling && last < first * 4 + ceiling, "first page {first:?}, last page {last:?}");
}
