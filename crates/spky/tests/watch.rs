//! `spky watch` into a pipe: lines for rows that enter, change and leave, and no view left behind.

mod support;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value as Json;
use support::{Guard, client};

fn start(arguments: &[&str]) -> (Guard, Lines<BufReader<ChildStdout>>) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_spky"));
    command.args(arguments).stdout(Stdio::piped()).current_dir(directory.path());
    let mut child: Child = command.spawn().expect("spky starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    (Guard(child), lines)
}

fn interrupt(child: &mut Guard) -> Option<i32> {
    kill(Pid::from_raw(child.0.id() as i32), Signal::SIGINT).expect("the process is there");
    child.0.wait().expect("it ends").code()
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_what_enters_changes_and_leaves() {
    let (mut dev, lines) = start(&["dev", "--json", "--db-port", "0", "--ssp-port", "0"]);
    let ready: Json = lines
        .map(|line| serde_json::from_str(&line.expect("a line")).expect("json"))
        .find(|line: &Json| line["event"] == "ready")
        .expect("spky becomes ready");
    let (db, ssp) = (ready["db"].as_str().expect("an address"), ready["ssp"].as_str().expect("an address"));
    let client = client(db.trim_start_matches("ws://").parse().expect("an address"), "test").await;
    let run = async |surql: &str| {
        client.query(surql.to_owned()).await.expect("the database answers").check().expect("the write succeeds");
    };
    run("CREATE task:1 SET state = 'open', title = 'first'").await;

    let query = "SELECT id, title FROM task WHERE state = $state";
    let (mut watch, mut shown) = start(&["watch", query, "--param", "state=open", "--ssp", ssp]);
    let mut next = || shown.next().expect("watch goes on").expect("a line");
    for (write, expected) in [
        (None, "+ task:1 "),
        (Some("CREATE task:2 SET state = 'open', title = 'second'"), "+ task:2 "),
        (Some("UPDATE task:1 SET title = 'changed'"), "~ task:1 "),
        (Some("UPDATE task:2 SET state = 'done'"), "- task:2 "),
    ] {
        if let Some(write) = write {
            run(write).await;
        }
        let line = next();
        assert!(line.starts_with(expected), "{write:?}: {line}");
    }
    assert_eq!(interrupt(&mut watch), Some(0));
    let info: Json = reqwest::get(format!("{ssp}/info")).await.expect("an answer").json().await.expect("json");
    assert_eq!(info[0]["views"], 0, "watch unregisters its view");
    assert_eq!(interrupt(&mut dev), Some(0));
}
