//! What is known of one connection's pace, and the verdict on it. Pure: it is told the time and
//! what happened; [`super::meter`] tells it, [`super::connection`] acts on the verdict.
//!
//! Time counts against a peer only while we wait for it. Patience is a bucket: waiting drains it,
//! bytes refill it, and speed earlier on buys no more than the grace, so that nobody sends a
//! megabyte at once to stall for an hour.

use super::clock::millis;
use super::options::{Options, Rate};
use crate::limits::{CANCELLED_PER_S, PIECE_BYTES};

/// Why a connection was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It sent nothing.
    FirstByte,
    /// Its TLS handshake took too long or failed.
    Handshake,
    /// A request's head took too long.
    Head,
    /// It rested too long between requests.
    Idle,
    /// It took the bytes that waited for it too slowly.
    SlowRead,
    /// It left HTTP/2 answers without window.
    StalledAnswer,
    /// It went on after we had closed our side.
    Linger,
    /// It started requests only to cancel them.
    Cancelling,
    /// Its address held the most connections when all were taken.
    Hoarding,
    /// The server stopped.
    Drained,
}

impl Cut {
    /// All reasons, in the order of [`Cut::index`].
    pub const ALL: [Cut; 10] = [
        Cut::FirstByte,
        Cut::Handshake,
        Cut::Head,
        Cut::Idle,
        Cut::SlowRead,
        Cut::StalledAnswer,
        Cut::Linger,
        Cut::Cancelling,
        Cut::Hoarding,
        Cut::Drained,
    ];

    /// The name under which metrics count it.
    pub fn name(self) -> &'static str {
        match self {
            Cut::FirstByte => "first-byte",
            Cut::Handshake => "handshake",
            Cut::Head => "head",
            Cut::Idle => "idle",
            Cut::SlowRead => "slow-read",
            Cut::StalledAnswer => "stalled-answer",
            Cut::Linger => "linger",
            Cut::Cancelling => "cancelling",
            Cut::Hoarding => "hoarding",
            Cut::Drained => "drained",
        }
    }
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Keep,
    /// Ask it to end after what it is doing.
    Retire,
    /// Close it.
    Cut(Cut),
}

/// How the world around the connection is, as far as the verdict depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Around {
    /// Most connections are taken.
    pub(crate) crowded: bool,
    /// The server stops.
    pub(crate) draining: bool,
}

/// What the connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// The TLS handshake, under a deadline of its own.
    Handshake,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// Something that HTTP/1.1 was upgraded to.
    Upgraded,
}

/// A bucket of patience, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    left_ms: u64,
    waiting_since: Option<u64>,
}

impl Patience {
    pub(crate) fn new(rate: Rate) -> Patience {
        Patience { left_ms: millis(rate.grace), waiting_since: None }
    }

    /// We wait for the peer. Told again, it goes on waiting.
    pub(crate) fn wait(&mut self, now_ms: u64) {
        self.waiting_since.get_or_insert(now_ms);
    }

    /// The wait is over, with so many bytes.
    pub(crate) fn progress(&mut self, now_ms: u64, bytes: usize, rate: Rate) {
        if let Some(since) = self.waiting_since.take() {
            self.left_ms = self.left_ms.saturating_sub(now_ms.saturating_sub(since));
        }
        // What the kernel or the peer took at once earns no more than a piece: else a first gulp of
        // megabytes into its buffers would buy an hour of silence.
        let bytes = u64::try_from(bytes.min(PIECE_BYTES)).unwrap_or(u64::MAX);
        let earned = bytes.saturating_mul(1_000) / u64::from(rate.bytes_per_s.max(1));
        self.left_ms = self.left_ms.min(millis(rate.grace)).saturating_add(earned);
    }

    /// Milliseconds left before patience is spent; `None` when it is.
    pub(crate) fn left_ms(&self, now_ms: u64) -> Option<u64> {
        let waited = self.waiting_since.map_or(0, |since| now_ms.saturating_sub(since));
        self.left_ms.checked_sub(waited).filter(|left| *left > 0 || waited == 0)
    }

    pub(crate) fn waits(&self) -> bool {
        self.waiting_since.is_some()
    }

    fn spent(&self, now_ms: u64) -> bool {
        self.waits() && self.left_ms(now_ms).is_none()
    }
}

/// What has happened on one connection.
#[derive(Debug)]
pub(crate) struct Pace {
    pub(crate) speaks: Speaks,
    accepted_ms: u64,
    /// When it last became idle.
    idle_since: u64,
    /// When the first byte of a head came that is not complete (HTTP/1.1 only).
    head_since: Option<u64>,
    closing_since: Option<u64>,
    started: u64,
    in_flight: u32,
    bytes: u64,
    socket: Patience,
    answers: Patience,
    answers_blocked: u32,
    cancel_credit: u64,
    cancel_refilled_ms: u64,
}

/// Credit that one cancelled request costs: a millisecond earns `CANCELLED_PER_S` of it.
const CANCEL_COST: u64 = 1_000;

