//! Two stacks that do the same work: the stock one, `axum::serve`, which is hyper-util's `auto`
//! builder with nothing set, and our edge. The service is one and the same; it counts what a stack
//! lets a peer begin and hold, so that a test need not look into either.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{RootCertStore, ServerConfig};
use shield::edge::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::stand::{self, Stand, Stream, Wire};

/// Bytes of `/page`, and of `/big`, which no kernel's buffers hold.
pub const PAGE_BYTES: usize = 300_000;
pub const BIG_BYTES: usize = 12_000_000;

/// What peers have made a stack begin, and hold now.
#[derive(Default)]
pub struct Seen {
    begun: AtomicUsize,
    left: AtomicUsize,
    fields: AtomicUsize,
    bytes: AtomicUsize,
    bytes_most: AtomicUsize,
}

impl Seen {
    /// Requests whose handler was started.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// Those that were abandoned before they had an answer.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    /// Header fields of requests that are being handled now.
    pub fn fields(&self) -> usize {
        self.fields.load(Ordering::SeqCst)
    }

    /// Bytes of answers that are in memory now.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    /// The most that were at once.
    pub fn bytes_most(&self) -> usize {
        self.bytes_most.load(Ordering::SeqCst)
    }
}

/// A request that is being handled.
struct Handled {
    seen: Arc<Seen>,
    fields: usize,
    is_answered: bool,
}

impl Handled {
    fn new(seen: &Arc<Seen>, fields: usize) -> Self {
        seen.begun.fetch_add(1, Ordering::SeqCst);
        seen.fields.fetch_add(fields, Ordering::SeqCst);
        Self { seen: Arc::clone(seen), fields, is_answered: false }
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        self.seen.fields.fetch_sub(self.fields, Ordering::SeqCst);
        self.seen.left.fetch_add(usize::from(!self.is_answered), Ordering::SeqCst);
    }
}

/// Bytes of an answer, counted for as long as anybody holds them.
struct Held {
    bytes: Vec<u8>,
    seen: Arc<Seen>,
}

impl Held {
    fn body(seen: &Arc<Seen>, length: usize) -> Answer {
        let now = seen.bytes.fetch_add(length, Ordering::SeqCst) + length;
        seen.bytes_most.fetch_max(now, Ordering::SeqCst);
        let held = Self { bytes: vec![b'x'; length], seen: Arc::clone(seen) };
        Response::new(Full::new(Bytes::from_owner(held)).boxed_unsync())
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.seen.bytes.fetch_sub(self.bytes.len(), Ordering::SeqCst);
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

async fn answer<B>(seen: Arc<Seen>, request: Request<B>) -> Answer
where
    B: http_body::Body<Data: Send, Error: Send> + Send + 'static,
{
    let full = |bytes: Bytes| Response::new(Full::new(bytes).boxed_unsync());
    let mut handled = Handled::new(&seen, request.headers().len());
    let path = request.uri().path().to_owned();
    let answer = match path.as_str() {
        "/never" => std::future::pending().await,
        "/page" => Held::body(&seen, PAGE_BYTES),
        "/big" => Held::body(&seen, BIG_BYTES),
        "/echo" => match request.into_body().collect().await {
            Ok(body) => full(body.to_bytes()),
            Err(_) => {
                let mut late = full(Bytes::from_static(b"late"));
                *late.status_mut() = StatusCode::REQUEST_TIMEOUT;
                late
            }
        },
        _ => full(Bytes::from_static(b"hello")),
    };
    handled.is_answered = true;
    answer
}

/// One of the two, running.
pub struct Stack {
    pub seen: Arc<Seen>,
    plain: SocketAddr,
    secure: SocketAddr,
    roots: Arc<RootCertStore>,
    /// The one of the two that is ours.
    pub edge: Option<Stand>,
    serving: Vec<JoinHandle<()>>,
}

impl Stack {
    /// What one gets who sets nothing.
    #[allow(clippy::disallowed_methods, reason = "it is what is shown not to hold")]
    pub async fn stock() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (chain, key) = stand::certificate("localhost");
        let mut roots = RootCertStore::empty();
        roots.add(stand::pem_to_der(&chain)).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![stand::pem_to_der(&chain)],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key"),
            )
            .expect("a certificate");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let tls = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let open = TcpListener::bind(any).await.expect("a free port");
        let secure = Secure { listener: TcpListener::bind(any).await.expect("a free port"), tls };
        let (plain_at, secure_at) = (open.local_addr(), secure.listener.local_addr());
        let seen = Arc::new(Seen::default());
        let counted = Arc::clone(&seen);
        let service = axum::Router::new().fallback(move |request: axum::extract::Request| {
            let seen = Arc::clone(&counted);
            async move { answer(seen, request).await.map(axum::body::Body::new) }
        });
        let (plain, encrypted) = (axum::serve(open, service.clone()), axum::serve(secure, service));
        let doors = [
            tokio::spawn(async { plain.await.expect("served") }),
            tokio::spawn(async { encrypted.await.expect("served") }),
        ];
        Self {
            seen,
            plain: plain_at.expect("an address"),
            secure: secure_at.expect("an address"),
            roots: Arc::new(roots),
            edge: None,
            serving: doors.into(),
        }
    }

