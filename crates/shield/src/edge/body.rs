//! The body of a request, as the service reads it: bytes that a slow peer cannot make wait for
//! ever, and that are charged to the peer until its request is answered. Leaves limits of length to
//! the service, which knows what it reads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::gauge::{BodyMeter, Gauge};

/// Why a request body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The peer sent it too slowly. Answer 408.
    #[error("the request body came too slowly")]
    Slow,
    /// Too many bytes of bodies are in memory. The edge answers 503, whatever the service says.
    #[error("too many request bodies at once")]
    Full,
    /// The peer left, or broke the protocol. No answer will reach it.
    #[error("the request body broke off")]
    Broken(#[source] hyper::Error),
}

/// A request body that fails with [`BodyError::Slow`] when its peer stays below the minimum rate
/// while somebody waits for it.
pub struct Body {
    inner: Incoming,
    watch: Option<Watch>,
}

/// Absent where there is no body, as with nearly every GET: those pay nothing.
struct Watch {
    gauge: Arc<Gauge>,
    meter: Arc<BodyMeter>,
}

impl Body {
    pub(super) fn new(inner: Incoming, gauge: &Arc<Gauge>) -> Self {
        gauge.body_left_unread(false);
        let empty = http_body::Body::is_end_stream(&inner);
        let watch = (!empty).then(|| Watch { gauge: Arc::clone(gauge), meter: gauge.body_began() });
        Self { inner, watch }
    }

    /// What is measured of it, for whoever answers the request. None where there is no body.
    pub(super) fn meter(&self) -> Option<Arc<BodyMeter>> {
        self.watch.as_ref().map(|watch| Arc::clone(&watch.meter))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        let Some(watch) = &self.watch else {
            return polled.map_err(BodyError::Broken);
        };
        match polled {
            Poll::Pending => {
                watch.meter.waits(context.waker());
                if watch.meter.has_failed() {
                    return Poll::Ready(Some(Err(BodyError::Slow)));
                }
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                watch.meter.received(bytes);
                if !watch.gauge.take_in(&watch.meter, bytes as u64) {
                    return Poll::Ready(Some(Err(BodyError::Full)));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(ended) => {
                self.watch = None;
                Poll::Ready(ended.map(|frame| frame.map_err(BodyError::Broken)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.inner)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.inner)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            let unread = !http_body::Body::is_end_stream(&self.inner);
            watch.gauge.body_left_unread(unread);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.gauge.body_ended(&self.meter);
        // Else the handler has what was read, until it answers.
        if self.meter.is_answered() {
            self.gauge.let_go(&self.meter);
        }
    }
}
