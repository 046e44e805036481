//! Who leaves challenges unanswered, and who goes on for so long that it is denied.
//!
//! Doubt belongs to an address. A challenge that is given adds to it, one that is answered takes
//! off three times as much: a school behind one address of which a third answers is never suspect.
//! Suspects are refused without a challenge, so that challenges stop once the bots are learnt, as
//! in Kill-Bots.
//! A suspect that goes on is denied for a while, longer each time. An address that served a member
//! within a day is never denied: it may be a carrier's.

use std::net::IpAddr;

use super::facts::{Now, Origin};
use super::number::{place, small};
use super::sketch::{Filter, Meter};
use crate::limits::decide as limits;

/// Places of a set of the deny table.
const WAYS: usize = 4;
const SETS: usize = limits::DENIED_MAX / WAYS;
const DAY_S: u64 = 86_400;

/// An address to be denied by the kernel, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// The address; an IPv6 one stands for its /64.
    pub address: IpAddr,
    /// Seconds from now.
    pub seconds: u32,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    hash: u64,
    until_s: u64,
    offences: u32,
}

/// What is held against addresses.
pub(super) struct Offenders {
    doubt: Meter,
    answered: Meter,
    denied: Box<[Entry]>,
    fresh: std::collections::VecDeque<Denial>,
    served_members: [Filter; 2],
    day: u64,
}

impl Offenders {
    pub(super) fn new(sources: usize, day: u64) -> Self {
        let members = || Filter::new(limits::MEMBER_ADDRESSES.min(sources));
        Self {
            doubt: Meter::new(sources / 2, limits::DOUBT_WINDOW_US),
            answered: Meter::new(sources / 16, limits::DOUBT_WINDOW_US),
            denied: vec![Entry::default(); SETS * WAYS].into_boxed_slice(),
            fresh: std::collections::VecDeque::with_capacity(limits::DENIALS_MAX),
            served_members: [members(), members()],
            day,
        }
    }

    /// What is held against an address.
    pub(super) fn doubt(&self, address: u64, now_us: u64) -> u32 {
        let doubt = self.doubt.estimate(address, now_us);
        if doubt < limits::DOUBT_SUSPECT {
            return doubt;
        }
        doubt.saturating_sub(self.answered.estimate(address, now_us))
    }

    pub(super) fn is_suspect(&self, address: u64, now_us: u64) -> bool {
        self.doubt(address, now_us) >= limits::DOUBT_SUSPECT
    }

    /// A challenge or waiting room was given.
    pub(super) fn challenged(&mut self, address: u64, now_us: u64) {
        self.doubt.add(address, limits::DOUBT.0, now_us);
    }

    /// A challenge was answered.
    pub(super) fn answered(&mut self, address: u64, now_us: u64) {
        self.answered.add(address, 3 * limits::DOUBT.0, now_us);
    }

    /// An address served a member.
    pub(super) fn served_member(&mut self, address: u64) {
        let [today, _] = &mut self.served_members;
        today.insert(address);
    }

    /// A suspect was refused: answers whether its address is to be denied for it. `familiar` ones
    /// never are.
    pub(super) fn refused(&mut self, origin: Origin, familiar: bool, now: Now) -> bool {
        self.doubt.add(origin.address, limits::DOUBT.1, now.us);
        let spared = familiar || self.served_members.iter().any(|day| day.contains(origin.address));
        !spared && self.doubt(origin.address, now.us) >= limits::DOUBT_DENIED
    }

