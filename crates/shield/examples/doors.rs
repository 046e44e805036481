//! What it costs to turn a new connection away, as a rate: at the accept gate, once its TLS
//! greeting was read, and after its handshake (new and resumed). `cargo run --release -p shield
//! --example doors [SECONDS]`. The server has one core and the clients another, where there are
//! two; all of it is on loopback. Clients stand in for a flood: each of a few threads opens one
//! connection after another.

#![expect(clippy::disallowed_methods, reason = "a program of its own, and a client")]
#![expect(clippy::print_stdout, reason = "what it is for")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use shield::edge::{Body, Door, Edge, Handle, Handshaken, Listener, Options, Stats, tls};
use socket2::{Domain, Protocol, Socket, Type};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Threads that open connections.
const CLIENTS: usize = 4;

/// An edge that serves, on a runtime of its own core.
struct Server {
    at: SocketAddr,
    stats: Arc<Stats>,
    handle: Handle,
    client: Arc<ClientConfig>,
    stop: CancellationToken,
}

fn main() -> Result<(), Failure> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    let span = Duration::from_secs(seconds);

    let server = serve(Options { connections_max: 1, eviction_after_ms: 600_000, ..options() })?;
    let sitting = dial(&server)?;
    flood("reset at the accept gate", &server, span, Stats::refused, |server| {
        let mut wire = dial(server)?;
        let _ = wire.read(&mut [0; 1]);
        Ok(())
    });
    drop(sitting);
    server.stop.cancel();

    let server = serve(Options { handshake_us_per_s: 0, ..options() })?;
    server.handle.press(true);
    flood("greeting read, then closed", &server, span, Stats::accepted, |server| {
        let mut wire = dial(server)?;
        wire.write_all(&greeting(&server.client)?)?;
        Ok(())
    });
    server.stop.cancel();

    let server = serve(options())?;
    let full = |stats: &Stats| stats.handshakes(Handshaken::Full);
    flood("new handshake, then 503", &server, span, full, |server| {
        let mut forgetful = ClientConfig::clone(&server.client);
        forgetful.resumption = rustls::client::Resumption::disabled();
        refused(server, &Arc::new(forgetful))
    });
    let resumed = |stats: &Stats| stats.handshakes(Handshaken::Resumed);
    flood("resumed handshake, then 503", &server, span, resumed, |server| {
        refused(server, &server.client)
    });
    server.stop.cancel();
    Ok(())
}

fn options() -> Options {
    Options { prefix_connections_max: 60_000, ..Options::default() }
}

/// Opens connections for a while, and says how many a second came to what `count` counts.
fn flood(
    what: &str,
    server: &Server,
    span: Duration,
    count: impl Fn(&Stats) -> u64,
    attempt: impl Fn(&Server) -> Result<(), Failure> + Sync,
) {
    let (ends, failed) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let before = count(&server.stats);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                keep_to_core(1);
                while !ends.load(Relaxed) {
                    if attempt(server).is_err() {
                        failed.fetch_add(1, Relaxed);
                    }
                }
            });
        }
        std::thread::park_timeout(span);
        ends.store(true, Relaxed);
    });
    let done = count(&server.stats) - before;
    let rate = done as f64 / begun.elapsed().as_secs_f64();
    println!("{what:<30} {rate:>9.0}/s   ({} failed at the client)", failed.load(Relaxed));
}

/// Connects from one of many addresses, as a flood would; each has ports of its own.
fn dial(server: &Server) -> Result<TcpStream, Failure> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let [.., high, low] = NEXT.fetch_add(1, Relaxed).to_be_bytes();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 1, high, low.max(1)), 0)).into())?;
    socket.connect(&server.at.into())?;
    Ok(socket.into())
}

/// One connection, one request, one refusal.
fn refused(server: &Server, client: &Arc<ClientConfig>) -> Result<(), Failure> {
    let session = ClientConnection::new(Arc::clone(client), ServerName::try_from("localhost")?)?;
    let mut wire = StreamOwned::new(session, dial(server)?);
    wire.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    wire.read_exact(&mut answer)?;
    if !answer.ends_with(b"503") {
        return Err("not refused".into());
    }
    Ok(())
}

fn greeting(client: &Arc<ClientConfig>) -> Result<Vec<u8>, Failure> {
    static MADE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    if let Some(made) = MADE.get() {
        return Ok(made.clone());
    }
    let name = ServerName::try_from("localhost")?;
    let mut bytes = Vec::new();
    ClientConnection::new(Arc::clone(client), name)?.write_tls(&mut bytes)?;
    Ok(MADE.get_or_init(|| bytes).clone())
}

fn serve(options: Options) -> Result<Server, Failure> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let certificates = tls::Certificates::new();
    let key = made.signing_key.serialize_pem();
    certificates.install(made.cert.pem().as_bytes(), key.as_bytes())?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &options)?;
    let (at, acceptor) = (listener.local_addr(), tls::Acceptor::new(certificates)?);
    let (edge, stop) = (Edge::new(options), CancellationToken::new());
    let (stats, handle, stopped) = (edge.stats(), edge.handle(), stop.clone());
    std::thread::spawn(move || {
        keep_to_core(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let doors = vec![Door::tls(listener, acceptor)];
        runtime.block_on(edge.serve(doors, tower::service_fn(refuse), stopped)).map(drop)
    });
    Ok(Server { at, stats, handle, client: Arc::new(client), stop })
}

async fn refuse(_: Request<Body>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let mut answer = Response::new(Full::new(Bytes::from_static(b"busy\n")));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    Ok(answer)
}

/// Keeps this thread to one core, if the machine has it.
fn keep_to_core(core: usize) {
    // SAFETY: a set of cores is plain bits, for which zero is a value; both calls only look at it.
    unsafe {
        let mut cores: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut cores);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const cores);
    }
}
