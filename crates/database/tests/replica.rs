//! A replica takes in events, and holds what they say. Catches: a row that changes its type on the way, a row that should
//! have gone with the part of a table that was read anew, an edge that goes with its node although no event says so, a
//! hash that is not that of the rows, an event that is taken in twice or in parts.

mod support;

use std::sync::Arc;

use circuit::{Change, Key, Object, RecordId, Value};
use cluster::{Event, Read};
use database::{Database, Error, Replica, Settings};
use protocol::{Names, TableContent};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::model::{Model, content_of, key};
use support::samples::samples;
use support::{Server, apply, object, query, record, run};
use uuid::Uuid;

const LOG: Uuid = Uuid::from_u128(7);

/// A database beside the one of the tests, on the same server.
async fn beside(server: &Server, database: &str) -> Database {
    server.connect().await;
    let settings = Settings { database: database.to_owned(), ..server.settings() };
    Database::connect(settings, Names::default()).await.unwrap()
}

async fn replica(server: &Server) -> Replica {
    Replica::open(beside(server, "replica").await, LOG).await.unwrap()
}

async fn rows(db: &Database, table: &str) -> Vec<Change> {
    let mut rows: Vec<Change> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.id.clone());
        let page = db.page(table, after.as_ref(), 700).await.unwrap();
        let is_last = page.is_last();
        rows.extend(page.changes().unwrap());
        if is_last {
            return rows;
        }
    }
}

fn read(table: &str, after: Option<&RecordId>, rows: Vec<Change>, is_last: bool) -> Event {
    Event::Read(Read { table: table.to_owned(), id: 1, after: after.cloned(), rows, is_last })
}

fn committed(changes: Vec<Change>) -> Event {
    Event::Committed { stamp: 1, continues: false, changes }
}

fn put<const N: usize>(id: &RecordId, version: u64, fields: [(&str, Value); N]) -> Change {
    Change { id: id.clone(), version, content: Some(under(id, &object(fields), [])) }
}

/// The same fields under another id, and some more.
fn under<const N: usize>(id: &RecordId, content: &Object, fields: [(&str, Value); N]) -> Object {
    let others = content.iter().filter(|(name, _)| &***name != "id").map(|(name, value)| (name.clone(), value.clone()));
    let fields = fields.into_iter().map(|(name, value)| (name.into(), value));
    others.chain(fields).chain([("id".into(), id.clone().into())]).collect()
}

fn gone(id: &RecordId) -> Change {
    Change { id: id.clone(), version: 9, content: None }
}

fn numbered(first: u64, events: Vec<Event>) -> Vec<(u64, Event)> {
    (first..).zip(events).collect()
}

async fn assert_holds(replica: &Replica, model: &Model) {
    let contents = replica.contents();
    for (table, expected) in model.tables() {
        let found = rows(replica.database(), table).await;
        let ids = |rows: &[Change]| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&found), ids(&expected), "{table}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{table}");
        }
        assert_eq!(contents.get(table), Some(&content_of(&expected)), "{table}");
    }
    let tables: Vec<&str> = model.tables().map(|(table, _)| table).collect();
    assert_eq!(contents.keys().map(String::as_str).collect::<Vec<_>>(), tables);
    assert!(!replica.is_partial());
}