    /// Denies an address, for longer the more often; answers the seconds, none when it was denied
    /// already.
    pub(super) fn deny(&mut self, hash: u64, now_s: u64) -> Option<u64> {
        let base = place(hash, SETS - 1) * WAYS;
        let set = self.denied.get_mut(base..base + WAYS)?;
        let forgets = |entry: &Entry| entry.until_s + limits::DENIED_MEMORY_S < now_s;
        let known = set.iter().position(|entry| entry.hash == hash && !forgets(entry));
        let at = known.or_else(|| {
            set.iter().enumerate().min_by_key(|(_, entry)| entry.until_s).map(|(at, _)| at)
        })?;
        let entry = set.get_mut(at)?;
        if known.is_none() {
            *entry = Entry { hash, until_s: 0, offences: 0 };
        }
        if entry.until_s > now_s {
            return None;
        }
        let (first, longest) = limits::DENIED_S;
        let seconds = first.checked_shl(entry.offences).unwrap_or(longest).clamp(first, longest);
        entry.offences = (entry.offences + 1).min(32);
        entry.until_s = now_s + seconds;
        Some(seconds)
    }

    /// Hands a denial to whoever tells the kernel.
    pub(super) fn announce(&mut self, address: IpAddr, seconds: u64) {
        if self.fresh.len() < limits::DENIALS_MAX {
            self.fresh.push_back(Denial { address, seconds: small(seconds) });
        }
    }

    pub(super) fn next_denial(&mut self) -> Option<Denial> {
        self.fresh.pop_front()
    }

    /// Seconds for which an address is still denied.
    pub(super) fn denied_s(&self, hash: u64, now_s: u64) -> Option<u64> {
        let base = place(hash, SETS - 1) * WAYS;
        let set = self.denied.get(base..base + WAYS)?;
        let entry = set.iter().find(|entry| entry.hash == hash)?;
        entry.until_s.checked_sub(now_s).filter(|left| *left > 0)
    }

    /// Addresses denied now.
    pub(super) fn denied(&self, now_s: u64) -> usize {
        self.denied.iter().filter(|entry| entry.until_s > now_s).count()
    }

    /// Forgives one address, also the doubt that there is now: an operator's word. Answers whether
    /// it was denied.
    pub(super) fn forgive(&mut self, hash: u64, address: IpAddr, now: Now) -> bool {
        let was = self.denied_s(hash, now.unix_s).is_some();
        let base = place(hash, SETS - 1) * WAYS;
        let set = self.denied.get_mut(base..base + WAYS).unwrap_or_default();
        if let Some(entry) = set.iter_mut().find(|entry| entry.hash == hash) {
            *entry = Entry::default();
        }
        let doubt = self.doubt.estimate(hash, now.us);
        self.answered.add(hash, doubt, now.us);
        self.fresh.retain(|denial| denial.address != address);
        was
    }

    /// Forgives everybody: an operator's word.
    pub(super) fn clear(&mut self) {
        self.denied.fill(Entry::default());
        self.fresh.clear();
    }

