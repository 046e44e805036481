//! Who may sit: the table of open connections, caps for all and per prefix. Leaves who must go when
//! a place is needed to `room`, waits and rates to `judge`, and time to the watchman.
//!
//! Memory: at most `connections_max` seats and as many prefixes, whoever connects.

mod room;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::gauge::{Gauge, Order};
use super::judge::{Marks, Seen, Verdict, judge, waiting_ms};
use super::stats::Cut;
use super::{Options, Shared, limits, socket};
use room::{Fresh, Lane};

/// What connections are counted by: an IPv4 address or an IPv6 /64 (what one subscriber gets).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Prefix {
    V4(u32),
    V6(u64),
}

impl Prefix {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(four) => Self::V4(four.to_bits()),
            IpAddr::V6(six) => {
                let [a, b, c, d, e, f, g, h, ..] = six.octets();
                Self::V6(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

struct Seat {
    gauge: Arc<Gauge>,
    descriptor: RawFd,
    marks: Marks,
    /// None while no cap applies: a trusted proxy, or a connection that is leaving.
    prefix: Option<Prefix>,
    /// Where this seat stands in its prefix's list.
    place: usize,
    leaving: bool,
    lane: Lane,
    /// Who was seen behind it.
    principal: Option<u64>,
    /// Tells it from others that sit here before or after.
    serial: u64,
}

/// The seats of one prefix.
#[derive(Default)]
struct Crowd {
    places: Vec<usize>,
    strangers: usize,
}

/// The table. Its lock is held for a hundred microseconds at most.
pub(super) struct Seats {
    seats: Vec<Option<Seat>>,
    free: Vec<usize>,
    prefixes: HashMap<Prefix, Crowd>,
    /// Prefixes with two or more strangers, by how many.
    hoards: BTreeSet<(usize, Prefix)>,
    open: usize,
    leaving: usize,
    /// Those who are not leaving, by lane.
    strangers: usize,
    known: usize,
    principals: HashMap<u64, usize>,
    fresh: VecDeque<Fresh>,
    serial: u64,
    cursor: usize,
    /// Set once the server stops: whoever sits down now is told to finish.
    pub(super) draining: bool,
}

/// The kernel's side of a connection that asks for a seat.
pub(super) struct Newcomer {
    pub(super) address: IpAddr,
    pub(super) descriptor: RawFd,
    pub(super) capped: bool,
    /// Known by its address alone.
    pub(super) known: bool,
}

impl Seats {
    pub(super) fn new() -> Self {
        Self {
            seats: Vec::new(),
            free: Vec::new(),
            prefixes: HashMap::new(),
            hoards: BTreeSet::new(),
            open: 0,
            leaving: 0,
            strangers: 0,
            known: 0,
            principals: HashMap::new(),
            fresh: VecDeque::new(),
            serial: 0,
            cursor: 0,
            draining: false,
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// How many are known.
    pub(super) fn known(&self) -> usize {
        self.known
    }

    /// Seats a connection, making room if that is fair; answers where it sits, None to refuse it.
    pub(super) fn admit(&mut self, gauge: Arc<Gauge>, newcomer: &Newcomer) -> Option<usize> {
        let shared = Arc::clone(&gauge.shared);
        let now = shared.clock.now();
        let prefix = newcomer.capped.then(|| Prefix::of(newcomer.address));
        if self.crowd(prefix) >= shared.options.prefix_connections_max {
            self.evict_from(prefix, None, &shared, now).then_some(())?;
        }
        let lane = self.lane_of(prefix, newcomer.known, &shared);
        self.has_room(lane, &shared, now).then_some(())?;
        let (strangers_max, known_max) = limits::LEAVING_MAX;
        let leaving_max = if lane == Lane::Known { known_max } else { strangers_max };
        if self.leaving > leaving_max {
            return None;
        }
        self.serial += 1;
        gauge.set_known(lane == Lane::Known);
        Some(self.sit(Seat {
            gauge,
            descriptor: newcomer.descriptor,
            marks: Marks::default(),
            prefix,
            place: 0,
            leaving: false,
            lane,
            principal: None,
            serial: self.serial,
        }))
    }

    /// How many connections a prefix has.
    fn crowd(&self, prefix: Option<Prefix>) -> usize {
        let crowd = prefix.and_then(|prefix| self.prefixes.get(&prefix));
        crowd.map_or(0, |crowd| crowd.places.len())
    }

    /// Counts a seat by the address that a proxy named for it, making room among its like if that
    /// is fair; false when it must go.
    pub(super) fn count_by(&mut self, index: usize, address: IpAddr) -> bool {
        let seat = self.seats.get(index).and_then(Option::as_ref);
        let Some(seat) = seat.filter(|seat| !seat.leaving && seat.prefix.is_none()) else {
            return false;
        };
        let shared = Arc::clone(&seat.gauge.shared);
        let prefix = Some(Prefix::of(address));
        let is_full = self.crowd(prefix) >= shared.options.prefix_connections_max;
        if is_full && !self.evict_from(prefix, None, &shared, shared.clock.now()) {
            shared.stats.refused.fetch_add(1, Relaxed);
            return false;
        }
        let lane = self.lane_of(prefix, shared.known.is_familiar(address), &shared);
        self.count(index, Prefix::of(address));
        self.change(index, lane);
        true
    }

    fn sit(&mut self, mut seat: Seat) -> usize {
        let (prefix, lane, serial) = (seat.prefix.take(), seat.lane, seat.serial);
        let opened_ms = seat.gauge.opened_ms;
        let index = self.free.pop().unwrap_or_else(|| {
            self.seats.push(None);
            self.seats.len() - 1
        });
        seat.gauge.sits_at(index);
        if let Some(chair) = self.seats.get_mut(index) {
            *chair = Some(seat);
        }
        if let Some(prefix) = prefix {
            self.count(index, prefix);
        }
        match lane {
            Lane::Known => self.known += 1,
            Lane::Stranger => {
                self.strangers += 1;
                self.note_fresh(index, serial, opened_ms);
            }
        }
        self.open += 1;
        index
    }

    /// Puts a seat into its prefix's count.
    fn count(&mut self, index: usize, prefix: Prefix) {
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        let crowd = self.prefixes.entry(prefix).or_default();
        (seat.prefix, seat.place) = (Some(prefix), crowd.places.len());
        crowd.places.push(index);
        let before = crowd.strangers;
        crowd.strangers += usize::from(seat.lane == Lane::Stranger);
        let after = crowd.strangers;
        self.rank(prefix, before, after);
    }

    fn rank(&mut self, prefix: Prefix, before: usize, after: usize) {
        if before >= 2 && before != after {
            self.hoards.remove(&(before, prefix));
        }
        if after >= 2 {
            self.hoards.insert((after, prefix));
        }
    }

    /// Takes a seat out of its prefix's count.
    fn uncount(&mut self, index: usize) {
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        let (place, lane, Some(prefix)) = (seat.place, seat.lane, seat.prefix.take()) else {
            return;
        };
        let Some(crowd) = self.prefixes.get_mut(&prefix) else { return };
        let before = crowd.strangers;
        crowd.strangers -= usize::from(lane == Lane::Stranger);
        crowd.places.swap_remove(place);
        let (after, moved) = (crowd.strangers, crowd.places.get(place).copied());
        if crowd.places.is_empty() {
            self.prefixes.remove(&prefix);
        }
        if let Some(Some(other)) = moved.and_then(|moved| self.seats.get_mut(moved)) {
            other.place = place;
        }
        self.rank(prefix, before, after);
    }

    /// Takes a seat out of all counts but that of the open ones.
    fn unlist(&mut self, index: usize) {
        self.uncount(index);
        self.forget_principal(index);
        match self.seats.get(index).and_then(Option::as_ref).map(|seat| seat.lane) {
            Some(Lane::Known) => self.known -= 1,
            Some(Lane::Stranger) => self.strangers -= 1,
            None => {}
        }
    }

    /// The connection is about to close its socket.
    pub(super) fn leave(&mut self, index: usize) {
        let Some(Some(seat)) = self.seats.get(index) else { return };
        if seat.leaving {
            self.leaving -= 1;
        } else {
            self.unlist(index);
        }
        if let Some(chair) = self.seats.get_mut(index) {
            *chair = None;
        }
        self.open -= 1;
        self.free.push(index);
    }

    fn cut(&mut self, index: usize, reason: Cut) {
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        if !std::mem::replace(&mut seat.leaving, true) {
            self.leaving += 1;
            self.unlist(index);
        }
        let Some(Some(seat)) = self.seats.get(index) else { return };
        seat.gauge.cut(reason);
        if reason == Cut::Evicted && seat.gauge.requests() == 0 {
            // Its own task lets go of it as soon as it runs; who has asked for nothing needs no
            // farewell, and a flood of them costs several segments each.
            return socket::reset_when_closed(seat.descriptor);
        }
        let unread = socket::unacknowledged(seat.descriptor) > 0;
        socket::cut(seat.descriptor, unread);
    }

    /// Judges up to `count` seats from `start` on, and carries the verdicts out.
    pub(super) fn judge(&mut self, start: usize, count: usize, options: &Options, now: u64) {
        for index in start..(start + count).min(self.seats.len()) {
            let Some(Some(seat)) = self.seats.get_mut(index) else { continue };
            let bodies = seat.gauge.judge_bodies(now);
            let mut seen = seat.see(bodies.waiting_since);
            seen.body_ignored = bodies.ignored;
            match judge(&mut seat.marks, &seen, options, now) {
                Verdict::Stay => {}
                Verdict::Tell(order) => {
                    seat.gauge.tell(order);
                }
                Verdict::Cut(reason) => self.cut(index, reason),
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    pub(super) fn tell_all(&mut self, order: Order) {
        for seat in self.seats.iter().flatten() {
            seat.gauge.tell(order);
        }
    }

    /// Cuts everybody; answers how many there were.
    pub(super) fn cut_all(&mut self, reason: Cut) -> usize {
        (0..self.seats.len()).for_each(|index| self.cut(index, reason));
        self.open
    }

    /// Cuts those for whom most response bytes are held, a few at a time, until `excess` bytes are
    /// given back.
    pub(super) fn cut_holders(&mut self, excess: u64) {
        let mut holders: Vec<(u64, usize)> = self
            .seats
            .iter()
            .enumerate()
            .filter_map(|(index, seat)| {
                let seat = seat.as_ref().filter(|seat| !seat.leaving)?;
                Some((seat.gauge.held_bytes(), index)).filter(|(held, _)| *held > 0)
            })
            .collect();
        holders.sort_unstable_by(|one, other| other.cmp(one));
        self.cut_some(excess, &holders);
    }

    /// The same for bytes of request bodies: of the prefix with most of them first, and there of
    /// the connection with most.
    pub(super) fn cut_senders(&mut self, excess: u64) {
        let mut senders: Vec<(Option<Prefix>, u64, usize)> = Vec::new();
        let mut crowds: HashMap<Prefix, u64> = HashMap::new();
        for (index, seat) in self.seats.iter().enumerate() {
            let Some(seat) = seat.as_ref().filter(|seat| !seat.leaving) else { continue };
            let bytes = seat.gauge.body_bytes();
            if bytes == 0 {
                continue;
            }
            if let Some(prefix) = seat.prefix {
                *crowds.entry(prefix).or_default() += bytes;
            }
            senders.push((seat.prefix, bytes, index));
        }
        let crowd = |prefix: Option<Prefix>| prefix.and_then(|p| crowds.get(&p)).copied();
        senders.sort_unstable_by_key(|(prefix, bytes, index)| {
            std::cmp::Reverse((crowd(*prefix).unwrap_or(*bytes), *bytes, *index))
        });
        let senders: Vec<(u64, usize)> = senders.into_iter().map(|(_, b, i)| (b, i)).collect();
        self.cut_some(excess, &senders);
    }

    fn cut_some(&mut self, mut excess: u64, holders: &[(u64, usize)]) {
        for &(held, index) in holders.iter().take(limits::HOLDERS_CUT_AT_ONCE) {
            if excess == 0 {
                return;
            }
            excess = excess.saturating_sub(held);
            self.cut(index, Cut::Holder);
        }
    }
}

impl Seat {
    /// Looks at the connection. Asks the kernel what the peer took only when something is open.
    fn see(&self, body_since: u64) -> Seen {
        let written_bytes = self.gauge.written_bytes();
        let known = self.marks.has_taken(written_bytes);
        let untaken = if known { 0 } else { socket::unacknowledged(self.descriptor) };
        self.seen(written_bytes, untaken, body_since)
    }

    /// For how long the peer keeps us waiting, as of the last look: asks the kernel nothing, since
    /// many are compared while the table is locked.
    fn waiting_ms(&self, now: u64) -> Option<u64> {
        waiting_ms(&self.marks, &self.seen(0, 0, 0), now)
    }

    fn seen(&self, written_bytes: u64, untaken: u64, body_since: u64) -> Seen {
        let gauge = &self.gauge;
        Seen {
            phase: gauge.phase(),
            order: gauge.order(),
            opened: gauge.opened_ms,
            idle_since: gauge.idle_since(),
            greeted_since: gauge.greeted_since(),
            header_since: gauge.header_since(),
            frame_since: gauge.frame_since(),
            requests: gauge.requests(),
            in_flight: gauge.in_flight(),
            read_bytes: gauge.read_bytes(),
            written_bytes,
            taken_bytes: written_bytes.saturating_sub(untaken),
            held_bytes: gauge.held_bytes(),
            stalled: gauge.stalled(),
            body_since,
            body_ignored: false,
        }
    }
}

/// A connection's seat, held for as long as its socket is open. Dropped before the socket is.
pub(super) struct Guard {
    pub(super) gauge: Arc<Gauge>,
    index: usize,
}

impl Guard {
    /// Seats a connection, or refuses it with None.
    pub(super) fn admit(
        shared: &Arc<Shared>,
        phase: super::gauge::Phase,
        newcomer: &Newcomer,
    ) -> Option<Self> {
        let mut seats = shared.seats.lock();
        let order = if seats.draining { Order::Finish } else { Order::Run };
        let gauge = Arc::new(Gauge::new(Arc::clone(shared), phase, order));
        let Some(index) = seats.admit(Arc::clone(&gauge), newcomer) else {
            shared.stats.refused.fetch_add(1, Relaxed);
            return None;
        };
        shared.stats.accepted.fetch_add(1, Relaxed);
        if gauge.is_known() {
            shared.stats.familiar.fetch_add(1, Relaxed);
        }
        shared.count(&seats);
        Some(Self { gauge, index })
    }

    /// Counts the connection by the address that a proxy named; false when it must go.
    pub(super) fn count_by(&self, address: IpAddr) -> bool {
        self.gauge.shared.seats.lock().count_by(self.index, address)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let shared = &self.gauge.shared;
        self.gauge.flushed();
        let mut seats = shared.seats.lock();
        seats.leave(self.index);
        shared.count(&seats);
        if seats.draining && seats.open() == 0 {
            shared.emptied.notify_one();
        }
    }
}
