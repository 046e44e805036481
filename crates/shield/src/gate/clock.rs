//! The gate's clocks: time that never goes back, and a thread's processor time. The one home of
//! both in this room beside the edge's own.

use std::time::Instant;

/// Time since it was made, on the machine's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic {
    start: Instant,
}

impl Monotonic {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: instant() }
    }

    /// Microseconds since then.
    #[must_use]
    pub fn us(&self) -> u64 {
        u64::try_from(instant().saturating_duration_since(self.start).as_micros())
            .unwrap_or(u64::MAX)
    }
}

#[expect(clippy::disallowed_methods, reason = "the gate's one home of the monotonic clock")]
fn instant() -> Instant {
    Instant::now()
}

/// Processor time that this thread has used, in ns (`CLOCK_THREAD_CPUTIME_ID`, a system call of
/// some 0.2 us). 0 where the system has no such clock: then every request counts as its estimate.
#[must_use]
pub fn thread_work_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec, which outlives the call.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
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
    fn a_thread_that_works_has_used_time_and_the_clock_goes_on() {
        let (clock, before) = (Monotonic::start(), thread_work_ns());
        let mut sum = 0_u64;
        while thread_work_ns() < before + 1_000_000 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(clock.us() >= 900, "{} us for a millisecond of work", clock.us());
    }
}