    pub(super) fn turn(&mut self, unix_s: u64) {
        let day = unix_s / DAY_S;
        if day > self.day {
            self.day = day;
            self.served_members.swap(0, 1);
            let [today, _] = &mut self.served_members;
            today.clear();
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.doubt.bytes()
            + self.answered.bytes()
            + size_of_val(&*self.denied)
            + self.served_members.iter().map(Filter::bytes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin = Origin { address: 0x1234_5678_9abc_def0, network: 1 };

    fn at(second: u64) -> Now {
        Now { us: second * 1_000_000, unix_s: second }
    }

    fn offenders() -> Offenders {
        Offenders::new(1024, 0)
    }

    #[test]
    fn six_unanswered_challenges_make_a_suspect_that_is_forgotten_again() {
        let mut offenders = offenders();
        (0..5).for_each(|_| offenders.challenged(ORIGIN.address, 0));
        assert!(!offenders.is_suspect(ORIGIN.address, 0));
        offenders.challenged(ORIGIN.address, 0);
        assert!(offenders.is_suspect(ORIGIN.address, 0));
        assert!(!offenders.is_suspect(ORIGIN.address, 2 * limits::DOUBT_WINDOW_US));
    }

    #[test]
    fn an_address_of_which_a_third_answers_is_never_suspect() {
        let mut offenders = offenders();
        for visitor in 0..300 {
            offenders.challenged(ORIGIN.address, 0);
            if visitor % 3 == 0 {
                offenders.answered(ORIGIN.address, 0);
            }
            assert!(!offenders.is_suspect(ORIGIN.address, 0), "visitor {visitor}");
        }
    }

    /// Refuses a suspect until it would be denied.
    fn refusals_until_denied(offenders: &mut Offenders, familiar: bool) -> Option<usize> {
        (0..6).for_each(|_| offenders.challenged(ORIGIN.address, 0));
        (1..1_000).find(|_| offenders.refused(ORIGIN, familiar, at(0)))
    }

    #[test]
    fn a_suspect_that_goes_on_is_denied() {
        assert_eq!(refusals_until_denied(&mut offenders(), false), Some(200));
    }

    #[test]
    fn who_served_a_member_or_was_here_in_peace_is_never_denied() {
        assert_eq!(refusals_until_denied(&mut offenders(), true), None);
        let mut offenders = offenders();
        offenders.served_member(ORIGIN.address);
        offenders.turn(DAY_S + 5);
        assert_eq!(refusals_until_denied(&mut offenders, false), None);
        offenders.turn(2 * DAY_S + 5);
        assert!(offenders.refused(ORIGIN, false, at(0)), "two days later it counts for nothing");
    }

    #[test]
    fn denials_grow_and_end() {
        let mut offenders = offenders();
        let mut now = 1_000;
        for expected in [60, 120, 240, 480, 960, 1_920, 3_840, 7_680, 14_400, 14_400] {
            assert_eq!(offenders.deny(ORIGIN.address, now), Some(expected));
            assert_eq!(offenders.deny(ORIGIN.address, now), None, "once at a time");
            assert_eq!(offenders.denied_s(ORIGIN.address, now + 1), Some(expected - 1));
            now += expected;
            assert_eq!(offenders.denied_s(ORIGIN.address, now), None);
        }
        assert_eq!(offenders.deny(ORIGIN.address, now + 2 * DAY_S), Some(60), "forgotten by then");
        offenders.clear();
        assert_eq!(offenders.denied(now), 0);
    }

    #[test]
    fn who_is_forgiven_is_no_suspect_any_more_and_others_are_not_forgiven_with_it() {
        let mut offenders = offenders();
        let other = Origin { address: 0x0fed_cba9_8765_4321, network: 2 };
        let [address, another] = ["192.0.2.7", "192.0.2.8"].map(|a| a.parse().expect("an address"));
        for (origin, address) in [(ORIGIN, address), (other, another)] {
            (0..300).for_each(|_| {
                offenders.refused(origin, false, at(1));
            });
            let seconds = offenders.deny(origin.address, 1).expect("denied");
            offenders.announce(address, seconds);
        }
        assert!(offenders.forgive(ORIGIN.address, address, at(2)));
        assert!(!offenders.forgive(ORIGIN.address, address, at(2)), "it was forgiven before");
        assert_eq!(offenders.denied_s(ORIGIN.address, 2), None);
        assert!(!offenders.is_suspect(ORIGIN.address, 2_000_000));
        assert!(!offenders.refused(ORIGIN, false, at(2)), "one refusal more is not enough");
        assert!(offenders.denied_s(other.address, 2).is_some());
        assert_eq!(offenders.next_denial().map(|denial| denial.address), Some(another));
        assert_eq!(offenders.next_denial(), None);
    }

    #[test]
    fn a_full_table_lets_the_one_go_that_would_end_first() {
        let mut offenders = offenders();
        let one = |at: u64| at << 40 | 5;
        for at in 0..5 {
            assert!(offenders.deny(one(at), 1_000 + at).is_some());
        }
        assert_eq!(offenders.denied_s(one(0), 1_010), None);
        assert!(offenders.denied_s(one(4), 1_010).is_some());
        assert_eq!(offenders.denied(1_010), WAYS);
    }
}
