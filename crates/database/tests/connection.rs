//! The connection. Catches: a client that hangs or stays broken after the server was away, a wrong password that looks
//! like an outage, a conflict that is not retried.

mod support;

use std::time::{Duration, Instant};

use database::{Database, Edge, EdgeId, Error, ResultInfo, WriteBatch};
use protocol::{ContentHash, Names};
use support::{Server, query, run};

#[tokio::test]
async fn no_server_is_an_outage() {
    let server = Server::start();
    let mut settings = server.settings();
    settings.endpoint = format!("127.0.0.1:{}", support::free_port()).parse().unwrap();
    let error = Database::connect(settings, Names::default()).await.unwrap_err();
    assert!(error.is_outage() && error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated() {
    let server = Server::start();
    server.connect().await;
    let mut settings = server.settings();
    settings.password = "wrong horse".to_owned();
    let error = Database::connect(settings, Names::default()).await.unwrap_err();
    assert!(matches!(error, Error::Auth { .. }), "{error}");
    assert!(!error.is_retryable() && !format!("{error} {error:?}").contains("wrong horse"));
}

#[tokio::test]
async fn users_of_all_levels_can_sign_in() {
    let server = Server::start();
    let client = server.client().await;
    run(
        &client,
        "DEFINE USER ns ON NAMESPACE PASSWORD 'p1' ROLES OWNER; DEFINE USER db ON DATABASE PASSWORD 'p2' ROLES OWNER",
    )
    .await;
    for (name, password) in [("root", "root"), ("ns", "p1"), ("db", "p2")] {
        let mut settings = server.settings();
        settings.username = name.to_owned();
        settings.password = password.to_owned();
        let db = Database::connect(settings, Names::default()).await.unwrap();
        db.apply(&support::options()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[tokio::test]
async fn the_connection_comes_back_with_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start_in(directory.path());
    let db = server.installed().await;
    assert!(db.server_version().await.unwrap().contains("3.3.5"));
    server.kill();
    let first = db.ping();
    let pause = tokio::time::sleep(Duration::from_millis(500));
    let outcome = tokio::select! { outcome = first => Some(outcome), () = pause => None };
    if let Some(Err(error)) = outcome {
        assert!(error.is_outage(), "{error}");
    }
    server.restart();
    let begin = Instant::now();
    while let Err(error) = db.tables().await {
        assert!(error.is_outage(), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(20), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(db.tables().await.unwrap().iter().any(|table| table.name == "_00_query"));
}

/// The SDK parks what is sent while it connects again, and keeps it when nobody waits any more.
#[tokio::test]
async fn requests_of_an_outage_do_not_pile_up() {
    const ATTEMPTS: usize = 100;
    const LARGE: usize = 4 << 20;
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start_in(directory.path());
    server.connect().await;
    let mut settings = server.settings();
    settings.request_timeout = Duration::from_millis(50);
    let db = Database::connect(settings, Names::default()).await.unwrap();
    let edge = EdgeId::new("edges".into(), "q".parse().unwrap(), support::record("t", 1));
    let edge = Edge { id: edge, version: 1, client_id: "x".repeat(LARGE).into(), auth_id: None };
    let batch = WriteBatch { puts: vec![edge], ..WriteBatch::default() };
    server.kill();
    let before = resident_bytes();
    for _ in 0..ATTEMPTS {
        let error = db.write(&batch).await.unwrap_err();
        assert!(error.is_outage(), "{error}");
    }
    let kept = resident_bytes().saturating_sub(before);
    assert!(kept < ATTEMPTS * LARGE / 4, "{kept} bytes more after {ATTEMPTS} attempts of {LARGE} bytes");
    server.restart();
    let begin = Instant::now();
    while let Err(error) = db.ping().await {
        assert!(error.is_outage() && begin.elapsed() < Duration::from_secs(20), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How much memory this process has.
fn resident_bytes() -> usize {
    const PAGE: usize = 4096;
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * PAGE
}

#[tokio::test]
async fn a_silent_server_does_not_hold_us_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start();
    server.connect().await;
    let upstream = server.address();
    let port = listener.local_addr().unwrap().port();
    let (silence, silenced) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let upstream = tokio::net::TcpStream::connect(&upstream).await.unwrap();
            let mut silenced = silenced.clone();
            tokio::spawn(async move {
                let (mut client, mut upstream) = (client, upstream);
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut upstream) => {}
                    // Holds both connections, and moves nothing any more.
                    () = async { drop(silenced.wait_for(|silent| *silent).await) } => {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                    }
                }
            });
        }
    });
    let mut settings = server.settings();
    settings.endpoint = format!("127.0.0.1:{port}").parse().unwrap();
    settings.request_timeout = Duration::from_millis(500);
    let db = Database::connect(settings, Names::default()).await.unwrap();
    db.ping().await.unwrap();
    silence.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    silence.send(false).unwrap();
    let error = db.ping().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    db.ping().await.unwrap();
}

#[tokio::test]
async fn a_statement_that_fails_says_which_and_why() {
    let server = Server::start();
    let db = server.connect().await;
    // Without installation there is no such function, and nothing to write to is no error.
    let error = db.page("t", None, usize::MAX).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    assert!(error.to_string().starts_with("reading a page of a table failed: "), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflicts_are_retried_until_one_after_the_other_got_through() {
    let server = Server::start();
    let db = server.installed().await;
    let client = server.client().await;
    run(
        &client,
        "CREATE _00_query:q SET surql = '', clientId = '', ttl = 1h, lastActiveAt = time::now(), format = 'flat'; \
         DEFINE TABLE counter; DEFINE EVENT count ON _00_query THEN { UPSERT counter:1 SET n += 1 }; ",
    )
    .await;
    let mut writers = Vec::new();
    for row_count in 1..=10 {
        let db = db.clone();
        writers.push(tokio::spawn(async move {
            let (query, hash) = ("q".parse().unwrap(), Some(ContentHash::of(b"")));
            let info = ResultInfo { query, hash, row_count, result: None, error: None };
            db.write(&WriteBatch { results: vec![info], ..WriteBatch::default() }).await
        }));
    }
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(query(&client, "RETURN counter:1.n").await, circuit::Value::from(10));
}
