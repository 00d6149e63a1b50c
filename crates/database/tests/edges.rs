//! Writing results. Catches: an edge that is no edge of the graph, a second write that differs from the first, an edge
//! that does not come back after its record did, edges that outlive their view.

mod support;

use std::sync::Arc;
use std::time::Duration;

use circuit::{Change, RecordId, Value};
use database::{Database, Edge, EdgeId, Place, QueryRow, RefMode, ResultInfo, WriteBatch};
use protocol::{ContentHash, Format, Frequency, ViewKey};
use support::{Server, apply, object, query, record, run};

fn key(text: &str) -> ViewKey {
    text.parse().unwrap()
}

fn view(text: &str, user: Option<RecordId>) -> QueryRow {
    QueryRow {
        key: key(text),
        surql: "SELECT * FROM person".to_owned(),
        params: object([("a", Value::from(record("person", 1)))]),
        client_id: "client".to_owned(),
        auth_id: user,
        access: Value::None,
        token: Value::None,
        ttl: Duration::from_secs(30),
        format: Format::Streaming,
        frequency: None,
    }
}

fn put(id: EdgeId, version: u64) -> Edge {
    Edge { id, version, client_id: "client".into(), auth_id: None }
}

fn edge(db: &Database, view: &str, index: i64) -> EdgeId {
    EdgeId::new(db.edge_table(RefMode::Dedicated, None), key(view), record("person", index))
}

async fn write(db: &Database, puts: Vec<Edge>, removes: Vec<EdgeId>) {
    let before = db.requests();
    db.write(&WriteBatch { puts, removes, ..WriteBatch::default() }).await.unwrap();
    assert_eq!(db.requests() - before, 1, "one request");
}

async fn stored(db: &Database, view: &str) -> Vec<(RecordId, u64)> {
    let edges = db.edges_of(&key(view), &db.names().list_ref()).await.unwrap();
    edges.into_iter().map(|edge| (edge.id.out, edge.version)).collect()
}

#[tokio::test]
async fn edges_of_neighbours_are_read_together() {
    let server = Server::start();
    let db = server.installed().await;
    run(&server.client().await, "CREATE person:1; CREATE person:2").await;
    let names = ["a", "a-b", "a.b", "ab", "b", "ba"];
    for name in names {
        db.register_query(&view(name, None), RefMode::Dedicated).await.unwrap();
        write(&db, vec![put(edge(&db, name, 1), 1), put(edge(&db, name, 2), 1)], vec![]).await;
    }
    for (first, last) in [(0, 5), (0, 0), (1, 3), (4, 5), (3, 4)] {
        let between = db.edges_between(&key(names[first]), &key(names[last]), &db.names().list_ref()).await.unwrap();
        let found: Vec<&str> = between.iter().map(|edge| edge.id.query.as_str()).collect();
        let expected: Vec<&str> = names[first..=last].iter().flat_map(|name| [*name, *name]).collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn edges_are_part_of_the_graph_and_writing_twice_is_writing_once() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "CREATE person:1 SET name = 'a'; CREATE person:2 SET name = 'b'").await;
    db.register_query(&view("q", None), RefMode::Dedicated).await.unwrap();
    for version in [1, 1, 2] {
        write(&db, vec![put(edge(&db, "q", 1), version), put(edge(&db, "q", 2), version)], vec![]).await;
        assert_eq!(stored(&db, "q").await, [(record("person", 1), version), (record("person", 2), version)]);
    }
    let names = query(&client, "RETURN _00_query:q->_00_list_ref->person.name").await;
    assert_eq!(names, [Value::from("a"), Value::from("b")].into_iter().collect());
    let back = query(&client, "RETURN person:1<-_00_list_ref<-_00_query").await;
    assert_eq!(back, query(&client, "RETURN [_00_query:q]").await);
    let fields =
        query(&client, "SELECT VALUE [in, out, version, clientId, type::is_datetime(updatedAt)] FROM _00_list_ref")
            .await;
    let expected = query(
        &client,
        "RETURN [[_00_query:q, person:1, 2, 'client', true], [_00_query:q, person:2, 2, 'client', true]]",
    );
    assert_eq!(fields, expected.await);
    write(&db, vec![], vec![edge(&db, "q", 1), edge(&db, "q", 3)]).await;
    write(&db, vec![], vec![edge(&db, "q", 1)]).await;
    assert_eq!(stored(&db, "q").await, [(record("person", 2), 2)]);
    assert_eq!(query(&client, "RETURN person:1<-_00_list_ref").await, Value::Array([].into()));
}

