//! A real database, a real sidecar and a plain client, for the tests of this crate.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Child;
use std::time::{Duration, Instant};

use database::{Capture, Database, RefMode, SchemaOptions};
use embedded::Server;
use protocol::{Names, ViewKey};
use serde_json::{Value as Json, json};
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::{Client, Ws};
use surrealdb::opt::auth::Root;
use surrealdb::types::{Array, RecordId, SurrealValue, ToSql, Value};

pub const SECRET: &str = "a secret for tests";

/// A database server of its own for a test, and the addresses that sidecars on it may have. It ends with the value.
pub struct Stage {
    pub server: Server,
    sidecars: Vec<SocketAddr>,
}

/// Starts a database server.
pub async fn stage() -> Stage {
    let address = |_| SocketAddr::from(([127, 0, 0, 1], embedded::free_port().expect("a free port")));
    let sidecars: Vec<SocketAddr> = (0..3).map(address).collect();
    let settings = embedded::Settings {
        executable: Some(env!("CARGO_BIN_EXE_spky").into()),
        allow_net: sidecars.clone(),
        ..embedded::Settings::for_tests()
    };
    Stage { server: Server::start(settings).await.expect("the embedded database starts"), sidecars }
}

impl Stage {
    /// An address for a sidecar that the database may call.
    fn sidecar(&self) -> SocketAddr {
        let is_free = |address: &&SocketAddr| embedded::check_port(address.port()).is_ok();
        *self.sidecars.iter().find(is_free).expect("not all sidecars run at once")
    }
}

/// One database on a server, the sidecar on it, and a client of the application.
pub struct World {
    pub client: Surreal<Client>,
    pub ssp: ssp::Service,
    pub database: Database,
    pub settings: ssp::Settings,
    http: reqwest::Client,
}

/// What a view's edges say: record and version, sorted.
pub type Shown = Vec<(String, i64)>;

impl World {
    /// Applies a schema and Sp00ky's own to a fresh database called `name`, and starts a sidecar on it.
    pub async fn start(stage: &Stage, name: &str, capture: Capture, schema: &str) -> World {
        let throttle = Duration::from_millis(5);
        Self::start_behind(stage, stage.server.address(), name, capture, throttle, schema).await
    }

    /// As [`World::start`], with the sidecar reaching the database at another address.
    pub async fn start_behind(
        stage: &Stage,
        database_address: SocketAddr,
        name: &str,
        capture: Capture,
        throttle: Duration,
        schema: &str,
    ) -> World {
        let address = stage.server.address();
        let client = client(address, name).await;
        let names = Names::default();
        let listen = stage.sidecar();
        let settings = ssp::Settings {
            listen,
            secret: Some(SECRET.to_owned()),
            insecure: false,
            database: database_settings(database_address, name),
            capture,
            ref_mode: RefMode::Dedicated,
            throttle,
            page_size: 100,
            ttl_sweep: Duration::from_secs(60),
            id: "ssp-test".to_owned(),
            names: names.clone(),
            export: None,
        };
        let database = Database::connect(database_settings(address, name), names.clone()).await;
        let database = database.expect("the database answers");
        database.import(schema).await.expect("the schema applies");
        let options = SchemaOptions { capture, ..SchemaOptions::new(names, format!("http://{listen}"), SECRET) };
        database.apply(&options).await.expect("the system schema applies");
        let ssp = ssp::Service::start(settings.clone()).await.expect("the sidecar starts");
        ssp.ready().await.expect("the sidecar becomes ready");
        World { client, ssp, database, settings, http: reqwest::Client::new() }
    }

