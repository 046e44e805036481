//! An edge on free ports with short bounds, a service that can be slow in every way, and clients
//! that read and write raw bytes. All waits here have a deadline; none is a sleep.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use shield::decide::Standing;
use shield::edge::{
    Body, ConnectionInfo, Cut, Door, Drained, Edge, Handle, Listener, Options, ResponseBody, Serve,
    Stats, Tickets, tls,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// No wait of a test is longer. Far above every bound under test, for busy machines.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Bounds short enough for tests, in the proportions of the real ones.
pub fn short() -> Options {
    Options {
        eviction_after_ms: 0,
        handshake_ms: 400,
        flight_ms: 300,
        first_byte_ms: 200,
        header_ms: 200,
        idle_ms: 400,
        frame_ms: 300,
        rate_bytes_per_s: 20_000,
        rate_span_ms: 300,
        drain_idle_ms: 200,
        drain_ms: 1_000,
        linger_ms: 150,
        tick_ms: 5,
        turns: 1,
        ..Options::default()
    }
}

/// Bounds under which nothing ends by itself.
pub fn lasting() -> Options {
    Options {
        handshake_ms: 600_000,
        flight_ms: 600_000,
        first_byte_ms: 600_000,
        header_ms: 600_000,
        idle_ms: 600_000,
        frame_ms: 600_000,
        rate_span_ms: 600_000,
        ..short()
    }
}

pub struct Stand {
    pub plain: SocketAddr,
    pub secure: SocketAddr,
    pub stats: Arc<Stats>,
    pub certificates: Arc<tls::Certificates>,
    pub roots: Arc<rustls::RootCertStore>,
    pub handle: Handle,
    pub tickets: Arc<Tickets>,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<Drained>>,
}

impl Stand {
    pub fn new(options: Options) -> Self {
        Self::serving(options, tower::service_fn(answer))
    }

    /// One with a service of its own.
    pub fn serving<B: ResponseBody>(options: Options, service: impl Serve<B>) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let plain = Listener::bind(any, &options).expect("a free port");
        let secure = Listener::bind(any, &options).expect("a free port");
        let (plain_at, secure_at) = (plain.local_addr(), secure.local_addr());
        let certificates = tls::Certificates::new();
        let mut roots = rustls::RootCertStore::empty();
        let (chain, key) = certificate("localhost");
        certificates.install(chain.as_bytes(), key.as_bytes()).expect("fits");
        roots.add(pem_to_der(&chain)).expect("a root");
        let acceptor = tls::Acceptor::new(Arc::clone(&certificates)).expect("TLS");
        let edge = Edge::new(options);
        let (stats, stop) = (edge.stats(), CancellationToken::new());
        let (handle, tickets) = (edge.handle(), acceptor.tickets());
        let doors = vec![Door::plain(plain), Door::tls(secure, acceptor)];
        let serving = tokio::spawn(edge.serve(doors, service, stop.clone()));
        let roots = Arc::new(roots);
        let (plain, secure) = (plain_at, secure_at);
        Self { plain, secure, stats, certificates, roots, handle, tickets, stop, serving }
    }

    /// A connection without TLS.
    pub async fn dial(&self) -> Wire {
        Wire::new(dial(self.plain, Ipv4Addr::LOCALHOST.into()).await)
    }

    /// One from another address of the loopback range.
    pub async fn dial_from(&self, last: u8) -> Wire {
        Wire::new(dial(self.plain, Ipv4Addr::new(127, 0, 0, last).into()).await)
    }

    /// A TLS connection that offers these protocols.
    pub async fn dial_tls(&self, protocols: &[&str]) -> Wire {
        let stream = self.handshake("localhost", protocols).await.expect("TLS");
        Wire::new(stream)
    }

    /// The same from another address of the loopback range.
    pub async fn dial_tls_from(&self, last: u8, protocols: &[&str]) -> Wire {
        self.dial_tls_as(&self.client(protocols), last).await
    }

    /// The same as a client that may have been here before.
    pub async fn dial_tls_as(&self, client: &Arc<ClientConfig>, last: u8) -> Wire {
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = self.dial_secure_raw(last).await;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(client));
        Wire::new(connector.connect(name, stream).await.expect("TLS"))
    }

    /// A client that keeps the tickets it is given.
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        self.client_of(protocols, rustls::DEFAULT_VERSIONS)
    }

    /// One of certain versions of TLS.
    pub fn client_of(
        &self,
        protocols: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// A client's first flight, whole: what a real one sends and then waits for our answer.
    pub fn greeting(&self) -> Vec<u8> {
        self.greeting_as(&self.client(&["h2"]))
    }

    /// That of a client that may have been here before.
    pub fn greeting_as(&self, client: &Arc<ClientConfig>) -> Vec<u8> {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut client = rustls::ClientConnection::new(Arc::clone(client), name).expect("a client");
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("a greeting");
        bytes
    }

    /// A connection to the TLS door from another address of the loopback range, still raw.
    pub async fn dial_secure_from(&self, last: u8) -> Wire {
        Wire::new(self.dial_secure_raw(last).await)
    }

    pub async fn dial_secure_raw(&self, last: u8) -> TcpStream {
        dial(self.secure, Ipv4Addr::new(127, 0, 0, last).into()).await
    }

    pub async fn handshake(
        &self,
        name: &'static str,
        protocols: &[&str],
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let stream = dial(self.secure, Ipv4Addr::LOCALHOST.into()).await;
        self.handshake_over(stream, name, protocols).await
    }

    /// The same over a connection that is open already, and may have been used.
    pub async fn handshake_over(
        &self,
        stream: TcpStream,
        name: &'static str,
        protocols: &[&str],
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let config = self.client(protocols);
        let connector = tokio_rustls::TlsConnector::from(config);
        connector.connect(ServerName::try_from(name).expect("a name"), stream).await
    }

    /// A good client, on a connection of its own, is served now.
    pub async fn serves(&self) {
        let mut wire = self.dial_from(99).await;
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = wire.until("hello").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "a good client got {answer:?}");
    }

    /// Waits until `count` connections were cut for `reason`.
    pub async fn cuts(&self, reason: Cut, count: u64) {
        let stats = &self.stats;
        poll(&format!("{count} cut for {}", reason.label()), || stats.cut(reason) >= count).await;
    }

    /// How many were cut, for any reason.
    pub fn all_cut(&self) -> Vec<(&'static str, u64)> {
        let counts = Cut::ALL.map(|reason| (reason.label(), self.stats.cut(reason)));
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    pub fn stop(&self) {
        self.stop.cancel();
    }

    pub async fn drained(self) -> Drained {
        self.stop.cancel();
        let outcome = tokio::time::timeout(PATIENCE, self.serving).await;
        outcome.expect("in time").expect("no panic").expect("served")
    }
}

