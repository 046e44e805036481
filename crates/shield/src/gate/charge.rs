//! What a served request owes: its admission and the work that it has taken so far, settled once,
//! when the last byte of its answer was handed on or when it is dropped before.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Gate, Wiring};
use crate::decide::{Admission, Outcome};

/// An admission on its way to be settled. Dropped before its end it counts as cancelled.
pub(super) struct Charge<W: Wiring> {
    gate: Arc<Gate<W>>,
    admission: Option<Admission>,
    spent_ns: u64,
    /// Where its last piece of work ended, if what is done next follows at once.
    last: Option<W::Began>,
}

impl<W: Wiring> Charge<W> {
    /// Of a request whose work began here: with what was found of it.
    pub(super) fn new(gate: Arc<Gate<W>>, admission: Admission, began: W::Began) -> Self {
        Self { gate, admission: Some(admission), spent_ns: 0, last: Some(began) }
    }

    /// Does a piece of its work, and notes what it took.
    pub(super) fn work<T>(&mut self, piece: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let began = self.gate.wiring.begin(self.last);
        let done = piece();
        let (spent_ns, now) = self.gate.wiring.lap(began);
        self.spent_ns = self.spent_ns.saturating_add(spent_ns);
        // Whoever waits does not know what this thread does next.
        self.last = done.is_ready().then_some(now);
        done
    }

    /// What is done for it next may come much later.
    fn pause(&mut self) {
        self.last = None;
    }

    /// Its answer has ended.
    pub(super) fn end(&mut self) {
        let cost_ns = self.spent_ns;
        if let Some(admission) = self.admission.take() {
            let now = self.last.map(|last| self.gate.wiring.now_at(last));
            self.gate.settle(admission, Outcome::Ended { cost_ns }, now);
        }
    }
}

impl<W: Wiring> Drop for Charge<W> {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            let cost_ns = Some(self.spent_ns);
            self.gate.settle(admission, Outcome::Cancelled { cost_ns }, None);
        }
    }
}

pin_project! {
    /// A body of an answer that settles its request as it ends.
    pub struct Settled<B, W: Wiring> {
        #[pin]
        inner: B,
        charge: Option<Charge<W>>,
    }
}

impl<B: Body, W: Wiring> Settled<B, W> {
    /// A body whose request owes nothing.
    pub(super) fn free(inner: B) -> Self {
        Self { inner, charge: None }
    }

    /// A body whose request is settled with it; at once when there is nothing in it, since nobody
    /// polls an empty body.
    pub(super) fn of(inner: B, mut charge: Charge<W>) -> Self {
        if inner.is_end_stream() {
            charge.end();
        }
        Self { inner, charge: Some(charge) }
    }
}

impl<B: Body<Data = Bytes>, W: Wiring> Body for Settled<B, W> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(charge) = this.charge else { return this.inner.poll_frame(context) };
        let polled = charge.work(|| this.inner.as_mut().poll_frame(context));
        // The last frame of a known length ends it: nobody asks for the nothing that follows.
        let over = match &polled {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(_))) => this.inner.is_end_stream(),
            _ => false,
        };
        if over {
            charge.end();
        } else {
            charge.pause();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
