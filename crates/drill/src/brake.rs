//! Lowers what the server can do, where one core of attackers could not overload it: a thread on
//! the server's core that always wants to run, against which the server is nice. The system's
//! scheduler then gives the server a known share whenever it wants more. The share is printed with
//! the run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{
    limits::OVERLOAD_WANTED,
    system::{self, Process},
};

/// How nice the server can be made, and its weight then (Linux, `sched_prio_to_weight`); a thread
/// that is not nice weighs 1,024.
const STEPS: [(i32, f64); 7] =
    [(1, 820.0), (2, 655.0), (4, 423.0), (6, 272.0), (8, 172.0), (10, 110.0), (12, 70.0)];
const WEIGHT: f64 = 1_024.0;

/// A brake that is on.
pub(crate) struct Brake {
    /// The part of a core that the server has.
    pub capacity: f64,
    release: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// How much of what it has a server may need in calm, so that calm is calm.
const CALM_SHARE: f64 = 1.0 / 3.0;

/// How nice the server must be so that an expected overload of one core becomes what is wanted, and
/// what is left to it: never less than thrice what it needs in calm. None where it need not be, or
/// may not.
fn step(expected: f64, needed: f64) -> Option<(i32, f64)> {
    if expected >= OVERLOAD_WANTED {
        return None;
    }
    let share = |weight: f64| weight / (weight + WEIGHT);
    let mut may = STEPS.iter().map(|(nice, weight)| (*nice, share(*weight)));
    let mut chosen = None;
    // From gentle to hard, until it is enough or the next would be too hard.
    while let Some((nice, left)) = may.next().filter(|(_, left)| needed <= left * CALM_SHARE) {
        chosen = Some((nice, left));
        if expected / left >= OVERLOAD_WANTED {
            break;
        }
    }
    chosen
}

impl Brake {
    /// Brakes a server that would be overloaded so many times; does nothing where that is enough,
    /// where server and load share their cores, or where it would be felt in calm.
    pub(crate) fn apply(server: Process, expected: f64, needed: f64) -> Self {
        let release = Arc::new(AtomicBool::new(false));
        let Some((nice, capacity)) = step(expected, needed).filter(|_| system::has_two_cores())
        else {
            return Self { capacity: 1.0, release, thread: None };
        };
        server.renice(nice);
        let released = Arc::clone(&release);
        let thread = thread::spawn(move || {
            system::server_core_here();
            while !released.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        Self { capacity, release, thread: Some(thread) }
    }
}

impl Drop for Brake {
    fn drop(&mut self) {
        self.release.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_is_needed() {
        let nice = |expected, needed| step(expected, needed).map(|(nice, _)| nice);
        assert_eq!(nice(10.0, 0.0), None);
        assert_eq!(nice(9.0, 0.0), Some(1));
        assert_eq!(nice(3.0, 0.0), Some(4));
        let (nice, capacity) = step(0.1, 0.06).expect("a step");
        assert!(nice == 6 && (0.2..0.22).contains(&capacity), "{nice} {capacity}");
    }

    #[test]
    fn what_calm_needs_is_left() {
        for needed in [0.0, 0.05, 0.08, 0.1, 0.13, 0.14, 0.2, 0.9] {
            for expected in [0.1, 1.0, 3.0, 9.0] {
                if let Some((_, capacity)) = step(expected, needed) {
                    assert!(capacity >= 3.0 * needed, "{expected} {needed}: {capacity}");
                }
            }
        }
        assert!(step(0.1, 0.13).is_some() && step(0.1, 0.2).is_none());
    }
}
