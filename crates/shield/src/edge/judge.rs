//! Judges one connection: pure, from what was seen of it, what was marked last time, and the time.
//! Leaves seeing to the gauge, and carrying the verdict out to `seats`.
//!
//! One question runs through it: who keeps whom waiting? While a handler works, we do, and nothing
//! is held against the peer. Else the peer does, and each kind of wait has its bound.

use super::gauge::{Order, Phase};
use super::stats::Cut;
use super::{Options, limits};

/// A connection as it is now. Times in ms of the edge's clock, 0 for "not".
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) phase: Phase,
    pub(super) order: Order,
    pub(super) opened: u64,
    pub(super) idle_since: u64,
    /// Since when a peer whose TLS greeting was answered owes the rest of the handshake.
    pub(super) greeted_since: u64,
    pub(super) header_since: u64,
    pub(super) frame_since: u64,
    pub(super) requests: u64,
    pub(super) in_flight: u32,
    pub(super) read_bytes: u64,
    pub(super) written_bytes: u64,
    /// Of the written bytes, those that the peer's kernel has taken.
    pub(super) taken_bytes: u64,
    /// Bytes of responses in memory for this peer.
    pub(super) held_bytes: u64,
    /// Responses of which more could be sent if the peer took it.
    pub(super) stalled: u32,
    /// Since when a handler waits for a request body.
    pub(super) body_since: u64,
    /// A failed body's handler does not let go of it.
    pub(super) body_ignored: bool,
}

/// What the watchman remembers of a connection between two looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Since when the peer owes us that it takes more.
    pub(super) owing_since: u64,
    /// Since when a handler waits for a body, as of the last look.
    pub(super) body_since: u64,
    /// Bytes taken and written when `owing_since` began.
    taken_bytes: u64,
    written_bytes: u64,
    /// When the peer was last seen to owe: until then it was not idle.
    owed_at: u64,
    /// When it was asked to close.
    asked: u64,
}

impl Seen {
    /// A request is in progress: a body of one piece has left its handler long before its peer.
    fn is_busy(&self) -> bool {
        self.in_flight > 0 || self.held_bytes > 0
    }
}

impl Marks {
    /// Whether all of `written_bytes` was seen to be taken already: then nobody needs to ask again.
    pub(super) fn has_taken(&self, written_bytes: u64) -> bool {
        self.owing_since == 0 && self.taken_bytes == written_bytes
    }
}

/// What is to be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Stay,
    Tell(Order),
    Cut(Cut),
}

/// Judges a connection and updates its marks.
pub(super) fn judge(marks: &mut Marks, seen: &Seen, options: &Options, now: u64) -> Verdict {
    marks.body_since = seen.body_since;
    let since = |start: u64| now.saturating_sub(start);
    if seen.order == Order::Cut {
        return Verdict::Stay;
    }
    if seen.phase == Phase::Handshake {
        let silent = seen.read_bytes == 0 && since(seen.opened) > options.first_byte_ms;
        let owes = seen.greeted_since > 0 && since(seen.greeted_since) > options.flight_ms;
        let slow = owes || since(seen.opened) > options.handshake_ms;
        return match (silent, slow) {
            (true, _) => Verdict::Cut(Cut::FirstByte),
            (_, true) => Verdict::Cut(Cut::Handshake),
            _ => Verdict::Stay,
        };
    }
    if !takes_enough(marks, seen, options, now) {
        return Verdict::Cut(Cut::SlowReader);
    }
    if seen.phase == Phase::Upgraded {
        return Verdict::Stay;
    }
    if seen.frame_since > 0 && since(seen.frame_since) > options.frame_ms {
        return Verdict::Cut(Cut::Frame);
    }
    if seen.header_since > 0 && since(seen.header_since) > options.header_ms {
        return Verdict::Cut(Cut::Header);
    }
    if seen.body_ignored {
        return Verdict::Cut(Cut::SlowBody);
    }
    if seen.is_busy() {
        return if is_used_up(seen, options, now) {
            Verdict::Tell(Order::Finish)
        } else {
            Verdict::Stay
        };
    }
    judge_idle(marks, seen, options, now)
}