#[tokio::test]
async fn an_edge_comes_back_after_its_record_took_it_along() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "CREATE person:1; CREATE person:2").await;
    db.register_query(&view("q", None), RefMode::Dedicated).await.unwrap();
    write(&db, vec![put(edge(&db, "q", 1), 1), put(edge(&db, "q", 2), 1)], vec![]).await;
    run(&client, "DELETE person:1").await;
    assert_eq!(stored(&db, "q").await, [(record("person", 2), 1)]);
    // To a record that does not exist yet, or no more.
    write(&db, vec![put(edge(&db, "q", 1), 2)], vec![]).await;
    run(&client, "CREATE person:1").await;
    assert_eq!(stored(&db, "q").await, [(record("person", 1), 2), (record("person", 2), 1)]);
    assert_eq!(query(&client, "RETURN array::len(_00_query:q->_00_list_ref->person)").await, Value::from(2));
}

#[tokio::test]
async fn children_know_their_parents() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    db.register_query(&view("q", None), RefMode::Dedicated).await.unwrap();
    let (one, two) = (Arc::new(edge(&db, "q", 1)), Arc::new(edge(&db, "q", 2)));
    let children = [one.child("author", record("user", 1)), two.child("author", record("user", 1))];
    let puts = [&*one, &*two, &children[0], &children[1]].map(|id| put(id.clone(), 1));
    write(&db, puts.to_vec(), vec![]).await;
    let found =
        query(&client, "SELECT VALUE [parent.out, parent_rel, out] FROM _00_list_ref WHERE parent != NONE").await;
    assert_eq!(found, query(&client, "RETURN [[person:1, 'author', user:1], [person:2, 'author', user:1]]").await);
    let edges = db.edges_of(&key("q"), &db.names().list_ref()).await.unwrap();
    assert_eq!(edges.iter().filter(|edge| edge.id.parent.is_some()).count(), 2);
}

#[tokio::test]
async fn a_view_goes_with_its_edges_and_with_nobody_elses() {
    let server = Server::start();
    let db = server.installed().await;
    // Keys that are prefixes of each other.
    for name in ["q", "qq", "q "] {
        let mut row = view(name, None);
        row.key = ViewKey::from_key(name).unwrap();
        db.register_query(&row, RefMode::Dedicated).await.unwrap();
        let id = EdgeId::new(db.names().list_ref().into(), row.key, record("person", 1));
        write(&db, vec![put(id, 1)], vec![]).await;
    }
    let keys =
        |queries: Vec<database::StoredQuery>| queries.into_iter().map(|q| q.row.key.to_string()).collect::<Vec<_>>();
    assert_eq!(keys(db.queries().await.unwrap()), ["q", "q ", "qq"]);
    let before = db.requests();
    db.remove_query(&key("q"), &db.names().list_ref()).await.unwrap();
    db.remove_query(&key("q"), &db.names().list_ref()).await.unwrap();
    assert_eq!(db.requests() - before, 2);
    assert_eq!(keys(db.queries().await.unwrap()), ["q ", "qq"]);
    assert!(stored(&db, "q").await.is_empty());
    assert_eq!(stored(&db, "qq").await.len(), 1);
    let clears = vec![Place { edge_table: db.names().list_ref().into(), query: key("qq") }];
    db.write(&WriteBatch { clears, ..WriteBatch::default() }).await.unwrap();
    assert!(stored(&db, "qq").await.is_empty());
    assert_eq!(keys(db.queries().await.unwrap()), ["q ", "qq"]);
}

#[tokio::test]
async fn a_view_of_which_only_the_key_is_known_goes_with_its_edges_in_both_modes() {
    for mode in [RefMode::Dedicated, RefMode::Single] {
        let server = Server::start();
        let db = server.installed().await;
        let user = Some(record("user", 1));
        let edges = db.edge_table(mode, user.as_ref());
        db.register_query(&view("q", user), mode).await.unwrap();
        let id = EdgeId::new(edges.clone(), key("q"), record("person", 1));
        write(&db, vec![put(id, 1)], vec![]).await;
        assert_eq!(db.edges_of(&key("q"), &edges).await.unwrap().len(), 1);
        let before = db.requests();
        db.find_and_remove_query(&key("q"), mode).await.unwrap();
        assert_eq!(db.requests() - before, 2);
        assert!(db.queries().await.unwrap().is_empty());
        assert!(db.edges_of(&key("q"), &edges).await.unwrap().is_empty());
        let before = db.requests();
        db.find_and_remove_query(&key("q"), mode).await.unwrap();
        assert_eq!(db.requests() - before, 1);
    }
}

