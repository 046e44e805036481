//! Where admitted requests wait while the machine has enough in hand: short, every entry with a
//! deadline, best band first, and within a band the network that was served least. Under pressure
//! the newest goes first: the oldest has waited so long that its sender may have left, and serving
//! in order would make everybody wait that long (Facebook's adaptive LIFO).
//!
//! Fairness is start-time fair queueing over buckets of networks instead of deficit round robin: it
//! gives each network the same share without a list of networks, so its memory is fixed.

use super::decision::{Admission, Place};
use super::facts::Lane;
use super::number::{place, real};
use crate::limits::decide as limits;

const NONE: u32 = u32::MAX;
/// Bands of rank that are told apart: 64 ranks each.
const BANDS: usize = 16;
/// Ranks of a band.
const BAND_RANKS: u16 = 64;
const LANES: usize = 2;

/// What waits.
pub(super) struct Waiting {
    pub(super) admission: Admission,
    pub(super) lane: Lane,
    pub(super) network: u64,
    /// As its place says, and earlier where pressure came since.
    pub(super) deadline_us: u64,
    pub(super) expires_us: u64,
}

/// Who of those that wait is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    Anybody,
    Known,
    Strangers,
}

struct Slot {
    turn: u32,
    held: Option<Waiting>,
    /// Its band's list: newer and older; in the free list only `older` is used.
    newer: u32,
    older: u32,
    list: usize,
}

#[derive(Clone, Copy)]
struct List {
    newest: u32,
    oldest: u32,
}

/// The queue.
pub(super) struct Queue {
    slots: Box<[Slot]>,
    lists: [List; BANDS * LANES],
    free: u32,
    count: usize,
    cost_ns: u64,
    /// Of it, what those known cost.
    known_ns: u64,
    /// Virtual times at which each bucket of networks was last served to, and the present one.
    served: Box<[f64]>,
    virtual_ns: f64,
    salt: u64,
}

