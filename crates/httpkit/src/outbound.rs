//! Calls to other servers, made so that nobody can use us to reach what they cannot: the address
//! that is CONNECTED to is the one that was checked (a name that resolves anew cannot slip in
//! between), redirects are followed by hand and checked again, time and bytes are bounded. Leaves
//! opening connections, directly or through a proxy, to `egress`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HOST, LOCATION};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::egress::{Egress, Reach, Target, parts};
use crate::limits::{
    ANSWER_BYTES_MAX, CONNECT_DEADLINE_S, IDLE_PER_HOST_MAX, OUTBOUND_DEADLINE_S, REDIRECTS_MAX,
};

/// A call to another server.
#[derive(Clone, Debug)]
pub struct Call {
    /// GET, POST, ...
    pub method: Method,
    /// `https://`, or `http://` where the caller allows it by giving it.
    pub address: Uri,
    /// Sent as they are; credentials are dropped when a redirect leads to another host.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Bytes of answer taken, at most `ANSWER_BYTES_MAX`.
    pub answer_bytes_max: usize,
}

impl Call {
    /// A GET.
    #[must_use]
    pub fn get(address: Uri) -> Self {
        Self {
            method: Method::GET,
            address,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }
}

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Where it came from in the end, after redirects.
    pub address: Uri,
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The address is not one that we call: no web address, or inside a private network.
    #[error("the address may not be called")]
    Refused,
    /// It took longer than the deadline.
    #[error("the call took too long")]
    Late,
    /// More redirects than are followed.
    #[error("there were too many redirects")]
    Redirects,
    /// A larger answer than is taken.
    #[error("the answer is too large")]
    TooLarge,
    /// The name, the connection, TLS or HTTP failed.
    #[error("the other server could not be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Calls other servers.
#[derive(Clone)]
pub struct Outbound {
    client: Client<Connector, Full<Bytes>>,
}

impl Outbound {
    /// A caller with a pool of connections, trusting the public certificate authorities.
    #[must_use]
    pub fn new(reach: Reach, egress: Egress) -> Self {
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self::trusting(reach, egress, roots)
    }

    /// The same, trusting the authorities given.
    #[must_use]
    pub fn trusting(reach: Reach, egress: Egress, roots: rustls::RootCertStore) -> Self {
        // Named, because a dependency may bring a second provider and rustls then picks none.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .unwrap_or_else(|error| unreachable!("the provider speaks both versions: {error}"))
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(tls));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .retry_canceled_requests(false)
            .build(Connector { reach, egress, tls });
        Self { client }
    }

    /// Makes a call, following redirects of GET and HEAD.
    ///
    /// # Errors
    /// When there is no answer within the bounds; a status of failure is an answer.
    pub async fn call(&self, call: Call) -> Result<Answer, CallError> {
        let deadline = Duration::from_secs(OUTBOUND_DEADLINE_S);
        tokio::time::timeout(deadline, self.follow(call)).await.unwrap_or(Err(CallError::Late))
    }

    async fn follow(&self, mut call: Call) -> Result<Answer, CallError> {
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.once(&call).await?;
            let follows =
                answer.status.is_redirection() && matches!(call.method, Method::GET | Method::HEAD);
            let target = answer.headers.get(LOCATION).filter(|_| follows);
            let Some(target) = target else { return Ok(answer) };
            let target = target.to_str().map_err(|_| CallError::Refused)?;
            let next = resolve(&call.address, target).ok_or(CallError::Refused)?;
            if next.scheme() != call.address.scheme() && next.scheme_str() != Some("https") {
                return Err(CallError::Refused);
            }
            if next.authority() != call.address.authority() {
                call.headers.remove(AUTHORIZATION);
                call.headers.remove(COOKIE);
                call.headers.remove(HOST);
            }
            call.address = next;
        }
        Err(CallError::Redirects)
    }

    async fn once(&self, call: &Call) -> Result<Answer, CallError> {
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = call.address.clone();
        *request.headers_mut() = call.headers.clone();
        let response = self.client.request(request).await.map_err(explained)?;
        let (parts, body) = response.into_parts();
        let limit = call.answer_bytes_max.min(ANSWER_BYTES_MAX);
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                CallError::TooLarge
            } else {
                CallError::Unreachable(error)
            }
        })?;
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.to_bytes(),
            address: call.address.clone(),
        })
    }
}

