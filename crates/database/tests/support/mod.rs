//! A real SurrealDB server for a test: the workspace's own binary, run as `surreal`, on a port of its own.

#![allow(dead_code)] // Each test file uses its own part of this.

pub mod model;
pub mod samples;

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use circuit::{Key, Object, RecordId, Value};
use database::{Applied, Database, SchemaOptions, Settings};
use protocol::Names;
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::{Client, Ws};
use surrealdb::opt::auth::Root;

/// A server that ends with the test.
pub struct Server {
    child: Child,
    port: u16,
    store: String,
}

impl Server {
    /// A new server that keeps its data in memory.
    pub fn start() -> Self {
        Self::start_on("memory")
    }

    /// A new server that keeps its data in a directory.
    pub fn start_in(directory: &Path) -> Self {
        Self::start_on(&format!("rocksdb:{}", directory.display()))
    }

    fn start_on(store: &str) -> Self {
        let port = free_port();
        Server { child: spawn(port, store), port, store: store.to_owned() }
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port, with the same data if it was not in memory.
    pub fn restart(&mut self) {
        self.child = spawn(self.port, &self.store);
    }

    pub fn settings(&self) -> Settings {
        let endpoint = format!("ws://127.0.0.1:{}", self.port).parse().unwrap();
        Settings::new(endpoint, "test", "test", "root", "root")
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Connects as soon as the server answers.
    pub async fn connect(&self) -> Database {
        let begin = Instant::now();
        loop {
            match Database::connect(self.settings(), Names::default()).await {
                Ok(db) => return db,
                Err(error) => assert!(begin.elapsed() < Duration::from_secs(30), "the server does not start: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Connects, and installs everything.
    pub async fn installed(&self) -> Database {
        let db = self.connect().await;
        apply(&db).await;
        db
    }

    /// A plain client of SurrealDB's own, signed in as root.
    pub async fn client(&self) -> Surreal<Client> {
        self.connect().await;
        let client = Surreal::new::<Ws>(self.address()).await.unwrap();
        client.signin(Root { username: "root".to_owned(), password: "root".to_owned() }).await.unwrap();
        client.use_ns("test").use_db("test").await.unwrap();
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn options() -> SchemaOptions {
    SchemaOptions::new(Names::default(), "http://127.0.0.1:9", "the secret")
}

pub async fn apply(db: &Database) -> Applied {
    db.apply(&options()).await.unwrap()
}

/// Runs statements that must all succeed.
pub async fn run(client: &Surreal<Client>, text: &str) {
    client.query(text).await.unwrap().check().unwrap();
}

/// Runs one statement and takes what it answers.
pub async fn query(client: &Surreal<Client>, text: &str) -> Value {
    let answer = client.query(text).await.unwrap().check().unwrap().take(0).unwrap();
    database::convert::from_sdk(answer).unwrap()
}

pub fn record(table: &str, key: i64) -> RecordId {
    RecordId::new(table, Key::Int(key))
}

/// An object out of pairs.
pub fn object<const N: usize>(fields: [(&str, Value); N]) -> Object {
    fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(port: u16, store: &str) -> Child {
    let mut command = Command::new(binary());
    command.arg0("surreal");
    command.args(["start", "--user", "root", "--pass", "root", "--log", "error", "--allow-net", "127.0.0.1"]);
    command.args(["--bind", &format!("127.0.0.1:{port}"), store]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    command.spawn().unwrap()
}

/// The binary beside the one that runs the test.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let directory = test.parent().and_then(Path::parent).unwrap();
    let binary = directory.join("spky");
    assert!(
        binary.exists(),
        "{} is missing: build the whole workspace first, `cargo build --workspace`",
        binary.display()
    );
    binary
}