impl Pace {
    pub(crate) fn new(now_ms: u64, speaks: Speaks, options: &Options) -> Pace {
        Pace {
            speaks,
            accepted_ms: now_ms,
            idle_since: now_ms,
            head_since: None,
            closing_since: None,
            started: 0,
            in_flight: 0,
            bytes: 0,
            socket: Patience::new(options.write),
            answers: Patience::new(options.write),
            answers_blocked: 0,
            cancel_credit: u64::from(options.cancelled_burst) * CANCEL_COST,
            cancel_refilled_ms: now_ms,
        }
    }

    /// The handshake is over; deadlines begin anew.
    pub(crate) fn begin(&mut self, now_ms: u64, speaks: Speaks) {
        self.speaks = speaks;
        self.idle_since = now_ms;
        self.head_since = None;
    }

    pub(crate) fn read(&mut self, now_ms: u64, bytes: usize) {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.speaks == Speaks::Http1 && self.in_flight == 0 && bytes > 0 {
            self.head_since.get_or_insert(now_ms);
        }
    }

    pub(crate) fn write_blocked(&mut self, now_ms: u64) {
        self.socket.wait(now_ms);
    }

    pub(crate) fn wrote(&mut self, now_ms: u64, bytes: usize, rate: Rate) {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.socket.waits() && self.in_flight == 0 {
            // The tail of an answer was still on its way: rest begins only now.
            self.idle_since = now_ms;
        }
        self.socket.progress(now_ms, bytes, rate);
    }

    pub(crate) fn closing(&mut self, now_ms: u64) {
        self.closing_since.get_or_insert(now_ms);
    }

    pub(crate) fn started(&mut self) {
        self.head_since = None;
        self.started += 1;
        self.in_flight += 1;
    }

    pub(crate) fn finished(&mut self, now_ms: u64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.in_flight == 0 {
            self.idle_since = now_ms;
        }
    }

    /// A request was cancelled before it was answered. `true` when that was one too many.
    pub(crate) fn cancelled(&mut self, now_ms: u64, burst: u32) -> bool {
        let earned = now_ms.saturating_sub(self.cancel_refilled_ms) * u64::from(CANCELLED_PER_S);
        self.cancel_refilled_ms = now_ms;
        let credit = (self.cancel_credit + earned).min(u64::from(burst) * CANCEL_COST);
        self.cancel_credit = credit.saturating_sub(CANCEL_COST);
        credit < CANCEL_COST
    }

    /// An HTTP/2 answer has more to give, and is not asked for it.
    pub(crate) fn answer_blocked(&mut self, now_ms: u64) {
        self.answers_blocked += 1;
        self.answers.wait(now_ms);
    }

    /// It was asked, after it had given so many bytes.
    pub(crate) fn answer_unblocked(&mut self, now_ms: u64, bytes: usize, rate: Rate) {
        self.answers_blocked = self.answers_blocked.saturating_sub(1);
        self.answers.progress(now_ms, bytes, rate);
        if self.answers_blocked > 0 {
            self.answers.wait(now_ms);
        }
    }

    /// The smaller, the sooner it is closed to make room: resting ones first, then by bytes moved
    /// for each second of age.
    pub(crate) fn worth(&self, now_ms: u64) -> (bool, u64) {
        let age_s = now_ms.saturating_sub(self.accepted_ms) / 1_000 + 1;
        (self.in_flight > 0 || self.speaks == Speaks::Upgraded, self.bytes / age_s)
    }

    pub(crate) fn verdict(&self, now_ms: u64, around: Around, options: &Options) -> Verdict {
        let past = |since: u64, bound| now_ms.saturating_sub(since) > millis(bound);
        if self.closing_since.is_some_and(|since| past(since, options.linger)) {
            return Verdict::Cut(Cut::Linger);
        }
        if self.socket.spent(now_ms) {
            return Verdict::Cut(Cut::SlowRead);
        }
        if self.answers.spent(now_ms) {
            return Verdict::Cut(Cut::StalledAnswer);
        }
        match self.speaks {
            Speaks::Handshake if past(self.accepted_ms, options.handshake) => {
                return Verdict::Cut(Cut::Handshake);
            }
            Speaks::Handshake | Speaks::Upgraded => return Verdict::Keep,
            Speaks::Http1 | Speaks::Http2 => {}
        }
        if let Some(since) = self.head_since {
            if past(since, options.head) {
                return Verdict::Cut(Cut::Head);
            }
        } else if self.in_flight == 0
            && !self.socket.waits()
            && self.closing_since.is_none()
            && let Some(cut) = self.rest(past, around, options)
        {
            return Verdict::Cut(cut);
        }
        if past(self.accepted_ms, options.age) { Verdict::Retire } else { Verdict::Keep }
    }

    /// Whether a connection without a request has rested too long.
    fn rest(
        &self,
        past: impl Fn(u64, std::time::Duration) -> bool,
        around: Around,
        options: &Options,
    ) -> Option<Cut> {
        if around.draining && past(self.idle_since, options.check_every) {
            return Some(Cut::Drained);
        }
        let (bound, cut) = match (self.started, self.speaks) {
            (0, Speaks::Http2) => (options.first_byte.saturating_add(options.head), Cut::FirstByte),
            (0, _) => (options.first_byte, Cut::FirstByte),
            _ if around.crowded => (options.idle_crowded.min(options.idle), Cut::Idle),
            _ => (options.idle, Cut::Idle),
        };
        past(self.idle_since, bound).then_some(cut)
    }
}
