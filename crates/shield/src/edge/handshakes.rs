//! Turns at the cryptography of strangers' handshakes: answering a greeting takes as long as many
//! requests, before anything is known of who asks. The runtime polls whoever is ready in the order
//! of their coming, so a flood of greetings would keep everybody else waiting for all of it.
//! Therefore strangers are answered one at a time for each core, and between two of them everything
//! else that is ready runs once. Under pressure they share a part of the processor besides,
//! measured as it is spent. Of those who wait the ones from networks that people come from in peace
//! are called first (`networks`), among equals the newest, since the oldest is the likeliest to
//! have given up; and now and then the newest of all.
//!
//! Who is known has turns of another kind, several at once for each core and never counted against
//! a budget: nobody known waits behind strangers, and bots behind one member's address have others
//! wait for a few of them at most.
//!
//! How many handshakes are under way is not bounded here: who was answered and does not go on holds
//! a seat like everybody who keeps us waiting. Leaves who is a stranger, and who must go when seats
//! are short, to `seats`, and deadlines to `judge`.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::limits::{HANDSHAKE_ANYBODY_ONE_IN, HANDSHAKES_WAITING_MAX};

/// All turns, and who waits for one.
pub(super) struct Handshakes {
    at_once: usize,
    us_per_s: i64,
    state: Mutex<State>,
}

struct State {
    at_work: usize,
    pressed: bool,
    /// Time that may be spent; below 0 it is owed. So nothing has to be foretold, and who costs
    /// nothing takes nothing from others.
    left_us: i64,
    at_ms: u64,
    waiting: Waiting,
}

/// How much is to be said for somebody: see [`Merit::of`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Merit(i8);

impl Merit {
    /// From the logarithm of how much more common a network is in peace than now. Differences that
    /// a few visits make do not count.
    pub(super) fn of(nats: f32) -> Self {
        let steps = 2.0 * nats.clamp(-8.0, 8.0);
        #[expect(clippy::cast_possible_truncation, reason = "from -16 to 16")]
        Self(steps.round() as i8)
    }
}

/// Who waits, by merit and by the order of coming.
#[derive(Default)]
struct Waiting {
    by_merit: BTreeMap<(Merit, u64), oneshot::Sender<()>>,
    by_age: BTreeMap<u64, Merit>,
    came: u64,
    called: u32,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    /// Takes one in; of too many the least goes, of equals the oldest.
    fn push(&mut self, merit: Merit, caller: oneshot::Sender<()>) -> (Merit, u64) {
        self.came += 1;
        self.by_merit.insert((merit, self.came), caller);
        self.by_age.insert(self.came, merit);
        if self.by_age.len() > HANDSHAKES_WAITING_MAX
            && let Some(((_, came), _)) = self.by_merit.pop_first()
        {
            self.by_age.remove(&came);
        }
        (merit, self.came)
    }

    /// One leaves, if it is still there.
    fn leave(&mut self, place: (Merit, u64)) {
        if self.by_merit.remove(&place).is_some() {
            self.by_age.remove(&place.1);
        }
    }

    /// Whose turn is next.
    fn pop(&mut self) -> Option<oneshot::Sender<()>> {
        self.called = self.called.wrapping_add(1);
        if self.called.is_multiple_of(HANDSHAKE_ANYBODY_ONE_IN) {
            let (came, merit) = self.by_age.pop_last()?;
            return self.by_merit.remove(&(merit, came));
        }
        let ((_, came), caller) = self.by_merit.pop_last()?;
        self.by_age.remove(&came);
        Some(caller)
    }
}

/// One stranger's turn, over when it is dropped.
pub(super) struct Turn<'a>(&'a Handshakes);

/// A place in the queue.
struct Place<'a> {
    all: &'a Handshakes,
    at: (Merit, u64),
    call: oneshot::Receiver<()>,
}

impl Handshakes {
    /// So many turns at once, and under pressure so much time of a processor.
    pub(super) fn new(at_once: usize, us_per_s: u64) -> Self {
        let us_per_s = i64::try_from(us_per_s).unwrap_or(i64::MAX);
        let state = State {
            at_work: 0,
            pressed: false,
            left_us: us_per_s,
            at_ms: 0,
            waiting: Waiting::default(),
        };
        Self { at_once: at_once.max(1), us_per_s, state: Mutex::new(state) }
    }

