//! The edge, by raw sockets: what is cut, what is served meanwhile, and how it ends.
//!
//! Bounds are set to fractions of a second, so that each cut is awaited rather than slept for;
//! every wait has a deadline far above the bound, and far below the defaults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says so by failing"
)]

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use shield::edge::{self, Body, Counts, Cut, Drained, Gate, Options, Peer, Rate};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(10);
const LARGE_BYTES: usize = 8 << 20;

fn small() -> Options {
    let rate = |grace| Rate { bytes_per_s: 10_000, grace: Duration::from_millis(grace) };
    Options {
        gate: Arc::new(Gate::new(64, 64)),
        first_byte: Duration::from_millis(300),
        handshake: Duration::from_millis(500),
        head: Duration::from_millis(300),
        idle: Duration::from_millis(400),
        linger: Duration::from_millis(300),
        body: rate(300),
        write: rate(300),
        send_buffer_bytes: 16_384,
        check_every: Duration::from_millis(50),
        drain: Duration::from_millis(800),
        ..Options::default()
    }
}

struct Server {
    address: SocketAddr,
    gate: Arc<Gate>,
    shutdown: CancellationToken,
    done: JoinHandle<io::Result<Drained>>,
}

impl Server {
    fn start(options: Options) -> Server {
        Server::with(options, None)
    }

    fn with(options: Options, tls: Option<Arc<rustls::ServerConfig>>) -> Server {
        let listener = edge::listen(([127, 0, 0, 1], 0).into(), false).unwrap();
        let address = listener.local_addr().unwrap();
        let (gate, shutdown) = (options.gate.clone(), CancellationToken::new());
        let done = tokio::spawn(edge::serve(listener, tls, Answers, options, shutdown.clone()));
        Server { address, gate, shutdown, done }
    }

    #[allow(clippy::disallowed_methods, reason = "a test's own server on loopback")]
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// A well-behaved client is served at once, whatever others do.
    async fn serves(&self) {
        let mut stream = self.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(rest(&mut stream).await.ends_with("hello"));
    }

    async fn awaits(&self, what: impl Fn(Counts) -> bool) {
        let reached = async {
            while !what(self.gate.counts()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let reached = timeout(SOON, reached).await;
        assert!(reached.is_ok(), "stays at {:?}", self.gate.counts());
    }

    async fn stop(self) -> Drained {
        self.shutdown.cancel();
        timeout(SOON, self.done).await.unwrap().unwrap().unwrap()
    }
}

/// Everything until the other side closes; a reset counts as closing.
async fn rest<I: AsyncRead + Unpin>(stream: &mut I) -> String {
    let mut all = Vec::new();
    let read = async {
        let mut piece = [0; 4_096];
        while let Ok(n @ 1..) = stream.read(&mut piece).await {
            all.extend_from_slice(&piece[..n]);
        }
    };
    timeout(SOON, read).await.expect("closed in time");
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads until `end` has come.
async fn until<I: AsyncRead + Unpin>(stream: &mut I, end: &str) -> String {
    let mut all = String::new();
    let read = async {
        while !all.ends_with(end) {
            all.push(char::from(stream.read_u8().await.expect("more bytes")));
        }
    };
    timeout(SOON, read).await.expect("an answer in time");
    all
}

#[derive(Clone)]
struct Answers;

type Answer = Response<BoxBody<Bytes, Infallible>>;

impl tower_service::Service<Request<Body>> for Answers {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(answer(request).await) })
    }
}

async fn answer(request: Request<Body>) -> Answer {
    let full = |text: Bytes| Response::new(Full::new(text).boxed());
    match request.uri().path() {
        "/peer" => {
            let peer = request.extensions().get::<Peer>().unwrap();
            full(format!("{} {}", peer.address.ip(), peer.tls).into())
        }
        "/large" => full(vec![b'x'; LARGE_BYTES].into()),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(500)).await;
            full("late".into())
        }
        "/never" => std::future::pending().await,
        "/ticks" => Response::new(BodyExt::boxed(Ticks::new(8))),
        "/upgrade" => {
            tokio::spawn(echo(hyper::upgrade::on(request)));
            let mut response = full(Bytes::new());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("upgrade", "echo".parse().unwrap());
            response.headers_mut().insert("connection", "upgrade".parse().unwrap());
            response
        }
        "/read" => match request.into_body().collect().await {
            Ok(body) => full(format!("read {}", body.to_bytes().len()).into()),
            Err(error) => {
                let mut response = full(error.to_string().into());
                *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
                response
            }
        },
        _ => full("hello".into()),
    }
}

async fn echo(upgrade: hyper::upgrade::OnUpgrade) {
    let mut io = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
    let mut piece = [0; 64];
    while let Ok(n @ 1..) = io.read(&mut piece).await {
        io.write_all(&piece[..n]).await.unwrap();
    }
}

/// A stream of events, each after a pause longer than any grace.
struct Ticks {
    left: usize,
    pause: tokio::time::Interval,
}

impl Ticks {
    fn new(left: usize) -> Ticks {
        Ticks { left, pause: tokio::time::interval(Duration::from_millis(350)) }
    }
}

