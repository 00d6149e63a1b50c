//! A network that misbehaves, between a sidecar and its database.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the network does to all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes pass.
    None,
    /// Every piece arrives this much later.
    Latency(Duration),
    /// No more than this many bytes a second, in each direction.
    Throttle(u64),
    /// Connections stay open, and nothing arrives: as when a peer has silently gone.
    HalfOpen,
    /// Answers don't arrive, requests do.
    Deaf,
    /// Connections are cut, and new ones refused.
    Cut,
}

/// The network. Dropping it cuts everything.
pub struct Network {
    pub address: SocketAddr,
    fault: watch::Sender<Fault>,
}

impl Network {
    /// A way to a server, without faults so far.
    pub async fn to(server: SocketAddr) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (fault, faults) = watch::channel(Fault::None);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *faults.borrow() == Fault::Cut || faults.has_changed().is_err() {
                    continue;
                }
                let Ok(server) = TcpStream::connect(server).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(pump(from_client, to_server, faults.clone(), false));
                tokio::spawn(pump(from_server, to_client, faults.clone(), true));
            }
        });
        Network { address, fault }
    }

    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

/// Carries bytes in one direction until either side ends, or the connection is cut.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut faults: watch::Receiver<Fault>, is_answer: bool) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            cut = faults.wait_for(|fault| *fault == Fault::Cut) => { drop(cut); return }
        };
        let Ok(count @ 1..) = read else { return };
        let fault = *faults.borrow_and_update();
        match fault {
            Fault::None => {}
            Fault::Latency(delay) => tokio::time::sleep(delay).await,
            Fault::Throttle(rate) => tokio::time::sleep(Duration::from_secs_f64(count as f64 / rate as f64)).await,
            Fault::Deaf if !is_answer => {}
            Fault::HalfOpen | Fault::Deaf => {
                // What is held back arrives when the network has recovered, if the connection still stands.
                if faults.wait_for(|fault| !matches!(fault, Fault::HalfOpen | Fault::Deaf)).await.is_err() {
                    return;
                }
            }
            Fault::Cut => return,
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
