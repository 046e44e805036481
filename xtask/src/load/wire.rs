//! One connection of a load: writes a request as it is, and reads an answer just far enough.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{ClientConfig, pki_types::ServerName};

/// Bytes of an answer, at most.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A connection and what was read from it.
pub struct Wire {
    stream: Stream,
    read: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// An answer's status and where it ends in what was read.
struct Head {
    status: u16,
    end: usize,
}

impl Wire {
    /// Opens a connection to loopback.
    ///
    /// # Errors
    /// When nobody listens there.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of the load's connections, loopback"
    )]
    pub async fn open(address: SocketAddr) -> Result<Self> {
        ensure!(address.ip().is_loopback(), "load goes to loopback only, not to {address}");
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Stream::Plain(stream), read: Vec::with_capacity(128 * 1024) })
    }

    /// Opens one and encrypts it, where that is how the server speaks.
    ///
    /// # Errors
    /// When nobody listens there, or it is not who it should be.
    pub async fn open_as(address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> Result<Self> {
        let Self { stream, read } = Self::open(address).await?;
        let stream = match (stream, tls) {
            (Stream::Plain(stream), Some(tls)) => {
                let connector = tokio_rustls::TlsConnector::from(Arc::clone(tls));
                let name = ServerName::IpAddress(address.ip().into());
                let stream = connector.connect(name, stream).await.context("handshake")?;
                Stream::Secure(Box::new(stream))
            }
            (stream, _) => stream,
        };
        Ok(Self { stream, read })
    }

    async fn send(&mut self, request: &[u8]) -> Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(request).await?,
            Stream::Secure(stream) => {
                stream.write_all(request).await?;
                stream.flush().await?;
            }
        }
        Ok(())
    }

    /// Sends a request and waits for the whole answer; its status.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.send(request).await?;
        self.read.clear();
        loop {
            if let Some(Head { status, end }) = look(&self.read)? {
                ensure!(self.read.len() <= end, "more came than one answer");
                if self.read.len() == end {
                    return Ok(status);
                }
                let missing = end - self.read.len();
                self.fill(missing).await?;
            } else {
                self.fill(16 * 1024).await?;
            }
        }
    }

    /// Sends a request and gives the first bytes that come back, for streams that never end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn begin(&mut self, request: &[u8]) -> Result<()> {
        self.send(request).await?;
        self.read.clear();
        self.until(b"\r\n\r\n").await
    }

    /// Reads until those bytes have come.
    ///
    /// # Errors
    /// When the connection breaks first.
    pub async fn until(&mut self, wanted: &[u8]) -> Result<()> {
        let mut seen = 0;
        loop {
            let from = seen - wanted.len().min(seen);
            let fresh = self.read.get(from..).unwrap_or_default();
            if fresh.windows(wanted.len()).any(|window| window == wanted) {
                self.read.clear();
                return Ok(());
            }
            seen = self.read.len();
            self.fill(4 * 1024).await?;
        }
    }

    async fn fill(&mut self, room: usize) -> Result<()> {
        ensure!(self.read.len() < ANSWER_BYTES_MAX, "the answer is too long");
        self.read.reserve(room);
        let came = match &mut self.stream {
            Stream::Plain(stream) => stream.read_buf(&mut self.read).await?,
            Stream::Secure(stream) => stream.read_buf(&mut self.read).await?,
        };
        if came == 0 {
            bail!("closed");
        }
        Ok(())
    }
}

/// Status and end, once the head is there. An answer without a length ends with its last chunk.
fn look(read: &[u8]) -> Result<Option<Head>> {
    let Some(head_end) = find(read, b"\r\n\r\n") else { return Ok(None) };
    let head = read.get(..head_end).unwrap_or_default();
    let status = head.get(9..12).and_then(|code| std::str::from_utf8(code).ok());
    let status = status.and_then(|code| code.parse().ok()).context("no status line")?;
    let body = head_end + 4;
    if let Some(length) = length(head) {
        return Ok(Some(Head { status, end: body + length }));
    }
    let ended = read.ends_with(b"\r\n0\r\n\r\n") || status == 204;
    Ok(ended.then_some(Head { status, end: read.len() }))
}

fn find(read: &[u8], wanted: &[u8]) -> Option<usize> {
    read.windows(wanted.len()).position(|window| window == wanted)
}

/// The value of Content-Length, in either case of its first letters.
fn length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\ncontent-length:";
    let at = head.windows(NAME.len()).position(|window| window.eq_ignore_ascii_case(NAME))?;
    let rest = head.get(at + NAME.len()..)?;
    let value = rest.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(u16, usize)>) {
        let found = look(text.as_bytes()).unwrap().map(|head| (head.status, head.end));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn an_answer_ends_where_its_length_says() {
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", None);
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", Some((200, 40)));
        check("HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\n{}", Some((503, 43)));
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}", None);
        check("HTTP/1.1 200 OK\r\na: b\r\n\r\n2\r\n{}\r\n0\r\n\r\n", Some((200, 37)));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert!(look(b"SSH-2.0-x\r\n\r\n").is_err());
    }
}
