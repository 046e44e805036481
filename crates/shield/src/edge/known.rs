//! Who is known before a request is read: addresses that served a member within a day, and
//! connections over which one was seen, by the lineage of their tickets. Both of fixed size, and
//! written only once a member was verified. Leaves what that is worth to `seats`.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;

use parking_lot::Mutex;

use super::limits::{FAMILIAR_MAX, LINEAGES_MAX, STEERED_MAX, VOUCHED_S};
use super::seats::Prefix;
use super::tickets::{Note, Voucher};
use crate::decide::Standing;
use crate::decide::sketch::Filter;

/// Lineages that share a place.
const WAYS: usize = 4;

/// What all doors of an edge know.
pub(super) struct Known {
    key: RandomState,
    familiar: Mutex<Familiar>,
    latest: Mutex<Latest>,
    lineages: Mutex<Vec<Lineage>>,
}

/// Addresses of today and of yesterday.
struct Familiar {
    today: Filter,
    before: Filter,
    turned_unix_s: u64,
}

/// The last familiar addresses, by name, and when each was noted last.
#[derive(Default)]
struct Latest {
    all: VecDeque<(Prefix, u64)>,
    /// How often others were told, at most once a turn.
    version: u64,
    changed: bool,
}

/// Who was seen over the connection of a lineage; all zero is nobody. Plain numbers, so that the
/// table is zeroed lazily by the kernel.
type Lineage = [u64; 3];

impl Known {
    pub(super) fn new(now_unix_s: u64) -> Self {
        let filter = || Filter::new(FAMILIAR_MAX);
        let familiar = Familiar { today: filter(), before: filter(), turned_unix_s: now_unix_s };
        Self {
            key: RandomState::new(),
            familiar: Mutex::new(familiar),
            latest: Mutex::default(),
            lineages: Mutex::new(vec![[0; 3]; LINEAGES_MAX]),
        }
    }

    /// Whether a member was served at this address within a day, or two at most.
    pub(super) fn is_familiar(&self, address: IpAddr) -> bool {
        let hash = self.key.hash_one(Prefix::of(address));
        let familiar = self.familiar.lock();
        familiar.today.contains(hash) || familiar.before.contains(hash)
    }

    /// A member was served at this address.
    pub(super) fn note_address(&self, address: IpAddr, now_unix_s: u64) {
        let hash = self.key.hash_one(Prefix::of(address));
        let mut familiar = self.familiar.lock();
        familiar.turn(now_unix_s);
        familiar.today.insert(hash);
        drop(familiar);
        self.latest.lock().note(Prefix::of(address), now_unix_s);
    }

    /// Lets time pass.
    pub(super) fn turn(&self, now_unix_s: u64) {
        self.familiar.lock().turn(now_unix_s);
        self.latest.lock().turn(now_unix_s);
    }

    /// The last of the familiar addresses, as of the last turn, and which version of them it is;
    /// None where it is still this one.
    pub(super) fn latest(&self, version: u64) -> Option<(u64, Vec<Prefix>)> {
        let latest = self.latest.lock();
        let changed = latest.version != version;
        changed.then(|| (latest.version, latest.all.iter().map(|(prefix, _)| *prefix).collect()))
    }

    /// Somebody was seen over the connection of this lineage.
    pub(super) fn note_lineage(&self, lineage: u64, voucher: &Voucher) {
        if lineage == 0 {
            return;
        }
        let mut lineages = self.lineages.lock();
        let Some(set) = set_of(&mut lineages, lineage) else { return };
        let is_same = |held: &&mut Lineage| held[0] == lineage;
        let place = match set.iter_mut().find(is_same) {
            Some(same) => same,
            // Nobody's time is 0, and the oldest is needed least.
            None => match set.iter_mut().min_by_key(|held| held[2]) {
                Some(oldest) => oldest,
                None => return,
            },
        };
        let standing = u64::try_from(voucher.standing.index()).unwrap_or(0);
        *place = [lineage, voucher.principal, (voucher.at_unix_s << 8) | standing];
    }

    /// Nobody counts for this lineage any more.
    pub(super) fn forget_lineage(&self, lineage: u64) {
        let mut lineages = self.lineages.lock();
        let Some(set) = set_of(&mut lineages, lineage) else { return };
        set.iter_mut().filter(|held| held[0] == lineage).for_each(|held| *held = [0; 3]);
    }

    /// Who was seen behind a ticket: as it says itself, or as was noted of its connection later.
    pub(super) fn behind(&self, note: &Note, now_unix_s: u64) -> Option<Voucher> {
        let noted = || {
            let mut lineages = self.lineages.lock();
            let held = set_of(&mut lineages, note.lineage)?;
            let [_, principal, rest] =
                *held.iter().find(|held| held[0] == note.lineage && note.lineage != 0)?;
            let standing = usize::try_from(rest & 0xff).ok()?;
            let standing = *Standing::ALL.get(standing)?;
            Some(Voucher { standing, principal, at_unix_s: rest >> 8 })
        };
        noted().or(note.voucher).filter(|voucher| voucher.holds(now_unix_s))
    }
}

