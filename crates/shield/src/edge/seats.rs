//! Who may sit: the table of open connections, caps for all and per prefix, and who must go when
//! a place is needed. Leaves waits and rates to `judge`, and time to the watchman.
//!
//! Memory: at most `connections_max` seats and as many prefixes, whoever connects.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::gauge::{Gauge, Order};
use super::judge::{Marks, Seen, Verdict, judge, waiting_ms};
use super::stats::Cut;
use super::{Options, Shared, limits, socket};

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
}

/// The table. Its lock is held for a hundred microseconds at most.
pub(super) struct Seats {
    seats: Vec<Option<Seat>>,
    free: Vec<usize>,
    prefixes: HashMap<Prefix, Vec<usize>>,
    /// Prefixes with two or more seats, by how many.
    hoards: BTreeSet<(usize, Prefix)>,
    open: usize,
    leaving: usize,
    cursor: usize,
    /// Set once the server stops: whoever sits down now is told to finish.
    pub(super) draining: bool,
}

/// The kernel's side of a connection that asks for a seat.
pub(super) struct Newcomer {
    pub(super) address: IpAddr,
    pub(super) descriptor: RawFd,
    pub(super) capped: bool,
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
            cursor: 0,
            draining: false,
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Seats a connection, making room if that is fair; answers where it sits, None to refuse it.
    pub(super) fn admit(&mut self, gauge: Arc<Gauge>, newcomer: &Newcomer) -> Option<usize> {
        let shared = Arc::clone(&gauge.shared);
        let now = shared.clock.now();
        let prefix = newcomer.capped.then(|| Prefix::of(newcomer.address));
        let crowd = prefix.and_then(|prefix| self.prefixes.get(&prefix)).map_or(0, Vec::len);
        if crowd >= shared.options.prefix_connections_max {
            self.evict_from(prefix, &shared, now).then_some(())?;
        }
        if self.open - self.leaving >= shared.options.connections_max {
            self.evict(&shared, now).then_some(())?;
        }
        if self.leaving > limits::LEAVING_MAX {
            return None;
        }
        let descriptor = newcomer.descriptor;
        let seat =
            Seat { gauge, descriptor, marks: Marks::default(), prefix, place: 0, leaving: false };
        Some(self.sit(seat))
    }

    /// Makes room for one more: first in the prefix that hoards most, else wherever somebody keeps
    /// us waiting. False when everybody is being served.
    pub(super) fn evict(&mut self, shared: &Shared, now: u64) -> bool {
        let hoarder = self.hoards.last().map(|(_, prefix)| *prefix);
        self.evict_from(hoarder, shared, now) || {
            let all = self.seats.len();
            let sample: Vec<usize> = sample(self.turn(), all).collect();
            self.evict_among(&sample, shared, now)
        }
    }

    fn evict_from(&mut self, prefix: Option<Prefix>, shared: &Shared, now: u64) -> bool {
        let turn = self.turn();
        let Some(list) = prefix.and_then(|prefix| self.prefixes.get(&prefix)) else { return false };
        let chosen: Vec<usize> =
            sample(turn, list.len()).filter_map(|place| list.get(place).copied()).collect();
        self.evict_among(&chosen, shared, now)
    }

    /// Where the next sample starts: over a few calls everybody is looked at.
    fn turn(&mut self) -> usize {
        self.cursor = self.cursor.wrapping_add(limits::EVICTION_SAMPLE);
        self.cursor
    }

    fn evict_among(&mut self, places: &[usize], shared: &Shared, now: u64) -> bool {
        let longest = places
            .iter()
            .filter_map(|&index| {
                let seat = self.seats.get(index)?.as_ref()?;
                let may_go = !seat.leaving && seat.gauge.order() < Order::Cut;
                may_go.then_some((seat.waiting_ms(now)?, index))
            })
            .max();
        match longest {
            Some((waited_ms, index)) if waited_ms >= shared.options.eviction_after_ms => {
                self.cut(index, Cut::Evicted);
                true
            }
            _ => false,
        }
    }

    /// Counts a seat by the address that a proxy named for it, making room among its like if that
    /// is fair; false when it must go.
    pub(super) fn count_by(&mut self, index: usize, address: IpAddr) -> bool {
        let seat = self.seats.get(index).and_then(Option::as_ref);
        let Some(seat) = seat.filter(|seat| !seat.leaving && seat.prefix.is_none()) else {
            return false;
        };
        let shared = Arc::clone(&seat.gauge.shared);
        let prefix = Prefix::of(address);
        let crowd = self.prefixes.get(&prefix).map_or(0, Vec::len);
        let is_full = crowd >= shared.options.prefix_connections_max;
        if is_full && !self.evict_from(Some(prefix), &shared, shared.clock.now()) {
            shared.stats.refused.fetch_add(1, Relaxed);
            return false;
        }
        self.count(index, prefix);
        true
    }

    fn sit(&mut self, mut seat: Seat) -> usize {
        let prefix = seat.prefix.take();
        let index = self.free.pop().unwrap_or_else(|| {
            self.seats.push(None);
            self.seats.len() - 1
        });
        if let Some(chair) = self.seats.get_mut(index) {
            *chair = Some(seat);
        }
        if let Some(prefix) = prefix {
            self.count(index, prefix);
        }
        self.open += 1;
        index
    }

    /// Puts a seat into its prefix's count.
    fn count(&mut self, index: usize, prefix: Prefix) {
        let list = self.prefixes.entry(prefix).or_default();
        list.push(index);
        let (count, place) = (list.len(), list.len() - 1);
        if let Some(Some(seat)) = self.seats.get_mut(index) {
            (seat.prefix, seat.place) = (Some(prefix), place);
        }
        self.rank(prefix, count - 1, count);
    }

    fn rank(&mut self, prefix: Prefix, before: usize, after: usize) {
        if before >= 2 {
            self.hoards.remove(&(before, prefix));
        }
        if after >= 2 {
            self.hoards.insert((after, prefix));
        }
    }

    /// Takes a seat out of its prefix's count.
    fn uncount(&mut self, index: usize) {
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        let (place, Some(prefix)) = (seat.place, seat.prefix.take()) else { return };
        let Some(list) = self.prefixes.get_mut(&prefix) else { return };
        list.swap_remove(place);
        let (count, moved) = (list.len(), list.get(place).copied());
        if count == 0 {
            self.prefixes.remove(&prefix);
        }
        if let Some(Some(other)) = moved.and_then(|moved| self.seats.get_mut(moved)) {
            other.place = place;
        }
        self.rank(prefix, count + 1, count);
    }

    /// The connection is about to close its socket.
    pub(super) fn leave(&mut self, index: usize) {
        self.uncount(index);
        if let Some(seat) = self.seats.get_mut(index).and_then(Option::take) {
            self.open -= 1;
            self.leaving -= usize::from(seat.leaving);
            self.free.push(index);
        }
    }

    fn cut(&mut self, index: usize, reason: Cut) {
        self.uncount(index);
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        if !seat.leaving {
            seat.leaving = true;
            self.leaving += 1;
        }
        seat.gauge.cut(reason);
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

/// Up to `EVICTION_SAMPLE` of `all` places, from `start` on and round.
fn sample(start: usize, all: usize) -> impl Iterator<Item = usize> {
    (0..limits::EVICTION_SAMPLE.min(all)).map(move |step| start.wrapping_add(step) % all)
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
        shared.stats.open.store(seats.open() as u64, Relaxed);
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
        shared.stats.open.store(seats.open() as u64, Relaxed);
        if seats.draining && seats.open() == 0 {
            shared.emptied.notify_one();
        }
    }
}
