//! A request's wait in the queue: until it is called, told to leave, or its caller is gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use super::{Gate, Wiring};
use crate::decide::{Called, Outcome, Place, Reason, Refusal};

/// A place in the queue. Dropped before it was called, it gives its place up.
pub(super) struct Wait<W: Wiring> {
    gate: Arc<Gate<W>>,
    place: Place,
    heard: Option<oneshot::Receiver<Called>>,
}

impl<W: Wiring> Wait<W> {
    pub(super) fn new(gate: Arc<Gate<W>>, place: Place, heard: oneshot::Receiver<Called>) -> Self {
        Self { gate, place, heard: Some(heard) }
    }
}

impl<W: Wiring> Future for Wait<W> {
    type Output = Called;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Called> {
        let Some(heard) = self.heard.as_mut() else { return Poll::Pending };
        let called = ready!(Pin::new(heard).poll(context));
        self.heard = None;
        // The other end is dropped only by calling; were it otherwise, nobody may hang for it.
        let reason = Reason::QueueFull;
        let gone = Refusal { status: reason.status(), retry_after_s: 2, reason };
        Poll::Ready(called.unwrap_or(Called::Refuse(gone)))
    }
}

impl<W: Wiring> Drop for Wait<W> {
    fn drop(&mut self) {
        let Some(mut heard) = self.heard.take() else { return };
        if self.gate.leave(self.place) {
            return;
        }
        // Called while its caller left: what was given to it goes back.
        if let Ok(Called::Serve(admission)) = heard.try_recv() {
            self.gate.settle(admission, Outcome::Cancelled { cost_ns: Some(0) }, None);
        }
    }
}
