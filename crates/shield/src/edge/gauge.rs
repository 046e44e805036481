//! What is known of one connection: written by those who move its bytes and requests, read by the
//! watchman, who judges. Leaves the judgement to `judge`, and the connection's place to `seats`.
//!
//! Plain atomics without ordering: each is a hint of its own, and a judgement that is one tick
//! late is as good. Nothing here allocates, and nothing arms a timer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::bucket::Bucket;
use super::stats::Cut;
use super::tickets::Voucher;
use super::{Shared, clock, limits};
use crate::decide::Standing;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    Handshake = 0,
    Http1 = 1,
    Http2 = 2,
    Upgraded = 3,
}

/// What a connection was told. Only ever grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Order {
    /// Go on.
    Run = 0,
    /// Finish what is in flight, take one more request if it is already coming, then end.
    Finish = 1,
    /// End now if idle, else after what is in flight.
    Close = 2,
    /// End now.
    Cut = 3,
}

/// How far a connection has come, where it began with nothing: its TLS greeting is whole, was
/// answered, and the handshake is over (or a proxy has named its client).
const STAGE_HEARD: u8 = 1;
const STAGE_GREETED: u8 = 2;
const STAGE_ENTERED: u8 = 3;

pub(super) struct Gauge {
    pub(super) shared: Arc<Shared>,
    pub(super) opened_ms: u64,
    phase: AtomicU8,
    order: AtomicU8,
    waker: AtomicWaker,
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
    requests: AtomicU64,
    in_flight: AtomicU32,
    idle_since: AtomicU64,
    greeted_since: AtomicU64,
    header_since: AtomicU64,
    frame_since: AtomicU64,
    stalled: AtomicU32,
    held_bytes: AtomicU64,
    unflushed_bytes: AtomicU64,
    cancelled: Mutex<Bucket>,
    body_bytes: AtomicU64,
    bodies: Mutex<Vec<Arc<BodyMeter>>>,
    unread: AtomicBool,
    seat: AtomicUsize,
    known: AtomicBool,
    stage: AtomicU8,
    lineage: AtomicU64,
    vouched: AtomicU64,
    teaches: AtomicBool,
    teacher: Mutex<Option<IpAddr>>,
}

impl Gauge {
    pub(super) fn new(shared: Arc<Shared>, phase: Phase, order: Order) -> Self {
        let now = shared.clock.now();
        let cancelled = Mutex::new(Bucket::full(shared.options.cancelled, now));
        Self {
            shared,
            opened_ms: now,
            phase: AtomicU8::new(phase as u8),
            order: AtomicU8::new(order as u8),
            waker: AtomicWaker::new(),
            read_bytes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            idle_since: AtomicU64::new(now),
            greeted_since: AtomicU64::new(0),
            header_since: AtomicU64::new(0),
            frame_since: AtomicU64::new(0),
            stalled: AtomicU32::new(0),
            held_bytes: AtomicU64::new(0),
            unflushed_bytes: AtomicU64::new(0),
            cancelled,
            body_bytes: AtomicU64::new(0),
            bodies: Mutex::new(Vec::new()),
            unread: AtomicBool::new(false),
            seat: AtomicUsize::new(usize::MAX),
            known: AtomicBool::new(false),
            stage: AtomicU8::new(0),
            lineage: AtomicU64::new(0),
            vouched: AtomicU64::new(0),
            teaches: AtomicBool::new(false),
            teacher: Mutex::new(None),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.shared.clock.now()
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Handshake,
            1 => Phase::Http1,
            2 => Phase::Http2,
            _ => Phase::Upgraded,
        }
    }