/// Waits for a condition, with a deadline.
pub async fn poll(what: &str, mut holds: impl FnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    let wait = async {
        while !holds() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub async fn dial(to: SocketAddr, from: IpAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
    // Small, so that a server's bytes wait with the server and not in this kernel.
    socket.set_recv_buffer_size(16 * 1024).expect("a size");
    socket.bind(&SocketAddr::new(from, 0).into()).expect("a loopback address");
    // The kernel connects by itself: whether a server refuses is seen after that, not instead.
    socket.connect_timeout(&to.into(), PATIENCE).expect("connected");
    socket.set_nonblocking(true).expect("a mode");
    TcpStream::from_std(socket.into()).expect("a stream")
}

/// A self-signed certificate and its key, PEM.
pub fn certificate(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

pub fn pem_to_der(pem: &str) -> rustls::pki_types::CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")
}

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A client's end of a connection, raw.
pub struct Wire {
    pub stream: Box<dyn Stream>,
    pub seen: Vec<u8>,
}

impl Wire {
    pub fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), seen: Vec::new() }
    }

    /// Sends what the peer still takes; an attack goes on when it is cut half way.
    pub async fn send(&mut self, bytes: &[u8]) {
        let sending = async {
            let _ = self.stream.write_all(bytes).await;
            let _ = self.stream.flush().await;
        };
        tokio::time::timeout(PATIENCE, sending).await.expect("sent or cut in time");
    }

    /// Reads until `text` has come, and answers all that came since the last call.
    pub async fn until(&mut self, text: &str) -> String {
        let whole = |seen: &[u8]| String::from_utf8_lossy(seen).contains(text);
        while !whole(&self.seen) {
            let more = self.read_some().await;
            assert!(more > 0, "ended before {text:?}: {:?}", String::from_utf8_lossy(&self.seen));
        }
        String::from_utf8_lossy(&std::mem::take(&mut self.seen)).into_owned()
    }

    /// Reads until the server ends the connection, and answers what came before.
    pub async fn ended(&mut self) -> String {
        while self.read_some().await > 0 {}
        String::from_utf8_lossy(&std::mem::take(&mut self.seen)).into_owned()
    }

    pub async fn read_some(&mut self) -> usize {
        let mut space = [0; 16 * 1024];
        let reading = tokio::time::timeout(PATIENCE, self.stream.read(&mut space)).await;
        let bytes = reading
            .unwrap_or_else(|_| {
                panic!(
                    "the server must answer or end after {:?}",
                    String::from_utf8_lossy(&self.seen)
                )
            })
            .unwrap_or(0);
        self.seen.extend_from_slice(&space[..bytes]);
        bytes
    }

    /// Sends a byte of `bytes` every few milliseconds, over and over, until the server ends it.
    pub async fn drip(&mut self, bytes: &[u8]) -> String {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        let mut space = [0; 4_096];
        let dripping = async {
            let mut next = bytes.iter().cycle();
            loop {
                tokio::select! {
                    _ = pace.tick() => {
                        let byte = next.next().copied().into_iter().collect::<Vec<u8>>();
                        if self.stream.write_all(&byte).await.is_err() { break }
                        let _ = self.stream.flush().await;
                    }
                    read = self.stream.read(&mut space) => match read {
                        Ok(bytes @ 1..) => self.seen.extend_from_slice(&space[..bytes]),
                        _ => break,
                    },
                }
            }
        };
        tokio::time::timeout(PATIENCE, dripping).await.expect("a drip must be ended");
        String::from_utf8_lossy(&std::mem::take(&mut self.seen)).into_owned()
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The service: slow, large, endless or upgraded, as its path says.
async fn answer(request: Request<Body>) -> Result<Answer, Infallible> {
    let full = |text: Vec<u8>| Full::new(Bytes::from(text)).boxed_unsync();
    let path = request.uri().path().to_owned();
    Ok(match path.as_str() {
        "/who" => {
            let info = request.extensions().get::<ConnectionInfo>().cloned();
            Response::new(full(format!("{info:?}").into_bytes()))
        }
        "/suspect" => {
            vouch(&request, Standing::Suspect, 0);
            Response::new(full(b"hello".to_vec()))
        }
        member if member.starts_with("/member/") => {
            let account = member.trim_start_matches("/member/").parse().expect("a number");
            vouch(&request, Standing::Member, account);
            Response::new(full(b"welcome".to_vec()))
        }
        "/echo" => match request.into_body().collect().await {
            Ok(body) => Response::new(full(body.to_bytes().to_vec())),
            Err(_) => {
                let mut late = Response::new(full(b"late".to_vec()));
                *late.status_mut() = StatusCode::REQUEST_TIMEOUT;
                late
            }
        },
        "/no" => {
            let mut refused = Response::new(full(b"too large".to_vec()));
            *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            refused
        }
        "/big" => Response::new(full(vec![b'x'; 12_000_000])),
        "/page" => Response::new(full(vec![b'x'; 300_000])),
        "/never" => std::future::pending().await,
        "/later" => {
            tokio::time::timeout(Duration::from_millis(300), std::future::pending::<()>())
                .await
                .unwrap_or_default();
            Response::new(full(b"at last".to_vec()))
        }
        "/events" => Response::new(StreamBody::new(Events::new()).boxed_unsync()),
        "/upgrade" => upgrade(request),
        _ => Response::new(full(b"hello".to_vec())),
    })
}

/// Has seen who asks.
fn vouch(request: &Request<Body>, standing: Standing, principal: u64) {
    let info = request.extensions().get::<ConnectionInfo>().expect("of a connection");
    info.vouch(standing, principal);
}

/// Switches to a protocol that sends back what it gets.
fn upgrade(request: Request<Body>) -> Answer {
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.expect("upgraded");
        let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    });
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::CONNECTION, "upgrade".parse().expect("a value"));
    response.headers_mut().insert(header::UPGRADE, "echo".parse().expect("a value"));
    response
}

/// A small event every 20 ms, without end.
struct Events {
    ticks: tokio::time::Interval,
}

impl Events {
    fn new() -> Self {
        Self { ticks: tokio::time::interval(Duration::from_millis(20)) }
    }
}

impl futures_util::Stream for Events {
    type Item = Result<Frame<Bytes>, Infallible>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = Frame::data(Bytes::from_static(b"data: tick\n\n"));
        self.ticks.poll_tick(context).map(|_| Some(Ok(event)))
    }
}

/// Runs a future with the tests' deadline.
pub async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("too late: {what}"))
}
