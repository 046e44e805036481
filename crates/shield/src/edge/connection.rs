//! One accepted connection until it ends: a trusted proxy's word for whom it comes, where one is
//! asked for, then TLS under its deadline, then hyper's HTTP/1 or HTTP/2
//! machine as ALPN says, which hears the watchman's orders. Never guesses a protocol from bytes:
//! that guess is what holds silent connections open in stock servers.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tower_service::Service;

use super::body::Body;
use super::desk::{ConnectionInfo, Desk};
use super::frames::FrameMeter;
use super::gauge::{Gauge, Order, Phase};
use super::io::{self, Metered};
use super::seats::{Guard, Newcomer};
use super::shaking::shake_hands;
use super::stats::Cut;
use super::{BoxError, Shared, limits, proxy, tls};

/// What the edge asks of a service: an axum `Router` is one, and so is `tower::service_fn`.
pub trait Serve<B>:
    Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S, B> Serve<B> for S
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
}

/// A response body that the edge can send.
pub trait ResponseBody:
    http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static
{
}

impl<B> ResponseBody for B
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
}

/// Seats an accepted socket and serves it on a task of its own; closes it if there is no seat, or
/// if it comes from where nobody may.
pub(super) fn start<S, B>(
    shared: &Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<&tls::Acceptor>,
    service: &S,
) where
    S: Serve<B>,
    B: ResponseBody,
{
    let peer = canonical(peer);
    if !shared.options.admits(peer.ip()) {
        shared.stats.outside.fetch_add(1, Relaxed);
        return io::reset(&stream);
    }
    let Ok(local) = stream.local_addr().map(canonical) else { return };
    let capped = !shared.options.is_proxy(peer.ip());
    let announces = shared.options.proxy_protocol && !capped;
    // A proxy that speaks for everybody in turn is ours; one that names its client is that client.
    let known = (!capped && !announces) || shared.known.is_familiar(peer.ip());
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&stream);
    let newcomer = Newcomer { address: peer.ip(), descriptor, capped, known };
    let phase = if tls.is_some() || announces { Phase::Handshake } else { Phase::Http1 };
    let Some(guard) = Guard::admit(shared, phase, &newcomer) else {
        return io::reset(&stream);
    };
    let gauge = Arc::clone(&guard.gauge);
    let mut info = ConnectionInfo::new(peer, local).of(&gauge);
    info.tls = tls.is_some();
    let desk = Desk { service: service.clone(), gauge, info };
    let (socket, tls) = (Metered::new(guard, stream), tls.cloned());
    if announces {
        drop(tokio::spawn(hear_proxy(socket, tls, desk)));
    } else {
        speak(socket, tls, desk);
    }
}

/// An IPv4 address in its own form.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Serves a seated connection on a task of its own.
fn speak<S, B>(socket: Metered, tls: Option<tls::Acceptor>, desk: Desk<S>)
where
    S: Serve<B>,
    B: ResponseBody,
{
    match tls {
        None => drop(tokio::spawn(speak_http1(socket, desk))),
        Some(acceptor) => drop(tokio::spawn(speak_tls(socket, acceptor, desk))),
    }
}

/// Has a proxy say for whom it comes; from then on the connection is that client's.
async fn hear_proxy<S, B>(mut socket: Metered, tls: Option<tls::Acceptor>, mut desk: Desk<S>)
where
    S: Serve<B>,
    B: ResponseBody,
{
    let gauge = Arc::clone(&desk.gauge);
    let client = match unless_cut(&gauge, proxy::hear(&mut socket)).await {
        Some(Ok(client)) => client.map(canonical),
        Some(Err(error)) => {
            if error.kind() == std::io::ErrorKind::InvalidData {
                gauge.cut(Cut::ProxyHeader);
            }
            return;
        }
        None => return,
    };
    if let Some(client) = client {
        desk.info.proxy = Some(desk.info.peer);
        desk.info.peer = client;
        // A proxy behind a proxy carries everybody too.
        if !gauge.shared.options.is_proxy(client.ip()) && !socket.count_by(client.ip()) {
            return socket.reset();
        }
    }
    if tls.is_none() {
        gauge.enter(Phase::Http1);
    }
    speak(socket, tls, desk);
}

