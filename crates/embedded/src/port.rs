//! Ports of the loopback interface.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use crate::Error;

/// Checks that `port` of 127.0.0.1 can be listened on. It can be taken by somebody else right afterwards.
///
/// # Errors
///
/// [`Error::PortInUse`], or [`Error::Port`] if the system refuses for another reason.
pub fn check_port(port: u16) -> Result<(), Error> {
    listen(port).map(drop)
}

/// A port of 127.0.0.1 on which nobody listens now.
///
/// # Errors
///
/// [`Error::Port`] if the system has none.
pub fn free_port() -> Result<u16, Error> {
    let address = listen(0)?.local_addr();
    address.map(|address| address.port()).map_err(|source| Error::Port { port: 0, source })
}

fn listen(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => Error::PortInUse { port },
        _ => Error::Port { port, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_named() {
        let port = free_port().unwrap();
        check_port(port).unwrap();
        let _busy = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let error = check_port(port).unwrap_err();
        assert_eq!(error.to_string(), format!("port {port} on 127.0.0.1 is in use"));
    }
}
