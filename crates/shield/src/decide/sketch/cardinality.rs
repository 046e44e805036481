//! How many different keys came in a window: HyperLogLog (Flajolet 2007), 4,096 registers, about
//! 1.6 % off.

use crate::decide::number::{place, real};

/// Registers: a power of two.
const REGISTERS: usize = 4_096;
/// Bits of a hash that choose its register.
const REGISTER_BITS: u32 = REGISTERS.trailing_zeros();

/// Keys that were active: those of the window before, or of this one once it has more.
pub struct Active {
    registers: Box<[u8]>,
    before: f64,
}

impl Active {
    /// Nobody was active.
    #[must_use]
    pub fn new() -> Self {
        Self { registers: vec![0; REGISTERS].into_boxed_slice(), before: 0.0 }
    }

    /// Notes that a key was active.
    #[inline]
    pub fn insert(&mut self, hash: u64) {
        let rank = (hash << REGISTER_BITS | 1 << (REGISTER_BITS - 1)).leading_zeros() + 1;
        let at = place(hash >> (u64::BITS - REGISTER_BITS), REGISTERS - 1);
        if let (Some(register), Ok(rank)) = (self.registers.get_mut(at), u8::try_from(rank)) {
            *register = rank.max(*register);
        }
    }

    /// Ends a window.
    pub fn turn(&mut self) {
        self.before = self.counted();
        self.registers.fill(0);
    }

    /// How many there were, at least one.
    #[must_use]
    pub fn estimate(&self) -> f64 {
        self.counted().max(self.before).max(1.0)
    }

    fn counted(&self) -> f64 {
        let count = real(REGISTERS as u64);
        let sum: f64 = self.registers.iter().map(|rank| (-f64::from(*rank)).exp2()).sum();
        let raw = 0.7213 / (1.0 + 1.079 / count) * count * count / sum;
        let empty = self.registers.iter().filter(|rank| **rank == 0).count();
        if raw <= 2.5 * count && empty > 0 {
            return count * (count / real(empty as u64)).ln();
        }
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::hash;
    use super::*;

    #[test]
    fn it_is_a_few_percent_off_from_one_to_a_million() {
        for count in [1_u64, 100, 5_000, 20_000, 300_000] {
            let mut active = Active::new();
            for key in 0..count {
                active.insert(hash(key));
                active.insert(hash(key));
            }
            let off = active.estimate() / real(count) - 1.0;
            assert!(off.abs() < 0.06, "{count}: {off:+.3}");
        }
    }

    #[test]
    fn the_window_before_counts_until_this_one_has_more() {
        let mut active = Active::new();
        (0..100).for_each(|key| active.insert(hash(key)));
        active.turn();
        active.insert(hash(1));
        assert!(active.estimate() > 90.0);
        active.turn();
        active.turn();
        assert!(active.estimate() < 2.0);
    }
}
