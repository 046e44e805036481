//! Latencies in buckets of at most 1.6 % width, from 1 microsecond to 70 minutes, in fixed memory.

use std::time::Duration;

/// Buckets per doubling.
const FINE: usize = 64;
/// Bits of `FINE`.
const FINE_BITS: u32 = 6;
/// Doublings that are told apart.
const DOUBLINGS: usize = 27;

/// Counts by latency.
#[derive(Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Histogram {
    /// An empty one.
    pub fn new() -> Self {
        Self { buckets: vec![0; FINE * DOUBLINGS], count: 0 }
    }

    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let last = self.buckets.len() - 1;
        if let Some(bucket) = self.buckets.get_mut(index(micros).min(last)) {
            *bucket += 1;
        }
        self.count += 1;
    }

    /// Counts all of another.
    pub fn add(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
        self.count += other.count;
    }

    /// How many were counted.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The latency that this share of them did not exceed (0.5, 0.99), in milliseconds.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let wanted = self.count as f64 * share;
        let mut seen = 0.0;
        for (at, bucket) in self.buckets.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let here = *bucket as f64;
            seen += here;
            if here > 0.0 && seen >= wanted {
                return upper_micros(at) / 1_000.0;
            }
        }
        0.0
    }
}

/// The bucket of a latency: exact below `FINE`, then `FINE` per doubling.
fn index(micros: u64) -> usize {
    let bits = u64::BITS - micros.leading_zeros();
    let shift = bits.saturating_sub(FINE_BITS + 1);
    let within = usize::try_from(micros >> shift).unwrap_or(usize::MAX);
    usize::try_from(shift).unwrap_or(0) * FINE + within
}

/// The highest latency of a bucket, in microseconds.
fn upper_micros(bucket: usize) -> f64 {
    let shift = (bucket / FINE).saturating_sub(1);
    let within = bucket - shift * FINE;
    let shift = i32::try_from(shift).unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "below 128")]
    let upper = (within as f64 + 1.0) * 2_f64.powi(shift);
    upper - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_two_percent() {
        let mut shown = Histogram::new();
        for micros in 1..=100_000 {
            shown.record(Duration::from_micros(micros));
        }
        for (share, expected) in [(0.5, 50.0), (0.99, 99.0), (0.001, 0.1)] {
            let found = shown.quantile_ms(share);
            assert!((found - expected).abs() <= expected * 0.02, "{share}: {found}");
        }
    }

    #[test]
    fn the_largest_latency_has_a_bucket() {
        let mut shown = Histogram::new();
        shown.record(Duration::from_secs(1_000_000));
        assert_eq!(shown.count(), 1);
        assert!(shown.quantile_ms(1.0) > 1_000_000.0);
    }

    #[test]
    fn buckets_grow_without_a_gap() {
        let mut last = 0;
        for micros in 0..1_000_000 {
            let here = index(micros);
            assert!(here == last || here == last + 1, "{micros}: {last} then {here}");
            last = here;
        }
    }
}
