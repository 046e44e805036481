//! Where a request passes from the connection to the service: counts it, tells who asks, and
//! watches over the answer. One per connection; allocates nothing per request but the extension
//! that carries [`ConnectionInfo`]. Leaves the answer to the service.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::answer::{Outgoing, Ticket};
use super::body::Body;
use super::gauge::{Gauge, Order, Phase};
use super::hello::Fingerprint;
use super::tickets::can_carry;
use super::{BoxError, limits};
use crate::decide::Standing;

/// Who is at the other end; an extension of every request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The peer's address and port, an IPv4 address never in its IPv6 form. Where a proxy named its
    /// client before the first byte, the client's.
    pub peer: SocketAddr,
    /// That proxy.
    pub proxy: Option<SocketAddr>,
    /// Our address and port that it reached.
    pub local: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Whether it speaks HTTP/2.
    pub http2: bool,
    /// What kind of client its TLS greeting shows; none without TLS.
    pub fingerprint: Option<Fingerprint>,
    /// Absent where there is no connection, as in tests of what lies behind.
    connection: Option<Connection>,
}

/// A connection that can be vouched for.
#[derive(Clone)]
struct Connection(Arc<Gauge>);

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("open")
    }
}

impl ConnectionInfo {
    /// Of a connection without TLS.
    #[must_use]
    pub fn new(peer: SocketAddr, local: SocketAddr) -> Self {
        Self {
            peer,
            proxy: None,
            local,
            tls: false,
            http2: false,
            fingerprint: None,
            connection: None,
        }
    }

    pub(super) fn of(self, gauge: &Arc<Gauge>) -> Self {
        Self { connection: Some(Connection(Arc::clone(gauge))), ..self }
    }

    /// Somebody was verified over this connection: it, its address and whoever comes with its
    /// session tickets are known from now on, for a day. `principal` is a hash of who it is, by
    /// which connections are counted together. Any other standing than member, peer and familiar
    /// cookie takes all of that away. Cheap when it was said before. Not for connections from a
    /// trusted proxy, which carry everybody.
    pub fn vouch(&self, standing: Standing, principal: u64) {
        let Some(Connection(gauge)) = &self.connection else { return };
        if gauge.shared.options.is_proxy(self.peer.ip()) {
            return;
        }
        gauge.vouch(self.peer.ip(), can_carry(standing).then_some((standing, principal)));
    }
}

/// One connection's way to the service.
pub(super) struct Desk<S> {
    pub(super) service: S,
    pub(super) gauge: Arc<Gauge>,
    pub(super) info: ConnectionInfo,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Desk<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes>,
{
    type Response = Response<Outgoing<B>>;
    type Error = BoxError;
    type Future = Answering<S, S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut ticket = Ticket::new(&self.gauge);
        if request.headers().len() > limits::HEADER_FIELDS_MAX {
            return Answering { stage: Stage::Refused, ticket: Some(ticket) };
        }
        let mut request = request.map(|incoming| Body::new(incoming, &self.gauge));
        ticket.carries(request.body().meter());
        request.extensions_mut().insert(self.info.clone());
        let service = self.service.clone();
        Answering { stage: Stage::Ready { service, request: Some(request) }, ticket: Some(ticket) }
    }
}

pin_project! {
    /// The service at work on one request. Dropped early, its ticket counts a cancelled handler.
    pub(super) struct Answering<S, F> {
        #[pin]
        stage: Stage<S, F>,
        ticket: Option<Ticket>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S, F> {
        // The header has more fields than we take.
        Refused,
        // The service may want to wait before it is called.
        Ready { service: S, request: Option<Request<Body>> },
        Called { #[pin] future: F },
    }
}

impl<S, B> Future for Answering<S, S::Future>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes>,
{
    type Output = Result<Response<Outgoing<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let answer = loop {
            match this.stage.as_mut().project() {
                StageProjection::Refused => {
                    break refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "header-fields");
                }
                StageProjection::Ready { service, request } => {
                    ready!(service.poll_ready(context)).map_err(Into::into)?;
                    let Some(request) = request.take() else { return Poll::Pending };
                    let future = service.call(request);
                    this.stage.set(Stage::Called { future });
                }
                StageProjection::Called { future } => {
                    break ready!(future.poll(context)).map_err(Into::into)?.map(Some);
                }
            }
        };
        match this.ticket.take() {
            Some(ticket) => Poll::Ready(Ok(send_off(answer, ticket))),
            None => Poll::Pending,
        }
    }
}

/// Charges the answer to its peer, and lets the last one of a connection say so.
fn send_off<B>(mut answer: Response<Option<B>>, mut ticket: Ticket) -> Response<Outgoing<B>>
where
    B: http_body::Body<Data = Bytes>,
{
    if ticket.is_refused() {
        answer = refusal(StatusCode::SERVICE_UNAVAILABLE, "bodies");
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    let length = answer.body().as_ref().and_then(|body| body.size_hint().exact());
    if !ticket.answer(length) {
        answer = refusal(StatusCode::SERVICE_UNAVAILABLE, "slow-peers");
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    let gauge = ticket.gauge();
    if answer.status().as_u16() < 400 {
        gauge.served();
    }
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        gauge.enter(Phase::Upgraded);
    } else if gauge.order() >= Order::Finish && gauge.phase() == Phase::Http1 {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer.map(|body| Outgoing::new(body, ticket))
}

fn refusal<B>(status: StatusCode, reason: &'static str) -> Response<Option<B>> {
    let mut response = Response::new(None);
    *response.status_mut() = status;
    let name = HeaderName::from_static("fulmar-reason");
    response.headers_mut().insert(name, HeaderValue::from_static(reason));
    response
}
