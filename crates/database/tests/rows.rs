//! Row records and what is kept on views' own records. Catches: a row that outlives its view, a key that can't be stored,
//! a result that keeps others from being written.

mod support;

use std::sync::Arc;
use std::time::Duration;

use circuit::{RecordId, Value};
use database::{
    Database, Edge, EdgeId, Parent, Place, QueryRow, RefMode, ResultInfo, RowId, RowRecord, WriteBatch, storable,
};
use protocol::{ContentHash, Format, ViewKey};
use support::{Server, object, query, record, run};

fn key(text: &str) -> ViewKey {
    text.parse().unwrap()
}

async fn register(db: &Database, name: &str, user: Option<RecordId>) {
    let row = QueryRow {
        key: key(name),
        surql: "SELECT state, count() FROM task GROUP BY state".to_owned(),
        params: object([]),
        client_id: "client".to_owned(),
        auth_id: user,
        access: Value::None,
        token: Value::None,
        ttl: Duration::from_secs(30),
        format: Format::Streaming,
        frequency: None,
    };
    db.register_query(&row, RefMode::Dedicated).await.unwrap();
}

fn row_id(db: &Database, view: &str, row: Value) -> RowId {
    let row = storable(&[row].into_iter().collect());
    RowId { table: db.names().row().into(), query: key(view), row, parent: None }
}

fn row(id: RowId, version: u64, content: Value) -> RowRecord {
    RowRecord { id, version, content, auth_id: None }
}

/// Writes a row with its edge.
async fn put(db: &Database, view: &str, name: Value, version: u64, content: Value) {
    let id = row_id(db, view, name);
    let edge = EdgeId::new(db.names().list_ref().into(), key(view), id.record_id());
    let edge = Edge { id: edge, version, client_id: "client".into(), auth_id: None };
    let batch = WriteBatch { rows: vec![row(id, version, content)], puts: vec![edge], ..WriteBatch::default() };
    let before = db.requests();
    db.write(&batch).await.unwrap();
    assert_eq!(db.requests() - before, 1, "one request");
}

async fn stored(db: &Database, view: &str) -> Vec<(u64, Value)> {
    db.rows_of(&key(view)).await.unwrap().into_iter().map(|(_, version, content)| (version, content)).collect()
}

#[tokio::test]
async fn a_row_is_a_record_that_an_edge_leads_to() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    register(&db, "q", None).await;
    let content = |count: i64| Value::from(object([("state", Value::from("open")), ("count", Value::from(count))]));
    for count in [1, 1, 2] {
        put(&db, "q", "open".into(), count as u64, content(count)).await;
        assert_eq!(stored(&db, "q").await, [(count as u64, content(count))]);
    }
    let shown = query(&client, "RETURN _00_query:q->_00_list_ref->_00_row.content.count").await;
    assert_eq!(shown, [Value::from(2)].into_iter().collect());
    let named = query(&client, "SELECT VALUE [id, query] FROM ONLY _00_row:['q', ['open']]").await;
    assert_eq!(named, query(&client, "RETURN [_00_row:['q', ['open']], _00_query:q]").await);
    let gone = vec![row_id(&db, "q", "open".into()), row_id(&db, "q", "held".into())];
    db.write(&WriteBatch { gone, ..WriteBatch::default() }).await.unwrap();
    assert!(stored(&db, "q").await.is_empty());
    assert!(db.edges_of(&key("q"), &db.names().list_ref()).await.unwrap().is_empty(), "an edge to nothing is no edge");
}

/// Groups have any values as keys.
#[tokio::test]
async fn rows_may_have_any_key() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    register(&db, "q", None).await;
    let text = "RETURN [NONE, NULL, true, 1, 1f, 1.5dec, -0f, 0f, 0f/0f, 'x', '', [], [NONE], { a: NONE, b: 1 }, /a.b/, [/a/], \
                d'2026-01-01T00:00:00Z', 1h, u'018f0000-0000-7000-8000-000000000001', user:1, user:['a', 1], 1..3, {1, 2}, \
                <bytes> 'ab', (1.0, 2.0)]";
    let Value::Array(keys) = query(&client, text).await else { panic!("not an array") };
    for name in keys.iter() {
        put(&db, "q", name.clone(), 1, name.clone()).await;
    }
    let rows = db.rows_of(&key("q")).await.unwrap();
    // Both zeros are one key.
    assert_eq!(rows.len(), keys.len() - 1);
    let table = db.names().list_ref().into();
    assert!(rows.iter().all(|(id, ..)| RowId::parse(id, &table).is_some()));
    assert_eq!(db.edges_of(&key("q"), &table).await.unwrap().len(), rows.len());
}

#[tokio::test]
async fn rows_of_a_subquery_are_told_apart_by_their_parents() {
    let server = Server::start();
    let db = server.installed().await;
    register(&db, "q", None).await;
    let rows = [1, 2].map(|thread| {
        let edge = EdgeId::new(db.names().list_ref().into(), key("q"), record("thread", thread));
        let parent = Some(Arc::new(Parent { edge, relation: "count".into() }));
        row(RowId { parent, ..row_id(&db, "q", Value::None) }, 1, thread.into())
    });
    db.write(&WriteBatch { rows: rows.to_vec(), ..WriteBatch::default() }).await.unwrap();
    assert_eq!(stored(&db, "q").await, [(1, Value::from(1)), (1, Value::from(2))]);
}

