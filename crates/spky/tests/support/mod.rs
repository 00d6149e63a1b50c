//! A real database, a real sidecar and a plain client, for the tests of this crate.
#![allow(dead_code, unused_imports, reason = "each test uses a part")]

pub mod application;
pub mod faults;
pub mod proxy;

use std::net::SocketAddr;
use std::ops::Deref;
use std::process::Child;
use std::time::Duration;

pub use application::{Application, items};
use database::{Capture, Database, RefMode, SchemaOptions};
use embedded::Server;
use protocol::Names;
use serde_json::{Value as Json, json};
use surrealdb::Surreal;
use surrealdb::engine::remote::ws::{Client, Ws};
use surrealdb::opt::auth::Root;

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

/// One database on a server, the sidecar on it, and the application.
pub struct World {
    pub application: Application,
    pub ssp: ssp::Service,
    pub settings: ssp::Settings,
    http: reqwest::Client,
}

impl Deref for World {
    type Target = Application;

    fn deref(&self) -> &Application {
        &self.application
    }
}

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
            count_interval: Duration::from_secs(60),
            state_file: None,
            id: "ssp-test".to_owned(),
            names: names.clone(),
            cluster: None,
            export: None,
        };
        let database = Database::connect(database_settings(address, name), names.clone()).await;
        let database = database.expect("the database answers");
        database.import(schema).await.expect("the schema applies");
        let options = SchemaOptions { capture, ..SchemaOptions::new(names, format!("http://{listen}"), SECRET) };
        database.apply(&options).await.expect("the system schema applies");
        let ssp = ssp::Service::start(settings.clone()).await.expect("the sidecar starts");
        ssp.ready().await.expect("the sidecar becomes ready");
        World { application: Application { client, database }, ssp, settings, http: reqwest::Client::new() }
    }

    /// Stops the sidecar and starts another one in its place.
    pub async fn restart(self) -> World {
        self.restart_after(async |_| ()).await
    }

    /// As [`World::restart`], with something that happens in between.
    pub async fn restart_after(self, meanwhile: impl AsyncFnOnce(&Surreal<Client>)) -> World {
        let World { application, ssp, settings, http } = self;
        ssp.stop().await.expect("the sidecar stops");
        meanwhile(&application.client).await;
        let ssp = ssp::Service::start(settings.clone()).await.expect("the sidecar starts again");
        ssp.ready().await.expect("the sidecar becomes ready again");
        World { application, ssp, settings, http }
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

    /// Registers the view that [`World::quiet`] watches.
    pub async fn with_barrier(self) -> World {
        self.register("barrier", "SELECT * FROM barrier", "{}").await;
        self
    }
}

pub fn database_settings(address: SocketAddr, name: &str) -> database::Settings {
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
