//! `spky dev` as a user starts and stops it: the real binary, the real database, real signals.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Generous: a loaded machine with two cores starts a database in some seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// A running `spky dev --json`, in a directory of its own. Killed when dropped.
struct Dev {
    child: Child,
    output: BufReader<ChildStdout>,
    ready: Value,
}

impl Dev {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut child = command(directory, arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        let ready = loop {
            let mut line = String::new();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "ended before it was ready: {lines:?}");
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == "ready" {
                break event;
            }
            assert_eq!(event["event"], "progress");
            lines.push(line);
        };
        Self { child, output, ready }
    }

    fn text(&self, field: &str) -> &str {
        self.ready[field].as_str().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for the end. The ready line must have been the last one.
    fn end(mut self) -> ExitStatus {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        wait(&mut self.child)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `spky dev` with nothing of this process's environment that could configure it.
fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spky"));
    for (name, _) in std::env::vars() {
        if name.starts_with("SPKY_") || name.starts_with("SPOOKY_") || name.starts_with("SURREALDB_") {
            command.env_remove(name);
        }
    }
    command.current_dir(directory).env("XDG_RUNTIME_DIR", directory);
    command.args(["dev", "--json", "--db-port", "0", "--ssp-port", "0"]).args(arguments);
    command
}

fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "it doesn't end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a query as a plain HTTP client of the database, and answers the result of the last statement.
fn sql(dev: &Dev, text: &str) -> Value {
    let url = dev.text("db").replace("ws://", "http://") + "/sql";
    let (namespace, database) = (dev.text("namespace").to_owned(), dev.text("database").to_owned());
    let text = text.to_owned();
    block_on(async move {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(url).basic_auth("root", Some("root")).header("accept", "application/json");
        let request = request.header("surreal-ns", namespace).header("surreal-db", database);
        let answers: Vec<Value> = request.body(text).send().await.unwrap().json().await.unwrap();
        let last = answers.last().unwrap();
        assert_eq!(last["status"], "OK", "{last}");
        last["result"].clone()
    })
}

fn get(url: String) -> (u16, String) {
    block_on(async move {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn starts_serves_and_ends_with_sigterm() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let (status, body) = get(format!("{}/health", dev.text("ssp")));
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["status"], "ready");
    // 256 bits, in hexadecimal.
    assert_eq!(dev.text("secret").len(), 64);
    assert_eq!(sql(&dev, "RETURN 1 + 1"), 2);

    let db = dev.text("db").trim_start_matches("ws://").to_owned();
    dev.signal(Signal::SIGTERM);
    assert!(dev.end().success());
    // The database has ended too, and its port is free.
    TcpListener::bind(db).unwrap();
}

#[test]
fn ends_with_ctrl_c_and_uses_the_configured_secret() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("sp00ky.yml"), "auth_secret: from the file\ndb_ns: shop\n").unwrap();
    let dev = Dev::start(directory.path(), &[]);
    assert_eq!((dev.text("secret"), dev.text("namespace")), ("from the file", "shop"));
    dev.signal(Signal::SIGINT);
    assert!(dev.end().success());
}

#[test]
fn a_signal_during_the_start_ends_it_as_cleanly() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = command(directory.path(), &[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert!(line.contains("progress"), "{line}");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert!(wait(&mut child).success());
}

/// The kernel ends the database when its parent had no time to.
#[test]
fn a_killed_parent_takes_the_database_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let db = dev.text("db").trim_start_matches("ws://").to_owned();
    dev.signal(Signal::SIGKILL);
    assert!(!dev.end().success());
    let deadline = Instant::now() + LIMIT;
    while TcpListener::bind(&db).is_err() {
        assert!(Instant::now() < deadline, "the database outlives its parent");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_busy_port_is_a_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let busy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    for flag in ["--db-port", "--ssp-port"] {
        let other = if flag == "--db-port" { "--ssp-port" } else { "--db-port" };
        let mut command = Command::new(env!("CARGO_BIN_EXE_spky"));
        command.current_dir(directory.path()).args(["dev", flag, &port, other, "0"]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text, format!("error: port {port} on 127.0.0.1 is in use\n"), "{flag}");
    }
}

#[test]
fn a_data_directory_keeps_the_data_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let schema = directory.path().join("app.surql");
    std::fs::write(
        &schema,
        "DEFINE TABLE IF NOT EXISTS thread; DEFINE FIELD IF NOT EXISTS title ON thread TYPE string;",
    )
    .unwrap();
    let arguments = ["--data-dir", "data", "--schema", "app.surql"];

    let dev = Dev::start(directory.path(), &arguments);
    sql(&dev, "CREATE thread:1 SET title = 'kept'");
    dev.signal(Signal::SIGTERM);
    assert!(dev.end().success());

    let dev = Dev::start(directory.path(), &arguments);
    assert_eq!(sql(&dev, "SELECT VALUE title FROM thread"), serde_json::json!(["kept"]));
    dev.signal(Signal::SIGTERM);
    assert!(dev.end().success());
}

#[test]
fn a_schema_file_that_fails_ends_the_start() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("bad.surql"), "DEFINE TABEL thread;").unwrap();
    let output = command(directory.path(), &["--schema", "bad.surql"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: can't apply bad.surql: "), "{text}");
}

#[test]
fn the_demo_is_live() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &["--demo", "--speed", "5000"]);
    assert_eq!(sql(&dev, "RETURN array::len(SELECT * FROM airport)"), 85);
    let deadline = Instant::now() + LIMIT;
    let seen = |status: &str| sql(&dev, &format!("RETURN count(SELECT * FROM flight WHERE status = '{status}')")) != 0;
    for status in ["scheduled", "delayed", "departed", "cancelled"] {
        while !seen(status) {
            assert!(Instant::now() < deadline, "no flight is {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(
        sql(
            &dev,
            "RETURN count(SELECT * FROM flight WHERE type::is_record(origin) AND type::is_datetime(scheduled)) = count(SELECT * FROM flight)"
        ),
        true
    );
    dev.signal(Signal::SIGTERM);
    assert!(dev.end().success());
}

/// Catches a database that must not call the scheduler, and events that call somebody else.
#[test]
fn a_cluster_that_is_pushed_to_is_live() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("sp00ky.yml"), "capture: push\n").unwrap();
    let schema = directory.path().join("app.surql");
    std::fs::write(&schema, "DEFINE TABLE thread SCHEMALESS; CREATE thread:1 SET open = true;").unwrap();
    let dev = Dev::start(directory.path(), &["--cluster", "2", "--schema", schema.to_str().unwrap()]);
    let url = format!("{}/query/register", dev.text("ssp"));
    let secret = dev.text("secret").to_owned();
    let view =
        serde_json::json!({ "id": "open", "surql": "SELECT * FROM thread WHERE open", "clientId": "me", "ttl": "1h" });
    let status = block_on(async move {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.post(url).bearer_auth(secret).json(&view).send().await.unwrap().status().as_u16()
    });
    assert_eq!(status, 200);
    sql(&dev, "CREATE thread:2 SET open = true; UPDATE thread:1 SET open = false");
    let started = Instant::now();
    loop {
        let shown = sql(&dev, "SELECT VALUE [out, version] FROM _00_list_ref WHERE in = _00_query:open");
        if shown == serde_json::json!([["thread:2", 1]]) {
            break;
        }
        assert!(started.elapsed() < LIMIT, "{shown}");
        std::thread::sleep(Duration::from_millis(20));
    }
    dev.signal(Signal::SIGTERM);
    assert!(dev.end().success());
}
