//! A backend over raw sockets, which does whatever the path says: also what no HTTP server would do.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use url::Url;

/// A call as it arrived.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Json,
}

impl Call {
    pub fn key(&self) -> &str {
        self.headers.get("idempotency-key").map_or("", String::as_str)
    }

    pub fn attempt(&self) -> u64 {
        self.headers.get("spky-attempt").expect("an attempt").parse().expect("a number")
    }
}

#[derive(Default)]
struct State {
    calls: Mutex<Vec<Call>>,
    /// Who is told of calls as they arrive.
    listener: Mutex<Option<UnboundedSender<Call>>>,
    /// Calls that are being answered, the most at once, and calls whose client has gone before they were answered.
    running: Mutex<(usize, usize, usize)>,
    open: Notify,
    is_open: Mutex<bool>,
}

/// A backend. Its tasks end with the test's runtime.
#[derive(Clone)]
pub struct Backend {
    pub address: SocketAddr,
    state: Arc<State>,
}

impl Backend {
    pub async fn start() -> Backend {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let of_backend = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, of_backend.clone()));
            }
        });
        Backend { address, state }
    }

    pub fn url(&self) -> Url {
        format!("http://{}", self.address).parse().expect("an address")
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap().clone()
    }

    /// Calls as they arrive, from now on; to one listener.
    pub fn arrivals(&self) -> UnboundedReceiver<Call> {
        let (sender, receiver) = unbounded_channel();
        *self.state.listener.lock().unwrap() = Some(sender);
        receiver
    }

    /// The attempts at one job, in the order of their arrival.
    pub fn attempts(&self, key: &str) -> Vec<u64> {
        self.calls().iter().filter(|call| call.key() == key).map(Call::attempt).collect()
    }

    /// The most calls at once so far.
    pub fn peak(&self) -> usize {
        self.state.running.lock().unwrap().1
    }

    /// Calls that were given up by the client.
    pub fn given_up(&self) -> usize {
        self.state.running.lock().unwrap().2
    }

    /// Lets calls of `/gate` go on, from now on.
    pub fn open(&self) {
        *self.state.is_open.lock().unwrap() = true;
        self.state.open.notify_waiters();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let Some(call) = read(&mut stream).await else { return };
    state.calls.lock().unwrap().push(call.clone());
    if let Some(listener) = &*state.listener.lock().unwrap() {
        // It may have heard enough.
        let _ = listener.send(call.clone());
    }
    {
        let mut running = state.running.lock().unwrap();
        running.0 += 1;
        running.1 = running.1.max(running.0);
    }
    let given_up = async {
        let mut byte = [0];
        // Nothing more is sent on this connection, so only its end can be read.
        while stream.read(&mut byte).await.is_ok_and(|count| count > 0) {}
    };
    let answer = tokio::select! {
        answer = answer(&call, &state) => Some(answer),
        () = given_up => None,
    };
    {
        let mut running = state.running.lock().unwrap();
        running.0 -= 1;
        running.2 += usize::from(answer.is_none());
    }
    if let Some(answer) = answer {
        // The client may have gone meanwhile.
        let _ = stream.write_all(&answer).await;
        let _ = stream.shutdown().await;
    }
}

/// The bytes to send before the connection is closed.
async fn answer(call: &Call, state: &State) -> Vec<u8> {
    let path = call.path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let number = |at: usize| parts.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    match parts[0] {
        "ok" => http(200, "application/json", &json!({ "echo": call.body }).to_string()),
        "slow" => {
            tokio::time::sleep(Duration::from_millis(number(1))).await;
            http(200, "application/json", "\"slow\"")
        }
        // Says which attempt it was.
        "attempt" => {
            tokio::time::sleep(Duration::from_millis(number(1))).await;
            http(200, "application/json", &call.attempt().to_string())
        }
        "gate" => {
            let opened = state.open.notified();
            if !*state.is_open.lock().unwrap() {
                opened.await;
            }
            http(200, "application/json", "\"open\"")
        }
        "status" => http(number(1) as u16, "text/plain", "no"),
        "flaky" if call.attempt() <= number(1) => http(500, "text/plain", "not yet"),
        "flaky" => http(200, "application/json", "\"at last\""),
        "busy" if call.attempt() == 1 => b"HTTP/1.1 503 x\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n".to_vec(),
        "hang" => std::future::pending().await,
        "hang_once" if call.attempt() == 1 => std::future::pending().await,
        "drop" => Vec::new(),
        "garbage" => b"\x00\x01 lalala\r\n\r\n".to_vec(),
        "half" => b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"half\":".to_vec(),
        "text" => http(200, "text/html", "<p>done"),
        "bytes" => [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n".as_slice(), &[0xff, 0xfe, b'a', 0]].concat(),
        "big" => http(200, "application/json", &format!("\"{}\"", "x".repeat(number(1) as usize))),
        "redirect" => b"HTTP/1.1 307 x\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n".to_vec(),
        "accept" => http(202, "application/json", "{}"),
        _ => http(200, "application/json", "null"),
    }
}

fn http(status: u16, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn read(stream: &mut TcpStream) -> Option<Call> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).expect("headers are text");
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    while bytes.len() < head + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&bytes[head..head + length]).unwrap_or(Json::Null);
    Some(Call { path, headers, body })
}