    /// Waits for a turn. None when too many came after it.
    pub(super) async fn turn(&self, merit: Merit) -> Option<Turn<'_>> {
        let mut place = {
            let mut state = self.state.lock();
            if state.waiting.is_empty() && self.may_begin(&state) {
                state.at_work += 1;
                return Some(Turn(self));
            }
            let (caller, call) = oneshot::channel();
            let at = state.waiting.push(merit, caller);
            Place { all: self, at, call }
        };
        (&mut place.call).await.ok().map(|()| Turn(self))
    }

    fn may_begin(&self, state: &State) -> bool {
        let affordable = !state.pressed || state.left_us > 0;
        state.at_work < self.at_once && affordable
    }

    /// Calls whoever can have a turn now.
    fn call(&self, state: &mut State) {
        while self.may_begin(state) {
            let Some(caller) = state.waiting.pop() else { return };
            // Who has left meanwhile costs nothing.
            if caller.send(()).is_ok() {
                state.at_work += 1;
            }
        }
    }

    fn give_back(&self) {
        let mut state = self.state.lock();
        state.at_work = state.at_work.saturating_sub(1);
        self.call(&mut state);
    }

    /// Lets time pass, with pressure or without.
    pub(super) fn tick(&self, pressed: bool, now_ms: u64) {
        let mut state = self.state.lock();
        let passed_ms = now_ms.saturating_sub(state.at_ms);
        state.at_ms = now_ms;
        state.pressed = pressed;
        let passed_ms = i64::try_from(passed_ms).unwrap_or(i64::MAX);
        let gained_us = self.us_per_s.saturating_mul(passed_ms) / 1_000;
        state.left_us = state.left_us.saturating_add(gained_us).min(self.us_per_s);
        self.call(&mut state);
    }

    /// A part of a stranger's handshake took so much of a processor.
    pub(super) fn spent(&self, us: u64) {
        let mut state = self.state.lock();
        if state.pressed {
            let us = i64::try_from(us).unwrap_or(i64::MAX);
            state.left_us = state.left_us.saturating_sub(us);
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().waiting.by_age.len()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl Drop for Place<'_> {
    /// Who leaves keeps no place. Who was called and left before it heard so had a turn all the
    /// same.
    fn drop(&mut self) {
        self.all.state.lock().waiting.leave(self.at);
        self.call.close();
        if self.call.try_recv().is_ok() {
            self.all.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    const SAME: Merit = Merit(0);

    type Polled<'a> = Poll<Option<Turn<'a>>>;

    fn poll<'a>(turn: Pin<&mut impl Future<Output = Option<Turn<'a>>>>) -> Polled<'a> {
        turn.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn has_turn(polled: &Polled<'_>) -> bool {
        matches!(polled, Poll::Ready(Some(_)))
    }

    /// How many of so many get a turn in which so much is spent, each over at once.
    fn answered(all: &Handshakes, many: usize, us: u64) -> usize {
        let is_answered = |_: &usize| {
            let turn = poll(pin!(all.turn(SAME)));
            has_turn(&turn).then(|| all.spent(us)).is_some()
        };
        (0..many).filter(is_answered).count()
    }

    #[test]
    fn in_peace_nobody_waits_for_more_than_those_at_work() {
        let all = Handshakes::new(1, 0);
        assert_eq!(answered(&all, 10, 500), 10);
        let first = poll(pin!(all.turn(SAME)));
        let (mut older, mut newer) = (pin!(all.turn(SAME)), pin!(all.turn(SAME)));
        assert!(poll(older.as_mut()).is_pending() && poll(newer.as_mut()).is_pending());
        assert_eq!(all.waiting(), 2);
        drop(first);
        assert!(poll(older.as_mut()).is_pending(), "the newest comes first");
        let second = poll(newer.as_mut());
        assert!(has_turn(&second));
        drop(second);
        assert!(has_turn(&poll(older.as_mut())));
        assert_eq!(answered(&all, 1, 500), 1);
    }

    #[test]
    fn who_leaves_in_the_queue_takes_no_turn_along() {
        let all = Handshakes::new(1, 0);
        let first = poll(pin!(all.turn(SAME)));
        let (mut stays, mut unheard) = (Box::pin(all.turn(SAME)), Box::pin(all.turn(SAME)));
        let mut left = Box::pin(all.turn(SAME));
        for waits in [&mut stays, &mut unheard, &mut left] {
            assert!(poll(waits.as_mut()).is_pending());
        }
        drop(left);
        drop(first);
        // `unheard` was called and does not know it yet.
        drop(unheard);
        assert!(has_turn(&poll(stays.as_mut())));
    }

    #[test]
    fn who_leaves_in_the_queue_is_not_counted_any_more() {
        let all = Handshakes::new(1, 0);
        all.tick(true, 1);
        let mut stays = pin!(all.turn(SAME));
        assert!(poll(stays.as_mut()).is_pending());
        for _ in 0..=HANDSHAKES_WAITING_MAX {
            let mut leaves = pin!(all.turn(SAME));
            assert!(poll(leaves.as_mut()).is_pending());
        }
        assert_eq!(all.waiting(), 1);
        assert!(poll(stays.as_mut()).is_pending(), "nobody who is there came after it");
        all.tick(false, 2);
        assert!(has_turn(&poll(stays.as_mut())));
        assert_eq!(all.waiting(), 0);
    }

    #[test]
    fn under_pressure_so_many_a_second_and_the_newest_first() {
        let all = Handshakes::new(1, 5_000);
        all.tick(true, 1_000);
        assert_eq!(answered(&all, 15, 500), 10);
        all.tick(true, 1_000);
        let (mut older, mut newer) = (pin!(all.turn(SAME)), pin!(all.turn(SAME)));
        assert!(poll(older.as_mut()).is_pending() && poll(newer.as_mut()).is_pending());
        all.tick(true, 1_100);
        let turn = poll(newer.as_mut());
        assert!(has_turn(&turn) && poll(older.as_mut()).is_pending());
        all.spent(501);
        drop(turn);
        assert!(poll(older.as_mut()).is_pending(), "its time was spent");
        all.tick(false, 1_101);
        assert!(has_turn(&poll(older.as_mut())), "pressure is over");
    }

    #[test]
    fn a_turn_costs_what_was_spent_in_it_and_no_more_is_forgiven() {
        let all = Handshakes::new(4, 5_000);
        all.tick(true, 1);
        assert_eq!(answered(&all, 5_000, 0), 5_000, "whose peers have left");
        assert_eq!(answered(&all, 9, 3_000), 2);
        for (now_ms, turns) in [(201, 0), (202, 1)] {
            all.tick(true, now_ms);
            assert_eq!(answered(&all, 1, 0), turns, "at {now_ms} ms");
        }
    }

    #[test]
    fn too_many_waiting_cost_the_oldest_its_place() {
        let all = Handshakes::new(1, 0);
        all.tick(true, 1);
        let mut oldest = pin!(all.turn(SAME));
        assert!(poll(oldest.as_mut()).is_pending());
        let mut others: Vec<_> =
            (0..HANDSHAKES_WAITING_MAX).map(|_| Box::pin(all.turn(SAME))).collect();
        assert!(others.iter_mut().all(|other| poll(other.as_mut()).is_pending()));
        assert!(matches!(poll(oldest.as_mut()), Poll::Ready(None)));
    }

    /// In which order those who wait are called, by merit as they came.
    #[track_caller]
    fn called(merits: &[f32], expected: &[usize]) {
        let (mut waiting, mut turns) = (Waiting::default(), Vec::new());
        for merit in merits {
            let (caller, turn) = oneshot::channel();
            waiting.push(Merit::of(*merit), caller);
            turns.push(turn);
        }
        let mut order = Vec::new();
        while let Some(caller) = waiting.pop() {
            caller.send(()).expect("it waits");
            let now = (0..turns.len()).find(|at| turns[*at].try_recv().is_ok());
            order.push(now.expect("somebody is called"));
        }
        assert_eq!(order, expected, "{merits:?}");
        assert!(waiting.is_empty() && waiting.by_merit.is_empty());
    }

    #[test]
    fn who_comes_from_where_people_come_from_is_called_first_and_now_and_then_the_newest() {
        called(&[0.0, 0.0, 0.0], &[2, 1, 0]);
        called(&[2.0, -2.0, 2.1], &[2, 0, 1]);
        // The fourth turn is anybody's: the newest of all has it.
        called(&[2.0, 2.0, 2.0, 2.0, -3.0, 2.0, -3.0], &[5, 3, 2, 6, 1, 0, 4]);
        called(&[f32::NAN, f32::INFINITY], &[1, 0]);
    }
}
