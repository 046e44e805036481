//! Who makes room when all seats are taken. Two lanes: *known* connections (a ticket with standing,
//! an address that served a member, a member seen over it) and *strangers*. A share of the seats is
//! kept for each, so that neither a hundred thousand silent addresses nor all members at once can
//! have all of them. Leaves the table itself to `seats`.
//!
//! A stranger who has asked for nothing yet has no claim: the oldest of them goes at once for
//! whoever follows. So under a flood each has as long as it takes the flood to fill the seats,
//! and an honest one needs a round trip or two. Whoever was served before goes only when it keeps
//! us waiting.

use std::sync::Arc;

use super::super::gauge::{Gauge, Order};
use super::super::stats::Cut;
use super::super::{Shared, limits};
use super::{Prefix, Seats};

/// What is known of a connection before its requests are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::edge) enum Lane {
    Stranger,
    Known,
}

/// A stranger's connection that has asked for nothing yet, in the order of their coming.
pub(super) struct Fresh {
    index: usize,
    serial: u64,
    /// It was let pass once, since it had begun to speak.
    spared: bool,
}

/// How the seats are shared out.
struct Shares {
    strangers_max: usize,
    known_max: usize,
}

impl Shares {
    fn of(shared: &Shared) -> Self {
        let most = shared.options.connections_max;
        Self {
            strangers_max: most - most / limits::RESERVED_ONE_IN,
            known_max: most - most / limits::STRANGERS_ONE_IN,
        }
    }
}

impl Seats {
    /// The lane of a newcomer, if its address is familiar or not.
    pub(super) fn lane_of(&self, prefix: Option<Prefix>, is_known: bool, shared: &Shared) -> Lane {
        let crowd = prefix.and_then(|prefix| self.prefixes.get(&prefix));
        let beside = crowd.map_or(0, |crowd| crowd.places.len() - crowd.strangers);
        let is_crowd = beside >= limits::FAMILIAR_SEATS_MAX;
        if is_known && !is_crowd && self.known < Shares::of(shared).known_max {
            Lane::Known
        } else {
            Lane::Stranger
        }
    }

    /// Whether there is a seat for one more of this lane, after room was made if that is fair.
    pub(super) fn has_room(&mut self, lane: Lane, shared: &Shared, now: u64) -> bool {
        let shares = Shares::of(shared);
        let is_full = self.strangers + self.known >= shared.options.connections_max;
        match lane {
            Lane::Stranger if self.strangers >= shares.strangers_max => {
                self.evict_stranger(shared, now)
            }
            Lane::Stranger if is_full => {
                // The known never have so many seats that none is left for strangers.
                let too_many = self.known >= shares.known_max;
                (too_many && self.evict_known(shared, now)) || self.evict(shared, now)
            }
            Lane::Known if is_full => self.evict(shared, now),
            _ => true,
        }
    }

    /// Makes room for one more, whoever comes. False when everybody is being served.
    pub(in crate::edge) fn evict(&mut self, shared: &Shared, now: u64) -> bool {
        self.evict_stranger(shared, now) || self.evict_known(shared, now)
    }

    /// Ends a stranger's connection: the slowest of the prefix that hoards most, else the oldest
    /// that has asked for nothing yet, else whoever keeps us waiting.
    fn evict_stranger(&mut self, shared: &Shared, now: u64) -> bool {
        let hoarder = self.hoards.last().copied();
        let hoards = hoarder.filter(|(count, _)| *count >= limits::HOARD_MIN);
        self.evict_from(hoards.map(|(_, prefix)| prefix), Some(Lane::Stranger), shared, now)
            || self.evict_fresh()
            || self.evict_from(hoarder.map(|(_, prefix)| prefix), Some(Lane::Stranger), shared, now)
            || self.evict_anywhere(Lane::Stranger, shared, now)
    }

    fn evict_known(&mut self, shared: &Shared, now: u64) -> bool {
        self.evict_anywhere(Lane::Known, shared, now)
    }

    fn evict_anywhere(&mut self, lane: Lane, shared: &Shared, now: u64) -> bool {
        let (turn, all) = (self.turn(), self.seats.len());
        let sample: Vec<usize> = sample(turn, all).collect();
        self.evict_among(&sample, Some(lane), shared, now)
    }

    /// Ends the slowest connection of a prefix; of one lane, or of both.
    pub(super) fn evict_from(
        &mut self,
        prefix: Option<Prefix>,
        lane: Option<Lane>,
        shared: &Shared,
        now: u64,
    ) -> bool {
        let turn = self.turn();
        let Some(crowd) = prefix.and_then(|prefix| self.prefixes.get(&prefix)) else {
            return false;
        };
        let chosen: Vec<usize> = sample(turn, crowd.places.len())
            .filter_map(|place| crowd.places.get(place).copied())
            .collect();
        self.evict_among(&chosen, lane, shared, now)
    }

    /// Where the next sample starts: over a few calls everybody is looked at.
    fn turn(&mut self) -> usize {
        self.cursor = self.cursor.wrapping_add(limits::EVICTION_SAMPLE);
        self.cursor
    }

