//! Seeded chance for simulations: xorshift64* (Vigna 2016). A seed replays a run to the last bit.

use crate::decide::number::{fraction, low_half};

/// A source of chance.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// From a seed; any will do.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number of 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0 to 1.
    pub fn unit(&mut self) -> f64 {
        fraction(self.word())
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        low_half((u128::from(self.word()) * u128::from(bound.max(1))) >> 64)
    }

    /// The time until the next of events that come so often a second, in us.
    pub fn gap_us(&mut self, per_s: f64) -> u64 {
        let gap_s = -(1.0 - self.unit()).ln() / per_s.max(1e-9);
        crate::decide::number::whole(gap_s * 1e6).max(1)
    }

    /// One of so many values of which the first are the most common (Zipf).
    pub fn common(&mut self, values: u64) -> u64 {
        // Inverse of the continuous distribution: the n-th is about 1/n as common as the first.
        let top = crate::decide::number::real(values.max(1) + 1);
        crate::decide::number::whole(top.powf(self.unit())).clamp(1, values.max(1))
    }
}

/// The probability with which [`Chance::common`] gives a value.
#[must_use]
pub fn commonness(value: u64, values: u64) -> f64 {
    let real = crate::decide::number::real;
    ((real(value) + 1.0) / real(value.max(1))).ln() / real(values + 1).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_values_are_as_common_as_said() {
        let draw = |seed| {
            let mut chance = Chance::new(seed);
            (0..10_000).map(|_| chance.common(20)).collect::<Vec<_>>()
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
        for value in [1, 2, 7, 20] {
            let seen = draw(5).iter().filter(|drawn| **drawn == value).count();
            let expected = commonness(value, 20) * 10_000.0;
            assert!((seen as f64 - expected).abs() < 100.0 + expected * 0.1, "{value}: {seen}");
        }
    }
}
