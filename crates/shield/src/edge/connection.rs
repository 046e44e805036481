//! One connection from handshake to end: hyper drives the protocol, a single timer asks for the
//! verdict, and whatever ends first ends it. An upgraded socket outlives hyper's part; it is
//! watched until it is gone.

use super::Peer;
use super::body::{Answer, Body, InFlight};
use super::meter::Meter;
use super::options::Options;
use super::pace::{Around, Cut, Speaks, Verdict};
use super::socket::Socket;
use crate::limits;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// What connections of a listener share.
pub(crate) struct Shared<S> {
    pub(crate) service: S,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) options: Arc<Options>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    /// The server stops: end after what is in flight.
    pub(crate) drain: CancellationToken,
    /// The wait for that is over.
    pub(crate) abort: CancellationToken,
}

impl<S> Shared<S> {
    pub(crate) fn new(
        service: S,
        tls: Option<Arc<rustls::ServerConfig>>,
        options: Arc<Options>,
        drain: CancellationToken,
    ) -> Shared<S> {
        let (http1, http2) = (http1_builder(&options), http2_builder(&options));
        let tls = tls.map(TlsAcceptor::from);
        let abort = CancellationToken::new();
        Shared { service, tls, options, http1, http2, drain, abort }
    }
}

fn http1_builder(options: &Options) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // hyper counts rest and head as one; the verdict tells them apart, this only backs it up.
        .header_read_timeout(options.idle.saturating_add(options.head))
        .max_header_size(usize::try_from(options.head_bytes_max).unwrap_or(usize::MAX))
        .max_buf_size(limits::BUFFER_BYTES)
        .keep_alive(true);
    builder
}

fn http2_builder(options: &Options) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(options.streams_max)
        .max_header_list_size(options.head_bytes_max)
        .max_local_error_reset_streams(limits::LOCAL_RESETS)
        .max_pending_accept_reset_streams(limits::PENDING_RESETS)
        .max_send_buf_size(limits::STREAM_SEND_BYTES)
        .initial_stream_window_size(limits::STREAM_WINDOW)
        .initial_connection_window_size(limits::CONNECTION_WINDOW)
        .keep_alive_interval(limits::PING_EVERY)
        .keep_alive_timeout(limits::PING_ANSWER);
    builder
}

/// Serves one accepted socket until it is gone.
pub(crate) async fn serve<S, B>(shared: &Shared<S>, socket: Socket, peer: Peer, meter: &Arc<Meter>)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(acceptor) = &shared.tls else {
        meter.tell(|pace, now, _| pace.begin(now, Speaks::Http1));
        return http1(shared, socket, peer, meter).await;
    };
    let handshake = tokio::time::timeout(shared.options.handshake, acceptor.accept(socket));
    let stream = tokio::select! {
        done = handshake => match done {
            Ok(Ok(stream)) => stream,
            // Failed or late: either way there is nothing to say to it.
            Ok(Err(_)) | Err(_) => return meter.close(Cut::Handshake),
        },
        () = meter.closed.cancelled() => return,
        () = shared.abort.cancelled() => return meter.close(Cut::Drained),
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        meter.tell(|pace, now, _| pace.begin(now, Speaks::Http2));
        let doorway = Doorway::new(shared, peer, meter, true);
        let connection = shared.http2.serve_connection(TokioIo::new(stream), doorway);
        drive(shared, meter, connection, http2::Connection::graceful_shutdown).await;
    } else {
        meter.tell(|pace, now, _| pace.begin(now, Speaks::Http1));
        http1(shared, stream, peer, meter).await;
    }
}

async fn http1<S, B, I>(shared: &Shared<S>, io: I, peer: Peer, meter: &Arc<Meter>)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let doorway = Doorway::new(shared, peer, meter, false);
    let connection = shared.http1.serve_connection(TokioIo::new(io), doorway).with_upgrades();
    drive(shared, meter, connection, http1::UpgradeableConnection::graceful_shutdown).await;
}

/// Polls the connection until it ends, is cut, or the wait for it is over.
async fn drive<S, C: Future<Output = hyper::Result<()>>>(
    shared: &Shared<S>,
    meter: &Arc<Meter>,
    connection: C,
    retire: fn(Pin<&mut C>),
) {
    let mut connection = pin!(connection);
    let mut checks = tokio::time::interval(shared.options.check_every);
    checks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut retired, mut draining) = (false, false);
    loop {
        tokio::select! {
            result = &mut connection => {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection ended early");
                }
                break;
            }
            () = meter.closed.cancelled() => return,
            () = shared.abort.cancelled() => return meter.close(Cut::Drained),
            () = shared.drain.cancelled(), if !draining => {
                (draining, retired) = (true, true);
                retire(connection.as_mut());
            }
            _ = checks.tick() => {
                let around = Around { crowded: shared.options.gate.crowded(), draining };
                match meter.verdict(around) {
                    Verdict::Keep => {}
                    Verdict::Retire if retired => {}
                    Verdict::Retire => {
                        retired = true;
                        retire(connection.as_mut());
                    }
                    Verdict::Cut(cut) => return meter.close(cut),
                }
            }
        }
    }
    if !meter.gone.is_cancelled() {
        upgraded(shared, meter, checks).await;
    }
}

/// Watches a socket that now belongs to another protocol's task, which only the meter can close.
async fn upgraded<S>(shared: &Shared<S>, meter: &Arc<Meter>, mut checks: tokio::time::Interval) {
    meter.tell(|pace, now, _| pace.begin(now, Speaks::Upgraded));
    loop {
        tokio::select! {
            () = meter.gone.cancelled() => return,
            () = meter.closed.cancelled() => return,
            () = shared.abort.cancelled() => return meter.close(Cut::Drained),
            _ = checks.tick() => {
                if let Verdict::Cut(cut) = meter.verdict(Around::default()) {
                    return meter.close(cut);
                }
            }
        }
    }
}

/// The service as hyper sees it: each request is told its peer and counted while in flight.
struct Doorway<S> {
    service: S,
    peer: Peer,
    meter: Arc<Meter>,
    pieces: bool,
}

impl<S: Clone> Doorway<S> {
    fn new(shared: &Shared<S>, peer: Peer, meter: &Arc<Meter>, pieces: bool) -> Doorway<S> {
        Doorway { service: shared.service.clone(), peer, meter: meter.clone(), pieces }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Doorway<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<Answer<B>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut in_flight = InFlight::new(self.meter.clone());
        let meter = self.meter.clone();
        let mut request = request.map(|incoming| Body::new(incoming, meter));
        request.extensions_mut().insert(self.peer);
        let (mut service, pieces) = (self.service.clone(), self.pieces);
        let meter = self.meter.clone();
        Box::pin(async move {
            if meter.is_closed() {
                // Cut while its requests were still being taken in: none of them may start.
                return std::future::pending().await;
            }
            poll_fn(|cx| service.poll_ready(cx)).await?;
            let response = service.call(request).await?;
            in_flight.answered = true;
            Ok(response.map(|body| Answer::new(body, in_flight, pieces)))
        })
    }
}