/// Finds our own refusal among the causes.
fn explained(error: hyper_util::client::legacy::Error) -> CallError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::PermissionDenied => return CallError::Refused,
                io::ErrorKind::TimedOut => return CallError::Late,
                _ => {}
            }
        }
        cause = current.source();
    }
    CallError::Unreachable(Box::new(error))
}

/// A redirect's target, absolute or relative to the page it came from.
fn resolve(from: &Uri, target: &str) -> Option<Uri> {
    let target = target.split('#').next()?;
    if target.starts_with("https://") || target.starts_with("http://") {
        return target.parse().ok();
    }
    let scheme = from.scheme_str()?;
    let whole = if target.starts_with("//") {
        format!("{scheme}:{target}")
    } else {
        let authority = from.authority()?;
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        match target.strip_prefix('/') {
            Some(path) => format!("{scheme}://{authority}/{path}"),
            None => format!("{scheme}://{authority}{folder}/{target}"),
        }
    };
    whole.parse().ok()
}

#[derive(Clone)]
struct Connector {
    reach: Reach,
    egress: Egress,
    tls: TlsConnector,
}

impl tower_service::Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let deadline = Duration::from_secs(CONNECT_DEADLINE_S);
            match tokio::time::timeout(deadline, connector.connect(address)).await {
                Ok(connected) => connected,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            }
        })
    }
}

impl Connector {
    async fn connect(self, address: Uri) -> io::Result<Stream> {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let (host, port, is_verified) = parts(&address).ok_or_else(refused)?;
        let socket = self.egress.open(Target { host, port, is_verified }, self.reach).await?;
        if !is_verified {
            return Ok(Stream::Plain(TokioIo::new(socket)));
        }
        let name = rustls::pki_types::ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| refused())?;
        let socket = self.tls.connect(name, socket).await?;
        Ok(Stream::Tls(Box::new(TokioIo::new(socket))))
    }
}

enum Stream {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Serves each answer once, in order, on a free port; returns its address.
    async fn serve(answers: Vec<String>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            for answer in answers {
                let Ok((mut socket, _)) = listener.accept().await else { return };
                let mut request = [0; 2048];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        address
    }

    fn redirect(target: &str) -> String {
        format!(
            "HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\
            connection: close\r\n\r\n"
        )
    }

    fn fine(body: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    async fn call(
        reach: Reach,
        address: &str,
        answer_bytes_max: usize,
    ) -> Result<Answer, CallError> {
        let call = Call { answer_bytes_max, ..Call::get(address.parse().expect("an address")) };
        Outbound::new(reach, Egress::default()).call(call).await
    }

    #[tokio::test]
    async fn follows_redirects_to_an_answer() {
        let address = serve(vec![redirect("/b"), redirect("c?d"), fine("hello")]).await;
        let answer = call(Reach::PublicAndLoopback, &format!("http://{address}/a"), 100).await;
        let answer = answer.expect("an answer");
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, b"hello".as_slice()));
        assert_eq!(answer.address.to_string(), format!("http://{address}/c?d"));
    }

    #[tokio::test]
    async fn private_addresses_are_refused_also_behind_a_redirect() {
        for address in [
            "http://127.0.0.1:1/",
            "http://localhost:1/",
            "http://[::1]:1/",
            "http://[::ffff:127.0.0.1]:1/",
            "http://169.254.169.254/",
            "http://10.0.0.1/",
        ] {
            let refused = call(Reach::Public, address, 100).await;
            assert!(matches!(refused, Err(CallError::Refused)), "{address}: {refused:?}");
        }
        let address = serve(vec![redirect("http://10.0.0.1/")]).await;
        let refused = call(Reach::PublicAndLoopback, &format!("http://{address}/"), 100).await;
        assert!(matches!(refused, Err(CallError::Refused)), "{refused:?}");
    }

    #[tokio::test]
    async fn endless_redirects_and_endless_bodies_end() {
        let address = serve(vec![redirect("/again"); REDIRECTS_MAX + 2]).await;
        let refused = call(Reach::PublicAndLoopback, &format!("http://{address}/"), 100).await;
        assert!(matches!(refused, Err(CallError::Redirects)), "{refused:?}");
        let address = serve(vec![fine(&"x".repeat(200))]).await;
        let refused = call(Reach::PublicAndLoopback, &format!("http://{address}/"), 100).await;
        assert!(matches!(refused, Err(CallError::TooLarge)), "{refused:?}");
        let address = serve(vec![redirect("ftp://example.org/")]).await;
        let refused = call(Reach::PublicAndLoopback, &format!("http://{address}/"), 100).await;
        assert!(refused.is_err(), "{refused:?}");
    }
}