#[tokio::test]
async fn rows_go_with_their_view_whatever_removes_it() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    let user = record("user", 1);
    let names = ["removed", "expired", "expired too", "deleted", "of the user", "cleared", "kept"];
    for name in names {
        register(&db, name, (name == "of the user").then(|| user.clone())).await;
        put(&db, name, Value::None, 1, name.into()).await;
    }
    let edges: Arc<str> = db.names().list_ref().into();
    db.remove_query(&key("removed"), &edges).await.unwrap();
    let expire = "UPDATE _00_query:expired, _00_query:`expired too` SET lastActiveAt = time::now() - 31s";
    run(&client, expire).await;
    assert!(db.expire_query(&key("expired")).await.unwrap());
    assert_eq!(db.expire_queries(&db.overdue_queries().await.unwrap()).await.unwrap(), [key("expired too")]);
    run(&client, "DELETE _00_query:deleted").await;
    db.drop_user_table(&user).await.unwrap();
    let clears = vec![Place { edge_table: edges.clone(), query: key("cleared") }];
    db.write(&WriteBatch { clears, ..WriteBatch::default() }).await.unwrap();
    for name in names {
        let (rows, left) = (stored(&db, name).await.len(), usize::from(name == "kept"));
        assert_eq!(rows, left, "{name}");
        if name != "of the user" {
            assert_eq!(db.edges_of(&key(name), &edges).await.unwrap().len(), left, "{name}");
        }
    }
}

/// A view is cleared and filled again in one transaction.
#[tokio::test]
async fn what_is_cleared_may_be_written_anew() {
    let server = Server::start();
    let db = server.installed().await;
    register(&db, "q", None).await;
    put(&db, "q", "old".into(), 1, 1.into()).await;
    put(&db, "q", "same".into(), 1, 1.into()).await;
    let id = row_id(&db, "q", "same".into());
    let edges: Arc<str> = db.names().list_ref().into();
    let edge = EdgeId::new(edges.clone(), key("q"), id.record_id());
    let batch = WriteBatch {
        clears: vec![Place { edge_table: edges.clone(), query: key("q") }],
        rows: vec![row(id, 2, 2.into())],
        puts: vec![Edge { id: edge, version: 2, client_id: "client".into(), auth_id: None }],
        ..WriteBatch::default()
    };
    db.write(&batch).await.unwrap();
    assert_eq!(stored(&db, "q").await, [(2, Value::from(2))]);
    let versions: Vec<u64> = db.edges_of(&key("q"), &edges).await.unwrap().iter().map(|edge| edge.version).collect();
    assert_eq!(versions, [2]);
}

#[tokio::test]
async fn a_result_that_does_not_fit_is_an_error_of_its_view_alone() {
    let server = Server::start();
    let mut db = server.installed().await;
    let client = server.client().await;
    for name in ["large", "small"] {
        register(&db, name, None).await;
    }
    let mut settings = server.settings();
    settings.max_message_bytes = 1 << 20;
    db = Database::connect(settings, db.names().clone()).await.unwrap();
    let info = |name: &str, size: usize| ResultInfo {
        query: key(name),
        hash: Some(ContentHash::of(b"x")),
        row_count: 1,
        result: Some("x".repeat(size).as_str().into()),
        error: None,
    };
    let state = "SELECT VALUE [string::len(result ?? ''), hash != NONE, error] FROM _00_query";
    db.write(&WriteBatch { results: vec![info("large", 1 << 20), info("small", 10)], ..WriteBatch::default() })
        .await
        .unwrap();
    let Value::Array(states) = query(&client, state).await else { panic!("not an array") };
    let [large, small] = &*states else { panic!("not two views: {states:?}") };
    let text = format!("{large:?}");
    assert!(text.contains("the limit is 349525") && text.contains("Bool(false)"), "{text}");
    assert_eq!(*small, query(&client, "RETURN [10, true, NONE]").await);
    db.write(&WriteBatch { results: vec![info("large", 20)], ..WriteBatch::default() }).await.unwrap();
    let Value::Array(states) = query(&client, state).await else { panic!("not an array") };
    assert_eq!(states[0], query(&client, "RETURN [20, true, NONE]").await, "the error goes with the next result");
}

#[tokio::test]
async fn many_rows_are_written_at_once() {
    let server = Server::start();
    let db = server.installed().await;
    register(&db, "q", None).await;
    let rows: Vec<RowRecord> = (0..2_500).map(|n: i64| row(row_id(&db, "q", n.into()), 1, n.into())).collect();
    for _ in 0..2 {
        db.write(&WriteBatch { rows: rows.clone(), ..WriteBatch::default() }).await.unwrap();
    }
    let stored = stored(&db, "q").await;
    assert!(stored.len() == 2_500 && stored[2_499] == (1, Value::from(2_499)));
}
