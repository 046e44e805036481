//! Bodies under watch. A request's body ends in an error when its peer sends it too slowly; an
//! answer's body tells the meter when it is asked for no more (an HTTP/2 window left shut), and
//! keeps its request in flight until it has ended.

use super::meter::Meter;
use super::pace::Patience;
use crate::limits::PIECE_BYTES;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// The body of a request.
pub struct Body {
    incoming: Incoming,
    meter: Arc<Meter>,
    patience: Patience,
    alarm: Option<Pin<Box<Sleep>>>,
    failed: bool,
}

/// Why a request's body ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The peer sent it more slowly than is allowed: answer 408.
    #[error("the body came too slowly")]
    TooSlow,
    /// The connection broke, or what came was not HTTP.
    #[error("the body broke off")]
    Broken(#[from] hyper::Error),
}

impl Body {
    pub(crate) fn new(incoming: Incoming, meter: Arc<Meter>) -> Body {
        let patience = Patience::new(meter.options.body);
        Body { incoming, meter, patience, alarm: None, failed: false }
    }

    /// Arms the alarm for what patience is left; ready when none is.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.patience.wait(self.meter.clock.now_ms());
        loop {
            if let Some(alarm) = &mut self.alarm {
                ready!(alarm.as_mut().poll(cx));
            }
            // The alarm goes by true time, patience by the clock that forgives our own stalls.
            let Some(left_ms) = self.patience.left_ms(self.meter.clock.now_ms()) else {
                return Poll::Ready(());
            };
            let left = Duration::from_millis(left_ms.max(1));
            self.alarm = Some(Box::pin(tokio::time::sleep(left)));
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                let bytes = match &frame {
                    Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                    Some(Err(_)) | None => 0,
                };
                let (now, rate) = (self.meter.clock.now_ms(), self.meter.options.body);
                self.patience.progress(now, bytes, rate);
                self.alarm = None;
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
            }
            Poll::Pending => {
                ready!(self.poll_patience(cx));
                self.failed = true;
                Poll::Ready(Some(Err(BodyError::TooSlow)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failed || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Keeps a request in flight; knows whether it was answered.
pub(crate) struct InFlight {
    meter: Arc<Meter>,
    pub(crate) answered: bool,
}

impl InFlight {
    pub(crate) fn new(meter: Arc<Meter>) -> InFlight {
        meter.tell(|pace, _, _| pace.started());
        InFlight { meter, answered: false }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let too_many = self.meter.tell(|pace, now, options| {
            pace.finished(now);
            !self.answered && pace.cancelled(now, options.cancelled_burst)
        });
        if too_many {
            self.meter.close(super::pace::Cut::Cancelling);
        }
    }
}

/// The body of an answer.
pub(crate) struct Answer<B> {
    body: Pin<Box<B>>,
    in_flight: InFlight,
    /// HTTP/2: handed over in pieces, and watched for a shut window.
    pieces: bool,
    rest: Bytes,
    /// Whether the meter counts this answer as blocked, and the bytes given before that.
    blocked: Option<usize>,
}

impl<B: http_body::Body<Data = Bytes>> Answer<B> {
    pub(crate) fn new(body: B, in_flight: InFlight, pieces: bool) -> Answer<B> {
        let mut answer =
            Answer { body: Box::pin(body), in_flight, pieces, rest: Bytes::new(), blocked: None };
        if !answer.body.is_end_stream() {
            answer.block(0);
        }
        answer
    }

    fn block(&mut self, given_bytes: usize) {
        if self.pieces {
            self.blocked = Some(given_bytes);
            self.in_flight.meter.tell(|pace, now, _| pace.answer_blocked(now));
        }
    }

    fn give(&mut self, mut data: Bytes) -> Frame<Bytes> {
        if self.pieces {
            self.rest = data.split_off(data.len().min(PIECE_BYTES));
        }
        self.block(data.len());
        Frame::data(data)
    }
}

impl<B> Answer<B> {
    fn unblock(&mut self) {
        if let Some(bytes) = self.blocked.take() {
            let meter = &self.in_flight.meter;
            meter.tell(|pace, now, options| pace.answer_unblocked(now, bytes, options.write));
        }
    }
}

impl<B: http_body::Body<Data = Bytes>> http_body::Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.unblock();
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(self.give(rest))));
        }
        match ready!(self.body.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(match frame.into_data() {
                Ok(data) => self.give(data),
                Err(frame) => frame,
            }))),
            end => Poll::Ready(end),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let inner = self.body.size_hint();
        let mut hint = SizeHint::new();
        // Upper first: a lower bound above it would be refused.
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(inner.lower().saturating_add(rest));
        hint
    }
}

impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        self.unblock();
    }
}
