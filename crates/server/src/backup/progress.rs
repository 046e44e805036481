//! How far a backup or a restore has come, for whoever waits for it; and the word to stop.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes done, of how many; shared between the one who works and those who watch.
#[derive(Default, Debug)]
pub(crate) struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// More was done.
    pub(super) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }
    /// So much is to be done.
    pub(super) fn expect(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }
    /// Bytes done, and of how many; 0 of 0 before it is known.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
    /// Nobody waits for it any more.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// A bar on standard error, where that is a terminal; else nothing.
pub(super) fn bar(verb: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = "{prefix} {wide_bar} {bytes} of {total_bytes}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.set_prefix(verb);
    bar
}

/// Shows how far it is.
pub(super) fn show(bar: &ProgressBar, (done, total): (u64, u64)) {
    if total > 0 {
        bar.set_length(total);
        bar.set_position(done.min(total));
    }
}