    fn evict_among(
        &mut self,
        places: &[usize],
        lane: Option<Lane>,
        shared: &Shared,
        now: u64,
    ) -> bool {
        let longest = places
            .iter()
            .filter_map(|&index| {
                let seat = self.seats.get(index)?.as_ref()?;
                let is_meant = lane.is_none_or(|lane| seat.lane == lane);
                let may_go = is_meant && !seat.leaving && seat.gauge.order() < Order::Cut;
                let patience_ms = match seat.lane {
                    Lane::Stranger if seat.gauge.requests() == 0 => 0,
                    _ => shared.options.eviction_after_ms,
                };
                let waited_ms = seat.waiting_ms(now).filter(|waited| *waited >= patience_ms)?;
                may_go.then_some((waited_ms, index))
            })
            .max();
        if let Some((_, index)) = longest {
            self.cut(index, Cut::Evicted);
        }
        longest.is_some()
    }

    /// Ends the oldest connection of a stranger that has asked for nothing. Who has begun to speak
    /// is let pass once: bots that do so too have paid for it.
    fn evict_fresh(&mut self) -> bool {
        for _ in 0..limits::EVICTION_SAMPLE {
            let Some(fresh) = self.fresh.pop_front() else { return false };
            let Some(gauge) = self.still_fresh(&fresh) else { continue };
            if gauge.has_spoken() && !fresh.spared {
                self.fresh.push_back(Fresh { spared: true, ..fresh });
                continue;
            }
            self.cut(fresh.index, Cut::Evicted);
            return true;
        }
        // All of these have spoken: then the oldest of them.
        let Some(fresh) = self.fresh.pop_front() else { return false };
        let found = self.still_fresh(&fresh).is_some();
        if found {
            self.cut(fresh.index, Cut::Evicted);
        }
        found
    }

    fn still_fresh(&self, fresh: &Fresh) -> Option<&Arc<Gauge>> {
        let seat = self.seats.get(fresh.index)?.as_ref()?;
        let same = seat.serial == fresh.serial && !seat.leaving && seat.lane == Lane::Stranger;
        (same && seat.gauge.requests() == 0).then_some(&seat.gauge)
    }

    /// Remembers a stranger who came just now. Those who have gone, or been served, are swept out
    /// before they are as many as the rest.
    pub(super) fn note_fresh(&mut self, index: usize, serial: u64) {
        if self.fresh.len() >= 2 * self.seats.len() + limits::EVICTION_SAMPLE {
            let mut all = std::mem::take(&mut self.fresh);
            all.retain(|fresh| self.still_fresh(fresh).is_some());
            self.fresh = all;
        }
        self.fresh.push_back(Fresh { index, serial, spared: false });
    }

    /// Somebody known is behind a connection: it takes the other lane. False while that principal
    /// has too many, or all of that lane is taken.
    pub(in crate::edge) fn promote(&mut self, gauge: &Arc<Gauge>, principal: u64) -> bool {
        let index = gauge.seat();
        let known_max = Shares::of(&gauge.shared).known_max;
        let beside = self.principals.get(&principal).copied().unwrap_or(0);
        let Some(seat) = self.seat_of(gauge) else { return false };
        if seat.principal.is_some() {
            return seat.lane == Lane::Known;
        }
        let is_known = seat.lane == Lane::Known;
        if beside >= limits::PRINCIPAL_SEATS_MAX || (!is_known && self.known >= known_max) {
            return false;
        }
        *self.principals.entry(principal).or_default() += 1;
        if let Some(Some(seat)) = self.seats.get_mut(index) {
            seat.principal = Some(principal);
        }
        self.change(index, Lane::Known);
        true
    }

    /// What made a connection known did not hold.
    pub(in crate::edge) fn demote(&mut self, gauge: &Arc<Gauge>) {
        if self.seat_of(gauge).is_some() {
            self.forget_principal(gauge.seat());
            self.change(gauge.seat(), Lane::Stranger);
        }
    }

    /// The seat of a connection that is still there.
    fn seat_of(&self, gauge: &Arc<Gauge>) -> Option<&super::Seat> {
        let seat = self.seats.get(gauge.seat())?.as_ref()?;
        (Arc::ptr_eq(&seat.gauge, gauge) && !seat.leaving).then_some(seat)
    }

    pub(super) fn forget_principal(&mut self, index: usize) {
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        let Some(principal) = seat.principal.take() else { return };
        if let Some(count) = self.principals.get_mut(&principal) {
            *count -= 1;
            if *count == 0 {
                self.principals.remove(&principal);
            }
        }
    }

    pub(super) fn change(&mut self, index: usize, lane: Lane) {
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        if seat.lane == lane {
            return;
        }
        seat.lane = lane;
        seat.gauge.set_known(lane == Lane::Known);
        let (prefix, serial) = (seat.prefix, seat.serial);
        match lane {
            Lane::Known => (self.strangers, self.known) = (self.strangers - 1, self.known + 1),
            Lane::Stranger => {
                (self.strangers, self.known) = (self.strangers + 1, self.known - 1);
                self.note_fresh(index, serial);
            }
        }
        let Some(crowd) = prefix.and_then(|prefix| self.prefixes.get_mut(&prefix)) else { return };
        let before = crowd.strangers;
        match lane {
            Lane::Known => crowd.strangers -= 1,
            Lane::Stranger => crowd.strangers += 1,
        }
        let after = crowd.strangers;
        if let Some(prefix) = prefix {
            self.rank(prefix, before, after);
        }
    }
}

/// Up to `EVICTION_SAMPLE` of `all` places, from `start` on and round.
fn sample(start: usize, all: usize) -> impl Iterator<Item = usize> {
    (0..limits::EVICTION_SAMPLE.min(all)).map(move |step| start.wrapping_add(step) % all)
}