/// Nothing is in flight: is the next request awaited for too long?
fn judge_idle(marks: &mut Marks, seen: &Seen, options: &Options, now: u64) -> Verdict {
    let idle_ms = now.saturating_sub(seen.idle_since.max(marks.owed_at));
    if seen.order == Order::Close {
        if marks.asked == 0 {
            marks.asked = now;
        }
        let stays = now.saturating_sub(marks.asked) > options.linger_ms;
        return if stays { Verdict::Cut(Cut::Idle) } else { Verdict::Stay };
    }
    if seen.requests == 0 && seen.header_since == 0 && idle_ms > options.first_byte_ms {
        return Verdict::Cut(Cut::FirstByte);
    }
    let patience_ms =
        if seen.order == Order::Finish { options.drain_idle_ms } else { options.idle_ms };
    if idle_ms > patience_ms {
        marks.asked = now;
        return Verdict::Tell(Order::Close);
    }
    if is_used_up(seen, options, now) { Verdict::Tell(Order::Finish) } else { Verdict::Stay }
}

fn is_used_up(seen: &Seen, options: &Options, now: u64) -> bool {
    seen.order == Order::Run
        && (now.saturating_sub(seen.opened) > options.age_ms
            || seen.requests >= options.requests_max
            || seen.read_bytes.saturating_add(seen.written_bytes) >= options.connection_bytes_max)
}

/// The rate at which a peer takes what it asked for. It counts from the moment that bytes wait for
/// the peer, and starts anew when it has taken all that was written by then: a stream of small
/// events over a slow path always has some bytes under way, and is never behind.
fn takes_enough(marks: &mut Marks, seen: &Seen, options: &Options, now: u64) -> bool {
    let owes = seen.taken_bytes < seen.written_bytes || seen.stalled > 0;
    let caught_up = seen.taken_bytes >= marks.written_bytes && seen.stalled == 0;
    if !owes {
        marks.owing_since = 0;
        marks.taken_bytes = seen.taken_bytes;
        return true;
    }
    marks.owed_at = now;
    if marks.owing_since > 0 && !caught_up {
        let owing_ms = now.saturating_sub(marks.owing_since);
        if owing_ms < options.rate_span_ms {
            return true;
        }
        let rate = options.rate_bytes_per_s.max(seen.held_bytes / limits::HELD_S);
        let needed = rate.saturating_mul(owing_ms) / 1_000;
        if seen.taken_bytes.saturating_sub(marks.taken_bytes) < needed {
            return false;
        }
    }
    marks.owing_since = now;
    marks.taken_bytes = seen.taken_bytes;
    marks.written_bytes = seen.written_bytes;
    true
}