    /// Ours.
    pub fn ours(options: Options) -> Self {
        let seen = Arc::new(Seen::default());
        let counted = Arc::clone(&seen);
        let service = tower::service_fn(move |request| {
            let seen = Arc::clone(&counted);
            async move { Ok::<_, Infallible>(answer(seen, request).await) }
        });
        let stand = Stand::serving(options, service);
        let (plain, secure, roots) = (stand.plain, stand.secure, Arc::clone(&stand.roots));
        Self { seen, plain, secure, roots, edge: Some(stand), serving: Vec::new() }
    }

    /// A connection without TLS.
    pub async fn dial(&self) -> Wire {
        Wire::new(self.socket(self.plain).await)
    }

    /// One with TLS that has agreed on HTTP/2, and said nothing yet.
    pub async fn dial_http2(&self) -> Wire {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = connector.connect(name, self.socket(self.secure).await).await.expect("TLS");
        Wire::new(stream)
    }

    async fn socket(&self, to: SocketAddr) -> TcpStream {
        stand::dial(to, IpAddr::from(Ipv4Addr::LOCALHOST)).await
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

/// TLS as those put it before `axum::serve` who have read its documentation.
struct Secure {
    listener: TcpListener,
    tls: tokio_rustls::TlsAcceptor,
}

impl axum::serve::Listener for Secure {
    type Io = tokio_rustls::server::TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, peer) = axum::serve::Listener::accept(&mut self.listener).await;
            // One after the other: handshakes are not what these probes are about.
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What a server has said on a connection.
#[derive(Default)]
struct Told {
    frames: [AtomicU64; 16],
    is_over: AtomicBool,
}

/// One who writes frames, and whose answers are taken by a task of its own, so that no probe is
/// held back by what it has not read.
pub struct Attacker {
    writer: WriteHalf<Box<dyn Stream>>,
    told: Arc<Told>,
}

impl Attacker {
    pub fn new(wire: Wire) -> Self {
        let told = Arc::new(Told::default());
        let (mut reader, writer) = tokio::io::split(wire.stream);
        let (noted, mut seen) = (Arc::clone(&told), wire.seen);
        tokio::spawn(async move {
            let mut space = vec![0; 65_536];
            loop {
                while let Some(length) = whole(&seen) {
                    if let Some(count) = noted.frames.get(usize::from(seen[3])) {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    seen.drain(..length);
                }
                match reader.read(&mut space).await {
                    Ok(bytes @ 1..) => seen.extend_from_slice(&space[..bytes]),
                    _ => break,
                }
            }
            noted.is_over.store(true, Ordering::SeqCst);
        });
        Self { writer, told }
    }

    /// Sends what is still taken; whether all of it was.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        let sending = async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        };
        stand::in_time("sent or cut", sending).await.is_ok()
    }

    /// Frames of a kind that the server has sent.
    pub fn frames(&self, kind: u8) -> u64 {
        self.told.frames[usize::from(kind)].load(Ordering::SeqCst)
    }

    /// Whether the server has ended it.
    pub fn is_over(&self) -> bool {
        self.told.is_over.load(Ordering::SeqCst)
    }
}

/// The length of the frame that stands first, once all of it is there.
fn whole(seen: &[u8]) -> Option<usize> {
    let [high, middle, low] = seen.first_chunk()?;
    let length = 9 + (usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low));
    (seen.len() >= length).then_some(length)
}
