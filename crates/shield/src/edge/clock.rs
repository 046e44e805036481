//! A coarse clock: milliseconds since it began, read for the price of one load. It is the one home
//! of `Instant::now` in this crate.
//!
//! Connections are judged in seconds, so a step of 50 ms is fine enough. A step is also bounded:
//! when the whole process stalled, its peers' bytes waited in the kernel, and that lost time must
//! not be held against them. Whoever wants true time must not take it from here.
#![allow(clippy::disallowed_methods, reason = "the one home of the monotonic clock in the shield")]

use crate::limits::{CLOCK_STEP_MAX_MS, CLOCK_TICK};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// A handle on the clock; clones show the same time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    millis: Arc<AtomicU64>,
}

impl Clock {
    /// Milliseconds since the clock began, less what the process missed.
    pub(crate) fn now_ms(&self) -> u64 {
        self.millis.load(Ordering::Relaxed)
    }

    /// Keeps the clock going until the future is dropped.
    pub(crate) async fn run(self) {
        let mut ticks = tokio::time::interval(CLOCK_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        loop {
            ticks.tick().await;
            let now = Instant::now();
            let step = millis(now.duration_since(last));
            // Advanced by what was counted, so that fractions of a millisecond are not lost.
            last = if step > CLOCK_STEP_MAX_MS { now } else { last + Duration::from_millis(step) };
            self.millis.fetch_add(step.min(CLOCK_STEP_MAX_MS), Ordering::Relaxed);
        }
    }
}

/// A duration in whole milliseconds; beyond 584 million years it stays there.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
