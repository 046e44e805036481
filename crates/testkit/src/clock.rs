//! A clock that moves only when told.

use model::{Timestamp, ports::Clock};
use std::sync::atomic::{AtomicI64, Ordering};

/// 2026-01-01T00:00:00Z, where every test begins.
pub const START: Timestamp = Timestamp::from_ms(1_767_225_600_000);

/// The clock.
#[derive(Debug)]
pub struct StillClock(AtomicI64);

impl Default for StillClock {
    fn default() -> Self {
        Self(AtomicI64::new(START.ms()))
    }
}

impl StillClock {
    /// Moves it, backwards too.
    pub fn move_ms(&self, by: i64) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}
