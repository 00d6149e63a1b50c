//! The network: connections that the simulation delays, holds back and cuts, with the bytes of HTTP on them as ever.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, Response, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serving::{Carrier, Listener, Unanswered};
use turmoil::net::{TcpListener, TcpStream};

/// Accepts connections of the simulated network.
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
}

impl Door {
    /// Listens at a port of the host that this runs on.
    pub async fn open(port: u16) -> io::Result<Door> {
        let listener = TcpListener::bind(("0.0.0.0", port)).await?;
        let address = listener.local_addr()?;
        Ok(Door { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Listener for Door {
    type Stream = TcpStream;

    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send {
        self.listener.accept()
    }
}

/// Carries requests over the simulated network, each by a connection of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wire;

#[async_trait]
impl Carrier for Wire {
    async fn carry(&self, request: Request<Bytes>, limit: Duration) -> Result<Response<Bytes>, Unanswered> {
        match tokio::time::timeout(limit, exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Unanswered::new(format!("no answer within {limit:?}"))),
        }
    }
}

async fn exchange(mut request: Request<Bytes>) -> Result<Response<Bytes>, Unanswered> {
    let unanswered = |error: &dyn std::fmt::Display| Unanswered::new(error.to_string());
    let uri = request.uri().clone();
    let host = uri.host().ok_or_else(|| Unanswered::new("the address has no host"))?;
    let port = uri.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host, port)).await.map_err(|error| unanswered(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| unanswered(&error))?;
    // It ends with the sender, or with the peer.
    tokio::spawn(connection);
    let host = HeaderValue::try_from(format!("{host}:{port}")).map_err(|error| unanswered(&error))?;
    request.headers_mut().insert(HOST, host);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>().map_err(|error| unanswered(&error))?;
    let answer = sender.send_request(request.map(Full::new)).await.map_err(|error| unanswered(&error))?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|error| unanswered(&error))?;
    Ok(Response::from_parts(head, body.to_bytes()))
}
