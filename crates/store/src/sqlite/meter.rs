//! What a query took of the processor, measured so that a short one does not get dearer by it.
//!
//! A thread's clock of its own work is a system call, as dear as a twentieth of a short query; time
//! that passes is read for nearly nothing. A query that was over in [`SHORT_NS`] was hardly put
//! aside meanwhile, so it costs the time that passed. A longer one is measured by the thread's
//! clock. What the thread did since it was last looked at (it is looked at every so many queries)
//! and charged to nobody is in the next long one's, up to the time that passed for that.

use crate::limits::{LOOK_EVERY, SHORT_NS};
use model::ports::Clock;

/// For one thread.
pub(super) struct Meter<'a> {
    clock: &'a dyn Clock,
    /// The thread's clock at the last look, and what was charged since, and to how many.
    looked_ns: u64,
    charged_ns: u64,
    charged: u32,
}

impl<'a> Meter<'a> {
    pub(super) fn new(clock: &'a dyn Clock) -> Self {
        Self { clock, looked_ns: clock.thread_work_ns(), charged_ns: 0, charged: 0 }
    }

    /// Does a query; it and its cost.
    pub(super) fn measure<T>(&mut self, query: impl FnOnce() -> T) -> (T, u64) {
        let begun_ns = self.clock.steady_ns();
        let done = query();
        let passed_ns = self.clock.steady_ns().saturating_sub(begun_ns);
        if passed_ns <= SHORT_NS && self.charged < LOOK_EVERY {
            self.charged_ns = self.charged_ns.saturating_add(passed_ns);
            self.charged += 1;
            return (done, passed_ns);
        }
        let now_ns = self.clock.thread_work_ns();
        let worked_ns = now_ns.saturating_sub(self.looked_ns).saturating_sub(self.charged_ns);
        (self.looked_ns, self.charged_ns, self.charged) = (now_ns, 0, 0);
        (done, worked_ns.min(passed_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    /// Time that passes, time that the thread works, and looks at the latter.
    #[derive(Default)]
    struct Hand {
        steady_ns: AtomicU64,
        work_ns: AtomicU64,
        looks: AtomicU64,
    }

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_ms(0)
        }
        fn thread_work_ns(&self) -> u64 {
            self.looks.fetch_add(1, Relaxed);
            self.work_ns.load(Relaxed)
        }
        fn steady_ns(&self) -> u64 {
            self.steady_ns.load(Relaxed)
        }
    }

    impl Hand {
        /// Costs in us of queries that work for so long and are put aside for so long, after so
        /// much of the thread's work that belongs to none.
        fn costs(&self, queries: &[(u64, u64, u64)]) -> Vec<u64> {
            let mut meter = Meter::new(self);
            let mut cost = |&(besides_us, works_us, waits_us): &(u64, u64, u64)| {
                self.work_ns.fetch_add(besides_us * 1_000, Relaxed);
                let query = || {
                    self.work_ns.fetch_add(works_us * 1_000, Relaxed);
                    self.steady_ns.fetch_add((works_us + waits_us) * 1_000, Relaxed);
                };
                meter.measure(query).1 / 1_000
            };
            queries.iter().map(&mut cost).collect()
        }
    }

    #[test]
    fn short_queries_cost_the_time_that_passed_and_the_clock_is_seldom_looked_at() {
        let hand = Hand::default();
        let costs = hand.costs(&[(5, 10, 2); 100]);
        assert!(costs[..16].iter().all(|us| *us == 12), "{costs:?}");
        assert!(costs.iter().all(|us| (10..=12).contains(us)), "{costs:?}");
        assert!(hand.looks.load(Relaxed) <= 1 + 100 / u64::from(LOOK_EVERY));
    }

    #[test]
    fn a_query_that_others_crowd_out_costs_what_it_worked() {
        let costs = Hand::default().costs(&[(0, 10, 0), (0, 200, 9_000), (0, 20_000, 0)]);
        assert_eq!(costs, [10, 200, 20_000]);
    }

    #[test]
    fn what_belongs_to_none_makes_no_query_dearer_than_the_time_that_passed() {
        let costs = Hand::default().costs(&[(5_000, 100, 0), (20, 100, 900)]);
        assert_eq!(costs, [100, 120]);
    }
}
