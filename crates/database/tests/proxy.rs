//! Questions that come as bytes, and a connection that can only read. Catches: a page that is another one than that of a
//! direct connection, a type that is lost on the way, bytes that end the process, a write that gets through.

mod support;

use circuit::{Change, RecordId, Value};
use cluster::{Event, Read};
use database::{Database, Error, Paging, Replica, Settings};
use protocol::Names;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use support::samples::samples;
use support::{Server, object, record};
use uuid::Uuid;

/// A replica with a table of 40 rows, of all types.
async fn replica(server: &Server, settings: Settings) -> Replica {
    server.connect().await;
    let database = Database::connect(settings, Names::default()).await.unwrap();
    let mut replica = Replica::open(database, Uuid::nil()).await.unwrap();
    let rows = samples().into_iter().enumerate().map(|(number, value)| {
        let id = record("t", number as i64);
        let content = object([("id", id.clone().into()), ("value", value), ("text", Value::from(&*"x".repeat(3_000)))]);
        Change { id, version: number as u64 + 1, content: Some(content) }
    });
    let rows = rows.collect();
    let read = Read { table: "t".to_owned(), id: 1, after: None, rows, is_last: true };
    replica.apply(&[(1, Event::Read(read))]).await.unwrap();
    replica
}

/// Reads a table as somebody far away does.
async fn all(reader: &Database, table: &str, limit: usize) -> Vec<Change> {
    let mut rows: Vec<Change> = Vec::new();
    loop {
        let after: Option<RecordId> = rows.last().map(|row| row.id.clone());
        let mut paging = Paging::new(&Names::default(), table, after.as_ref(), limit);
        while let Some(question) = paging.question().unwrap() {
            match reader.answer_bytes(&question).await {
                Ok(answer) => paging.answered(&answer).unwrap(),
                Err(Error::TooLarge { .. }) => paging.too_large().unwrap(),
                Err(error) => panic!("{error}"),
            }
        }
        let page = paging.finish();
        let is_last = page.is_last();
        rows.extend(page.changes().unwrap());
        if is_last {
            return rows;
        }
    }
}

#[tokio::test]
async fn pages_by_bytes_are_those_of_a_direct_connection() {
    let server = Server::start();
    let replica = replica(&server, server.settings()).await;
    let reader = replica.reader().await.unwrap();
    let direct = replica.database().page("t", None, 1_000).await.unwrap().changes().unwrap();
    assert!(direct.len() > 30);
    for limit in [1, 7, 1_000] {
        assert_eq!(format!("{:?}", all(&reader, "t", limit).await), format!("{direct:?}"), "pages of {limit}");
    }
    assert!(all(&reader, "nothing", 10).await.is_empty());

    // A page that does not fit into a message is asked for in parts.
    let small = Settings { max_message_bytes: 40_000, ..reader.settings().clone() };
    let small = Database::connect(small, Names::default()).await.unwrap();
    assert_eq!(format!("{:?}", all(&small, "t", 1_000).await), format!("{direct:?}"));
}

#[tokio::test]
async fn bytes_that_are_no_question_or_no_answer_are_refused() {
    let server = Server::start();
    let replica = replica(&server, server.settings()).await;
    let question = Paging::new(&Names::default(), "t", None, 100).question().unwrap().unwrap();
    let answer = replica.database().answer_bytes(&question).await.unwrap();
    let mut random = StdRng::seed_from_u64(1);
    for bytes in [&b""[..], b"x", &[0; 64], &[255; 64], &question[..question.len() / 2]] {
        assert!(matches!(replica.database().answer_bytes(bytes).await, Err(Error::Malformed { .. })), "{bytes:?}");
    }
    let mut paging = Paging::new(&Names::default(), "t", None, 100);
    assert!(matches!(paging.answered(&question), Err(Error::Malformed { .. })));
    for _ in 0..3_000 {
        let mut broken = answer.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..broken.len());
            broken[at] = random.random();
        }
        broken.truncate(random.random_range(0..=broken.len() * 2).min(broken.len()));
        // It may still be an answer; it may not be a panic.
        let mut paging = Paging::new(&Names::default(), "t", None, 100);
        if paging.answered(&broken).is_ok() {
            let _ = paging.finish().changes();
        }
    }
}

