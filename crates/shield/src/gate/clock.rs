//! The gate's clocks: time that never goes back, and a thread's processor time. The one home of
//! both in this room beside the edge's own.
//!
//! In peace a request is to pay for next to nothing here. So one reading of the clock serves for
//! all that is asked at that moment: when it came, when its work began; and where one piece of its
//! work ends, the next begins. And a thread's processor time is a system call: a short piece of
//! work is measured by the clock that is read without one, since nobody is crowded out for less
//! than [`limits::WORK_SHORT_NS`]. A longer one is held against the thread's own time.

use std::cell::Cell;

use crate::limits;

/// Time since it was made, on the machine's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic {
    start_ns: u64,
}

impl Monotonic {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start_ns: clock_ns(libc::CLOCK_MONOTONIC) }
    }

    /// Microseconds since then.
    #[must_use]
    pub fn us(&self) -> u64 {
        self.since_ns(clock_ns(libc::CLOCK_MONOTONIC))
    }

    /// Microseconds from then until a piece of work began.
    #[must_use]
    pub fn us_at(&self, began: Began) -> u64 {
        self.since_ns(began.wall_ns)
    }

    fn since_ns(&self, wall_ns: u64) -> u64 {
        wall_ns.saturating_sub(self.start_ns) / 1_000
    }
}

thread_local! {
    /// When this thread's processor time was asked for last, and what it was.
    static ASKED: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    /// When a piece of work began or ended on this thread last.
    static READ_NS: Cell<u64> = const { Cell::new(0) };
}

/// Where a piece of work began.
#[derive(Debug, Clone, Copy)]
pub struct Began {
    wall_ns: u64,
    own_ns: u64,
}

impl Began {
    /// Begins a piece on this thread.
    #[must_use]
    pub fn now() -> Self {
        Self::at(clock_ns(libc::CLOCK_MONOTONIC))
    }

    /// Whether this thread has begun and ended nothing else since: then what follows is of the
    /// same piece.
    #[must_use]
    pub fn is_latest(self) -> bool {
        READ_NS.get() == self.wall_ns
    }

    /// Ends it: processor time that it has taken until now, in ns, of a short one time; and where
    /// the next one begins.
    #[must_use]
    pub fn lap(self) -> (u64, Self) {
        let wall_ns = clock_ns(libc::CLOCK_MONOTONIC);
        let took_ns = wall_ns.saturating_sub(self.wall_ns);
        if took_ns <= limits::WORK_SHORT_NS {
            return (took_ns, Self::at(wall_ns));
        }
        let own_ns = thread_work_ns();
        ASKED.set((wall_ns, own_ns));
        let own_took_ns = own_ns.saturating_sub(self.own_ns).min(took_ns);
        (if own_ns == 0 { took_ns } else { own_took_ns }, Self::at(wall_ns))
    }

    fn at(wall_ns: u64) -> Self {
        READ_NS.set(wall_ns);
        let (asked_ns, mut own_ns) = ASKED.get();
        if wall_ns.saturating_sub(asked_ns) > limits::WORK_ASKED_NS {
            own_ns = thread_work_ns();
            ASKED.set((wall_ns, own_ns));
        }
        Self { wall_ns, own_ns }
    }
}

/// Processor time that this thread has used, in ns (`CLOCK_THREAD_CPUTIME_ID`, a system call of
/// some 0.2 us). 0 where the system has no such clock: then every request counts as its estimate.
#[must_use]
pub fn thread_work_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec, which outlives the call.
    let answer = unsafe { libc::clock_gettime(clock, &raw mut time) };
    if answer != 0 {
        return 0;
    }
    let (seconds, rest) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + rest.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_counts_what_its_thread_works_and_not_what_it_waits() {
        let began = Began::now();
        while began.lap().0 < 3 * limits::WORK_SHORT_NS {
            std::hint::black_box(0);
        }
        let began = Began::now();
        let (tell, told) = std::sync::mpsc::channel();
        let other = std::thread::spawn(move || {
            let clock = Monotonic::start();
            while clock.us() < 20_000 {
                std::hint::black_box(0);
            }
            tell.send(()).expect("somebody waits");
        });
        told.recv().expect("to be told");
        let (spent_ns, _) = began.lap();
        assert!(spent_ns < 10_000_000, "{spent_ns} ns of waiting");
        other.join().expect("its end");
    }

    #[test]
    fn a_piece_goes_on_where_the_last_one_ended_unless_something_came_between() {
        let first = Began::now();
        assert!(first.is_latest());
        let (_, second) = first.lap();
        assert!(second.is_latest());
        let elsewhere = std::thread::spawn(move || second.is_latest()).join();
        assert!(!elsewhere.expect("its end"), "another thread's");
        while !Began::now().is_latest() || second.is_latest() {
            std::hint::black_box(0);
        }
    }

    #[test]
    fn a_thread_that_works_has_used_time_and_the_clock_goes_on() {
        let (clock, before) = (Monotonic::start(), thread_work_ns());
        let mut sum = 0_u64;
        while thread_work_ns() < before + 1_000_000 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(clock.us() >= 900, "{} us for a millisecond of work", clock.us());
    }
}
