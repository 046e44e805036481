//! What a request to PostgreSQL cost there, as far as it can be told from here.
//!
//! A server does not say what of its processor a statement took, so this is an estimate, and it
//! errs to the low side. Taken is the time from sending to the answer; less the quickest round trip
//! of late, which is the way there and back; divided by the requests of ours under way meanwhile,
//! since they waited for each other; at most [`TRIP_WORK_MAX_NS`], for a statement may have waited
//! for a lock or a network. So all requests together never cost more than the time that passed, and
//! a database that is slow for its own reasons does not make every route dear. Waiting for the log
//! to reach the disk is left out: a deed's time ends with its last statement, before COMMIT.

use crate::limits::TRIP_WORK_MAX_NS;
use model::ports::Clock;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// What is known of requests in general.
pub(super) struct Shares {
    clock: Arc<dyn Clock>,
    /// The quickest round trip, slowly forgotten; 0 before the first.
    quickest_ns: AtomicU64,
    under_way: AtomicU64,
}

/// A request under way.
pub(super) struct Trip<'a> {
    shares: &'a Shares,
    begun_ns: u64,
    beside: u64,
}

impl Shares {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, quickest_ns: AtomicU64::new(0), under_way: AtomicU64::new(0) }
    }

    /// Begins as a request is sent.
    pub fn begin(&self) -> Trip<'_> {
        let beside = self.under_way.fetch_add(1, Relaxed) + 1;
        Trip { shares: self, begun_ns: self.clock.steady_ns(), beside }
    }

    /// The way there and back, after one more round trip.
    fn way_ns(&self, took_ns: u64) -> u64 {
        let known_ns = self.quickest_ns.load(Relaxed);
        // Rises by a thousandth a trip: a way that has become longer is learnt of.
        let risen_ns = known_ns.saturating_add(known_ns / 1_000).saturating_add(1);
        let way_ns = if known_ns == 0 { took_ns } else { risen_ns.min(took_ns) };
        // Where two write at once one of them is lost, and comes again with the next.
        self.quickest_ns.store(way_ns.max(1), Relaxed);
        way_ns
    }
}

impl Trip<'_> {
    /// Its share of the database's time, now that the answer is there.
    pub fn work_ns(&self) -> u64 {
        let took_ns = self.shares.clock.steady_ns().saturating_sub(self.begun_ns);
        let there_ns = took_ns.saturating_sub(self.shares.way_ns(took_ns));
        let beside = (self.beside + self.shares.under_way.load(Relaxed)) / 2;
        (there_ns / beside.max(1)).min(TRIP_WORK_MAX_NS)
    }
}

impl Drop for Trip<'_> {
    fn drop(&mut self) {
        self.shares.under_way.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;

    #[derive(Default)]
    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_ms(0)
        }
        fn steady_ns(&self) -> u64 {
            self.0.load(Relaxed)
        }
    }

    /// Shares of requests that take so many us, one after the other, beside so many that stay.
    fn shares_us(took_us: &[u64], beside: usize) -> Vec<u64> {
        let clock = Arc::new(Hand::default());
        let shares = Shares::new(clock.clone());
        let others: Vec<Trip<'_>> = (0..beside).map(|_| shares.begin()).collect();
        let share = |us: &u64| {
            let trip = shares.begin();
            clock.0.fetch_add(us * 1_000, Relaxed);
            trip.work_ns().div_ceil(1_000)
        };
        let all = took_us.iter().map(share).collect();
        drop(others);
        assert_eq!(shares.under_way.load(Relaxed), 0);
        all
    }

    #[test]
    fn a_request_costs_what_it_took_longer_than_the_way_there() {
        assert_eq!(shares_us(&[100, 100, 600, 100], 0), [0, 0, 500, 0]);
    }

    #[test]
    fn requests_side_by_side_share_the_time() {
        assert_eq!(shares_us(&[100, 900], 3), [0, 200]);
    }

    #[test]
    fn one_that_waits_for_something_costs_no_more_than_the_most() {
        assert_eq!(shares_us(&[100, 4_000_000], 0), [0, TRIP_WORK_MAX_NS / 1_000]);
    }

    #[test]
    fn a_way_that_became_longer_is_learnt() {
        let mut took_us = vec![100];
        took_us.extend([1_000; 3_000]);
        let all = shares_us(&took_us, 0);
        assert!(all[1] > 850 && all[3_000] == 0, "{} then {}", all[1], all[3_000]);
    }
}
