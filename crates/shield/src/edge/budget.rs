//! Processor time for strangers' handshakes: a public-key handshake costs as much as many requests,
//! before anything is known of who asks. In peace it is given to everybody. Under pressure
//! strangers share a part of it, measured as it is spent, and wait for theirs: the newest first,
//! since the oldest is the likeliest to have given up. Leaves who is a stranger to `seats`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::limits::{HANDSHAKE_US, HANDSHAKES_WAITING_MAX};

/// Part of the running mean that a new measurement is: one in so many.
const MEAN_OF: u64 = 16;

pub(super) struct Budget {
    us_per_s: u64,
    /// A running mean of what a handshake costs.
    cost_us: AtomicU64,
    state: Mutex<State>,
}

struct State {
    pressed: bool,
    left_us: u64,
    at_ms: u64,
    waiting: VecDeque<oneshot::Sender<()>>,
}

impl Budget {
    pub(super) fn new(us_per_s: u64) -> Self {
        let state = State { pressed: false, left_us: us_per_s, at_ms: 0, waiting: VecDeque::new() };
        Self { us_per_s, cost_us: AtomicU64::new(HANDSHAKE_US), state: Mutex::new(state) }
    }

    /// Pays for a stranger's handshake, or waits until it can be paid for. False when too many came
    /// after it.
    pub(super) async fn afford(&self) -> bool {
        let turn = {
            let mut state = self.state.lock();
            let cost_us = self.cost_us();
            if !state.pressed {
                return true;
            }
            if state.waiting.is_empty() && state.left_us >= cost_us {
                state.left_us -= cost_us;
                return true;
            }
            let (call, turn) = oneshot::channel();
            state.waiting.push_back(call);
            if state.waiting.len() > HANDSHAKES_WAITING_MAX {
                state.waiting.pop_front();
            }
            turn
        };
        turn.await.is_ok()
    }

    /// Lets time pass, with pressure or without, and calls whoever can be paid for.
    pub(super) fn tick(&self, pressed: bool, now_ms: u64) {
        let mut state = self.state.lock();
        let passed_ms = now_ms.saturating_sub(state.at_ms);
        state.at_ms = now_ms;
        state.pressed = pressed;
        let gained_us = self.us_per_s.saturating_mul(passed_ms) / 1_000;
        state.left_us = state.left_us.saturating_add(gained_us).min(self.us_per_s);
        let cost_us = self.cost_us();
        while !pressed || state.left_us >= cost_us {
            let Some(call) = state.waiting.pop_back() else { return };
            // Who has left meanwhile costs nothing.
            if call.send(()).is_ok() && pressed {
                state.left_us -= cost_us;
            }
        }
    }

    /// What one handshake took of a processor.
    pub(super) fn spent(&self, us: u64) {
        let mean = self.cost_us();
        self.cost_us.store((mean * (MEAN_OF - 1) + us).div_ceil(MEAN_OF), Relaxed);
    }

    /// A running mean of what a handshake takes, in us; never 0.
    pub(super) fn cost_us(&self) -> u64 {
        self.cost_us.load(Relaxed).max(1)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll(turn: std::pin::Pin<&mut impl Future<Output = bool>>) -> Poll<bool> {
        turn.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn in_peace_nobody_waits() {
        let budget = Budget::new(0);
        for _ in 0..10 {
            assert_eq!(poll(pin!(budget.afford())), Poll::Ready(true));
        }
    }

    #[test]
    fn under_pressure_so_many_a_second_and_the_newest_first() {
        let budget = Budget::new(10 * HANDSHAKE_US);
        budget.tick(true, 1_000);
        let paid = (0..15).filter(|_| poll(pin!(budget.afford())) == Poll::Ready(true)).count();
        assert_eq!(paid, 10);
        budget.tick(true, 1_000);
        let (mut older, mut newer) = (pin!(budget.afford()), pin!(budget.afford()));
        assert!(poll(older.as_mut()).is_pending() && poll(newer.as_mut()).is_pending());
        budget.tick(true, 1_100);
        assert!(poll(older.as_mut()).is_pending());
        assert_eq!(poll(newer.as_mut()), Poll::Ready(true));
        budget.tick(false, 1_101);
        assert_eq!(poll(older.as_mut()), Poll::Ready(true), "pressure is over");
    }

    #[test]
    fn dearer_handshakes_are_fewer() {
        let budget = Budget::new(10 * HANDSHAKE_US);
        (0..200).for_each(|_| budget.spent(5 * HANDSHAKE_US));
        assert!(budget.cost_us().abs_diff(5 * HANDSHAKE_US) < HANDSHAKE_US / 10);
        budget.tick(true, 1);
        let paid = (0..9).filter(|_| poll(pin!(budget.afford())) == Poll::Ready(true)).count();
        assert!((1..=2).contains(&paid), "{paid}");
    }

    #[test]
    fn too_many_waiting_cost_the_oldest_its_place() {
        let budget = Budget::new(0);
        budget.tick(true, 1);
        let mut oldest = pin!(budget.afford());
        assert!(poll(oldest.as_mut()).is_pending());
        let mut others: Vec<_> =
            (0..HANDSHAKES_WAITING_MAX).map(|_| Box::pin(budget.afford())).collect();
        assert!(others.iter_mut().all(|other| poll(other.as_mut()).is_pending()));
        assert_eq!(poll(oldest.as_mut()), Poll::Ready(false));
    }
}
