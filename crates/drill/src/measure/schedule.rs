//! Open-loop schedules: when something is due does not depend on whether what came before was
//! answered. Whoever measures counts from when it was due, so that a server that stalls everybody
//! is seen to stall everybody (no coordinated omission).

use std::time::{Duration, Instant};

use crate::chance::Chance;

/// Moments at which something is due: a Poisson process, as strangers to each other arrive.
pub(crate) struct Schedule {
    chance: Chance,
    due: Instant,
    mean_s: f64,
    end: Instant,
}

impl Schedule {
    /// So many per second, from one moment to another; none where the rate is 0.
    pub(crate) fn new(chance: Chance, per_s: f64, from: Instant, end: Instant) -> Self {
        let mut schedule = Self { chance, due: from, mean_s: 1.0 / per_s.max(1e-9), end };
        schedule.advance();
        schedule
    }

    fn advance(&mut self) {
        let gap_s = -(1.0 - self.chance.share()).ln() * self.mean_s;
        self.due += Duration::from_secs_f64(gap_s.min(86_400.0));
    }

    /// The next moment; none when the time is over.
    fn next(&mut self) -> Option<Instant> {
        let due = self.due;
        if due >= self.end {
            return None;
        }
        self.advance();
        Some(due)
    }

    /// Waits for the next moment and gives it: it may have passed already, where the generator is
    /// late. None when the time is over.
    pub(crate) async fn tick(&mut self, burst: &mut u32) -> Option<Instant> {
        let due = self.next()?;
        let now = crate::clock::now();
        // The runtime's timers count whole milliseconds: below that nothing is gained by waiting.
        if due > now + Duration::from_micros(500) {
            *burst = 0;
            crate::clock::until(due).await;
        } else {
            // Who is late all the time must still let others work.
            *burst += 1;
            if burst.is_multiple_of(16) {
                tokio::task::yield_now().await;
            }
        }
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(seed: u64, per_s: f64) -> Vec<Duration> {
        let start = crate::clock::now();
        let end = start + Duration::from_secs(10);
        let mut schedule = Schedule::new(Chance::new(seed), per_s, start, end);
        std::iter::from_fn(|| schedule.next()).map(|due| due - start).collect()
    }

    #[test]
    fn a_seed_replays_its_moments() {
        assert_eq!(moments(4, 50.0), moments(4, 50.0));
        assert_ne!(moments(4, 50.0), moments(5, 50.0));
    }

    #[test]
    fn as_many_come_as_was_said_and_in_order() {
        for per_s in [3.0, 100.0, 5_000.0] {
            let all = moments(9, per_s);
            let expected = per_s * 10.0;
            let off = (all.len() as f64 - expected).abs();
            assert!(off < 6.0 * expected.sqrt(), "{per_s}: {} of {expected}", all.len());
            assert!(all.is_sorted() && all.iter().all(|due| *due < Duration::from_secs(10)));
        }
        assert!(moments(1, 0.0).is_empty());
    }
}
