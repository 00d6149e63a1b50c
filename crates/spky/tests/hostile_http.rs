//! Clients that are slow, broken or mean, over raw sockets: each gets an answer or is sent away in time, and the service
//! goes on.

mod support;

use std::time::{Duration, Instant};

use database::Capture;
use serde_json::{Value, json};
use support::{SECRET, World, stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anybody may be slow.
const LIMIT: Duration = Duration::from_secs(50);

/// What a client got before the connection was closed.
#[derive(Debug)]
struct Reply {
    status: u16,
    body: String,
}

impl Reply {
    fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends bytes, and reads until the service closes the connection. `None` if it said nothing.
async fn talk(world: &World, bytes: &[u8]) -> Option<Reply> {
    let mut stream = TcpStream::connect(world.ssp.address()).await.expect("the sidecar listens");
    // Where it closes while we still write, what it said can be read all the same, or not: then the connection is reset.
    let _ = stream.write_all(bytes).await;
    listen(&mut stream).await
}

async fn listen(stream: &mut TcpStream) -> Option<Reply> {
    let mut answer = Vec::new();
    let _ = timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("the connection is closed in time");
    let text = String::from_utf8(answer).expect("a text");
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().expect("a status");
    Some(Reply { status, body: body.to_owned() })
}

fn request(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: ssp\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    )
}

async fn post(world: &World, path: &str, body: &[u8]) -> Reply {
    let mut bytes = request(path, body.len()).into_bytes();
    bytes.extend(body);
    talk(world, &bytes).await.unwrap_or_else(|| panic!("no answer from {path}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_outlives_its_clients() {
    let stage = stage().await;
    let schema = "DEFINE TABLE thread SCHEMALESS; CREATE thread:1 SET status = 'open'";
    let world = World::start(&stage, "hostile", Capture::Feed, schema).await;
    // These wait for time limits, so they wait together.
    tokio::join!(slow_headers(&world), slow_body(&world), stopped_body(&world), drip(&world), many(&world));
    truncated_body(&world).await;
    malformed(&world).await;
    too_large(&world).await;
    deep(&world).await;
    not_text(&world).await;
    world.register("after", "SELECT * FROM thread", "{}").await;
    let started = Instant::now();
    world.ssp.stop().await.expect("the sidecar stops");
    assert!(started.elapsed() < Duration::from_secs(15));
}

/// Headers that come one byte at a time do not extend the time that there is.
async fn slow_headers(world: &World) {
    let mut stream = TcpStream::connect(world.ssp.address()).await.expect("the sidecar listens");
    let started = Instant::now();
    for byte in b"GET /health HTTP/1.1\r\nX: ".iter().chain(std::iter::repeat(&b'a')) {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        assert!(started.elapsed() < LIMIT, "a slow client is listened to for ever");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(started.elapsed() > Duration::from_secs(10), "others are slow too, and honest: {:?}", started.elapsed());
}

async fn slow_body(world: &World) {
    let mut stream = TcpStream::connect(world.ssp.address()).await.expect("the sidecar listens");
    stream.write_all(request("/ingest", 1_000_000).as_bytes()).await.expect("it listens");
    let (mut reading, mut writing) = stream.into_split();
    let dripping = async {
        while writing.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let mut answer = Vec::new();
    let answered = timeout(LIMIT, async {
        let _ = reading.read_to_end(&mut answer).await;
    });
    tokio::select! {
        answered = answered => answered.expect("an answer in time"),
        () = dripping => {}
    }
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("REQUEST_TIMEOUT"), "{text}");
}

/// A client that stops in the middle of a body and keeps the connection.
async fn stopped_body(world: &World) {
    let half = format!("{}{{\"table\":", request("/ingest/batch", 100));
    let reply = talk(world, half.as_bytes()).await.expect("an answer");
    assert_eq!((reply.status, reply.code().as_str()), (408, "REQUEST_TIMEOUT"), "{reply:?}");
}

/// A chunked body whose end never comes.
async fn drip(world: &World) {
    let head = format!(
        "POST /log HTTP/1.1\r\nHost: ssp\r\nAuthorization: Bearer {SECRET}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n"
    );
    let reply = talk(world, head.as_bytes()).await.expect("an answer");
    assert_eq!((reply.status, reply.code().as_str()), (408, "REQUEST_TIMEOUT"), "{reply:?}");
}

/// Others are served while many connections say nothing.
async fn many(world: &World) {
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(world.ssp.address()).await.expect("the sidecar listens"));
    }
    let started = Instant::now();
    let reply = talk(world, b"GET /health HTTP/1.1\r\nHost: ssp\r\nConnection: close\r\n\r\n").await;
    assert_eq!(reply.expect("an answer").status, 200);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    for mut stream in silent {
        assert!(listen(&mut stream).await.is_none_or(|reply| reply.status == 408));
    }
}

async fn truncated_body(world: &World) {
    let mut stream = TcpStream::connect(world.ssp.address()).await.expect("the sidecar listens");
    let half = format!("{}{{\"table\": \"thread\", ", request("/ingest", 1_000));
    stream.write_all(half.as_bytes()).await.expect("it listens");
    stream.shutdown().await.expect("we can stop sending");
    let reply = listen(&mut stream).await;
    assert!(reply.as_ref().is_none_or(|reply| reply.status == 400), "{reply:?}");
}

async fn malformed(world: &World) {
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GARBAGE\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /he\0alth HTTP/1.1\r\nHost: ssp\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost ssp\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /ingest HTTP/1.1\r\nHost: ssp\r\nContent-Length: -1\r\n\r\n",
        b"POST /ingest HTTP/1.1\r\nHost: ssp\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /ingest HTTP/1.1\r\nHost: ssp\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /ingest HTTP/1.1\r\nHost: ssp\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ] {
        let reply = talk(world, bytes).await;
        assert!(reply.as_ref().is_none_or(|reply| (400..500).contains(&reply.status)), "{bytes:?}: {reply:?}");
    }
}

async fn too_large(world: &World) {
    let one = format!("GET /health HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(1 << 20));
    let many = format!("GET /health HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    let path = format!("GET /{} HTTP/1.1\r\nHost: ssp\r\n\r\n", "y".repeat(1 << 20));
    for bytes in [one, many, path] {
        // What was not read yet when the connection was closed makes the system reset it, and the answer is lost.
        let reply = talk(world, bytes.as_bytes()).await;
        assert!(reply.as_ref().is_none_or(|reply| [414, 431].contains(&reply.status)), "{reply:?}");
    }
    let huge = post(world, "/ingest", &vec![b' '; 17 << 20]).await;
    assert_eq!((huge.status, huge.code().as_str()), (413, "PAYLOAD_TOO_LARGE"));
}

async fn deep(world: &World) {
    const LEVELS: usize = 100_000;
    let nested = format!("{}{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(LEVELS), "}".repeat(LEVELS));
    for path in ["/ingest", "/ingest/batch", "/log", "/view/register", "/view/unregister"] {
        for body in [&nested, &objects] {
            let reply = post(world, path, body.as_bytes()).await;
            assert_eq!((reply.status, reply.code().as_str()), (400, "INVALID_REQUEST"), "{path}");
        }
    }
    let register = |surql: &str, params: &str| json!({ "id": "deep", "surql": surql, "params": params, "clientId": "c", "ttl": "1h" });
    let parens = format!("SELECT * FROM thread WHERE {}1{}", "(".repeat(LEVELS), ")".repeat(LEVELS));
    let reply = post(world, "/view/register", register(&parens, "{}").to_string().as_bytes()).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "UNSUPPORTED_QUERY"), "{reply:?}");
    let params = format!("{{ a: {nested} }}");
    let body = register("SELECT * FROM thread WHERE a = $a", &params).to_string();
    let reply = post(world, "/view/register", body.as_bytes()).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "INVALID_REQUEST"), "{reply:?}");
}