fn set_of(lineages: &mut [Lineage], lineage: u64) -> Option<&mut [Lineage]> {
    let sets = u64::try_from(lineages.len() / WAYS).ok()?;
    let set = usize::try_from(lineage.checked_rem(sets)?).ok()?;
    lineages.get_mut(set * WAYS..(set + 1) * WAYS)
}

impl Latest {
    fn note(&mut self, prefix: Prefix, now_unix_s: u64) {
        // The order is that in which they were served last.
        if let Some(place) = self.all.iter().position(|(held, _)| *held == prefix) {
            self.all.remove(place);
            return self.all.push_back((prefix, now_unix_s));
        }
        if self.all.len() >= STEERED_MAX {
            self.all.pop_front();
        }
        self.all.push_back((prefix, now_unix_s));
        self.changed = true;
    }

    fn turn(&mut self, now_unix_s: u64) {
        let is_over = |since: u64| now_unix_s.saturating_sub(since) >= VOUCHED_S;
        while self.all.front().is_some_and(|(_, since)| is_over(*since)) {
            self.all.pop_front();
            self.changed = true;
        }
        self.version += u64::from(std::mem::take(&mut self.changed));
    }
}

impl Familiar {
    fn turn(&mut self, now_unix_s: u64) {
        let passed_s = now_unix_s.saturating_sub(self.turned_unix_s);
        if passed_s < VOUCHED_S {
            return;
        }
        std::mem::swap(&mut self.today, &mut self.before);
        self.today.clear();
        if passed_s >= 2 * VOUCHED_S {
            self.before.clear();
        }
        self.turned_unix_s = now_unix_s;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn voucher(principal: u64, at_unix_s: u64) -> Voucher {
        Voucher { standing: Standing::Member, principal, at_unix_s }
    }

    #[test]
    fn an_address_is_familiar_for_a_day_at_least_and_for_two_at_most() {
        let known = Known::new(NOW);
        let (member, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        known.note_address(member, NOW + VOUCHED_S - 1);
        for (passed_s, familiar) in [(0, true), (VOUCHED_S, true), (2 * VOUCHED_S, false)] {
            known.turn(NOW + VOUCHED_S - 1 + passed_s);
            assert_eq!(known.is_familiar(member), familiar, "after {passed_s} s");
            assert!(!known.is_familiar(other));
        }
    }

    #[test]
    fn the_last_of_them_are_told_by_name_until_they_are_over() {
        let known = Known::new(NOW);
        known.turn(NOW);
        assert_eq!(known.latest(0), None);
        let address = |nth: usize| IpAddr::from(u32::try_from(nth).expect("few").to_be_bytes());
        for nth in (0..=STEERED_MAX).chain([STEERED_MAX]) {
            known.note_address(address(nth), NOW + u64::from(nth > 0));
        }
        known.turn(NOW);
        let (version, told) = known.latest(0).expect("changed");
        assert_eq!((told.len(), told[0]), (STEERED_MAX, Prefix::of(address(1))));
        assert_eq!(known.latest(version), None);
        known.turn(NOW + VOUCHED_S);
        assert_eq!(known.latest(version), None, "a second too early");
        known.turn(NOW + 1 + VOUCHED_S);
        assert_eq!(known.latest(version).map(|(_, told)| told.len()), Some(0));
    }

    #[test]
    fn who_comes_every_day_is_told_every_day() {
        let known = Known::new(NOW);
        let address = |nth: u8| IpAddr::from([192, 0, 2, nth]);
        for (nth, since) in [(1, 0), (2, 0), (1, 60)] {
            known.note_address(address(nth), NOW + since);
        }
        known.turn(NOW + VOUCHED_S);
        let told = known.latest(0).map(|(_, told)| told);
        assert_eq!(told, Some(vec![Prefix::of(address(1))]));
    }

    #[test]
    fn who_was_seen_over_a_connection_stands_behind_its_tickets_for_a_day() {
        let known = Known::new(NOW);
        let bare = Note { lineage: 7, voucher: None };
        assert_eq!(known.behind(&bare, NOW), None);
        known.note_lineage(7, &voucher(1, NOW));
        assert_eq!(known.behind(&bare, NOW), Some(voucher(1, NOW)));
        assert_eq!(known.behind(&bare, NOW + VOUCHED_S), None);
        known.note_lineage(7, &voucher(1, NOW + 60));
        let told = Note { lineage: 7, voucher: Some(voucher(1, NOW)) };
        assert_eq!(known.behind(&told, NOW + VOUCHED_S), Some(voucher(1, NOW + 60)));
        known.forget_lineage(7);
        assert_eq!(known.behind(&bare, NOW), None);
    }

    #[test]
    fn of_those_that_share_a_place_the_oldest_goes() {
        let known = Known::new(NOW);
        let sets = (LINEAGES_MAX / WAYS) as u64;
        for nth in 0..=WAYS as u64 {
            known.note_lineage(9 + nth * sets, &voucher(nth, NOW + nth));
        }
        let kept = |nth: u64| {
            known.behind(&Note { lineage: 9 + nth * sets, voucher: None }, NOW).is_some()
        };
        assert_eq!([0, 1, 2, 3, 4].map(kept), [false, true, true, true, true]);
    }
}