/// Catches edges that nobody finds, as the view says no more whose they are.
#[tokio::test]
async fn what_is_left_of_a_view_goes_wherever_it_is() {
    let server = Server::start();
    let db = server.installed().await;
    run(&server.client().await, "CREATE person:1; CREATE person:2").await;
    let user = Some(record("user", 1));
    let tables = [db.edge_table(RefMode::Dedicated, user.as_ref()), db.edge_table(RefMode::Single, None)];
    db.register_query(&view("kept", user), RefMode::Dedicated).await.unwrap();
    for (view, table) in [("gone", &tables[0]), ("gone", &tables[1]), ("kept", &tables[0])] {
        let ids = [1, 2].map(|index| EdgeId::new(table.clone(), key(view), record("person", index)));
        write(&db, ids.map(|id| put(id, 1)).to_vec(), vec![]).await;
    }
    let before = db.requests();
    db.remove_left(&[key("gone"), key("kept"), key("never")]).await.unwrap();
    assert_eq!(db.requests() - before, 1);
    let left = async |view, table| db.edges_of(&key(view), table).await.unwrap().len();
    assert_eq!((left("gone", &tables[0]).await, left("gone", &tables[1]).await), (0, 0));
    assert_eq!(left("kept", &tables[0]).await, 2, "it is there");
}

#[tokio::test]
async fn a_view_reads_back_as_registered_and_registering_again_refreshes_it() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    let mut row = view("q", Some(record("user", 1)));
    row.token = Value::from(object([("exp", Value::from(7))]));
    row.frequency = Some(Frequency::Analytics);
    let before = db.requests();
    db.register_query(&row, RefMode::Dedicated).await.unwrap();
    assert_eq!(db.requests() - before, 1);
    let hash = ContentHash::of(b"x");
    let result = Some(Value::from("rows"));
    let info = ResultInfo { query: key("q"), hash: Some(hash), row_count: 3, result, error: None };
    let results = vec![info.clone()];
    db.write(&WriteBatch { results, ..WriteBatch::default() }).await.unwrap();
    run(&client, "UPDATE _00_query:q SET lastActiveAt = d'2020-01-01T00:00:00Z'").await;
    row.params = object([("b", Value::from(2))]);
    db.register_query(&row, RefMode::Dedicated).await.unwrap();
    let [stored] = &db.queries().await.unwrap()[..] else { panic!("not one view") };
    assert_eq!(stored.row.key, row.key);
    assert_eq!(stored.row.params, row.params);
    assert_eq!(stored.row.auth_id, row.auth_id);
    assert_eq!(stored.row.token, row.token);
    assert_eq!((stored.row.ttl, stored.row.frequency), (row.ttl, row.frequency));
    assert_eq!((stored.hash, stored.row_count), (Some(hash), Some(3)));
    assert!(stored.last_active_at.seconds > 1_600_000_000);
    assert_eq!(query(&client, "SELECT VALUE result FROM ONLY _00_query:q").await, Value::from("rows"));
    // A result of a view that is gone does not bring it back.
    db.remove_query(&key("q"), &db.names().list_ref()).await.unwrap();
    let results = vec![info];
    db.write(&WriteBatch { results, ..WriteBatch::default() }).await.unwrap();
    assert!(db.queries().await.unwrap().is_empty());
}

#[tokio::test]
async fn only_views_whose_time_is_up_expire() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    for name in ["old", "older", "alive"] {
        db.register_query(&view(name, None), RefMode::Dedicated).await.unwrap();
        write(&db, vec![put(edge(&db, name, 1), 1)], vec![]).await;
    }
    run(&client, "UPDATE _00_query:old, _00_query:older SET lastActiveAt = time::now() - 31s").await;
    let plan = query(&client, "SELECT VALUE id FROM _00_query WHERE expiresAt < time::now() EXPLAIN").await;
    assert!(format!("{plan:?}").contains("expiry"), "by the index: {plan:?}");
    assert!(!db.expire_query(&key("alive")).await.unwrap());
    assert!(db.expire_query(&key("old")).await.unwrap());
    assert!(!db.expire_query(&key("old")).await.unwrap());
    assert!(stored(&db, "old").await.is_empty());
    assert_eq!(db.expire_queries(&db.overdue_queries().await.unwrap()).await.unwrap(), [key("older")]);
    assert!(stored(&db, "older").await.is_empty());
    assert_eq!(stored(&db, "alive").await.len(), 1);
}

