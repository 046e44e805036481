//! The only way in: listens, accepts, times and counts connections, and hands each request to one
//! service together with its [`Peer`].
//!
//! It does not look at what is asked; ranking and refusing requests is `decide`'s part. It exists
//! because stock accept loops leave a silent connection, a dripped body or a reader that never
//! reads open for ever: hyper bounds the head of a request, and nothing else.
//!
//! - `gate`: how many may come in, and from where
//! - `socket`, `body`: tell the `meter` what happens; `pace` is the pure verdict on it
//! - `connection`: one connection from handshake to end
//! - `clock`: coarse time

mod body;
mod clock;
mod connection;
mod gate;
mod meter;
mod options;
mod pace;
mod socket;

pub use body::{Body, BodyError};
pub use gate::{Counts, Familiar, Gate};
pub use options::{Options, Rate};
pub use pace::Cut;

use crate::limits;
use bytes::Bytes;
use clock::Clock;
use connection::Shared;
use http::{Request, Response};
use meter::Meter;
use pace::Speaks;
use socket::Socket;
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, TcpKeepalive, Type};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

/// Who is at the other end of the socket a request came by; an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address; IPv4 is never written as IPv6. Behind a proxy, the proxy's.
    pub address: SocketAddr,
    /// Whether it came by TLS.
    pub tls: bool,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were open when it was told to stop.
    pub open: usize,
    /// Of these, how many were cut when the wait was over.
    pub cut: usize,
}

/// Binds a listener with a long queue. With `reuse_port` several may share an address, one a core.
///
/// # Errors
/// Whatever the kernel says: the address is taken, or not ours, or the port needs a privilege.
pub fn listen(address: SocketAddr, reuse_port: bool) -> io::Result<std::net::TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::BACKLOG)?;
    Ok(socket.into())
}

/// Serves a listener until `shutdown`, then finishes what is in flight, up to `options.drain`.
///
/// Without `tls` it speaks HTTP/1.1, with it also HTTP/2 where ALPN chose `h2`. Requests carry
/// their [`Peer`] as an extension. Dropping the future cuts every connection.
pub async fn serve<S, B>(
    listener: std::net::TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    service: S,
    options: Options,
    shutdown: CancellationToken,
) -> io::Result<Drained>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    prepare(&listener, &options)?;
    let listener = TcpListener::from_std(listener)?;
    let clock = Clock::default();
    let options = Arc::new(options);
    let shared = Arc::new(Shared::new(service, tls, options, shutdown.child_token()));
    let _abort = shared.abort.clone().drop_guard();
    let tracker = TaskTracker::new();
    tokio::select! {
        drained = run(listener, &shared, &clock, &tracker) => Ok(drained),
        () = clock.clone().run() => Err(io::Error::other("the clock stopped")),
    }
}

/// Sets on the listener what every accepted socket inherits.
fn prepare(listener: &std::net::TcpListener, options: &Options) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let socket = SockRef::from(listener);
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(options.send_buffer_bytes)?;
    let keepalive = TcpKeepalive::new().with_time(limits::UNACKNOWLEDGED);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(limits::UNACKNOWLEDGED))?;
    Ok(())
}

async fn run<S, B>(
    listener: TcpListener,
    shared: &Arc<Shared<S>>,
    clock: &Clock,
    tracker: &TaskTracker,
) -> Drained
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut pause = limits::ACCEPT_PAUSE_MIN;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.drain.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                pause = limits::ACCEPT_PAUSE_MIN;
                welcome(stream, address, shared, clock, tracker);
            }
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept; waiting");
                shared.options.gate.relieve();
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shared.drain.cancelled() => break,
                }
                pause = pause.saturating_mul(2).min(limits::ACCEPT_PAUSE_MAX);
            }
        }
    }
    empty_queue(listener, shared, clock, tracker);
    tracker.close();
    let open = tracker.len();
    if tokio::time::timeout(shared.options.drain, tracker.wait()).await.is_ok() {
        return Drained { open, cut: 0 };
    }
    let cut = tracker.len();
    shared.abort.cancel();
    tracker.wait().await;
    Drained { open, cut }
}

/// Takes in whoever the kernel has already greeted: closing the listener would reset them.
fn empty_queue<S, B>(
    listener: TcpListener,
    shared: &Arc<Shared<S>>,
    clock: &Clock,
    tracker: &TaskTracker,
) where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Ok(listener) = listener.into_std() else { return };
    for _ in 0..limits::BACKLOG {
        let Ok((stream, address)) = listener.accept() else { return };
        if stream.set_nonblocking(true).is_err() {
            continue;
        }
        let Ok(stream) = TcpStream::from_std(stream) else { continue };
        welcome(stream, address, shared, clock, tracker);
    }
}

/// Whether accepting failed for this one newcomer, not for all (accept(2)).
fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Gives an accepted socket its place and its task, or closes it.
fn welcome<S, B>(
    stream: TcpStream,
    address: SocketAddr,
    shared: &Arc<Shared<S>>,
    clock: &Clock,
    tracker: &TaskTracker,
) where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let tls = shared.tls.is_some();
    let speaks = if tls { Speaks::Handshake } else { Speaks::Http1 };
    let meter = Arc::new(Meter::new(clock.clone(), speaks, shared.options.clone()));
    let Ok(permit) = shared.options.gate.admit(address.ip(), meter.clone()) else {
        // A reset leaves nothing behind here, where a farewell would cost a place in TIME_WAIT.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        return;
    };
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let socket = Socket::new(stream, permit);
    let (shared, peer) = (shared.clone(), Peer { address, tls });
    tracker.spawn(async move {
        connection::serve(&shared, socket, peer, &meter).await;
        if let Some(cut) = meter.cut() {
            shared.options.gate.count_cut(cut);
        }
    });
}
