//! What is decided: served, queued, challenged, sent to the waiting room, or refused, and why.
//! Leaves to the wiring what an answer looks like; what it may say is here.

use super::facts::{Principal, RouteId, Standing};

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Run its handler now, and settle when the body of the answer has ended.
    Serve(Admission),
    /// Hold it until [`super::State::next`] names its place, which it does by the deadline.
    Queue(Place),
    /// Answer with the challenge page; it also holds a waiting-room ticket for who has no scripts.
    Challenge,
    /// Answer with the waiting-room page, which comes back by itself after so many seconds.
    WaitingRoom {
        /// Seconds until it comes back.
        retry_after_s: u32,
    },
    /// Answer with a refusal.
    Refuse(Refusal),
}

/// A refusal: a status, when to come back, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// 429 where one's own share is exceeded, else 503.
    pub status: u16,
    /// For the header `Retry-After`, in seconds.
    pub retry_after_s: u32,
    /// For the header `Fulmar-Reason` and the log.
    pub reason: Reason,
}

/// How a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// By the challenge page, which also holds a waiting-room ticket for who has no scripts.
    Challenge,
    /// By the waiting room.
    WaitingRoom {
        /// Seconds until it comes back by itself.
        retry_after_s: u32,
    },
    /// By a refusal.
    Refused(Refusal),
}

impl TurnedAway {
    /// What operators and logs call it: the reason of a refusal, or which page was given.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Challenge => "challenge",
            Self::WaitingRoom { .. } => "waiting_room",
            Self::Refused(refusal) => refusal.reason.code(),
        }
    }
}

/// What was found of the request that was decided on last, for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The standing that it had.
    pub standing: Standing,
    /// How it would have been turned away, where it is served all the same because the shield only
    /// observes.
    pub overruled: Option<TurnedAway>,
}

/// Why a request was refused. Codes are stable: operators search for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The machine has less than is asked of it, and others came first.
    Pressure,
    /// It waited in the queue until its deadline, or made way for somebody who came first.
    QueueFull,
    /// Its principal has used more than its share.
    Share,
    /// Its principal has too much in flight.
    InFlight,
    /// This kind of work is switched off for strangers at present.
    Degraded,
    /// Its address left many challenges unanswered.
    Suspect,
    /// Its address is denied for a while.
    Denied,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Pressure,
        Self::QueueFull,
        Self::Share,
        Self::InFlight,
        Self::Degraded,
        Self::Suspect,
        Self::Denied,
    ];

    /// Its code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Pressure => "pressure",
            Self::QueueFull => "queue",
            Self::Share => "share",
            Self::InFlight => "in_flight",
            Self::Degraded => "degraded",
            Self::Suspect => "suspect",
            Self::Denied => "denied",
        }
    }

    /// 429 where the principal could do something about it, 503 where it could not.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Share | Self::InFlight | Self::Denied => 429,
            Self::Pressure | Self::QueueFull | Self::Degraded | Self::Suspect => 503,
        }
    }

    /// Where a table by reason has its row.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What was charged for a request that is being served. Settled once, which takes it; a guard in
/// the wiring settles those whose handlers were cancelled.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an admission that is not settled stays in flight for ever"]
pub struct Admission {
    pub(super) principal: Principal,
    pub(super) standing: Standing,
    pub(super) route: RouteId,
    pub(super) estimate_ns: u64,
}

impl Admission {
    /// What it was charged on admission, in ns.
    #[must_use]
    pub const fn estimate_ns(&self) -> u64 {
        self.estimate_ns
    }

    /// The standing that it was served with.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }
}

/// What a served request took in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its answer has ended, after so many ns of processor and database time.
    Ended {
        /// What it cost, in ns.
        cost_ns: u64,
    },
    /// Its caller left before the answer: what it had cost so far, where that was measured. What it
    /// cost teaches nothing of the route.
    Cancelled {
        /// What it had cost, in ns; none where nobody counted, and the estimate stands.
        cost_ns: Option<u64>,
    },
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    pub(super) slot: u32,
    pub(super) turn: u32,
    /// When it is refused at the latest, on the clock of [`super::Now::us`].
    pub deadline_us: u64,
}

/// What became of a place in the queue.
#[derive(Debug, PartialEq, Eq)]
pub enum Called {
    /// Serve it now.
    Serve(Admission),
    /// Refuse it.
    Refuse(Refusal),
}
