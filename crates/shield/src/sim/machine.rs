//! The simulated machine: one core, how fast it is, and how much of it others take away. It does
//! work in the order in which it is given; who gives it, and when, is the world's affair.

use crate::decide::number::{real, whole};

/// Pieces of time that are looked at for one piece of work: a bound against a share of nothing.
const PIECES_MAX: u32 = 100_000;

/// Time that others take from the core: a neighbour on the same machine, or a quota.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Theft {
    /// The part that is left to the server.
    pub left: f64,
    /// The core goes round in so many us: the server's part of it at one go, then nothing. 0 is so
    /// finely that nobody feels the pieces.
    pub period_us: u64,
}

impl Theft {
    /// Nothing is taken.
    pub const NONE: Self = Self { left: 1.0, period_us: 0 };
}

/// A core and the work that it has in hand.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    /// How fast it is, against the one on which costs are told.
    speed: f64,
    /// Work that it would do if nobody took from it, in parts of one core's.
    power: f64,
    pub theft: Theft,
    /// When it is free, in ns.
    free_ns: u64,
    /// Which period was worked in last, and for how long, in ns.
    used: (u64, u64),
}

impl Machine {
    pub(super) const fn new(speed: f64, power: f64, theft: Theft) -> Self {
        Self { speed, power, theft, free_ns: 0, used: (0, 0) }
    }

    /// Forgets what it has in hand.
    pub(super) const fn rest(&mut self, now_us: u64) {
        self.free_ns = now_us * 1_000;
    }

    /// When it is free, in us.
    pub(super) const fn free_us(&self) -> u64 {
        self.free_ns.div_ceil(1_000)
    }

    /// Processor time that a piece of work takes, whoever else is at the core.
    pub(super) fn spent_ns(&self, cost_ns: u64) -> u64 {
        whole(real(cost_ns) / self.speed)
    }

    /// Takes a piece of work in hand; answers when it is done, in us.
    pub(super) fn work(&mut self, now_us: u64, cost_ns: u64) -> u64 {
        let spent_ns = whole(real(self.spent_ns(cost_ns)) / self.power);
        self.free_ns = self.free_ns.max(now_us * 1_000);
        let period_ns = self.theft.period_us * 1_000;
        if period_ns == 0 {
            self.free_ns += whole(real(spent_ns) / self.theft.left);
        } else {
            self.work_in_pieces(spent_ns, period_ns);
        }
        self.free_us()
    }

    fn work_in_pieces(&mut self, mut left_ns: u64, period_ns: u64) {
        let own_ns = whole(real(period_ns) * self.theft.left).max(1);
        for _ in 0..PIECES_MAX {
            let period = self.free_ns / period_ns;
            if self.used.0 != period {
                self.used = (period, 0);
            }
            let ends_ns = (period + 1) * period_ns;
            let piece_ns =
                own_ns.saturating_sub(self.used.1).min(ends_ns - self.free_ns).min(left_ns);
            self.used.1 += piece_ns;
            left_ns -= piece_ns;
            self.free_ns += piece_ns;
            if left_ns == 0 {
                return;
            }
            self.free_ns = ends_ns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_a_core_takes_five_times_as_long_whatever_the_pieces() {
        for period_us in [0, 1_000, 12_000] {
            let mut machine = Machine::new(1.0, 1.0, Theft { left: 0.2, period_us });
            let mut done_us = 0;
            (0..100).for_each(|_| done_us = machine.work(0, 3_000_000));
            assert!((1_485_000..=1_500_000).contains(&done_us), "{period_us}: {done_us}");
        }
        let mut machine = Machine::new(1.0, 1.0, Theft { left: 0.2, period_us: 10_000 });
        assert_eq!(machine.work(0, 2_000_000), 2_000, "its own part comes first");
        assert_eq!(machine.work(2_000, 1_000_000), 11_000);
    }
}