/// For how long a peer has kept us waiting, in ms; None while we are the ones at work, and for
/// upgraded connections, whose silence is their nature.
pub(super) fn waiting_ms(marks: &Marks, seen: &Seen, now: u64) -> Option<u64> {
    let start = match seen.phase {
        Phase::Handshake => seen.opened,
        _ if marks.owing_since > 0 => marks.owing_since,
        Phase::Upgraded => 0,
        _ if seen.is_busy() => marks.body_since,
        _ => seen.idle_since,
    };
    (start > 0).then(|| now.saturating_sub(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Seen = Seen {
        phase: Phase::Http1,
        order: Order::Run,
        opened: 1_000,
        idle_since: 1_000,
        greeted_since: 0,
        header_since: 0,
        frame_since: 0,
        requests: 0,
        in_flight: 0,
        read_bytes: 0,
        written_bytes: 0,
        taken_bytes: 0,
        held_bytes: 0,
        stalled: 0,
        body_since: 0,
        body_ignored: false,
    };
    const USED: Seen = Seen { requests: 3, read_bytes: 900, ..NEW };

    /// Judges a connection that stays as `seen` is, every second, and says when and how it ends.
    fn check(seen: Seen) -> (u64, Verdict) {
        let (mut marks, options) = (Marks::default(), Options::default());
        for after_s in 1..4_000 {
            let verdict = judge(&mut marks, &seen, &options, 1_000 + after_s * 1_000);
            if verdict != Verdict::Stay {
                return (after_s, verdict);
            }
        }
        (u64::MAX, Verdict::Stay)
    }

    #[test]
    fn each_wait_has_its_bound() {
        let busy = Seen { in_flight: 1, ..USED };
        let table = [
            ("silent", NEW, (11, Verdict::Cut(Cut::FirstByte))),
            (
                "half a header",
                Seen { header_since: 1_000, ..USED },
                (11, Verdict::Cut(Cut::Header)),
            ),
            ("idle", USED, (76, Verdict::Tell(Order::Close))),
            ("idle, asked", Seen { order: Order::Close, ..USED }, (7, Verdict::Cut(Cut::Idle))),
            (
                "idle in a drain",
                Seen { order: Order::Finish, ..USED },
                (2, Verdict::Tell(Order::Close)),
            ),
            ("half a frame", Seen { frame_since: 1_000, ..busy }, (41, Verdict::Cut(Cut::Frame))),
            (
                "silent in TLS",
                Seen { phase: Phase::Handshake, ..NEW },
                (11, Verdict::Cut(Cut::FirstByte)),
            ),
            (
                "slow in TLS",
                Seen { phase: Phase::Handshake, read_bytes: 1, ..NEW },
                (11, Verdict::Cut(Cut::Handshake)),
            ),
            (
                "reads nothing",
                Seen { written_bytes: 9_000, taken_bytes: 10, ..busy },
                (21, Verdict::Cut(Cut::SlowReader)),
            ),
            (
                "window shut",
                Seen { stalled: 1, held_bytes: 300_000, ..busy },
                (21, Verdict::Cut(Cut::SlowReader)),
            ),
            (
                "upgraded, reads nothing",
                Seen { phase: Phase::Upgraded, written_bytes: 9, ..USED },
                (21, Verdict::Cut(Cut::SlowReader)),
            ),
            ("body failed", Seen { body_ignored: true, ..busy }, (1, Verdict::Cut(Cut::SlowBody))),
            ("old and busy", busy, (3_601, Verdict::Tell(Order::Finish))),
            ("old, upgraded", Seen { phase: Phase::Upgraded, ..USED }, (u64::MAX, Verdict::Stay)),
        ];
        for (name, seen, expected) in table {
            assert_eq!(check(seen), expected, "{name}");
        }
    }

    /// A peer that takes `taken` bytes a second of a stream that grows by `written` a second.
    fn streams(written: u64, taken: u64, stalled: u32) -> bool {
        let (mut marks, options) = (Marks::default(), Options::default());
        (1..300).all(|second| {
            let seen = Seen {
                in_flight: 1,
                written_bytes: 64_000 + written * second,
                taken_bytes: (taken * second).min(64_000 + written * second - 1),
                stalled,
                ..USED
            };
            judge(&mut marks, &seen, &options, 1_000 + second * 1_000) == Verdict::Stay
        })
    }

    #[test]
    fn slow_links_are_served_and_slower_ones_are_not() {
        assert!(streams(10_000, 600, 1), "above the rate");
        assert!(!streams(10_000, 400, 1), "below the rate");
        assert!(streams(1, 64_000, 0), "small events, always a byte under way");
    }

    #[test]
    fn the_more_is_held_the_faster_it_must_be_taken() {
        let (mut marks, options) = (Marks::default(), Options::default());
        let held_bytes = 19_000_000;
        let verdicts: Vec<_> = (1..30)
            .map(|second| {
                let taken_bytes = second * 2_000;
                let seen = Seen { in_flight: 64, stalled: 64, held_bytes, taken_bytes, ..USED };
                judge(&mut marks, &seen, &options, 1_000 + second * 1_000)
            })
            .collect();
        assert!(verdicts.contains(&Verdict::Cut(Cut::SlowReader)), "{verdicts:?}");
    }

    #[test]
    fn who_is_at_work_waits_for_nobody() {
        let marks = Marks::default();
        assert_eq!(waiting_ms(&marks, &Seen { in_flight: 1, ..USED }, 9_000), None);
        assert_eq!(waiting_ms(&marks, &Seen { phase: Phase::Upgraded, ..USED }, 9_000), None);
        assert_eq!(waiting_ms(&marks, &USED, 9_000), Some(8_000));
        let owing = Marks { owing_since: 2_000, ..marks };
        assert_eq!(waiting_ms(&owing, &Seen { in_flight: 1, ..USED }, 9_000), Some(7_000));
    }
}
