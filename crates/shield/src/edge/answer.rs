//! The body of a response on its way out: charged to its peer from the answer until its last byte
//! is in the kernel, in one budget that all peers share. Leaves rates to the watchman.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::gauge::{BodyMeter, Gauge, Phase};
use super::limits;

/// A request in progress, from its header to the end of its response. Its drop is the one place
/// where a request ends, however it ends: answered, refused, cancelled, or lost with its
/// connection.
pub(super) struct Ticket {
    gauge: Arc<Gauge>,
    answered: bool,
    /// Of its body, where it has one.
    body: Option<Arc<BodyMeter>>,
    /// Bytes charged that the HTTP machine has not been handed yet.
    charged_bytes: u64,
    /// The response waits for its peer.
    stalls: bool,
}

impl Ticket {
    pub(super) fn new(gauge: &Arc<Gauge>) -> Self {
        gauge.request_began();
        Self {
            gauge: Arc::clone(gauge),
            answered: false,
            body: None,
            charged_bytes: 0,
            stalls: false,
        }
    }

    /// The request has this body.
    pub(super) fn carries(&mut self, body: Option<Arc<BodyMeter>>) {
        self.body = body;
    }

    /// Whether bytes of the request's body were refused.
    pub(super) fn is_refused(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.was_refused())
    }

    fn let_body_go(&mut self) {
        if let Some(body) = self.body.take() {
            body.answered();
            self.gauge.let_go(&body);
        }
    }

    pub(super) fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    /// The handler has answered. Charges a response of known length; false if there is no room.
    pub(super) fn answer(&mut self, length: Option<u64>) -> bool {
        self.answered = true;
        self.let_body_go();
        let bytes = length.unwrap_or(0).min(limits::RESPONSE_HELD_BYTES_MAX);
        if bytes > 0 && !self.gauge.hold(bytes) {
            return false;
        }
        self.charged_bytes = bytes;
        self.stall(true);
        true
    }

    fn stall(&mut self, stalls: bool) {
        match (self.stalls, stalls) {
            (false, true) => self.gauge.stall_began(),
            (true, false) => self.gauge.stall_ended(),
            _ => {}
        }
        self.stalls = stalls;
    }

    /// Bytes go to the HTTP machine; what was not charged before is charged now.
    fn hand_over(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        let known = bytes.min(self.charged_bytes);
        self.charged_bytes -= known;
        if bytes > known {
            self.gauge.hold_more(bytes - known);
        }
        self.gauge.handed_over(bytes);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.stall(false);
        self.let_body_go();
        if self.charged_bytes > 0 {
            self.gauge.release(self.charged_bytes);
        }
        if !self.answered {
            self.gauge.handler_cancelled();
        }
        self.gauge.request_ended();
    }
}

pin_project! {
    /// A response body with its ticket; without an inner body it is empty.
    pub(super) struct Outgoing<B> {
        #[pin]
        inner: Option<B>,
        // Of the last frame, what is still to go.
        rest: Bytes,
        slice_bytes: usize,
        ticket: Ticket,
    }
}

impl<B> Outgoing<B> {
    pub(super) fn new(inner: Option<B>, ticket: Ticket) -> Self {
        let slice_bytes = match ticket.gauge().phase() {
            Phase::Http2 => limits::HTTP2_SLICE_BYTES,
            _ => usize::MAX,
        };
        Self { inner, rest: Bytes::new(), slice_bytes, ticket }
    }
}

impl<B: Body<Data = Bytes>> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if this.rest.is_empty() {
            let Some(inner) = this.inner.as_pin_mut() else { return Poll::Ready(None) };
            let polled = inner.poll_frame(context);
            // Whoever is asked for more has room; until then, the peer is awaited.
            this.ticket.stall(polled.is_ready());
            match ready!(polled) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => *this.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        let slice = this.rest.split_to(this.rest.len().min(*this.slice_bytes));
        this.ticket.hand_over(slice.len());
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let Some(inner) = &self.inner else { return SizeHint::with_exact(0) };
        let (hint, rest) = (inner.size_hint(), self.rest.len() as u64);
        if rest == 0 {
            return hint;
        }
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper.saturating_add(rest));
        }
        whole
    }
}
