//! What is remembered of answered challenges: which were heard of, and how much each has been used
//! for. Of fixed size whoever answers how many, and forgotten by the hour: each has two halves, of
//! which the older goes when the newer is as old as what it remembers can be.

use crate::limits::{ANSWERED_BITS, CLEARANCE_COUNTERS};
use httpkit::limits::{CHALLENGE_S, CLEARANCE_S};

/// Which half is written to.
struct Turn {
    period_s: u64,
    at: u64,
}

impl Turn {
    /// How many halves have run out by now: none, one or both. A clock that goes back changes
    /// nothing.
    fn over(&mut self, now_unix_s: u64) -> u64 {
        let at = now_unix_s / self.period_s;
        let over = at.saturating_sub(self.at).min(2);
        self.at = self.at.max(at);
        over
    }
}

/// Two mixed halves of a number, each as good as chance to who does not know the key.
fn mixed(key: u64, number: u64) -> (u64, u64) {
    let mut bits = number ^ key;
    for _ in 0..2 {
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits = (bits ^ (bits >> 31)) ^ key.rotate_left(32);
    }
    (bits >> 32, bits & 0xFFFF_FFFF)
}

fn place(bits: u64, of: usize) -> usize {
    usize::try_from(bits).unwrap_or(0) & (of - 1)
}

/// Which challenges were answered: never forgets one that could be shown again.
pub(super) struct Answered {
    key: u64,
    turn: Turn,
    halves: [Vec<u64>; 2],
}

impl Answered {
    pub(super) fn new(key: u64) -> Self {
        let turn = Turn { period_s: CHALLENGE_S, at: 0 };
        Self { key, turn, halves: [Vec::new(), Vec::new()] }
    }

    /// Notes an answer; whether it is the first of its challenge.
    pub(super) fn is_first(&mut self, id: u64, now_unix_s: u64) -> bool {
        for _ in 0..self.turn.over(now_unix_s) {
            self.halves.swap(0, 1);
            let [new, _] = &mut self.halves;
            *new = Vec::new();
        }
        let [new, old] = &mut self.halves;
        if new.is_empty() {
            // Zeroed by the system as it is touched.
            *new = vec![0; ANSWERED_BITS / 64];
        }
        let (one, other) = mixed(self.key, id);
        let (mut in_new, mut in_old) = (true, true);
        for step in 0..4 {
            let bit = place(one.wrapping_add(other.wrapping_mul(step)), ANSWERED_BITS);
            let (word, mask) = (bit / 64, 1_u64 << (bit % 64));
            in_old &= old.get(word).is_some_and(|bits| bits & mask != 0);
            if let Some(bits) = new.get_mut(word) {
                in_new &= *bits & mask != 0;
                *bits |= mask;
            }
        }
        !(in_new || in_old)
    }
}

/// How much clearances were used for: never less than they were.
pub(super) struct Uses {
    key: u64,
    turn: Turn,
    halves: [Vec<u16>; 2],
}

impl Uses {
    pub(super) fn new(key: u64) -> Self {
        let turn = Turn { period_s: CLEARANCE_S, at: 0 };
        Self { key, turn, halves: [Vec::new(), Vec::new()] }
    }

    /// Counts one use, and says how many there were with it.
    pub(super) fn count(&mut self, id: u64, now_unix_s: u64) -> u16 {
        for _ in 0..self.turn.over(now_unix_s) {
            self.halves.swap(0, 1);
            let [new, _] = &mut self.halves;
            *new = Vec::new();
        }
        let [new, old] = &mut self.halves;
        if new.is_empty() {
            *new = vec![0; CLEARANCE_COUNTERS * 2];
        }
        let (one, other) = mixed(self.key, id);
        let places =
            [place(one, CLEARANCE_COUNTERS), CLEARANCE_COUNTERS + place(other, CLEARANCE_COUNTERS)];
        let of = |half: &[u16]| places.map(|at| half.get(at).copied().unwrap_or(0));
        let least = |of: [u16; 2]| of.into_iter().min().unwrap_or(0);
        let (before, earlier) = (least(of(new)), least(of(old)));
        let now = before.saturating_add(1);
        for at in places {
            // Only what is too low grows, so that strangers' counts weigh less on each other.
            if let Some(counter) = new.get_mut(at) {
                *counter = (*counter).max(now);
            }
        }
        now.saturating_add(earlier)
    }
}

const _: () = assert!(ANSWERED_BITS.is_power_of_two() && CLEARANCE_COUNTERS.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 6_000_000 * CHALLENGE_S;

    #[test]
    fn an_answer_is_first_once_for_as_long_as_its_challenge_lives() {
        let mut answered = Answered::new(7);
        for id in 0..1_000 {
            assert!(answered.is_first(id, NOW + 1), "{id}");
        }
        for later in [1, CHALLENGE_S - 1, CHALLENGE_S, CHALLENGE_S + 1] {
            assert!(!answered.is_first(5, NOW + later), "{later}");
        }
        assert!(!answered.is_first(6, NOW), "a clock that goes back");
        assert!(
            answered.is_first(999, NOW + 4 * CHALLENGE_S),
            "forgotten when it cannot come back"
        );
    }

    #[test]
    fn a_million_answers_are_told_apart() {
        let mut answered = Answered::new(7);
        let mistaken = (0..1_000_000).filter(|id| !answered.is_first(*id, NOW)).count();
        assert!(mistaken < 5_000, "{mistaken}");
        assert!((0..1_000).all(|id| !answered.is_first(id, NOW)));
    }

    #[test]
    fn uses_are_counted_for_as_long_as_a_clearance_lives() {
        let mut uses = Uses::new(7);
        let now = 1_000_000 * CLEARANCE_S;
        assert_eq!((1..=50).map(|_| uses.count(5, now)).last(), Some(50));
        assert_eq!(uses.count(6, now), 1);
        assert_eq!(uses.count(5, now + CLEARANCE_S), 51);
        assert_eq!(uses.count(5, now + CLEARANCE_S), 52);
        assert_eq!(uses.count(5, now + 3 * CLEARANCE_S), 1);
    }

    #[test]
    fn a_hundred_thousand_clearances_do_not_use_each_other_up() {
        let mut uses = Uses::new(7);
        for _ in 0..10 {
            for id in 0..100_000 {
                uses.count(id, 0);
            }
        }
        let most = (0..100_000).map(|id| uses.count(id, 0)).max();
        assert!(most.is_some_and(|most| most < 60), "{most:?}");
    }
}
