//! The drill's one clock. It measures, so it must read it; whatever judges is handed times.

use std::time::{Duration, Instant};

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the drill's one home of the clock: it measures")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Waits until a moment of this clock.
pub(crate) async fn until(moment: Instant) {
    tokio::time::sleep_until(moment.into()).await;
}

/// Milliseconds as the reports write them.
#[must_use]
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
