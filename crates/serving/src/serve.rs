//! Connections: whoever comes is served, and nobody can keep the service busy by being slow.
//!
//! A connection has a limited time to say what it wants, in headers of limited size, and to take its answer, and there
//! is a limited number of connections. How long a body may take is up to who reads it, and how long an answer may take
//! is up to the router.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::listener::Listener;
use crate::stall::Impatient;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From when a connection may send a request until all headers of it are there; so also how long it may be idle.
    pub headers: Duration,
    /// The bytes of the request line and all headers.
    pub header_bytes: usize,
    /// How long a client may take nothing of its answer.
    pub stall: Duration,
    /// Connections at once. Others wait until one of them ends.
    pub connections: usize,
    /// How long requests may go on when the service stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            headers: Duration::from_secs(15),
            header_bytes: 32 << 10,
            stall: Duration::from_secs(30),
            connections: 4_096,
            drain: Duration::from_secs(10),
        }
    }
}

/// How long to wait when the system has no room for another connection.
const NO_ROOM_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` resolves; then no connection is accepted any more, idle ones are closed, and requests that are
/// being answered are finished, as long as they do not take longer than [`Limits::drain`].
///
/// What `count` answers lives as long as a connection. Each request says who the peer is, as [`ConnectInfo`].
pub async fn serve<C: Send + 'static, L: Listener>(
    listener: L,
    router: Router,
    limits: Limits,
    count: impl Fn() -> C,
    stop: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    let (stopping, is_stopping) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = connections.join_next() => report(ended),
            (stream, peer) = accept(&listener), if connections.len() < limits.connections => {
                let (router, counted, stopping) = (router.clone(), count(), is_stopping.clone());
                connections.spawn(async move {
                    converse(stream, peer, router, limits, stopping).await;
                    drop(counted);
                });
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(limits.drain, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests take too long to be finished, giving them up");
        connections.shutdown().await;
    }
}

/// The next connection. That the system has no room for one now is waited out.
async fn accept<L: Listener>(listener: &L) -> (L::Stream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client has gone away before it was its turn.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted now");
                tokio::time::sleep(NO_ROOM_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end. Requests say who the peer is.
async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.headers).max_header_size(limits.header_bytes);
    let stream = TokioIo::new(Impatient::new(stream, limits.stall));
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.call(request)
    });
    let mut connection = pin!(http.serve_connection(stream, service));
    let told = async {
        // A sender that is gone has nothing to tell any more either.
        let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection has ended");
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request has panicked, this is a bug");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    use super::*;

    /// More than the system keeps for a client that does not read.
    const LARGE: usize = 64 << 20;

    /// A service with short limits, whose `/slow` takes 300 ms and whose `/stuck` never answers.
    struct Served {
        address: SocketAddr,
        stop: Arc<Notify>,
        task: JoinHandle<()>,
    }

    async fn served() -> Served {
        let limits = Limits {
            headers: Duration::from_millis(300),
            header_bytes: 4 << 10,
            stall: Duration::from_millis(300),
            connections: 2,
            drain: Duration::from_millis(600),
        };
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            "slow"
        };
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/slow", get(slow))
            .route("/large", get(|| async { vec![b'x'; LARGE] }))
            .route("/stuck", get(std::future::pending::<()>));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(Notify::new());
        let stopped = stop.clone();
        let task = tokio::spawn(async move { serve(listener, router, limits, || (), stopped.notified()).await });
        Served { address, stop, task }
    }

    impl Served {
        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }

        async fn send(&self, text: &str) -> TcpStream {
            let mut stream = self.connect().await;
            stream.write_all(text.as_bytes()).await.unwrap();
            stream
        }
    }

    /// What the service says until it closes the connection.
    async fn rest(mut stream: TcpStream) -> String {
        let mut text = Vec::new();
        // Where the service closes while we still send, the connection is reset: also an end.
        let _ = stream.read_to_end(&mut text).await;
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn whoever_is_slow_or_idle_is_sent_away_and_others_get_a_place() {
        let served = served().await;
        let started = Instant::now();
        let (idle, slow) = (served.connect().await, served.send("GET / HTTP/1.1\r\nHost:").await);
        // There are two places, and both are taken.
        let next = served.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(rest(next).await.ends_with("here"));
        assert!(started.elapsed() >= Duration::from_millis(250), "a third connection was served");
        assert_eq!(rest(idle).await, "");
        let answer = rest(slow).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }

    #[tokio::test]
    async fn headers_that_are_too_large_are_refused() {
        let served = served().await;
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(8 << 10));
        assert!(rest(served.send(&request).await).await.starts_with("HTTP/1.1 431"));
    }

    /// Catches clients that hold a place by not reading, whether the answer is large or there are many of them.
    #[tokio::test]
    async fn whoever_does_not_read_is_sent_away() {
        let served = served().await;
        let large = served.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut many = served.connect().await;
        let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1_000);
        let mut sent = 0;
        // Until nothing can be sent any more, because the answers are not taken.
        while sent < LARGE {
            let sending = tokio::time::timeout(Duration::from_secs(2), many.write_all(requests.as_bytes())).await;
            match sending {
                Ok(Ok(())) => sent += requests.len(),
                Ok(Err(_)) => break,
                Err(_) => panic!("the connection is kept"),
            }
        }
        assert!(sent < LARGE);
        assert!(rest(large).await.len() < LARGE);
        let next = served.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(rest(next).await.ends_with("here"));
    }

    #[tokio::test]
    async fn a_request_is_finished_when_the_service_stops() {
        let served = served().await;
        let slow = served.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        served.stop.notify_one();
        assert!(rest(slow).await.ends_with("slow"));
        served.task.await.unwrap();
        assert!(TcpStream::connect(served.address).await.is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn a_request_that_never_ends_does_not_keep_the_service_from_stopping() {
        let served = served().await;
        let stuck = served.send("GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let started = Instant::now();
        served.stop.notify_one();
        served.task.await.unwrap();
        assert!((500..2_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
        assert_eq!(rest(stuck).await, "");
    }
}