async fn not_text(world: &World) {
    for body in [&b"\xff\xfe{}"[..], b"{\"id\": \"\xff\"}", b"{\"id\": \"\\ud800\"}", b"{\"id\": \"a\0b"] {
        for path in ["/ingest", "/ingest/batch", "/log", "/view/register", "/view/unregister"] {
            let reply = post(world, path, body).await;
            assert_eq!((reply.status, reply.code().as_str()), (400, "INVALID_REQUEST"), "{path} {body:?}: {reply:?}");
        }
    }
    for path in [&b"/\xff\xfe"[..], b"/%ff%fe", b"/view/%00/events", b"/..%2f..%2fetc/passwd", b"//", b"/%", b"*"] {
        let mut bytes = b"GET ".to_vec();
        bytes.extend(path);
        bytes.extend(b" HTTP/1.1\r\nHost: ssp\r\nConnection: close\r\n\r\n");
        let reply = talk(world, &bytes).await;
        let is_refused = |reply: &Reply| [400, 401, 404].contains(&reply.status);
        assert!(reply.as_ref().is_none_or(is_refused), "{path:?}: {reply:?}");
    }
    // Neither is a header.
    let bytes = b"POST /log HTTP/1.1\r\nHost: ssp\r\nConnection: close\r\nAuthorization: Bearer \xff\r\n\r\n";
    let reply = talk(world, bytes).await.expect("an answer");
    assert_eq!((reply.status, reply.code().as_str()), (401, "UNAUTHORIZED"), "{reply:?}");
}
