//! The edge's one clock: milliseconds that one task advances and everybody reads with one load.
//! A connection asks for the time several times per request; a system call each would cost more
//! than the checks it feeds.
//!
//! The clock counts time *felt*: a tick advances it by at most `limits::STEP_MS`. When the process
//! was stopped, starved or suspended, its peers did nothing wrong, and none is cut for it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use crate::limits;

/// Milliseconds since the edge was made, as felt. Never 0, which means "not" wherever a time of
/// this clock is kept in an atomic.
pub(super) struct Clock {
    now_ms: AtomicU64,
}

impl Clock {
    pub(super) const fn new() -> Self {
        Self { now_ms: AtomicU64::new(1) }
    }

    /// The time of the last tick, in ms.
    pub(super) fn now(&self) -> u64 {
        self.now_ms.load(Relaxed)
    }

    pub(super) fn advance(&self, by: Duration) {
        let felt_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX).min(limits::STEP_MS);
        self.now_ms.fetch_add(felt_ms, Relaxed);
    }
}

/// Seconds since 1970, for what outlives a process: keys of tickets, and who was seen when.
#[expect(clippy::disallowed_methods, reason = "the edge's one home of calendar time")]
pub(super) fn unix_s() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Advances a clock from the machine's monotonic one. There is one, held by the watchman.
pub(super) struct Ticker {
    ticked_at: Instant,
    looked_at: Instant,
}

impl Ticker {
    pub(super) fn start() -> Self {
        let now = monotonic();
        Self { ticked_at: now, looked_at: now }
    }

    /// How many milliseconds, as of the last tick, have really passed since this was asked before.
    pub(super) fn since_look(&mut self) -> u64 {
        let before = std::mem::replace(&mut self.looked_at, self.ticked_at);
        let passed = self.ticked_at.saturating_duration_since(before);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Advances `clock` by what passed since the last tick, in whole milliseconds.
    pub(super) fn tick(&mut self, clock: &Clock) {
        let passed = monotonic().saturating_duration_since(self.ticked_at);
        let whole = passed - Duration::from_nanos(u64::from(passed.subsec_nanos() % 1_000_000));
        self.ticked_at += whole;
        clock.advance(whole);
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge's one home of the monotonic clock")]
fn monotonic() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_the_process_counts_as_one_step() {
        let clock = Clock::new();
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(clock.now(), 1 + limits::STEP_MS);
        clock.advance(Duration::from_millis(7));
        assert_eq!(clock.now(), 8 + limits::STEP_MS);
    }
}