async fn speak_tls<S, B>(socket: Metered, acceptor: tls::Acceptor, mut desk: Desk<S>)
where
    S: Serve<B>,
    B: ResponseBody,
{
    let (gauge, peer) = (Arc::clone(&desk.gauge), desk.info.peer.ip());
    let fingerprint = &mut desk.info.fingerprint;
    let handshake = async {
        // Who has yet to say anything waits for itself alone.
        let greeted = tls::Greeted::hear(socket, &acceptor.tickets).await.ok()?;
        gauge.heard();
        *fingerprint = greeted.fingerprint;
        shake_hands(greeted, &acceptor, &gauge, peer).await
    };
    let Some(Some((stream, protocol))) = unless_cut(&gauge, handshake).await else { return };
    match protocol {
        tls::Protocol::Challenge => {}
        tls::Protocol::Http1 => {
            gauge.enter(Phase::Http1);
            speak_http1(stream, desk).await;
        }
        tls::Protocol::Http2 => {
            gauge.enter(Phase::Http2);
            desk.info.http2 = true;
            speak_http2(FrameMeter::new(stream, gauge), desk).await;
        }
    }
}

async fn speak_http1<S, B, T>(stream: T, desk: Desk<S>)
where
    S: Serve<B>,
    B: ResponseBody,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let gauge = Arc::clone(&desk.gauge);
    let connection = http1::Builder::new()
        // The watchman holds this deadline too, without arming a timer for every request. Fields
        // are not bounded here: hyper's own bound is `limits::HEADER_FIELDS_MAX`, and one that is
        // set has it clear as many places for every request (1,700 instructions, measured).
        .header_read_timeout(None)
        .max_header_size(limits::HEADER_BYTES_MAX)
        .max_buf_size(limits::HTTP1_BUFFER_BYTES_MAX)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), desk)
        .with_upgrades();
    attend(connection, &gauge, |connection| connection.graceful_shutdown()).await;
}

async fn speak_http2<S, B, T>(stream: T, desk: Desk<S>)
where
    S: Serve<B>,
    B: ResponseBody,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let gauge = Arc::clone(&desk.gauge);
    let (interval_ms, answer_ms) = gauge.shared.options.ping_ms;
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_millis(interval_ms))
        .keep_alive_timeout(Duration::from_millis(answer_ms))
        .max_concurrent_streams(limits::STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits::HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits::PENDING_RESETS_MAX)
        .max_local_error_reset_streams(limits::LOCAL_RESETS_MAX)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(limits::STREAM_SEND_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), desk);
    attend(connection, &gauge, |connection| connection.graceful_shutdown()).await;
}

/// Drives a connection to its end and carries out what it is told on the way.
async fn attend<C: Future>(connection: C, gauge: &Gauge, finish: impl Fn(Pin<&mut C>)) {
    let mut connection = pin!(connection);
    let mut told = Order::Run;
    poll_fn(|context| {
        gauge.listen(context.waker());
        let order = gauge.order();
        if order == Order::Cut {
            return Poll::Ready(());
        }
        if order > told {
            // An idle HTTP/1 connection would be closed at once, with a request perhaps already on
            // its way: it gets a little time, and its next answer says `Connection: close`.
            let may_come = gauge.phase() == Phase::Http1 && gauge.in_flight() == 0;
            if order == Order::Close || !may_come {
                finish(connection.as_mut());
                told = order;
            }
        }
        connection.as_mut().poll(context).map(drop)
    })
    .await;
}

/// Runs `work` until it ends, or the connection is cut.
async fn unless_cut<F: Future>(gauge: &Gauge, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    poll_fn(|context| {
        gauge.listen(context.waker());
        if gauge.order() == Order::Cut {
            return Poll::Ready(None);
        }
        work.as_mut().poll(context).map(Some)
    })
    .await
}