#[tokio::test]
async fn whoever_may_read_can_do_nothing_else() {
    let server = Server::start();
    let replica = replica(&server, server.settings()).await;
    let reader = replica.reader().await.unwrap();
    let before = format!("{:?}", all(&reader, "t", 1_000).await);
    let state =
        json_of(&replica, "SELECT * FROM _00_replica; SELECT * FROM _00_version; INFO FOR DB; INFO FOR NS").await;
    for text in [
        "CREATE t:1000",
        "CREATE new:1",
        "UPDATE t SET n = 1",
        "UPDATE _00_replica:state SET position = 99",
        "UPSERT t:1 SET n = 1",
        "DELETE t",
        "DELETE t:1",
        "RELATE t:1->e->t:2",
        "INSERT INTO t { id: t:2000 }",
        "INSERT RELATION INTO e { in: t:1, out: t:2 }",
        "DEFINE TABLE new",
        "DEFINE FIELD n ON t VALUE 1",
        "DEFINE EVENT e ON t WHEN true THEN { CREATE new }",
        "DEFINE FUNCTION fn::write() { CREATE new }",
        "DEFINE USER other ON DATABASE PASSWORD 'x' ROLES OWNER",
        "DEFINE PARAM $p VALUE 1",
        "DEFINE INDEX i ON t FIELDS n",
        "DEFINE ACCESS a ON DATABASE TYPE RECORD",
        "DEFINE NAMESPACE other",
        "DEFINE DATABASE other",
        "REMOVE TABLE t",
        "REMOVE USER reader ON DATABASE",
        "REMOVE DATABASE test",
        "ALTER TABLE t COMMENT 'x'",
        "ALTER USER reader ON DATABASE ROLES OWNER",
        "REBUILD INDEX i ON t",
        "BEGIN; CREATE t:1000; COMMIT",
        "BEGIN; DELETE t; COMMIT",
        "BEGIN; CREATE t:1000",
        "RETURN { CREATE t:1000 }",
        "LET $x = (DELETE t); RETURN $x",
        "FOR $row IN (SELECT VALUE id FROM t) { DELETE $row }",
        "IF true { UPDATE t SET n = 1 }",
        "SELECT (UPDATE t SET n = 1) FROM t",
        "RETURN fn::write()",
        "RETURN function() { return 1; }",
        "OPTION IMPORT; DELETE t",
        "USE NS other DB other; CREATE t:1",
        "USE DB other",
        "USE NS other",
        "KILL u'018f4e5a-7b3c-7def-8123-456789abcdef'",
    ] {
        // A write of records comes to nothing, and is no error to SurrealDB.
        let answer = reader.answer_json(text, json!({})).await;
        let after = format!("{:?}", all(&reader, "t", 1_000).await);
        assert!(after == before, "{text} has changed rows: {answer:?}");
    }
    assert_eq!(
        json_of(&replica, "SELECT * FROM _00_replica; SELECT * FROM _00_version; INFO FOR DB; INFO FOR NS").await,
        state
    );
    // What is refused says so.
    for text in ["CREATE new", "DEFINE TABLE new", "REMOVE TABLE t", "ALTER USER reader ON DATABASE ROLES OWNER"] {
        let answer = reader.answer_json(text, json!({})).await.unwrap();
        assert_eq!(answer[0]["status"], "ERR", "{text}: {answer}");
    }
}

async fn json_of(replica: &Replica, text: &str) -> serde_json::Value {
    replica.database().answer_json(text, json!(null)).await.unwrap()
}

#[tokio::test]
async fn people_get_an_answer_for_each_statement() {
    let server = Server::start();
    let replica = replica(&server, server.settings()).await;
    let reader = replica.reader().await.unwrap();
    let text =
        "RETURN $a + 1; SELECT VALUE id FROM t:3..5; THROW 'no'; RETURN d'2024-01-01T00:00:00Z'; SELECT * FROM nothing";
    let answer = reader.answer_json(text, json!({ "a": 1 })).await.unwrap();
    assert_eq!(answer[0], json!({ "status": "OK", "result": 2 }));
    assert_eq!(answer[1], json!({ "status": "OK", "result": ["t:3", "t:4"] }));
    assert_eq!(answer[2]["status"], "ERR");
    assert_eq!(answer[3]["result"], "2024-01-01T00:00:00Z");
    assert_eq!(answer[4]["status"], "ERR");
    assert!(matches!(reader.answer_json("SELEC 1", json!({})).await, Err(Error::Query { .. })));
    assert!(matches!(reader.answer_json("RETURN 1", json!([1])).await, Err(Error::Malformed { .. })));
}