    /// The handshake is over, or the connection was upgraded: deadlines count anew from here.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
        self.stage.store(STAGE_ENTERED, Relaxed);
        self.idle_since.store(self.now(), Relaxed);
    }

    /// The peer's greeting is answered now: it owes the rest of its handshake.
    pub(super) fn greeted(&self) {
        self.stage.store(STAGE_GREETED, Relaxed);
        self.greeted_since.store(self.now(), Relaxed);
    }

    pub(super) fn greeted_since(&self) -> u64 {
        self.greeted_since.load(Relaxed)
    }

    // --- who it is

    /// Where it sits in the table; written by the table alone.
    pub(super) fn sits_at(&self, index: usize) {
        self.seat.store(index, Relaxed);
    }

    pub(super) fn seat(&self) -> usize {
        self.seat.load(Relaxed)
    }

    /// Whether it has the rank of the known; written by the table alone.
    pub(super) fn set_known(&self, known: bool) {
        self.known.store(known, Relaxed);
    }

    pub(super) fn is_known(&self) -> bool {
        self.known.load(Relaxed)
    }

    /// Its TLS greeting has come whole.
    pub(super) fn heard(&self) {
        self.stage.store(STAGE_HEARD, Relaxed);
    }

    /// Its next flight has come, and waits for our turn at it.
    pub(super) fn waits_again(&self) {
        self.greeted_since.store(0, Relaxed);
        self.heard();
    }

    /// How far it has come on its way to a request; more is further.
    pub(super) fn stage(&self) -> u8 {
        self.stage.load(Relaxed)
    }

    /// Whether its greeting is whole and not answered yet.
    pub(super) fn waits_for_us(&self) -> bool {
        self.stage() == STAGE_HEARD
    }

    /// Its tickets say this number.
    pub(super) fn set_lineage(&self, lineage: u64) {
        self.lineage.store(lineage, Relaxed);
    }

    /// Somebody was verified over it, or found to be nobody to vouch for (None). Cheap when that
    /// was said before.
    pub(super) fn vouch(self: &Arc<Self>, address: IpAddr, voucher: Option<(Standing, u64)>) {
        // Principals are hashes: the one that looks like nobody is nobody.
        let principal = voucher.map_or(0, |(_, principal)| principal);
        if self.vouched.swap(principal, Relaxed) == principal {
            return;
        }
        let (shared, lineage) = (&self.shared, self.lineage.load(Relaxed));
        let Some((standing, principal)) = voucher else {
            shared.known.forget_lineage(lineage);
            return shared.demote(self);
        };
        let at_unix_s = clock::unix_s();
        let voucher = Voucher { standing, principal, at_unix_s };
        shared.known.note_lineage(lineage, &voucher);
        if standing == Standing::Member {
            shared.known.note_address(address, at_unix_s);
        }
        if shared.promote(self, principal) {
            shared.stats.vouched.fetch_add(1, Relaxed);
        }
    }

    /// Its first request that is served teaches where people come from.
    pub(super) fn may_teach(&self, address: IpAddr) {
        *self.teacher.lock() = Some(address);
        self.teaches.store(true, Relaxed);
    }

    /// A request was served. Nothing is learnt of who comes under pressure.
    pub(super) fn served(&self) {
        // Looked at first: nearly always it has been said.
        if self.teaches.load(Relaxed) && self.teaches.swap(false, Relaxed) {
            let teacher = self.teacher.lock().take();
            if let Some(address) = teacher.filter(|_| !self.shared.stats.pressed.load(Relaxed)) {
                self.shared.networks.lock().learn(address);
            }
        }
    }

    // --- orders

    pub(super) fn order(&self) -> Order {
        match self.order.load(Acquire) {
            0 => Order::Run,
            1 => Order::Finish,
            2 => Order::Close,
            _ => Order::Cut,
        }
    }

    /// Gives an order and wakes the connection; true if it was not given before.
    pub(super) fn tell(&self, order: Order) -> bool {
        let new = self.order.fetch_max(order as u8, AcqRel) < order as u8;
        if new {
            self.waker.wake();
        }
        new
    }

    /// The connection's own verdict over its peer. The watchman uses `seats`, which also closes
    /// the socket below an upgraded connection.
    pub(super) fn cut(&self, reason: Cut) {
        if self.tell(Order::Cut) {
            self.shared.stats.count_cut(reason);
        }
    }

    pub(super) fn listen(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    // --- bytes, counted by the one task that owns the socket

    pub(super) fn has_read(&self, bytes: usize) {
        self.read_bytes.store(self.read_bytes().saturating_add(bytes as u64), Relaxed);
        if self.phase() == Phase::Http1
            && self.in_flight.load(Relaxed) == 0
            && self.header_since.load(Relaxed) == 0
        {
            self.header_open_since(self.now());
        }
    }

    pub(super) fn has_written(&self, bytes: usize) {
        self.written_bytes.store(self.written_bytes().saturating_add(bytes as u64), Relaxed);
    }

    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Relaxed)
    }

    pub(super) fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Relaxed)
    }

    /// The last request was answered before its body had been read to the end, or not.
    pub(super) fn body_left_unread(&self, unread: bool) {
        self.unread.store(unread, Relaxed);
    }

    /// Whether the peer may still be sending what nobody will read.
    pub(super) fn must_linger(&self) -> bool {
        self.phase() == Phase::Http1 && self.unread.load(Relaxed)
    }

    /// A request header is half read since `since_ms`; 0 when none is.
    pub(super) fn header_open_since(&self, since_ms: u64) {
        self.header_since.store(since_ms, Relaxed);
    }

    pub(super) fn header_since(&self) -> u64 {
        self.header_since.load(Relaxed)
    }

    /// An HTTP/2 frame is half read since `since_ms`; 0 when none is.
    pub(super) fn frame_open_since(&self, since_ms: u64) {
        self.frame_since.store(since_ms, Relaxed);
    }

    pub(super) fn frame_since(&self) -> u64 {
        self.frame_since.load(Relaxed)
    }

    // --- requests

    pub(super) fn request_began(&self) {
        self.in_flight.fetch_add(1, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        if self.phase() == Phase::Http1 {
            self.header_open_since(0);
        }
        self.shared.stats.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn request_ended(&self) {
        self.idle_since.store(self.now(), Relaxed);
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// The caller left before its answer. Cheap to do over and over for a peer, dear for us.
    pub(super) fn handler_cancelled(&self) {
        self.shared.stats.cancelled.fetch_add(1, Relaxed);
        let within = self.cancelled.lock().take(1, self.now());
        if !within {
            self.cut(Cut::Cancelled);
        }
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(super) fn idle_since(&self) -> u64 {
        self.idle_since.load(Relaxed)
    }

    // --- response bytes held for the peer

    /// Charges `bytes` to the peer, unless too much is held for it or for all.
    pub(super) fn hold(&self, bytes: u64) -> bool {
        let most = self.shared.options.held_bytes_max;
        let common = &self.shared.stats.held_bytes;
        let all = common.fetch_add(bytes, Relaxed).saturating_add(bytes);
        let own = self.held_bytes.fetch_add(bytes, Relaxed).saturating_add(bytes);
        let hoards = own > bytes && own > limits::CONNECTION_HELD_BYTES_MAX.min(most / 8);
        if all <= most && !(hoards && all > most / 2) {
            return true;
        }
        self.release(bytes);
        self.shared.stats.shed.fetch_add(1, Relaxed);
        self.shared.overfull.store(true, Relaxed);
        false
    }

    /// Charges bytes of a stream whose length was not known: they exist already.
    pub(super) fn hold_more(&self, bytes: u64) {
        let before = self.shared.stats.held_bytes.fetch_add(bytes, Relaxed);
        self.held_bytes.fetch_add(bytes, Relaxed);
        if before.saturating_add(bytes) > self.shared.options.held_bytes_max {
            self.shared.overfull.store(true, Relaxed);
        }
    }

    pub(super) fn release(&self, bytes: u64) {
        self.shared.stats.held_bytes.fetch_sub(bytes, Relaxed);
        self.held_bytes.fetch_sub(bytes, Relaxed);
    }

    /// Bytes that were charged before have gone to the HTTP machine.
    pub(super) fn handed_over(&self, bytes: u64) {
        self.unflushed_bytes.fetch_add(bytes, Relaxed);
    }

    /// All that the HTTP machine could write is in the kernel.
    pub(super) fn flushed(&self) {
        if self.unflushed_bytes.load(Relaxed) > 0 {
            self.idle_since.store(self.now(), Relaxed);
            self.release(self.unflushed_bytes.swap(0, Relaxed));
        }
    }

    pub(super) fn held_bytes(&self) -> u64 {
        self.held_bytes.load(Relaxed)
    }

    /// A response waits for its peer to take more of it.
    pub(super) fn stall_began(&self) {
        self.stalled.fetch_add(1, Relaxed);
    }

    pub(super) fn stall_ended(&self) {
        self.stalled.fetch_sub(1, Relaxed);
    }

    pub(super) fn stalled(&self) -> u32 {
        self.stalled.load(Relaxed)
    }

    // --- request bodies

    pub(super) fn body_began(&self) -> Arc<BodyMeter> {
        let meter = Arc::new(BodyMeter::default());
        self.bodies.lock().push(Arc::clone(&meter));
        meter
    }

    pub(super) fn body_ended(&self, meter: &Arc<BodyMeter>) {
        self.bodies.lock().retain(|other| !Arc::ptr_eq(other, meter));
    }

    /// Charges bytes of a request body to its peer, unless there are too many of it or of all. A
    /// peer with little in memory may still overdraw a full budget by a quarter: those for whom
    /// most is held are being cut, and a short form is not what fills it.
    pub(super) fn take_in(&self, meter: &BodyMeter, bytes: u64) -> bool {
        let most = self.shared.options.body_bytes_max;
        let common = &self.shared.stats.body_bytes;
        let all = common.fetch_add(bytes, Relaxed).saturating_add(bytes);
        let own = self.body_bytes.fetch_add(bytes, Relaxed).saturating_add(bytes);
        meter.charged_bytes.fetch_add(bytes, Relaxed);
        let is_little = own <= limits::LITTLE_BODY_BYTES.min(most / 8);
        let hoards = own > limits::CONNECTION_BODY_BYTES_MAX.min(most / 4);
        let room = if is_little { most.saturating_add(most / 4) } else { most };
        if all > most {
            self.shared.crowded.store(true, Relaxed);
        }
        if all <= room && !(hoards && all > most / 2) {
            return true;
        }
        meter.refused.store(true, Relaxed);
        self.shared.stats.shed_bodies.fetch_add(1, Relaxed);
        self.let_go(meter);
        false
    }

    /// What was charged of a body is given back.
    pub(super) fn let_go(&self, meter: &BodyMeter) {
        let bytes = meter.charged_bytes.swap(0, Relaxed);
        self.shared.stats.body_bytes.fetch_sub(bytes, Relaxed);
        self.body_bytes.fetch_sub(bytes, Relaxed);
    }

    pub(super) fn body_bytes(&self) -> u64 {
        self.body_bytes.load(Relaxed)
    }

    /// Judges the bodies that handlers wait for; answers since when the slowest keeps one waiting.
    pub(super) fn judge_bodies(&self, now: u64) -> BodiesVerdict {
        let mut verdict = BodiesVerdict { waiting_since: 0, ignored: false };
        for meter in self.bodies.lock().iter() {
            let (since, ignored) = meter.judge(now, &self.shared.options);
            verdict.ignored |= ignored;
            if since > 0 && (verdict.waiting_since == 0 || since < verdict.waiting_since) {
                verdict.waiting_since = since;
            }
        }
        verdict
    }
}

/// What `Gauge::judge_bodies` found.
pub(super) struct BodiesVerdict {
    /// The oldest wait for bytes of a body, 0 when nobody waits.
    pub(super) waiting_since: u64,
    /// A body failed as too slow a while ago and its handler still holds on to it.
    pub(super) ignored: bool,
}

/// One request body while its handler reads it: bytes, and whether the handler waits for more.
#[derive(Default)]
pub(super) struct BodyMeter {
    received_bytes: AtomicU64,
    charged_bytes: AtomicU64,
    refused: AtomicBool,
    answered: AtomicBool,
    waiting: AtomicBool,
    failed: AtomicBool,
    waker: AtomicWaker,
    marks: Mutex<BodyMarks>,
}

#[derive(Default)]
struct BodyMarks {
    since_ms: u64,
    received_bytes: u64,
    failed_ms: u64,
}

impl BodyMeter {
    pub(super) fn received(&self, bytes: usize) {
        self.waiting.store(false, Relaxed);
        self.received_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn waits(&self, waker: &Waker) {
        self.waker.register(waker);
        self.waiting.store(true, Relaxed);
    }

    /// Bytes of it were refused: what the handler made of the rest is worth nothing.
    pub(super) fn was_refused(&self) -> bool {
        self.refused.load(Relaxed)
    }

    /// The handler has answered, and holds nothing of it any more.
    pub(super) fn answered(&self) {
        self.answered.store(true, Relaxed);
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered.load(Relaxed)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Acquire)
    }

    fn judge(&self, now: u64, options: &super::Options) -> (u64, bool) {
        let mut marks = self.marks.lock();
        if marks.failed_ms > 0 {
            return (marks.since_ms, now.saturating_sub(marks.failed_ms) > options.linger_ms);
        }
        let received = self.received_bytes.load(Relaxed);
        if !self.waiting.load(Relaxed) {
            marks.since_ms = 0;
            return (0, false);
        }
        if marks.since_ms == 0 {
            marks.since_ms = now;
            marks.received_bytes = received;
        }
        if now.saturating_sub(marks.since_ms) >= options.rate_span_ms {
            let needed = options.rate_bytes_per_s.saturating_mul(options.rate_span_ms) / 1_000;
            if received.saturating_sub(marks.received_bytes) < needed {
                marks.failed_ms = now;
                self.failed.store(true, std::sync::atomic::Ordering::Release);
                self.waker.wake();
            } else {
                marks.since_ms = now;
                marks.received_bytes = received;
            }
        }
        (marks.since_ms, false)
    }
}
