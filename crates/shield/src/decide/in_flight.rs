//! How much each principal has in flight: two rows of counters, of which the lesser counts. A
//! request adds one and takes the same one off, so that collisions cannot drift.

use super::number::place;
use crate::limits::decide as limits;

const ROW: usize = limits::IN_FLIGHT_COUNTERS;

/// Counters of requests in flight.
pub(super) struct InFlight {
    counters: Box<[u16]>,
}

impl InFlight {
    pub(super) fn new() -> Self {
        Self { counters: vec![0; 2 * ROW].into_boxed_slice() }
    }

    pub(super) fn of(&self, hash: u64) -> u16 {
        let held = places(hash).map(|at| self.counters.get(at).copied().unwrap_or(0));
        held.into_iter().min().unwrap_or(0)
    }

    pub(super) fn enter(&mut self, hash: u64) {
        self.change(hash, u16::saturating_add);
    }

    pub(super) fn leave(&mut self, hash: u64) {
        self.change(hash, u16::saturating_sub);
    }

    fn change(&mut self, hash: u64, change: fn(u16, u16) -> u16) {
        for at in places(hash) {
            if let Some(counter) = self.counters.get_mut(at) {
                *counter = change(*counter, 1);
            }
        }
    }
}

fn places(hash: u64) -> [usize; 2] {
    [place(hash >> 8, ROW - 1), ROW + place(hash >> 36, ROW - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_enters_leaves() {
        let mut in_flight = InFlight::new();
        let (one, other) = (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);
        (0..3).for_each(|_| in_flight.enter(one));
        in_flight.enter(other);
        assert_eq!((in_flight.of(one), in_flight.of(other)), (3, 1));
        (0..5).for_each(|_| in_flight.leave(one));
        assert_eq!((in_flight.of(one), in_flight.of(other)), (0, 1));
    }
}
