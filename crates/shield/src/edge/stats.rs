//! What the edge counts, for metrics and reports: a fixed set of counters, whatever the peers do.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Why a connection was cut rather than ended by its peer or politely by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The TLS handshake took too long.
    Handshake,
    /// Connected, and sent nothing (or, over HTTP/2, asked for nothing).
    FirstByte,
    /// Began a request header and did not end it.
    Header,
    /// Idle, was asked to finish, and did not.
    Idle,
    /// Began an HTTP/2 frame and did not end it.
    Frame,
    /// Sent a request body too slowly.
    SlowBody,
    /// Took what it asked for too slowly.
    SlowReader,
    /// Sent more HTTP/2 control frames than anybody needs.
    FrameFlood,
    /// Left too many handlers without waiting for their answers.
    Cancelled,
    /// Had most bytes in memory, of responses or of request bodies, when their common budget was
    /// used up.
    Holder,
    /// Kept us waiting longest when its place was needed.
    Evicted,
    /// Still busy when the drain's deadline came.
    Deadline,
    /// Came from a proxy, and did not begin with the header that names the client.
    ProxyHeader,
}

impl Cut {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 13] = [
        Self::Handshake,
        Self::FirstByte,
        Self::Header,
        Self::Idle,
        Self::Frame,
        Self::SlowBody,
        Self::SlowReader,
        Self::FrameFlood,
        Self::Cancelled,
        Self::Holder,
        Self::Evicted,
        Self::Deadline,
        Self::ProxyHeader,
    ];

    /// The reason as a label of a metric.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::FirstByte => "first_byte",
            Self::Header => "header",
            Self::Idle => "idle",
            Self::Frame => "frame",
            Self::SlowBody => "slow_body",
            Self::SlowReader => "slow_reader",
            Self::FrameFlood => "frame_flood",
            Self::Cancelled => "cancelled",
            Self::Holder => "holder",
            Self::Evicted => "evicted",
            Self::Deadline => "deadline",
            Self::ProxyHeader => "proxy_header",
        }
    }
}

/// How a TLS handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshaken {
    /// With a signature of ours.
    Full,
    /// From an earlier session, which costs a fraction.
    Resumed,
    /// Not at all, once its greeting had come.
    Failed,
}

impl Handshaken {
    /// Every end, in the order of the counters.
    pub const ALL: [Self; 3] = [Self::Full, Self::Resumed, Self::Failed];

    /// It as a label of a metric.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed => "resumed",
            Self::Failed => "failed",
        }
    }
}

/// Counters since the start, and gauges of now. Read at any time, from any thread.
#[derive(Debug, Default)]
pub struct Stats {
    pub(super) open: AtomicU64,
    pub(super) known: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) familiar: AtomicU64,
    pub(super) vouched: AtomicU64,
    pub(super) tickets: AtomicU64,
    pub(super) tickets_void: AtomicU64,
    pub(super) handshakes: [AtomicU64; 3],
    pub(super) handshakes_waiting: AtomicU64,
    pub(super) pressed: AtomicBool,
    pub(super) refused: AtomicU64,
    pub(super) outside: AtomicU64,
    pub(super) accept_failed: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) shed: AtomicU64,
    pub(super) shed_bodies: AtomicU64,
    pub(super) held_bytes: AtomicU64,
    pub(super) body_bytes: AtomicU64,
    pub(super) cut: [AtomicU64; Cut::ALL.len()],
}

impl Stats {
    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }
    /// Of them, those with the rank of the known.
    pub fn known(&self) -> u64 {
        self.known.load(Relaxed)
    }
    /// Connections accepted from an address that served a member.
    pub fn familiar(&self) -> u64 {
        self.familiar.load(Relaxed)
    }
    /// Connections over which somebody was seen who made them known.
    pub fn vouched(&self) -> u64 {
        self.vouched.load(Relaxed)
    }
    /// Connections whose session ticket made them known before their handshake.
    pub fn tickets(&self) -> u64 {
        self.tickets.load(Relaxed)
    }
    /// Tickets with standing that counted for nothing: used before, or not proven to be their
    /// bearer's.
    pub fn tickets_void(&self) -> u64 {
        self.tickets_void.load(Relaxed)
    }
    /// TLS handshakes that ended like this.
    pub fn handshakes(&self, ended: Handshaken) -> u64 {
        self.handshakes.get(ended as usize).map_or(0, |count| count.load(Relaxed))
    }
    /// Strangers' handshakes that wait for their share of the processor.
    pub fn handshakes_waiting(&self) -> u64 {
        self.handshakes_waiting.load(Relaxed)
    }
    /// Whether strangers' handshakes have a budget now.
    pub fn pressed(&self) -> bool {
        self.pressed.load(Relaxed)
    }
    /// Connections accepted and given a place.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }
    /// Connections closed at once because no place could be made for them.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
    /// Connections reset at once because they came from outside of the networks that may connect.
    pub fn outside(&self) -> u64 {
        self.outside.load(Relaxed)
    }
    /// Times the kernel could not give us a connection (out of files or memory).
    pub fn accept_failed(&self) -> u64 {
        self.accept_failed.load(Relaxed)
    }
    /// Requests handed to the service.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }
    /// Handlers whose caller left before the answer.
    pub fn cancelled(&self) -> u64 {
        self.cancelled.load(Relaxed)
    }
    /// Responses replaced by a 503 because too many bytes were held for slow peers.
    pub fn shed(&self) -> u64 {
        self.shed.load(Relaxed)
    }
    /// Bytes of responses held in memory now.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes.load(Relaxed)
    }
    /// Requests answered 503 because too many bytes of request bodies were in memory.
    pub fn shed_bodies(&self) -> u64 {
        self.shed_bodies.load(Relaxed)
    }
    /// Bytes of request bodies in memory now, of requests that are not answered yet.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes.load(Relaxed)
    }
    /// Connections cut for `reason`.
    pub fn cut(&self, reason: Cut) -> u64 {
        self.cut.get(reason as usize).map_or(0, |count| count.load(Relaxed))
    }

    pub(super) fn count_handshake(&self, ended: Handshaken) {
        if let Some(count) = self.handshakes.get(ended as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn count_cut(&self, reason: Cut) {
        if let Some(count) = self.cut.get(reason as usize) {
            count.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter() {
        for (place, reason) in Cut::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place, "{}", reason.label());
        }
        for (place, ended) in Handshaken::ALL.into_iter().enumerate() {
            assert_eq!(ended as usize, place, "{}", ended.label());
        }
    }
}
