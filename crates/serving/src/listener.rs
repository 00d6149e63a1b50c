//! Where connections come from: the system, or a simulated network.

use std::io::{self, Result};
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// An address that nobody can listen on.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {listen}: {source}")]
pub struct ListenError {
    listen: SocketAddr,
    source: io::Error,
}

/// Begins to listen, and says where: port 0 stands for one that is free.
///
/// # Errors
/// If the address is taken, or none of this machine.
pub async fn listen(listen: SocketAddr) -> std::result::Result<(TcpListener, SocketAddr), ListenError> {
    let failed = |source| ListenError { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Accepts connections.
pub trait Listener: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and who the peer is. May be dropped while it waits.
    ///
    /// # Errors
    /// What the system says.
    fn accept(&self) -> impl Future<Output = Result<(Self::Stream, SocketAddr)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // Answers are small, and whoever waits for one waits for all of it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection stays with Nagle's algorithm");
        }
        Ok((stream, peer))
    }
}