impl Queue {
    pub(super) fn new(salt: u64) -> Self {
        let slot = |at: usize| Slot {
            turn: 0,
            held: None,
            newer: NONE,
            older: if at + 1 < limits::QUEUE_MAX {
                super::number::small(at as u64 + 1)
            } else {
                NONE
            },
            list: 0,
        };
        Self {
            slots: (0..limits::QUEUE_MAX).map(slot).collect(),
            lists: [List { newest: NONE, oldest: NONE }; BANDS * LANES],
            free: 0,
            count: 0,
            cost_ns: 0,
            known_ns: 0,
            served: vec![0.0; limits::QUEUE_NETWORKS].into_boxed_slice(),
            virtual_ns: 0.0,
            salt,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) const fn cost_ns(&self) -> u64 {
        self.cost_ns
    }

    /// What those cost who are known from before, in ns.
    pub(super) const fn known_ns(&self) -> u64 {
        self.known_ns
    }

    /// Shares the buckets of networks out anew: who met a heavy one meets another.
    pub(super) fn reshare(&mut self, salt: u64) {
        self.salt = salt;
        self.served.fill(self.virtual_ns);
    }

    /// Puts a request in. Where there is no place, it or a lower one is handed back.
    pub(super) fn push(
        &mut self,
        waiting: Waiting,
        rank: u16,
    ) -> (Option<Place>, Option<(Place, Waiting)>) {
        let list = list_of(waiting.lane, rank);
        let mut gone = None;
        if self.free == NONE {
            let Some(worst) = self.worst().filter(|(_, band)| *band < list % BANDS) else {
                return (None, None);
            };
            gone = self.take(worst.0);
        }
        let at = self.free;
        let deadline_us = waiting.deadline_us;
        let cost_ns = waiting.admission.estimate_ns;
        let known_ns = if waiting.lane == Lane::Known { cost_ns } else { 0 };
        let newest = self.lists.get(list).map_or(NONE, |list| list.newest);
        let Some(slot) = self.slots.get_mut(at as usize) else { return (None, gone) };
        self.free = slot.older;
        slot.turn = slot.turn.wrapping_add(1);
        let place = Place { slot: at, turn: slot.turn, deadline_us };
        (slot.held, slot.newer, slot.older, slot.list) = (Some(waiting), NONE, newest, list);
        if let Some(next) = self.slots.get_mut(newest as usize) {
            next.newer = at;
        }
        if let Some(ends) = self.lists.get_mut(list) {
            ends.newest = at;
            if ends.oldest == NONE {
                ends.oldest = at;
            }
        }
        self.count += 1;
        self.cost_ns += cost_ns;
        self.known_ns += known_ns;
        (Some(place), gone)
    }

    /// Takes out whoever is next of those wanted.
    pub(super) fn pop(&mut self, newest_first: bool, whom: Whom) -> Option<(Place, Waiting)> {
        let at = self.best(newest_first, whom)?;
        let (place, waiting) = self.take(at)?;
        let cost = real(waiting.admission.estimate_ns);
        let bucket = self.bucket(waiting.network);
        if let Some(served) = self.served.get_mut(bucket) {
            // Time stands where the served one began, so that an idle network saves nothing up.
            self.virtual_ns = served.max(self.virtual_ns);
            *served = self.virtual_ns + cost;
        }
        Some((place, waiting))
    }

    /// Takes out one whose deadline is past.
    pub(super) fn expired(&mut self, now_us: u64) -> Option<(Place, Waiting)> {
        for list in 0..BANDS * LANES {
            // Deadlines of one list differ by kind of request: a few of the oldest are looked at.
            let mut at = self.lists.get(list)?.oldest;
            for _ in 0..4 {
                let Some(slot) = self.slots.get(at as usize) else { break };
                if slot.held.as_ref().is_some_and(|held| held.expires_us <= now_us) {
                    return self.take(at);
                }
                at = slot.newer;
            }
        }
        None
    }

    /// Shortens what waits: who came in peace was given more time than there is.
    pub(super) fn hurry(&mut self, known_us: u64, strangers_us: u64) {
        for held in self.slots.iter_mut().filter_map(|slot| slot.held.as_mut()) {
            let latest = if held.lane == Lane::Known { known_us } else { strangers_us };
            held.expires_us = held.expires_us.min(latest);
        }
    }

    /// Gives up a place whose caller has left.
    pub(super) fn leave(&mut self, place: Place) -> Option<Waiting> {
        let slot = self.slots.get(place.slot as usize)?;
        if slot.turn != place.turn || slot.held.is_none() {
            return None;
        }
        self.take(place.slot).map(|(_, waiting)| waiting)
    }

    /// What the best stranger in it costs, in ns.
    pub(super) fn next_stranger_ns(&self) -> Option<u64> {
        let at = self.best(true, Whom::Strangers)?;
        let held = self.slots.get(at as usize)?.held.as_ref()?;
        Some(held.admission.estimate_ns)
    }

    /// The least rank of the band of the best of those known in it, and what it costs, in ns.
    pub(super) fn next_known(&self) -> Option<(u16, u64)> {
        let at = self.best(true, Whom::Known)?;
        let slot = self.slots.get(at as usize)?;
        let band = u16::try_from(slot.list % BANDS).ok()?;
        Some((band * BAND_RANKS, slot.held.as_ref()?.admission.estimate_ns))
    }

    fn best(&self, newest_first: bool, whom: Whom) -> Option<u32> {
        let lanes = match whom {
            Whom::Anybody => 0..LANES,
            Whom::Known => 0..1,
            Whom::Strangers => 1..LANES,
        };
        for band in (0..BANDS).rev() {
            for lane in lanes.clone() {
                let ends = self.lists.get(lane * BANDS + band)?;
                let mut at = if newest_first { ends.newest } else { ends.oldest };
                let mut best: Option<(f64, u32)> = None;
                for _ in 0..limits::QUEUE_LOOK {
                    let Some(slot) = self.slots.get(at as usize) else { break };
                    let network = slot.held.as_ref().map_or(0, |held| held.network);
                    let served = self.served.get(self.bucket(network)).copied().unwrap_or(0.0);
                    let served = served.max(self.virtual_ns);
                    if best.is_none_or(|(least, _)| served < least) {
                        best = Some((served, at));
                    }
                    at = if newest_first { slot.older } else { slot.newer };
                }
                if let Some((_, at)) = best {
                    return Some(at);
                }
            }
        }
        None
    }

    fn worst(&self) -> Option<(u32, usize)> {
        for band in 0..BANDS {
            for lane in (0..LANES).rev() {
                let oldest = self.lists.get(lane * BANDS + band)?.oldest;
                if oldest != NONE {
                    return Some((oldest, band));
                }
            }
        }
        None
    }

    fn take(&mut self, at: u32) -> Option<(Place, Waiting)> {
        let slot = self.slots.get_mut(at as usize)?;
        let waiting = slot.held.take()?;
        let (newer, older, list, turn) = (slot.newer, slot.older, slot.list, slot.turn);
        slot.older = self.free;
        self.free = at;
        if let Some(slot) = self.slots.get_mut(newer as usize) {
            slot.older = older;
        }
        if let Some(slot) = self.slots.get_mut(older as usize) {
            slot.newer = newer;
        }
        if let Some(ends) = self.lists.get_mut(list) {
            if ends.newest == at {
                ends.newest = older;
            }
            if ends.oldest == at {
                ends.oldest = newer;
            }
        }
        self.count -= 1;
        let cost_ns = waiting.admission.estimate_ns;
        self.cost_ns = self.cost_ns.saturating_sub(cost_ns);
        if waiting.lane == Lane::Known {
            self.known_ns = self.known_ns.saturating_sub(cost_ns);
        }
        Some((Place { slot: at, turn, deadline_us: waiting.deadline_us }, waiting))
    }

    fn bucket(&self, network: u64) -> usize {
        place(
            (network ^ self.salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40,
            limits::QUEUE_NETWORKS - 1,
        )
    }
}

fn list_of(lane: Lane, rank: u16) -> usize {
    let band = usize::from(rank / BAND_RANKS).min(BANDS - 1);
    if lane == Lane::Known { band } else { BANDS + band }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Principal, RouteId, Standing};
    use super::*;

    const COST: u64 = 1_000;

    fn waiting(network: u64, lane: Lane, deadline_us: u64) -> Waiting {
        let standing = if lane == Lane::Known { Standing::Member } else { Standing::Stranger };
        let principal = Principal(network);
        let admission = Admission { principal, standing, route: RouteId(0), estimate_ns: COST };
        Waiting { admission, lane, network, deadline_us, expires_us: deadline_us }
    }

    fn networks(queue: &mut Queue, newest_first: bool, whom: Whom) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop(newest_first, whom)).map(|(_, held)| held.network).collect()
    }

    #[test]
    fn the_best_band_goes_first_and_the_newest_of_it_under_pressure() {
        for (newest_first, expected) in [(true, [4, 3, 2, 1]), (false, [3, 4, 1, 2])] {
            let mut queue = Queue::new(7);
            for (network, rank) in [(1, 10), (2, 12), (3, 900), (4, 901)] {
                assert!(queue.push(waiting(network, Lane::Unknown, 9), rank).0.is_some());
            }
            assert_eq!(queue.cost_ns(), 4 * COST);
            assert_eq!(networks(&mut queue, newest_first, Whom::Anybody), expected);
            assert!(queue.is_empty() && queue.cost_ns() == 0);
        }
    }

    #[test]
    fn who_is_not_wanted_keeps_waiting() {
        let mut queue = Queue::new(7);
        queue.push(waiting(1, Lane::Known, 9), 900);
        queue.push(waiting(2, Lane::Unknown, 9), 100);
        assert_eq!(queue.next_stranger_ns(), Some(COST));
        assert_eq!(networks(&mut queue, true, Whom::Strangers), [2]);
        assert_eq!(queue.next_stranger_ns(), None);
        assert_eq!(networks(&mut queue, true, Whom::Known), [1]);
    }

    #[test]
    fn a_network_that_sends_more_is_not_served_more() {
        let mut queue = Queue::new(7);
        for round in 0..10 {
            for _ in 0..3 {
                queue.push(waiting(1, Lane::Unknown, 9), 100);
            }
            queue.push(waiting(2 + round % 2, Lane::Unknown, 9), 100);
        }
        let first: Vec<u64> = (0..12)
            .filter_map(|_| queue.pop(true, Whom::Anybody))
            .map(|(_, w)| w.network)
            .collect();
        let heavy = first.iter().filter(|network| **network == 1).count();
        assert!((3..=5).contains(&heavy), "{first:?}");
    }

    #[test]
    fn when_full_the_lowest_band_makes_way_and_never_for_its_equal() {
        let mut queue = Queue::new(7);
        for at in 0..limits::QUEUE_MAX as u64 {
            assert!(queue.push(waiting(at, Lane::Unknown, 9), 100).0.is_some());
        }
        let (place, gone) = queue.push(waiting(1, Lane::Unknown, 9), 100);
        assert!(place.is_none() && gone.is_none());
        let (place, gone) = queue.push(waiting(1, Lane::Known, 9), 900);
        assert!(place.is_some());
        assert_eq!(gone.map(|(_, held)| held.network), Some(0), "the oldest of the lowest");
        assert_eq!(queue.len(), limits::QUEUE_MAX);
    }

    #[test]
    fn a_place_is_left_once_and_deadlines_are_kept() {
        let mut queue = Queue::new(7);
        let (place, _) = queue.push(waiting(1, Lane::Unknown, 5), 100);
        let place = place.expect("there was room");
        assert!(queue.leave(place).is_some() && queue.leave(place).is_none());
        queue.push(waiting(2, Lane::Unknown, 5), 100);
        assert!(queue.leave(place).is_none(), "the slot has another turn");
        assert!(queue.expired(4).is_none());
        assert_eq!(queue.expired(5).map(|(_, held)| held.network), Some(2));
        assert!(queue.expired(5).is_none());
        queue.push(waiting(3, Lane::Known, 90), 900);
        queue.push(waiting(4, Lane::Unknown, 90), 100);
        queue.hurry(50, 20);
        assert_eq!(queue.expired(20).map(|(_, held)| held.network), Some(4));
        assert_eq!(queue.expired(50).map(|(_, held)| held.network), Some(3));
    }
}