#[tokio::test]
async fn rows_of_all_types_come_out_as_they_went_in() {
    let server = Server::start();
    let source = server.installed().await;
    let client = server.client().await;
    run(&client, "DEFINE TABLE t; DEFINE TABLE `a\\`; b`").await;
    apply(&source).await;
    for (number, value) in samples().into_iter().enumerate() {
        let keyed = match &value {
            Value::RecordId(id) => RecordId::new("t", id.key.clone()),
            _ => record("t", number as i64),
        };
        let nested = object([("deep.er", value.clone()), ("", value.clone()), ("empty", object([]).into())]);
        let list: Value = [value.clone(), Value::None, Value::Null].into_iter().collect();
        let fields = [("value", value), ("a `name`", nested.into()), ("list", list), ("in", 1.into())];
        let row = database::convert::object_to_sdk(&object(fields)).unwrap();
        let id = database::convert::record_id_to_sdk(&keyed).unwrap();
        let text = "CREATE $id CONTENT $row; UPDATE $id SET again = true;";
        client.query(text).bind(("id", id)).bind(("row", row)).await.unwrap().check().unwrap();
    }
    run(&client, "CREATE type::record('a`; b', 1) SET `x;` = 1").await;

    let mut replica = replica(&server).await;
    let mut events = Vec::new();
    let mut model = Model::default();
    for table in ["a`; b", "t"] {
        let expected = rows(&source, table).await;
        assert!(!expected.is_empty());
        events.push(read(table, None, expected, true));
    }
    let events = numbered(1, events);
    events.iter().for_each(|(_, event)| model.take_in(event));
    replica.apply(&events).await.unwrap();
    assert_holds(&replica, &model).await;

    // Once more by changes: of rows that are there, and of rows that are not.
    let changes = rows(&source, "t").await;
    let moved = changes.iter().map(|change| Change { version: 50, ..change.clone() }).collect();
    let elsewhere = changes.iter().map(|change| {
        let id = RecordId::new("u", change.id.key.clone());
        let content = under(&id, change.content.as_ref().unwrap(), [("other", 1.into())]);
        Change { id, version: 2, content: Some(content) }
    });
    let events = numbered(3, vec![committed(moved), committed(elsewhere.collect())]);
    events.iter().for_each(|(_, event)| model.take_in(event));
    replica.apply(&events).await.unwrap();
    assert_holds(&replica, &model).await;
    let touched = changes.iter().map(|change| {
        let id = RecordId::new("u", change.id.key.clone());
        let content = under(&id, change.content.as_ref().unwrap(), []);
        Change { id, version: 3, content: Some(content) }
    });
    let events = numbered(5, vec![committed(touched.collect())]);
    events.iter().for_each(|(_, event)| model.take_in(event));
    replica.apply(&events).await.unwrap();
    assert_holds(&replica, &model).await;
}

/// Rows of any tables, edges among them, and parts of tables with keys of all kinds.
#[tokio::test]
async fn random_events_lead_to_what_they_say() {
    let server = Server::start();
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let database = beside(&server, &format!("replica{seed}")).await;
        let mut replica = Replica::open(database, LOG).await.unwrap();
        let mut model = Model::default();
        let mut next = 1;
        for _ in 0..25 {
            let events: Vec<Event> = (0..random.random_range(1..8)).map(|_| model.event(&mut random)).collect();
            let mut events = numbered(next, events);
            next += events.len() as u64;
            replica.apply(&events).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(replica.position(), next - 1);
            if random.random_bool(0.2) {
                // Once more, and what is new behind it.
                events.push((next, committed(vec![])));
                next += 1;
                replica.apply(&events).await.unwrap();
            }
            assert_holds(&replica, &model).await;
        }
        let opened = Replica::open(replica.database().clone(), LOG).await.unwrap();
        assert_eq!((opened.position(), opened.contents()), (replica.position(), replica.contents()));
        assert_eq!(format!("{:?}", opened.known()), format!("{:?}", replica.known()));
    }
}

