//! A token bucket: so many at once, so many a second after that. Pure: it is handed the time.

/// What is left of a burst, in thousandths of a token so that a slow refill is not rounded away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    left_milli: u64,
    burst: u32,
    per_s: u32,
    at_ms: u64,
}

impl Bucket {
    /// A full bucket of `burst` tokens that gains `per_s` tokens a second.
    pub(super) fn full((burst, per_s): (u32, u32), now_ms: u64) -> Self {
        Self { left_milli: u64::from(burst) * 1_000, burst, per_s, at_ms: now_ms }
    }

    /// Takes `count` tokens, or none and answers false when there are not as many.
    pub(super) fn take(&mut self, count: u32, now_ms: u64) -> bool {
        let passed_ms = now_ms.saturating_sub(self.at_ms);
        self.at_ms = now_ms;
        let gained = passed_ms.saturating_mul(u64::from(self.per_s));
        self.left_milli =
            (self.left_milli.saturating_add(gained)).min(u64::from(self.burst) * 1_000);
        match self.left_milli.checked_sub(u64::from(count) * 1_000) {
            Some(left) => {
                self.left_milli = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_and_never_more_than_a_burst() {
        let mut bucket = Bucket::full((3, 10), 1_000);
        assert_eq!((0..5).filter(|_| bucket.take(1, 1_000)).count(), 3);
        assert!(!bucket.take(1, 1_099), "a tenth of a second is not over");
        assert!(bucket.take(1, 1_100));
        assert!(!bucket.take(1, 1_100));
        assert_eq!((0..9).filter(|_| bucket.take(1, 9_000)).count(), 3);
    }
}
