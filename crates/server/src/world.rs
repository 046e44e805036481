//! The world's clock and chance, behind the ports of `model`: the only place that asks for them.
#![allow(clippy::disallowed_methods)]

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use model::{
    Timestamp,
    ports::{Clock, Random},
};
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's clock.
pub(crate) struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The system's generator.
pub(crate) struct SystemChance(pub SystemRandom);

impl SystemChance {
    pub(crate) fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Random for SystemChance {
    fn fill(&self, bytes: &mut [u8]) {
        // A system without randomness cannot keep a secret: better no server than a guessable one.
        if self.0.fill(bytes).is_err() {
            std::process::abort();
        }
    }
}
