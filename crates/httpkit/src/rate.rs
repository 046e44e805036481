//! Reports `X-RateLimit-*` as Mastodon does, which apps read to pace themselves. It only reports:
//! refusing is the shield's, by what the machine can bear; [`crate::allowance`] has the rules that
//! refuse. Memory is fixed: counts live in slots chosen by a hash of the principal, so
//! strangers cannot grow it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::RATE_SLOTS;

/// How many requests in how long. Source: Mastodon documentation, api/rate-limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Requests in a window.
    pub limit: u32,
    /// The window's length, in milliseconds.
    pub window_ms: i64,
    /// Tells rules apart, so that a principal's counts do not mix.
    pub name: u8,
}

const MINUTE_MS: i64 = 60_000;

/// Requests of an account.
pub const ACCOUNT: Rule = Rule { limit: 1_500, window_ms: 5 * MINUTE_MS, name: 0 };
/// Requests of an address without an account.
pub const ADDRESS: Rule = Rule { limit: 300, window_ms: 5 * MINUTE_MS, name: 1 };
/// Media uploads of an account.
pub const MEDIA: Rule = Rule { limit: 30, window_ms: 30 * MINUTE_MS, name: 2 };
/// Sign-ups of an address.
pub const SIGN_UP: Rule = Rule { limit: 5, window_ms: 30 * MINUTE_MS, name: 3 };
/// Posts that an account deletes, and reblogs that it takes back.
pub const DELETE: Rule = Rule { limit: 30, window_ms: 30 * MINUTE_MS, name: 4 };

/// The headers, for whoever lets scripts of other origins read them.
pub const HEADERS: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

// Read when this is compiled, and not for every answer.
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

impl Rule {
    /// The number of the window that a moment is in, and when it ends, in milliseconds since 1970.
    pub(crate) fn window(self, now_ms: i64) -> (i64, i64) {
        let window = now_ms.div_euclid(self.window_ms);
        (window, (window + 1).saturating_mul(self.window_ms))
    }
}

/// What is left of a rule's allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Requests in a window.
    pub limit: u32,
    /// Requests left in this one.
    pub remaining: u32,
    /// When the next window begins, in milliseconds since 1970.
    pub reset_ms: i64,
}

impl Report {
    /// Writes the three headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, self.limit.into());
        headers.insert(REMAINING, self.remaining.into());
        headers.insert(RESET, shown_time(self.reset_ms));
    }

    /// The one of two that is nearer to its end: what Mastodon shows where several rules count.
    #[must_use]
    pub fn or_tighter(self, other: Self) -> Self {
        if other.remaining < self.remaining { other } else { self }
    }

    /// Whole seconds from a moment until the next window, at least one.
    #[must_use]
    pub fn wait_s(&self, now_ms: i64) -> u32 {
        let wait_ms = self.reset_ms.saturating_sub(now_ms).max(1);
        u32::try_from((wait_ms + 999) / 1_000).unwrap_or(u32::MAX)
    }
}

/// A moment as Mastodon writes it. All callers of a window share it, so each thread keeps the last
/// one that it has written.
fn shown_time(at_ms: i64) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<(i64, HeaderValue)> =
            const { RefCell::new((i64::MIN, HeaderValue::from_static(""))) };
    }
    LAST.with_borrow_mut(|(last_ms, shown)| {
        if *last_ms != at_ms {
            let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
            let text = HeaderValue::from_str(&format!("{at:.6}"));
            *shown = text.unwrap_or(HeaderValue::from_static(""));
            *last_ms = at_ms;
        }
        shown.clone()
    })
}

/// A number whose bits all depend on all bits of another (the finaliser of MurmurHash3).
pub(crate) fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^ (hash >> 33)
}

/// Counts requests in windows, in fixed memory.
pub struct RateMeter {
    /// High half: the window's number; low half: the count in it.
    slots: Box<[AtomicU64]>,
    seed: u64,
}

impl RateMeter {
    /// A meter whose hash strangers cannot foresee, given a random seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { slots: (0..RATE_SLOTS).map(|_| AtomicU64::new(0)).collect(), seed }
    }

    /// Counts one request of a principal (an account's id, a hash of an address) and reports.
    pub fn count(&self, rule: Rule, principal: u64, now_ms: i64) -> Report {
        let (window, reset_ms) = rule.window(now_ms);
        let number = u64::try_from(window).unwrap_or(0) & u64::from(u32::MAX);
        let count = self.slot(rule, principal).map_or(1, |slot| {
            let next = |old: u64| {
                let held = if old >> 32 == number { old & u64::from(u32::MAX) } else { 0 };
                number << 32 | (held + 1).min(u64::from(u32::MAX))
            };
            let old =
                slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| Some(next(old)));
            next(old.unwrap_or_default()) & u64::from(u32::MAX)
        });
        let used = u32::try_from(count).unwrap_or(u32::MAX);
        Report { limit: rule.limit, remaining: rule.limit.saturating_sub(used), reset_ms }
    }

    fn slot(&self, rule: Rule, principal: u64) -> Option<&AtomicU64> {
        let hash = mixed(principal ^ self.seed.rotate_left(u32::from(rule.name) * 8 + 1));
        let mask = u64::try_from(RATE_SLOTS - 1).unwrap_or(0);
        self.slots.get(usize::try_from(hash & mask).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_within_a_window_and_starts_anew_in_the_next() {
        let meter = RateMeter::new(9);
        assert_eq!(meter.count(SIGN_UP, 1, 0).remaining, 4);
        assert_eq!(meter.count(SIGN_UP, 1, 10).remaining, 3);
        assert_eq!(meter.count(SIGN_UP, 2, 10).remaining, 4);
        assert_eq!(meter.count(ACCOUNT, 1, 10).remaining, 1_499);
        for _ in 0..10 {
            meter.count(SIGN_UP, 1, 20);
        }
        assert_eq!(meter.count(SIGN_UP, 1, 20).remaining, 0);
        assert_eq!(meter.count(SIGN_UP, 1, SIGN_UP.window_ms).remaining, 4);
    }

    #[test]
    fn headers_are_as_mastodon_writes_them() {
        let mut headers = HeaderMap::new();
        RateMeter::new(9).count(ADDRESS, 1, 1_700_000_000_000).write(&mut headers);
        let shown = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(shown("x-ratelimit-limit"), Some("300"));
        assert_eq!(shown("x-ratelimit-remaining"), Some("299"));
        assert_eq!(shown("x-ratelimit-reset"), Some("2023-11-14T22:15:00.000000Z"));
    }

    #[test]
    fn the_tighter_rule_is_shown_and_its_wait_is_at_least_a_second() {
        let near = Report { limit: 30, remaining: 2, reset_ms: 1_000 };
        let far = Report { limit: 1_500, remaining: 9, reset_ms: 5_000 };
        assert_eq!((near.or_tighter(far), far.or_tighter(near)), (near, near));
        assert_eq!((near.wait_s(999), near.wait_s(1_000), far.wait_s(0)), (1, 1, 5));
        assert_ne!(shown_time(0), shown_time(60_000));
        assert_eq!(shown_time(0), shown_time(0));
    }
}