#[tokio::test]
async fn edges_lead_from_node_to_node_and_stay_as_long_as_no_event_says_otherwise() {
    let server = Server::start();
    let client = server.client().await;
    let mut replica = replica(&server).await;
    client.use_db("replica").await.unwrap();
    let [ann, bob, post, wrote] = [record("user", 1), record("user", 2), record("post", 1), record("wrote", 1)];
    let edge = |from: &RecordId, to: &RecordId, n: i64| {
        put(&wrote, n as u64, [("in", from.clone().into()), ("out", to.clone().into()), ("n", n.into())])
    };
    let on = record("cites", 1);
    let cite = put(&on, 1, [("in", wrote.clone().into()), ("out", post.clone().into())]);
    let nodes = [&ann, &bob, &post].map(|id| put(id, 1, [("n", 1.into())]));
    replica.apply(&numbered(1, vec![committed([&nodes[..], &[edge(&ann, &post, 1), cite]].concat())])).await.unwrap();
    let follow = async |from: &str| query(&client, &format!("SELECT VALUE ->wrote->post FROM ONLY {from}")).await;
    let posts = |ids: &[&RecordId]| -> Value { ids.iter().map(|id| Value::from((*id).clone())).collect() };
    assert_eq!(follow("user:1").await, posts(&[&post]));

    // An update in place, then another end: what hangs on the edge stays.
    replica.apply(&numbered(2, vec![committed(vec![edge(&ann, &post, 2)])])).await.unwrap();
    assert_eq!(follow("user:1").await, posts(&[&post]));
    replica.apply(&numbered(3, vec![committed(vec![edge(&bob, &post, 3)])])).await.unwrap();
    assert_eq!((follow("user:1").await, follow("user:2").await), (posts(&[]), posts(&[&post])));
    assert_eq!(rows(replica.database(), "cites").await.len(), 1);
    assert_eq!(query(&client, "SELECT VALUE n FROM wrote").await, [Value::from(3)].into_iter().collect());

    // Nodes are updated in place, and an edge stays behind its node.
    replica.apply(&numbered(4, vec![committed(vec![put(&bob, 2, [("n", 2.into())])])])).await.unwrap();
    assert_eq!(follow("user:2").await, posts(&[&post]));
    replica.apply(&numbered(5, vec![committed(vec![gone(&bob)])])).await.unwrap();
    assert_eq!(rows(replica.database(), "wrote").await.len(), 1);
    assert_eq!(rows(replica.database(), "cites").await.len(), 1);
    assert_eq!(replica.contents()["wrote"].rows, 1);

    // It is an edge again when it is written again.
    let back = vec![put(&bob, 3, [("n", 3.into())]), edge(&bob, &post, 4)];
    replica.apply(&numbered(6, vec![committed(back)])).await.unwrap();
    assert_eq!(follow("user:2").await, posts(&[&post]));
    // And gone with its node when events say so, in whatever order.
    let all = vec![gone(&bob), gone(&wrote), gone(&on)];
    replica.apply(&numbered(7, vec![committed(all)])).await.unwrap();
    assert_eq!(rows(replica.database(), "wrote").await.len() + rows(replica.database(), "cites").await.len(), 0);
    assert_eq!(replica.contents()["wrote"], TableContent::default());
}

#[tokio::test]
async fn what_is_no_edge_any_more_is_a_plain_row() {
    let server = Server::start();
    let mut replica = replica(&server).await;
    let id = record("like", 1);
    let mut model = Model::default();
    let link = |key: i64| Value::from(record("user", key));
    let range = Value::from(RecordId::new(
        "user",
        Key::Range(Arc::new(circuit::Range {
            start: std::ops::Bound::Included(1.into()),
            end: std::ops::Bound::Unbounded,
        })),
    ));
    let states = [
        put(&id, 1, [("in", link(1)), ("out", link(2))]),
        put(&id, 2, [("in", link(1)), ("out", 5.into())]),
        put(&id, 3, [("in", link(1))]),
        put(&id, 4, [("in", link(3)), ("out", link(3))]),
        put(&id, 5, [("in", link(3)), ("out", range)]),
        put(&id, 6, [("in", link(1)), ("out", link(2))]),
        gone(&id),
        put(&id, 8, [("in", 1.into()), ("out", 2.into())]),
        put(&id, 9, [("in", link(1)), ("out", link(2)), ("x", Value::Null)]),
    ];
    for (number, state) in (1..).zip(states) {
        let event = committed(vec![state]);
        model.take_in(&event);
        replica.apply(&[(number, event)]).await.unwrap();
        assert_holds(&replica, &model).await;
    }
}

