//! A real server as a child process. Needs the executable that `cargo build -p spky` makes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use embedded::{Error, Log, Server, Settings, Storage};

/// One statement over HTTP, with the status and the text of the answer.
async fn sql(server: &Server, user: (&str, &str), text: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("http://{}/sql", server.address())).basic_auth(user.0, Some(user.1));
    let request =
        request.header("accept", "application/json").header("surreal-ns", "test").header("surreal-db", "test");
    let answer = request.body(text.to_owned()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn serves_its_root_user_and_nobody_else() {
    let settings = Settings { username: "owner".into(), password: "it's secret".into(), ..Settings::for_tests() };
    let mut server = Server::start(settings).await.unwrap();
    let (status, answer) = sql(&server, ("owner", "it's secret"), "RETURN 1 + 1").await;
    assert!(status == 200 && answer.contains("\"result\":2"), "{status} {answer}");
    assert_eq!(sql(&server, ("owner", "wrong"), "RETURN 1").await.0, 401);
    assert_eq!(sql(&server, ("root", "root"), "RETURN 1").await.0, 401);
    server.stop().await.unwrap();
    assert_eq!(server.id(), None);
    TcpListener::bind(server.address()).unwrap();
}

#[tokio::test]
async fn its_functions_reach_only_the_allowed_address() {
    let (allowed, allowed_address) = listener();
    let (_other, other_address) = listener();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = allowed.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 7\r\n\r\nreached").unwrap();
    });
    let server = Server::start(Settings { allow_net: vec![allowed_address], ..Settings::for_tests() }).await.unwrap();
    let get = |address| format!("RETURN http::get('http://{address}/')");
    let (_, answer) = sql(&server, ("root", "root"), &get(other_address)).await;
    assert!(!answer.contains("\"OK\""), "{answer}");
    let (_, answer) = sql(&server, ("root", "root"), &get(allowed_address)).await;
    assert!(answer.contains("reached"), "{answer}");
    answering.join().unwrap();
}

/// A client that stays connected must not keep the database from stopping.
#[tokio::test]
async fn stops_soon_although_a_client_stays() {
    let mut server = Server::start(Settings::for_tests()).await.unwrap();
    let mut client = TcpStream::connect(server.address()).unwrap();
    client.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let _ = client.read(&mut [0; 1024]).unwrap();
    let begin = Instant::now();
    server.stop().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_directory_keeps_the_data() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::RocksDb(directory.path().join("a b/surrealdb"));
    let settings = Settings { storage, ..Settings::for_tests() };
    let mut server = Server::start(settings.clone()).await.unwrap();
    sql(&server, ("root", "root"), "DEFINE NAMESPACE test; DEFINE DATABASE test").await;
    let (_, answer) = sql(&server, ("root", "root"), "USE NS test DB test; CREATE a:1 SET kept = true").await;
    assert!(answer.contains("kept"), "{answer}");
    // Acknowledged is kept, also by a crash.
    server.kill().await.unwrap();
    let mut server = Server::start(settings).await.unwrap();
    let (_, answer) = sql(&server, ("root", "root"), "SELECT * FROM a").await;
    assert!(answer.contains("kept"), "{answer}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_busy_port_is_named_before_anything_starts() {
    let (_busy, address) = listener();
    let settings =
        Settings { port: address.port(), executable: Some(PathBuf::from("/dev/null")), ..Settings::default() };
    let error = Server::start(Settings { executable: Settings::for_tests().executable, ..settings }).await.unwrap_err();
    assert!(matches!(error, Error::PortInUse { port } if port == address.port()), "{error}");
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let log = directory.path().join("logs/database.log");
    for log in [Log::OnFailure, Log::File(log.clone())] {
        let settings = Settings { storage: Storage::RocksDb(file.join("data")), log, ..Settings::for_tests() };
        let error = Server::start(settings).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Exited { .. }), "{text}");
        assert!(text.lines().count() > 1, "{text}");
    }
    assert!(std::fs::metadata(&log).unwrap().len() > 0);
}

#[tokio::test]
async fn a_missing_executable_says_how_to_make_it() {
    let settings = Settings { executable: Some(PathBuf::from("/no/such/spky")), ..Settings::default() };
    let error = Server::start(settings).await.unwrap_err().to_string();
    assert!(error.contains("/no/such/spky") && error.contains("cargo build -p spky"), "{error}");
}

#[tokio::test]
async fn its_end_is_noticed_and_a_dropped_server_is_gone() {
    let server = Server::start(Settings::for_tests()).await.unwrap();
    let id = i32::try_from(server.id().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGKILL).unwrap();
    assert!(!server.ended().await.unwrap().success());

    let server = Server::start(Settings::for_tests()).await.unwrap();
    let address = server.address();
    drop(server);
    TcpListener::bind(address).unwrap();
}

/// What the environment says about some other server is none of ours.
#[test]
fn the_environment_does_not_reach_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = Settings::for_tests();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    if std::env::var_os("SURREAL_UNAUTHENTICATED").is_none() {
        // In a process of its own: an environment can't be changed safely in one with threads.
        command.args(["the_environment_does_not_reach_it", "--exact", "--nocapture"]);
        command
            .env("SURREAL_UNAUTHENTICATED", "true")
            .env("SURREAL_BIND", "127.0.0.1:1")
            .env("http_proxy", "http://127.0.0.1:1");
        assert!(command.status().unwrap().success());
        return;
    }
    runtime.block_on(async {
        let server = Server::start(settings).await.unwrap();
        assert_eq!(sql(&server, ("root", "wrong"), "RETURN 1").await.0, 401);
    });
}
