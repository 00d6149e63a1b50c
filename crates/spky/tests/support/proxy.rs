//! A proxy between a sidecar and its database, which counts what the sidecar asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that counts the messages which a WebSocket client sends.
pub async fn proxy(target: SocketAddr) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let requests = Arc::new(AtomicU64::new(0));
    let counter = requests.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let counter = counter.clone();
            tokio::spawn(async move {
                // At the end of the test the database goes before its clients.
                let Ok(server) = TcpStream::connect(target).await else { return };
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let answers = tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
                // Either side may close at any time; that ends this connection.
                let _ = forward(&mut from_client, &mut to_server, &counter).await;
                answers.abort();
            });
        }
    });
    (address, requests)
}

/// Forwards the handshake and then frames (RFC 6455, section 5.2), and counts those that begin a text or binary
/// message.
async fn forward(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    counter: &AtomicU64,
) -> std::io::Result<()> {
    let mut handshake = Vec::new();
    while !handshake.ends_with(b"\r\n\r\n") {
        handshake.push(from.read_u8().await?);
    }
    to.write_all(&handshake).await?;
    loop {
        let mut frame = vec![0; 2];
        from.read_exact(&mut frame).await?;
        let opcode = frame[0] & 0x0f;
        let extended = match frame[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if frame[1] & 0x80 == 0 { 0 } else { 4 };
        let mut rest = vec![0; extended + mask];
        from.read_exact(&mut rest).await?;
        let length = match extended {
            0 => u64::from(frame[1] & 0x7f),
            _ => rest[..extended].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        frame.extend_from_slice(&rest);
        let mut payload = vec![0; usize::try_from(length).expect("a length that fits")];
        from.read_exact(&mut payload).await?;
        let mask = &rest[extended..];
        let text: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        frame.append(&mut payload);
        if matches!(opcode, 1 | 2) && !is_keep_alive(&text) {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        to.write_all(&frame).await?;
    }
}

/// Whether a message is sent every few seconds whatever happens: the SDK's `ping`, and the look at what is defined.
fn is_keep_alive(message: &[u8]) -> bool {
    let contains = |text: &[u8]| message.windows(text.len()).any(|part| part == text);
    (message.len() < 256 && contains(b"ping")) || (contains(b"INFO FOR ") && contains(b" STRUCTURE"))
}
