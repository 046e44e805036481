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
/// that is not nice weighs 1,024. Below a fifth of a core the populations' own load would be felt.
const STEPS: [(i32, f64); 4] = [(1, 820.0), (2, 655.0), (4, 423.0), (6, 272.0)];
const WEIGHT: f64 = 1_024.0;

/// A brake that is on.
pub(crate) struct Brake {
    /// The part of a core that the server has.
    pub capacity: f64,
    release: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// How nice the server must be so that an expected overload of one core becomes what is wanted, and
/// what is left to it; none where it need not be.
fn step(expected: f64) -> Option<(i32, f64)> {
    if expected >= OVERLOAD_WANTED {
        return None;
    }
    let share = |weight: f64| weight / (weight + WEIGHT);
    let enough = STEPS.iter().find(|(_, weight)| expected / share(*weight) >= OVERLOAD_WANTED);
    let (nice, weight) = enough.or(STEPS.last())?;
    Some((*nice, share(*weight)))
}

impl Brake {
    /// Brakes a server that would be overloaded so many times; does nothing where that is enough,
    /// or where server and load share their cores.
    pub(crate) fn apply(server: Process, expected: f64) -> Self {
        let release = Arc::new(AtomicBool::new(false));
        let Some((nice, capacity)) = step(expected).filter(|_| system::has_two_cores()) else {
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
        assert_eq!(step(10.0), None);
        assert_eq!(step(9.0).map(|(nice, _)| nice), Some(1));
        assert_eq!(step(3.0).map(|(nice, _)| nice), Some(4));
        let (nice, capacity) = step(0.1).expect("a step");
        assert!(nice == 6 && (0.2..0.22).contains(&capacity), "{nice} {capacity}");
    }
}
