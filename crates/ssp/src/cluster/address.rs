//! Where the scheduler reaches this sidecar.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;
use url::Url;

/// What the scheduler is told.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    /// What somebody has set.
    Said(String),
    /// Follows from where this sidecar listens.
    Of(SocketAddr),
}

impl Address {
    /// The address, as an URL. Of a sidecar that listens on all interfaces it is that of the one that leads to the scheduler.
    ///
    /// # Errors
    /// If nothing leads there, or its name is not known.
    pub(crate) async fn url(&self, scheduler: &Url) -> io::Result<String> {
        let listening = match self {
            Address::Said(url) => return Ok(url.clone()),
            Address::Of(listening) => *listening,
        };
        let ip = if listening.ip().is_unspecified() { local(scheduler).await? } else { listening.ip() };
        Ok(format!("http://{}", SocketAddr::new(ip, listening.port())))
    }
}

/// The address of this machine on its way to another one. Nothing is sent: to connect a datagram socket chooses the route.
async fn local(other: &Url) -> io::Result<IpAddr> {
    let host = other.host_str().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the URL has no host"))?;
    // An IPv6 address stands in brackets.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for other in tokio::net::lookup_host((host, other.port_or_known_default().unwrap_or_default())).await? {
        let any = if other.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
        let connected = async {
            let socket = UdpSocket::bind((any, 0)).await?;
            socket.connect(other).await?;
            socket.local_addr()
        };
        match connected.await {
            Ok(address) => return Ok(address.ip()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a sidecar that tells the scheduler to ask itself.
    #[tokio::test]
    async fn one_that_listens_everywhere_is_where_the_scheduler_comes_from() {
        let scheduler = "http://127.0.0.1:9667".parse().unwrap();
        let url = async |address: Address| address.url(&scheduler).await.unwrap();
        let of = |text: &str| Address::Of(text.parse().unwrap());
        assert_eq!(url(of("0.0.0.0:8667")).await, "http://127.0.0.1:8667");
        assert_eq!(url(of("[::]:8667")).await, "http://127.0.0.1:8667");
        assert_eq!(url(of("10.1.2.3:8667")).await, "http://10.1.2.3:8667");
        assert_eq!(url(Address::Said("https://here/ssp".to_owned())).await, "https://here/ssp");
        let unknown = "http://no-such-host.invalid:1".parse().unwrap();
        assert!(of("0.0.0.0:8667").url(&unknown).await.is_err());
    }
}