#[tokio::test]
async fn many_edges_are_written_at_once() {
    let server = Server::start();
    let db = server.installed().await;
    db.register_query(&view("q", None), RefMode::Dedicated).await.unwrap();
    let puts: Vec<Edge> = (0..12_000).map(|index| put(edge(&db, "q", index), 1)).collect();
    write(&db, puts, vec![]).await;
    assert_eq!(stored(&db, "q").await.len(), 12_000);
    let removes = (0..6_000).map(|index| edge(&db, "q", index * 2)).collect();
    write(&db, vec![], removes).await;
    assert_eq!(stored(&db, "q").await.len(), 6_000);
    db.remove_query(&key("q"), &db.names().list_ref()).await.unwrap();
    assert!(stored(&db, "q").await.is_empty());
}

#[tokio::test]
async fn an_empty_batch_costs_nothing() {
    let server = Server::start();
    let db = server.installed().await;
    let before = db.requests();
    db.write(&WriteBatch::default()).await.unwrap();
    assert_eq!(db.requests(), before);
}

#[tokio::test]
async fn a_confirmed_write_happens_only_in_the_expected_state() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE person").await;
    apply(&db).await;
    run(&client, "CREATE person:1 SET n = 1; UPDATE person:1 SET n = 2; CREATE person:2; DELETE person:2").await;
    db.register_query(&view("q", None), RefMode::Dedicated).await.unwrap();
    let batch = WriteBatch { puts: vec![put(edge(&db, "q", 1), 2)], ..WriteBatch::default() };
    let content = |n: i64| Some(object([("id", Value::from(record("person", 1))), ("n", Value::from(n))]));
    let person = |n: i64, version: u64| Change { id: record("person", 1), version, content: content(n) };
    let gone = Change { id: record("person", 2), version: 2, content: None };

    for wrong in [person(1, 2), person(2, 1)] {
        let before = db.requests();
        let outcome = db.confirm(&[wrong, gone.clone()], &batch).await.unwrap();
        assert_eq!(db.requests() - before, 1);
        assert!(!outcome.is_written);
        assert_eq!(outcome.current[0].content, content(2));
        assert_eq!(outcome.current[0].version, 2);
        assert!(outcome.current[1].content.is_none());
        assert!(stored(&db, "q").await.is_empty());
    }
    let outcome = db.confirm(&[person(2, 2), gone], &batch).await.unwrap();
    assert!(outcome.is_written);
    assert_eq!(stored(&db, "q").await, [(record("person", 1), 2)]);
    assert!(db.confirm(&[], &WriteBatch::default()).await.unwrap().is_written);
}

/// Catches: a large transaction that loses against the application for as long as that deletes any of its records, and with
/// them the edges.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_application_does_not_keep_results_from_being_written() {
    const RECORDS: i64 = 400;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path());
    let db = server.installed().await;
    let client = server.client().await;
    run(&client, &format!("FOR $n IN 0..{RECORDS} {{ CREATE type::record('person', $n) }}")).await;
    db.register_query(&view("q", None), RefMode::Dedicated).await.unwrap();
    let batch = |version| {
        let puts = (0..RECORDS).map(|index| put(edge(&db, "q", index), version)).collect();
        WriteBatch { puts, ..WriteBatch::default() }
    };
    db.write(&batch(1)).await.unwrap();
    let busy = tokio::spawn(async move {
        for number in 0.. {
            let index = number * 7 % RECORDS;
            // It may lose as well, and then goes on.
            let _ = client.query(format!("DELETE person:{index}; CREATE person:{index}")).await;
        }
    });
    for version in 2..6 {
        tokio::time::timeout(Duration::from_secs(60), db.write(&batch(version))).await.expect("in time").unwrap();
    }
    assert!(!busy.is_finished(), "the application has written all the time");
    busy.abort();
    assert!(db.conflicts() > 0, "nothing was in the way");
}
