//! One connection's meter: the [`Pace`] behind a lock, and the wire by which others tell the
//! connection to close. Shared by its socket, its requests, its answers and the gate.

use super::clock::Clock;
use super::options::Options;
use super::pace::{Around, Cut, Pace, Speaks, Verdict};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) clock: Clock,
    pub(crate) options: Arc<Options>,
    pace: Mutex<Pace>,
    cut: Mutex<Option<Cut>>,
    /// Set once, when the connection is to close.
    pub(crate) closed: CancellationToken,
    /// Set once, when the socket is gone.
    pub(crate) gone: CancellationToken,
    /// The socket's sleepers: an upgraded socket belongs to a task that we cannot drop.
    pub(crate) reader: AtomicWaker,
    pub(crate) writer: AtomicWaker,
}

impl Meter {
    pub(crate) fn new(clock: Clock, speaks: Speaks, options: Arc<Options>) -> Meter {
        let pace = Pace::new(clock.now_ms(), speaks, &options);
        Meter {
            clock,
            options,
            pace: Mutex::new(pace),
            cut: Mutex::new(None),
            closed: CancellationToken::new(),
            gone: CancellationToken::new(),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        }
    }

    /// Tells the pace what happened, and when.
    pub(crate) fn tell<T>(&self, what: impl FnOnce(&mut Pace, u64, &Options) -> T) -> T {
        what(&mut self.pace.lock(), self.clock.now_ms(), &self.options)
    }

    pub(crate) fn verdict(&self, around: Around) -> Verdict {
        self.tell(|pace, now, options| pace.verdict(now, around, options))
    }

    /// Closes the connection, from wherever. The first reason stands.
    pub(crate) fn close(&self, cut: Cut) {
        self.cut.lock().get_or_insert(cut);
        self.closed.cancel();
        self.reader.wake();
        self.writer.wake();
    }

    pub(crate) fn cut(&self) -> Option<Cut> {
        *self.cut.lock()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }
}