    /// Stops the sidecar and starts another one in its place.
    pub async fn restart(self) -> World {
        let World { client, ssp, database, settings, http } = self;
        ssp.stop().await.expect("the sidecar stops");
        let ssp = ssp::Service::start(settings.clone()).await.expect("the sidecar starts again");
        ssp.ready().await.expect("the sidecar becomes ready again");
        World { client, ssp, database, settings, http }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.ssp.address())
    }

    pub async fn post(&self, path: &str, body: &Json) -> (u16, Json) {
        let request = self.http.post(self.url(path)).bearer_auth(SECRET).json(body);
        let answer = request.send().await.expect("the sidecar answers");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }

    /// Registers a view; `params` is SurrealQL text.
    pub async fn try_register(&self, id: &str, surql: &str, params: &str) -> (u16, Json) {
        let body = json!({ "id": id, "surql": surql, "params": params, "clientId": "test", "ttl": "1h" });
        self.post("/view/register", &body).await
    }

    pub async fn register(&self, id: &str, surql: &str, params: &str) -> Json {
        let (status, body) = self.try_register(id, surql, params).await;
        assert_eq!(status, 200, "{surql}: {body}");
        body
    }

    /// Runs statements as the application, and insists on success.
    pub async fn run(&self, surql: &str) -> Vec<Value> {
        let mut answer = self.client.query(surql.to_owned()).await.expect("the database answers");
        let errors = answer.take_errors();
        assert!(errors.is_empty(), "{surql}: {errors:?}");
        (0..answer.num_statements()).map(|statement| answer.take(statement).expect("a result")).collect()
    }

    /// What the edges of a view say now.
    pub async fn edges(&self, id: &str) -> Shown {
        let key: ViewKey = id.parse().expect("a view id");
        let edges = self.database.edges_of(&key, "_00_list_ref").await.expect("edges are readable");
        let mut shown: Shown =
            edges.into_iter().map(|edge| (database::text::record_id(&edge.id.out), edge.version as i64)).collect();
        shown.sort();
        shown
    }

    /// The edges of all views, by view.
    pub async fn all_edges(&self) -> HashMap<String, Shown> {
        let rows = self.run("SELECT VALUE [record::id(in), out, version] FROM _00_list_ref").await.swap_remove(0);
        let mut views: HashMap<String, Shown> = HashMap::new();
        for row in items(rows) {
            let [view, out, version] = <[Value; 3]>::try_from(items(row)).expect("three values");
            let edges = views.entry(String::from_value(view).expect("a key")).or_default();
            edges.push((out.to_sql(), i64::from_value(version).expect("an integer")));
        }
        views.values_mut().for_each(|edges| edges.sort());
        views
    }

    /// The versions of all records that were ever written.
    pub async fn versions(&self) -> HashMap<String, i64> {
        let rows = self.run("SELECT VALUE [record::id(id)[0], version] FROM _00_version").await.swap_remove(0);
        let pair = |row| {
            let [id, version] = <[Value; 2]>::try_from(items(row)).expect("a pair");
            (id.to_sql(), i64::from_value(version).expect("an integer"))
        };
        items(rows).into_iter().map(pair).collect()
    }

    /// What SurrealDB itself answers to a query, with the versions of the records.
    pub async fn oracle(&self, surql: &str, params: &str, versions: &HashMap<String, i64>) -> Result<Shown, String> {
        let Value::Object(bound) = self.value(params).await else { panic!("params are an object: {params}") };
        let query = self.client.query(surql.to_owned()).bind(bound);
        let mut answer = query.await.map_err(|error| error.to_string())?;
        let rows: Value = answer.take(0).map_err(|error| error.to_string())?;
        let Value::Array(rows) = rows else { return Err(format!("{surql} answers no rows")) };
        let ids = rows.into_iter().filter_map(id_of).map(|id| id.to_sql());
        let mut shown: Shown = ids
            .map(|id| {
                let version = versions.get(&id).copied().unwrap_or(1);
                (id, version)
            })
            .collect();
        shown.sort();
        Ok(shown)
    }

    /// Compares a view with SurrealDB's own answer.
    pub async fn compare(&self, id: &str, surql: &str, params: &str) -> Result<(), String> {
        let expected = self.oracle(surql, params, &self.versions().await).await?;
        let shown = self.edges(id).await;
        if shown == expected { Ok(()) } else { Err(format!("expected {expected:?}\n shown    {shown:?}")) }
    }

    async fn value(&self, text: &str) -> Value {
        self.run(&format!("RETURN {text}")).await.swap_remove(0)
    }

    /// Waits until everything that has been committed before this call has reached the edges: a write of our own, which
    /// comes after it in every queue, has.
    pub async fn quiet(&self) {
        let wanted = self.value("(UPSERT ONLY barrier:b SET n = rand::int() RETURN VALUE n)").await;
        let started = Instant::now();
        loop {
            let shown = self.run("SELECT VALUE [->_00_list_ref.version, 1] FROM _00_query:barrier").await;
            let version = self.run("RETURN _00_version:[barrier:b].version").await.swap_remove(0);
            if shown[0].to_sql().contains(&format!("[{}]", version.to_sql())) {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "the write {wanted:?} does not arrive: {shown:?}");
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Registers the view that [`World::quiet`] watches.
    pub async fn with_barrier(self) -> World {
        self.register("barrier", "SELECT * FROM barrier", "{}").await;
        self
    }
}

fn database_settings(address: SocketAddr, name: &str) -> database::Settings {
    let endpoint = format!("ws://{address}").parse().expect("an address");
    database::Settings::new(endpoint, "test", name, "root", "root")
}

/// A client of the application on one database of a server.
pub async fn client(address: SocketAddr, name: &str) -> Surreal<Client> {
    let client = Surreal::new::<Ws>(address.to_string()).await.expect("the database answers");
    let root = Root { username: "root".to_owned(), password: "root".to_owned() };
    client.signin(root).await.expect("the database lets us in");
    client.use_ns("test").use_db(name).await.expect("the database exists");
    client
}

fn id_of(row: Value) -> Option<RecordId> {
    match row {
        Value::Object(mut row) => match row.remove("id") {
            Some(Value::RecordId(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

pub fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => Array::into_iter(items).collect(),
        other => panic!("expected an array, got {other:?}"),
    }
}

/// A small generator of pseudo-random numbers (xorshift64*), so that a seed names a run for good.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut x = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

/// A child process that does not outlive a failing test.
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It has ended already where the test succeeded.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