impl http_body::Body for Ticks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        std::task::ready!(self.pause.poll_tick(cx));
        self.left -= 1;
        Poll::Ready(Some(Ok(http_body::Frame::data("tick\n".into()))))
    }
}

/// Sends `bytes` one by one until the other side has closed.
async fn drip(stream: &mut TcpStream, bytes: &[u8], pause_ms: u64) -> bool {
    for byte in bytes {
        let mut seen = [0; 1];
        let closed = timeout(Duration::from_millis(pause_ms), stream.read(&mut seen)).await;
        if matches!(closed, Ok(Ok(0) | Err(_))) || stream.write_all(&[*byte]).await.is_err() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_silent_connection_is_closed_and_others_are_served() {
    let server = Server::start(small());
    let mut silent = server.connect().await;
    server.serves().await;
    assert_eq!(rest(&mut silent).await, "");
    server.awaits(|counts| counts.cut_for(Cut::FirstByte) == 1 && counts.open == 0).await;
}

#[tokio::test]
async fn a_dripped_head_is_closed_in_its_whole_time() {
    let server = Server::start(small());
    let mut stream = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(400));
    assert!(drip(&mut stream, head.as_bytes(), 20).await);
    server.serves().await;
    server.awaits(|counts| counts.cut_for(Cut::Head) == 1).await;
}

#[tokio::test]
async fn a_dripped_body_ends_in_an_error_and_a_close() {
    for framing in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        let server = Server::start(small());
        let head = format!("POST /read HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
        let mut stream = server.send(head.as_bytes()).await;
        stream.write_all(b"186A0\r\n").await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let dripping = async {
            while writer.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let answer = tokio::select! {
            answer = rest(&mut reader) => answer,
            () = dripping => String::from("reset"),
        };
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("too slowly"), "{answer}");
        server.serves().await;
    }
}

#[tokio::test]
async fn a_body_that_came_whole_may_be_worked_on_for_long() {
    let server = Server::start(small());
    let post = b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let mut stream = server.send(post).await;
    assert!(until(&mut stream, "late").await.starts_with("HTTP/1.1 200"));
    let post = b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    stream.write_all(post).await.unwrap();
    assert!(until(&mut stream, "read 5").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_reader_that_reads_nothing_is_closed() {
    let server = Server::start(small());
    let stream = server.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.awaits(|counts| counts.cut_for(Cut::SlowRead) == 1 && counts.open == 0).await;
    server.serves().await;
    drop(stream);
}

#[tokio::test]
async fn a_reader_that_is_fast_enough_gets_everything() {
    let server = Server::start(small());
    let close = b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut stream = server.send(close).await;
    assert!(rest(&mut stream).await.len() > LARGE_BYTES);
    drop(stream);
    server.awaits(|counts| counts.open == 0).await;
    assert_eq!(server.gate.counts().cut_for(Cut::SlowRead), 0);
}

#[tokio::test]
async fn an_oversized_head_is_answered_431() {
    let server = Server::start(small());
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(60_000));
    let mut stream = server.send(head.as_bytes()).await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn a_resting_connection_is_closed_and_a_busy_one_kept() {
    let server = Server::start(small());
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        until(&mut stream, "hello").await;
    }
    assert_eq!(rest(&mut stream).await, "");
    server.awaits(|counts| counts.cut_for(Cut::Idle) == 1).await;
}

#[tokio::test]
async fn an_address_has_a_cap_and_gets_its_places_back() {
    let gate = Arc::new(Gate::new(64, 2));
    let server = Server::start(Options { gate, first_byte: SOON, ..small() });
    let held = [server.connect().await, server.connect().await];
    server.awaits(|counts| counts.open == 2).await;
    assert_eq!(rest(&mut server.connect().await).await, "");
    server.awaits(|counts| counts.refused_address == 1).await;
    drop(held);
    server.awaits(|counts| counts.open == 0).await;
    server.serves().await;
}

#[tokio::test]
async fn when_full_a_newcomer_takes_the_place_of_whoever_hoards() {
    let gate = Arc::new(Gate::new(4, 64));
    let server = Server::start(Options { gate, first_byte: SOON, ..small() });
    let mut hoard = Vec::new();
    for _ in 0..4 {
        hoard.push(server.connect().await);
    }
    server.awaits(|counts| counts.open == 4).await;
    assert_eq!(rest(&mut server.connect().await).await, "", "the hoarder gets no more");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let mut other = socket.connect(server.address).await.unwrap();
    other.write_all(b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until(&mut other, "127.0.0.2 false").await;
    server.awaits(|counts| counts.cut_for(Cut::Hoarding) == 1 && counts.open == 4).await;
}

#[tokio::test]
async fn streams_and_upgrades_outlive_every_bound_on_waiting() {
    let server = Server::start(Options { age: Duration::from_millis(500), ..small() });
    let mut stream = server.send(b"GET /ticks HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let upgrade =
        b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    let mut upgraded = server.send(upgrade).await;
    assert!(until(&mut upgraded, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    assert_eq!(until(&mut stream, "0\r\n\r\n").await.matches("tick").count(), 8);
    upgraded.write_all(b"still here").await.unwrap();
    until(&mut upgraded, "still here").await;
    drop(stream);
    server.awaits(|counts| counts.open == 1).await;
    let drained = server.stop().await;
    assert_eq!(drained, Drained { open: 1, cut: 1 });
    assert_eq!(rest(&mut upgraded).await, "");
}

#[tokio::test]
async fn stopping_finishes_what_is_in_flight_and_closes_the_rest() {
    let server = Server::start(Options { idle: SOON, drain: SOON, ..small() });
    let mut busy = server.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut resting = server.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until(&mut resting, "hello").await;
    server.awaits(|counts| counts.open == 2).await;
    let drained = server.stop().await;
    assert_eq!(drained, Drained { open: 2, cut: 0 });
    assert!(until(&mut busy, "late").await.contains("connection: close"));
    assert_eq!(rest(&mut resting).await, "");
}

#[tokio::test]
async fn stopping_cuts_what_does_not_end() {
    let server = Server::start(small());
    let mut stream = server.send(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.awaits(|counts| counts.open == 1).await;
    assert_eq!(server.stop().await, Drained { open: 1, cut: 1 });
    assert_eq!(rest(&mut stream).await, "");
}

struct Tls {
    server: Arc<rustls::ServerConfig>,
    client: Arc<rustls::ClientConfig>,
}

fn tls(protocol: &[u8]) -> Tls {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
    let mut server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key.into())
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut roots = rustls::RootCertStore::empty();
    roots.add(signed.cert.der().clone()).unwrap();
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![protocol.to_vec()];
    Tls { server: Arc::new(server), client: Arc::new(client) }
}

impl Tls {
    async fn connect(
        &self,
        server: &Server,
    ) -> impl AsyncRead + AsyncWrite + Unpin + Send + 'static {
        let name = "localhost".try_into().unwrap();
        let connector = tokio_rustls::TlsConnector::from(self.client.clone());
        connector.connect(name, server.connect().await).await.unwrap()
    }
}

#[tokio::test]
async fn tls_speaks_http1_and_its_handshake_has_a_deadline() {
    let tls = tls(b"http/1.1");
    let server = Server::with(small(), Some(tls.server.clone()));
    let mut silent = server.connect().await;
    let mut stream = tls.connect(&server).await;
    stream.write_all(b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until(&mut stream, "127.0.0.1 true").await;
    assert_eq!(rest(&mut silent).await, "");
    server.awaits(|counts| counts.cut_for(Cut::Handshake) == 1).await;
}

async fn http2(tls: &Tls, server: &Server) -> h2::client::SendRequest<Bytes> {
    let stream = tls.connect(server).await;
    // A small window, so that the server soon has to wait for it.
    let mut builder = h2::client::Builder::new();
    let (requests, connection) =
        builder.initial_window_size(1_000).handshake(stream).await.unwrap();
    tokio::spawn(connection);
    requests
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("https://localhost{path}")).body(()).unwrap()
}

#[tokio::test]
async fn http2_serves_and_closes_when_idle() {
    let tls = tls(b"h2");
    let server = Server::with(small(), Some(tls.server.clone()));
    let requests = http2(&tls, &server).await;
    let mut requests = requests.ready().await.unwrap();
    let (answer, _) = requests.send_request(get("/peer"), true).unwrap();
    let body = answer.await.unwrap().into_body().data().await.unwrap().unwrap();
    assert_eq!(body, "127.0.0.1 true");
    server.awaits(|counts| counts.cut_for(Cut::Idle) == 1 && counts.open == 0).await;
}

#[tokio::test]
async fn http2_answers_without_window_are_given_up() {
    let tls = tls(b"h2");
    let server = Server::with(small(), Some(tls.server.clone()));
    let requests = http2(&tls, &server).await;
    let (answer, _) = requests.ready().await.unwrap().send_request(get("/large"), true).unwrap();
    let answer = timeout(SOON, answer).await.unwrap().unwrap();
    server.awaits(|counts| counts.cut_for(Cut::StalledAnswer) == 1 && counts.open == 0).await;
    drop(answer);
}

#[tokio::test]
async fn http2_requests_begun_only_to_be_cancelled_end_the_connection() {
    let tls = tls(b"h2");
    let server = Server::with(Options { cancelled_burst: 20, ..small() }, Some(tls.server.clone()));
    let mut requests = http2(&tls, &server).await;
    let flood = async {
        while let Ok(mut ready) = requests.ready().await {
            let Ok((answer, mut stream)) = ready.send_request(get("/never"), true) else { break };
            tokio::time::sleep(Duration::from_millis(5)).await;
            stream.send_reset(h2::Reason::CANCEL);
            drop(answer);
            requests = ready;
        }
    };
    timeout(SOON, flood).await.expect("the flood is cut");
    server.awaits(|counts| counts.cut_for(Cut::Cancelling) == 1 && counts.open == 0).await;
}
