//! Who makes room when all seats are taken. Two lanes: *known* connections (a ticket with standing,
//! an address that served a member, a member seen over it) and *strangers*. A share of the seats is
//! kept for each, so that neither a hundred thousand silent addresses nor all members at once can
//! have all of them. Leaves the table itself to `seats`.
//!
//! A stranger who has asked for nothing yet has no claim: the oldest of them goes at once for
//! whoever follows. So under a flood each has as long as it takes the flood to fill the seats, for
//! each *stage* of its way to a request (greeting, answer, handshake), and an honest one needs a
//! round trip for each. Bytes are no stage: who drips them is as old as who is silent. Whoever was
//! served before goes only when it keeps us waiting, and several times as long: a hoard that asks
//! for something first must not leave the coming and going of the others a handful of seats.

use std::cmp::Reverse;
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
    /// How far it had come when it was put here, and when that was.
    stage: u8,
    since_ms: u64,
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

    /// Whether one more stranger has a seat only if somebody goes.
    pub(in crate::edge) fn is_full(&self, shared: &Shared) -> bool {
        self.strangers >= Shares::of(shared).strangers_max
            || self.strangers + self.known >= shared.options.connections_max
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

    /// Ends a stranger's connection: the slowest of the prefix that hoards most, else whoever has
    /// the least claim.
    fn evict_stranger(&mut self, shared: &Shared, now: u64) -> bool {
        let hoarder = self.hoards.last().copied();
        let hoards = hoarder.filter(|(count, _)| *count >= limits::HOARD_MIN);
        self.evict_from(hoards.map(|(_, prefix)| prefix), Some(Lane::Stranger), shared, now)
            || self.evict_least(shared, now)
            || self.evict_from(hoarder.map(|(_, prefix)| prefix), Some(Lane::Stranger), shared, now)
    }

    /// Ends the oldest connection of a stranger that has asked for nothing, or of one that was
    /// served and keeps us waiting for several times as long.
    fn evict_least(&mut self, shared: &Shared, now: u64) -> bool {
        let fresh = self.oldest_fresh(now);
        let fresh_ms = fresh.map(|(waited_ms, _)| waited_ms);
        // Old enough to spare us the look at the others.
        let is_old = fresh_ms.is_some_and(|waited| waited >= shared.options.eviction_after_ms);
        let (turn, all) = (self.turn(), self.seats.len());
        let served = sample(turn, if is_old { 0 } else { all })
            .filter(|index| self.was_served(*index))
            .filter_map(|index| self.held_against(index, Some(Lane::Stranger), shared, now))
            .max()
            .map(|(waited_ms, _, index)| (waited_ms, index))
            .filter(|(waited_ms, _)| {
                fresh_ms.is_none_or(|it| it < waited_ms / limits::SERVED_CLAIM)
            });
        let Some((_, index)) = served.or(fresh) else { return false };
        self.cut(index, Cut::Evicted);
        true
    }

    fn was_served(&self, index: usize) -> bool {
        let seat = self.seats.get(index).and_then(Option::as_ref);
        seat.is_some_and(|seat| seat.gauge.requests() > 0)
    }

    fn evict_known(&mut self, shared: &Shared, now: u64) -> bool {
        let (turn, all) = (self.turn(), self.seats.len());
        let sample: Vec<usize> = sample(turn, all).collect();
        self.evict_among(&sample, Some(Lane::Known), shared, now)
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
        let held = |index: &usize| self.held_against(*index, lane, shared, now);
        let longest = places.iter().filter_map(held).max();
        if let Some((_, _, index)) = longest {
            self.cut(index, Cut::Evicted);
        }
        longest.is_some()
    }

    /// For how long a connection has kept us waiting, if that may be held against it, and where it
    /// sits; of two that came within one tick of the clock, the first is more.
    fn held_against(
        &self,
        index: usize,
        lane: Option<Lane>,
        shared: &Shared,
        now: u64,
    ) -> Option<(u64, Reverse<u64>, usize)> {
        let seat = self.seats.get(index)?.as_ref()?;
        let is_meant = lane.is_none_or(|lane| seat.lane == lane);
        let may_go = is_meant && !seat.leaving && seat.gauge.order() < Order::Cut;
        let patience_ms = match seat.lane {
            Lane::Stranger if seat.gauge.requests() == 0 => 0,
            _ => shared.options.eviction_after_ms,
        };
        let waited_ms = seat.waiting_ms(now).filter(|waited| *waited >= patience_ms)?;
        may_go.then_some((waited_ms, Reverse(seat.serial), index))
    }

    /// For how long the oldest connection of a stranger that has asked for nothing is where it is,
    /// and where it sits. Who came on since it was put into the row goes to its end: bots that do
    /// so too have paid for it. So does who waits for us.
    fn oldest_fresh(&mut self, now: u64) -> Option<(u64, usize)> {
        let mut looks = 0;
        loop {
            let fresh = self.fresh.front()?;
            let (index, since_ms, before) = (fresh.index, fresh.since_ms, fresh.stage);
            // Who has gone is no look: each was put here once, and leaves it once.
            let Some(gauge) = self.still_fresh(fresh) else {
                self.fresh.pop_front();
                continue;
            };
            let stage = gauge.stage();
            // Where all of these came on, or wait for us, it is the first after them.
            let is_let_pass = stage > before || gauge.waits_for_us();
            if !is_let_pass || looks >= limits::EVICTION_SAMPLE {
                return Some((now.saturating_sub(since_ms), index));
            }
            looks += 1;
            if let Some(fresh) = self.fresh.pop_front() {
                self.fresh.push_back(Fresh { stage, since_ms: now, ..fresh });
            }
        }
    }

    fn still_fresh(&self, fresh: &Fresh) -> Option<&Arc<Gauge>> {
        let seat = self.seats.get(fresh.index)?.as_ref()?;
        let same = seat.serial == fresh.serial && !seat.leaving && seat.lane == Lane::Stranger;
        (same && seat.gauge.requests() == 0).then_some(&seat.gauge)
    }

    /// Remembers a stranger who came just now. Those who have gone, or been served, are swept out
    /// before they are as many as the rest.
    pub(super) fn note_fresh(&mut self, index: usize, serial: u64, since_ms: u64) {
        if self.fresh.len() >= 2 * self.seats.len() + limits::EVICTION_SAMPLE {
            let mut all = std::mem::take(&mut self.fresh);
            all.retain(|fresh| self.still_fresh(fresh).is_some());
            self.fresh = all;
        }
        self.fresh.push_back(Fresh { index, serial, stage: 0, since_ms });
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
        let (prefix, serial, now) = (seat.prefix, seat.serial, seat.gauge.now());
        match lane {
            Lane::Known => (self.strangers, self.known) = (self.strangers - 1, self.known + 1),
            Lane::Stranger => {
                (self.strangers, self.known) = (self.strangers + 1, self.known - 1);
                self.note_fresh(index, serial, now);
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::task::Waker;
    use std::time::Duration;

    use super::super::Newcomer;
    use super::*;
    use crate::edge::gauge::Phase;
    use crate::edge::{Edge, Options};

    /// Seats whose time is the test's own; one open descriptor stands for all sockets.
    struct House {
        edge: Edge,
        socket: UdpSocket,
        came: u32,
    }

    impl House {
        #[expect(clippy::disallowed_methods, reason = "a descriptor, of which nothing is sent")]
        fn new(connections_max: usize) -> Self {
            let edge = Edge::new(Options { connections_max, ..Options::default() });
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
            Self { edge, socket, came: 0 }
        }

        /// A stranger from an address of its own; None when it is refused.
        fn comes(&mut self) -> Option<Arc<Gauge>> {
            self.came += 1;
            let shared = &self.edge.shared;
            let gauge = Arc::new(Gauge::new(Arc::clone(shared), Phase::Handshake, Order::Run));
            let address = IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + self.came));
            let descriptor = self.socket.as_raw_fd();
            let newcomer = Newcomer { address, descriptor, capped: true, known: false };
            let mut seats = shared.seats.lock();
            let seat = seats.admit(Arc::clone(&gauge), &newcomer);
            // Who was told to leave does so at once.
            for index in 0..seats.len() {
                let leaves = seats.seats.get(index).and_then(Option::as_ref);
                if leaves.is_some_and(|seat| seat.leaving) {
                    seats.leave(index);
                }
            }
            seat.map(|_| gauge)
        }

        /// One that is served, and then waits as `how` says.
        fn comes_and_asks(&mut self, how: Wait) -> Option<Arc<Gauge>> {
            let gauge = self.comes()?;
            gauge.heard();
            gauge.greeted();
            gauge.enter(Phase::Http1);
            gauge.request_began();
            match how {
                Wait::ForUs => {}
                Wait::Idle => gauge.request_ended(),
                Wait::WithBody => gauge.body_began().waits(Waker::noop()),
            }
            Some(gauge)
        }

        fn passes(&self, ms: u64) {
            let shared = &self.edge.shared;
            shared.clock.advance(Duration::from_millis(ms));
            let mut seats = shared.seats.lock();
            let all = seats.len();
            seats.judge(0, all, &shared.options, shared.clock.now());
        }
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Wait {
        ForUs,
        Idle,
        WithBody,
    }

    fn is_cut(gauge: &Arc<Gauge>) -> bool {
        gauge.order() == Order::Cut
    }

    #[test]
    fn a_hoard_that_asked_for_something_makes_room_for_those_who_are_about_to() {
        for how in [Wait::Idle, Wait::WithBody] {
            let mut house = House::new(16);
            let hoard: Vec<_> = (0..12).filter_map(|_| house.comes_and_asks(how)).collect();
            // Twice: a wait for a body is seen at the first look.
            house.passes(1_000);
            house.passes(1_000);
            let newcomer = house.comes().expect("a seat");
            for _ in 0..11 {
                assert!(house.comes_and_asks(how).is_some(), "{how:?}");
            }
            assert!(!is_cut(&newcomer), "{how:?}: a newcomer went for a hoarder");
            assert!(hoard.iter().all(is_cut), "{how:?}");
        }
    }

    #[test]
    fn who_was_served_is_not_held_to_the_patience_that_silence_gets() {
        let mut house = House::new(16);
        let visitor = house.comes_and_asks(Wait::Idle).expect("a seat");
        let silent: Vec<_> = (0..11).filter_map(|_| house.comes()).collect();
        house.passes(400);
        for _ in 0..11 {
            assert!(house.comes().is_some());
        }
        assert!(!is_cut(&visitor) && silent.iter().all(is_cut));
    }

    #[test]
    fn whom_we_keep_waiting_stays() {
        let mut house = House::new(16);
        let busy: Vec<_> = (0..12).filter_map(|_| house.comes_and_asks(Wait::ForUs)).collect();
        house.passes(1_000);
        assert!(house.comes().is_none(), "all of them are being served");
        assert!(!busy.iter().any(is_cut));
    }

    #[test]
    fn a_stage_that_is_reached_counts_and_a_byte_does_not() {
        let mut house = House::new(16);
        let all: Vec<_> = (0..12).filter_map(|_| house.comes()).collect();
        all[0].heard();
        all[1].has_read(1);
        all[2].heard();
        all[2].greeted();
        all[2].enter(Phase::Http1);
        for _ in 0..3 {
            assert!(house.comes().is_some());
        }
        let gone: Vec<usize> =
            all.iter().enumerate().filter(|(_, it)| is_cut(it)).map(|(place, _)| place).collect();
        assert_eq!(gone, [1, 3, 4]);
        for _ in 0..10 {
            assert!(house.comes().is_some());
        }
        assert!(!is_cut(&all[0]) && is_cut(&all[2]), "the one waits for us, the other for nobody");
    }

    #[test]
    fn those_who_have_gone_hide_nobody_from_us() {
        let mut house = House::new(200);
        // One more would have them swept out.
        for _ in 0..=limits::EVICTION_SAMPLE {
            let gone = house.comes().expect("a seat");
            house.edge.shared.seats.lock().leave(gone.seat());
        }
        let waits = house.comes().expect("a seat");
        waits.heard();
        let silent = house.comes().expect("a seat");
        while !is_cut(&silent) {
            assert!(house.comes().is_some());
            assert!(!is_cut(&waits), "who waits for us goes last");
        }
    }
}
