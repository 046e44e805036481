//! Borrowed work: processor time that a request has used on other threads.
//!
//! Whoever measures a request by the clock of the thread that polls it sees nothing of what the
//! store's threads, the password pool or the picture pool did for it. So a result that was made
//! elsewhere comes back with what it cost there ([`Made`]), and whoever takes it in adds that, in
//! the same poll, to a counter of this thread. The measure of a poll is then the thread's own time
//! plus what the counter gained in it.
//!
//! A wait that is given up adds nothing: what it began elsewhere is stopped by whoever does it, or
//! is bounded by its pool. Nothing here reads a clock; [`crate::ports::Clock`] does.

use crate::ports::Clock;
use std::cell::Cell;

thread_local! {
    static BORROWED_NS: Cell<u64> = const { Cell::new(0) };
}

/// Adds work that was done elsewhere for what this thread polls now.
pub fn spent(ns: u64) {
    BORROWED_NS.with(|borrowed| borrowed.set(borrowed.get().saturating_add(ns)));
}

/// All that was ever added on this thread, in ns. Only differences mean something.
#[must_use]
pub fn borrowed_ns() -> u64 {
    BORROWED_NS.with(Cell::get)
}

/// A result with the processor time that it took where it was made.
#[derive(Debug)]
#[must_use = "its cost is added where it is taken"]
pub struct Made<T> {
    result: T,
    work_ns: u64,
}

impl<T> Made<T> {
    /// A result of known cost.
    pub fn at(result: T, work_ns: u64) -> Self {
        Self { result, work_ns }
    }

    /// Does the work on this thread and measures it.
    pub fn by(clock: &dyn Clock, work: impl FnOnce() -> T) -> Self {
        let before_ns = clock.thread_work_ns();
        let result = work();
        Self { result, work_ns: clock.thread_work_ns().saturating_sub(before_ns) }
    }

    /// What it cost, in ns.
    #[must_use]
    pub fn work_ns(&self) -> u64 {
        self.work_ns
    }

    /// The result. Its cost is this thread's from now on.
    pub fn taken(self) -> T {
        spent(self.work_ns);
        self.result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Every look at it finds a microsecond of work more.
    #[derive(Default)]
    struct Busy(AtomicU64);

    impl Clock for Busy {
        fn now(&self) -> Timestamp {
            Timestamp::from_ms(0)
        }
        fn thread_work_ns(&self) -> u64 {
            self.0.fetch_add(1_000, Ordering::Relaxed)
        }
    }

    #[test]
    fn what_was_made_elsewhere_is_work_of_who_takes_it_and_of_nobody_else() {
        let made = std::thread::spawn(|| Made::by(&Busy::default(), || 7)).join().unwrap();
        let before = borrowed_ns();
        assert_eq!(made.taken(), 7);
        assert_eq!(borrowed_ns() - before, 1_000);
        let elsewhere = std::thread::spawn(borrowed_ns).join().unwrap();
        assert_eq!(elsewhere, 0);
    }

    #[test]
    fn a_result_that_nobody_takes_adds_nothing() {
        let before = borrowed_ns();
        drop(Made::at((), 5_000));
        assert_eq!(borrowed_ns(), before);
    }
}