#[tokio::test]
async fn events_are_taken_in_once_and_in_their_order() {
    let server = Server::start();
    let mut replica = replica(&server).await;
    let first = vec![(1, committed(vec![put(&record("t", 1), 1, [("n", 1.into())])]))];
    replica.apply(&first).await.unwrap();
    let contents = replica.contents();
    replica.apply(&first).await.unwrap();
    assert_eq!((replica.position(), replica.contents()), (1, contents.clone()));
    for wrong in [
        vec![(3, Event::Whole)],
        vec![(2, Event::Whole), (4, Event::Whole)],
        vec![(2, Event::Whole), (2, Event::Whole)],
    ] {
        let error = replica.apply(&wrong).await.unwrap_err();
        assert!(matches!(error, Error::OutOfOrder { .. }), "{error}");
    }
    assert_eq!(replica.position(), 1);

    // Whoever was believed to be lost does not write behind the other.
    let mut other = Replica::open(replica.database().clone(), Uuid::nil()).await.unwrap();
    assert_eq!(other.log(), LOG, "it stays the replica of its log");
    replica.apply(&[(2, Event::Whole)]).await.unwrap();
    assert!(other.apply(&[(2, Event::Gone { table: "t".to_owned() })]).await.is_err());
    assert_eq!(rows(replica.database(), "t").await.len(), 1);
    other.apply(&[(3, Event::Gone { table: "t".to_owned() })]).await.unwrap();
    assert!(other.contents().is_empty() && rows(replica.database(), "t").await.is_empty());
}

/// More records than a transaction takes, in one event: the end of a large table, and a table that is gone.
#[tokio::test]
async fn one_event_may_take_several_transactions() {
    const ROWS: i64 = 21_000;
    let server = Server::start();
    let mut replica = replica(&server).await;
    let mut next = 1;
    for table in ["t", "u"] {
        let all: Vec<Change> = (0..ROWS).map(|n| put(&record(table, n), 1, [("n", n.into())])).collect();
        let mut events = Vec::new();
        for (number, some) in all.chunks(1_000).enumerate() {
            let after = (number > 0).then(|| record(table, number as i64 * 1_000 - 1));
            events.push(read(table, after.as_ref(), some.to_vec(), some.len() < 1_000));
        }
        events.push(read(table, Some(&record(table, ROWS - 1)), vec![], true));
        let events = numbered(next, events);
        next += events.len() as u64;
        replica.apply(&events).await.unwrap();
        assert_eq!(replica.contents()[table], content_of(&all));
    }
    let rest = vec![put(&record("t", 3), 2, [("n", 3.into())])];
    replica.apply(&[(next, read("t", Some(&record("t", 2)), rest, true))]).await.unwrap();
    assert_eq!(rows(replica.database(), "t").await.len(), 4);
    assert_eq!(replica.contents()["t"], content_of(&rows(replica.database(), "t").await));
    replica.apply(&[(next + 1, Event::Gone { table: "u".to_owned() })]).await.unwrap();
    assert_eq!(replica.contents().keys().collect::<Vec<_>>(), ["t"]);
    assert!(!replica.is_partial());
    // The versions outlive the table, and are not taken for those of another one.
    let again = vec![put(&record("u", 5), 7, [("n", 3.into())])];
    replica.apply(&[(next + 2, read("u", None, again.clone(), true))]).await.unwrap();
    assert_eq!(replica.contents()["u"], content_of(&again));
    assert_eq!(format!("{:?}", rows(replica.database(), "u").await), format!("{again:?}"));
}

#[test]
fn keys_of_the_model_are_of_all_kinds() {
    let kinds: std::collections::HashSet<_> = (0..60).map(|number| std::mem::discriminant(&key(number))).collect();
    assert_eq!(kinds.len(), 5);
}
