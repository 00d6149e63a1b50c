//! Jobs from the configuration file to the log: the binary, as somebody would run it beside a database.

mod support;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use database::{Database, SchemaOptions};
use protocol::Names;
use serde_json::{Value as Json, json};
use support::{Guard, client, database_settings, stage};

const LIMIT: Duration = Duration::from_secs(60);

fn spky(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spky"));
    command.current_dir(directory).env("SPKY_AUTH_SECRET", support::SECRET).stdin(Stdio::null());
    command
}

async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < LIMIT, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Catches settings that are read and not used, an audit log with holes, and a token that is shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_configured_backend_is_called_and_calls_back() {
    let stage = stage().await;
    let directory = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let backend = format!("http://{}", listener.local_addr().unwrap());
    // Accepts everything, and answers what it was told.
    let router = axum::Router::new().fallback(|body: String| async { body });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (port, spi_port) = (embedded::free_port().unwrap(), embedded::free_port().unwrap());
    let configuration = format!(
        "ssp_listen_addr: 127.0.0.1:{port}\nspi_listen_addr: 127.0.0.1:{spi_port}\n\
         spi_base_url: http://spi.internal/spi/\nspi_allow: [127.0.0.0/8]\n\
         db_url: ws://{}\ndb_ns: test\ndb_name: jobs\n\
         job_tables:\n  mail:\n    name: mailer\n    base_url: {backend}\n    auth_token: hunter2\n    \
         schedule:\n      tick:\n        cron: \"* * * * * *\"\n        path: /tick\n  \
         video:\n    base_url: {backend}\n    mode: callback\n",
        stage.server.address()
    );
    std::fs::write(directory.path().join("sp00ky.yml"), configuration).unwrap();

    let lint = spky(directory.path()).arg("lint").output().unwrap();
    let said = String::from_utf8(lint.stdout).unwrap();
    assert!(lint.status.success() && said.contains("mailer") && !said.contains("hunter2"), "{said}");
    let applied = spky(directory.path()).arg("apply").output().unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let log_path = directory.path().join("log");
    let log = File::create(&log_path).unwrap();
    let _sidecar = Guard(spky(directory.path()).arg("ssp").stdout(Stdio::null()).stderr(log).spawn().unwrap());

    let application = client(stage.server.address(), "jobs").await;
    let run = async |text: &str| {
        let mut answer = application.query(text.to_owned()).await.unwrap().check().unwrap();
        answer.take::<surrealdb::types::Value>(0).unwrap().into_json_value()
    };
    run("CREATE video:1 SET path = '/render', payload = { file: 'a' }").await;
    eventually("a scheduled job succeeds", async || {
        (run("RETURN count(SELECT 1 FROM mail WHERE status = 'success' AND schedule = 'tick') > 0").await
            == json!(true))
        .then_some(())
    })
    .await;
    eventually("the video is in progress", async || {
        (run("RETURN video:1.status").await == json!("in_progress")).then_some(())
    })
    .await;

    let http = reqwest::Client::new();
    let post = async |path: &str, body: &Json| {
        let url = format!("http://127.0.0.1:{spi_port}{path}");
        http.post(url).json(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(post("/spi/video/executor_callback", &json!({ "node_uuid": "video:1" })).await, 400);
    assert_eq!(
        post("/spi/mail/executor_callback", &json!({ "node_uuid": "mail:1", "executor_type": "x", "result": 1 })).await,
        404
    );
    let done = json!({ "node_uuid": "video:1", "executor_type": "render", "result": { "frames": 1 } });
    assert_eq!(post("/spi/video/executor_callback", &done).await, 200);
    assert_eq!(run("RETURN [video:1.status, video:1.result.frames]").await, json!(["completed", 1]));
    assert_eq!(post("/spi/video/executor_callback", &done).await, 200);

    let info: Json = http.get(format!("http://127.0.0.1:{port}/info")).send().await.unwrap().json().await.unwrap();
    assert_eq!(info[0]["backends"][0]["name"], "mailer");
    assert_eq!(info[0]["backends"][1]["up"], true);
    let metrics =
        http.get(format!("http://127.0.0.1:{port}/metrics")).bearer_auth(support::SECRET).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("spky_backend_up{backend=\"mailer\"} 1"), "{metrics}");

    let log = std::fs::read_to_string(log_path).unwrap();
    let audit: Vec<&str> = log.lines().filter(|line| line.contains("spi::audit")).collect();
    assert_eq!(audit.len(), 4, "{log}");
    for part in ["127.0.0.1", "/spi/video/executor_callback", "400", "node_uuid"] {
        assert!(audit[0].contains(part), "{part}: {}", audit[0]);
    }
    assert!(log.contains("a stale callback has no effect"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

/// A dry run shows what would be run, and `apply` is not needed twice for a table that a later configuration adds.
#[tokio::test(flavor = "multi_thread")]
async fn job_tables_are_captured_like_any_other() {
    let stage = stage().await;
    let settings = database_settings(stage.server.address(), "captured");
    let database = Database::connect(settings, Names::default()).await.unwrap();
    let mut options = SchemaOptions::new(Names::default(), "http://127.0.0.1:9", "secret");
    options.job_tables = vec!["mail".to_owned()];
    assert!(database.apply_script(&options).await.unwrap().contains("DEFINE INDEX IF NOT EXISTS due ON `mail`"));
    let applied = database.apply(&options).await.unwrap();
    assert_eq!((applied.tables, applied.newly_captured), (vec!["mail".to_owned()], vec!["mail".to_owned()]));
}
