//! The whole way, as a newcomer walks it: start the binary, write with a plain SurrealDB client, follow the edges with
//! a plain LIVE SELECT, and stop it with a signal.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures::StreamExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};
use support::{Guard, client};
use surrealdb::Notification;
use surrealdb::types::{Action, ToSql, Value};

#[tokio::test(flavor = "multi_thread")]
async fn edges_follow_the_writes_of_a_plain_client() {
    let mut dev = Command::new(env!("CARGO_BIN_EXE_spky"));
    dev.args(["dev", "--json", "--db-port", "0", "--ssp-port", "0"]).stdout(Stdio::piped());
    let mut dev =
        Guard(dev.current_dir(tempfile::tempdir().expect("a directory").path()).spawn().expect("spky starts"));
    let lines = BufReader::new(dev.0.stdout.take().expect("piped")).lines();
    let ready: Json = lines
        .map(|line| serde_json::from_str(&line.expect("a line")).expect("json"))
        .find(|line: &Json| line["event"] == "ready")
        .expect("spky becomes ready");
    let address = ready["db"].as_str().expect("an address").trim_start_matches("ws://").parse().expect("an address");
    let client = client(address, "test").await;

    // The tables come into being with their first records, while everything runs.
    let create = "CREATE note:1 SET topic = 'rust', rank = 1; CREATE note:2 SET topic = 'cooking', rank = 2";
    client.query(create).await.expect("the database answers").check().expect("notes are created");
    let register = json!({
        "id": "notes", "clientId": "test", "ttl": "1h", "params": { "topic": "rust" },
        "surql": "SELECT * FROM note WHERE topic = $topic ORDER BY rank DESC LIMIT 2",
    });
    let http = reqwest::Client::new();
    let post = |path: &str| http.post(format!("{}{path}", ready["ssp"].as_str().expect("an address")));
    let secret = ready["secret"].as_str().expect("a secret");
    let answer = post("/view/register").bearer_auth(secret).json(&register).send().await.expect("the sidecar answers");
    assert_eq!(answer.status().as_u16(), 200);

    let mut live =
        client.query("LIVE SELECT * FROM _00_list_ref WHERE in = _00_query:notes").await.expect("the database answers");
    let mut edges = live.stream::<Notification<Value>>(0).expect("a live query");
    let mut shown: Vec<String> = Vec::new();
    let current = "SELECT VALUE out FROM _00_list_ref WHERE in = _00_query:notes";
    // The first note may have been read by the sidecar before or after the live query began.
    for _ in 0..200 {
        shown = outs(client.query(current).await.expect("the database answers").take(0).expect("edges"));
        if !shown.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(shown, ["note:1"]);

    for (write, expected) in [
        ("CREATE note:3 SET topic = 'rust', rank = 3", vec!["note:1", "note:3"]),
        ("CREATE note:4 SET topic = 'rust', rank = 4", vec!["note:3", "note:4"]),
        ("UPDATE note:2 SET topic = 'rust', rank = 9", vec!["note:2", "note:4"]),
        ("DELETE note:2", vec!["note:3", "note:4"]),
        ("UPDATE note:4 SET topic = 'sailing'", vec!["note:1", "note:3"]),
    ] {
        client.query(write).await.expect("the database answers").check().expect("the write succeeds");
        while shown != expected {
            let next = tokio::time::timeout(Duration::from_secs(10), edges.next()).await;
            let edge = next.unwrap_or_else(|_| panic!("after {write} the edges stay {shown:?}"));
            let edge = edge.expect("the live query goes on").expect("a notification");
            apply(&mut shown, edge);
        }
    }

    let answer = post("/view/unregister").bearer_auth(secret).json(&json!({ "id": "notes" })).send().await;
    assert_eq!(answer.expect("the sidecar answers").status().as_u16(), 200);
    let left = outs(client.query(current).await.expect("the database answers").take(0).expect("edges"));
    assert_eq!(left, Vec::<String>::new());

    kill(Pid::from_raw(dev.0.id() as i32), Signal::SIGTERM).expect("the process is there");
    assert_eq!(dev.0.wait().expect("it ends").code(), Some(0));
}

fn apply(shown: &mut Vec<String>, edge: Notification<Value>) {
    let Value::Object(mut row) = edge.data else { panic!("an edge is an object") };
    let out = row.remove("out").expect("an edge has an end").to_sql();
    shown.retain(|known| *known != out);
    if edge.action != Action::Delete {
        shown.push(out);
    }
    shown.sort();
}

fn outs(edges: Value) -> Vec<String> {
    let mut outs: Vec<String> = support::items(edges).iter().map(ToSql::to_sql).collect();
    outs.sort();
    outs
}
