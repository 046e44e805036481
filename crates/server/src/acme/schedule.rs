//! When to ask for a certificate: at two thirds of the life of the one in force, and after a
//! failure later and later. Pure: it is handed the clock and the chance. Leaves asking to `order`
//! and keeping to `kept`.
//!
//! Certificate authorities bound what one account may ask for, and a server that forgets its
//! failures when it restarts meets those bounds soon. So what was tried is kept on the disk, in no
//! hour more is tried than `limits` says, and what a directory says with Retry-After comes first.

use crate::{
    certificate::Facts,
    limits::{ACME_ATTEMPTS_PER_HOUR, ACME_RETRY_AFTER_S_MAX},
};
use serde::{Deserialize, Serialize};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Minutes to wait after the first failure in a row, the second and so on; then always the last.
const WAITS_MIN: [i64; 8] = [1, 10, 30, 60, 120, 240, 480, 720];

/// How it is shown that a name is ours.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Default, Debug)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    /// A certificate of its own in a handshake on port 443 (TLS-ALPN-01, RFC 8737).
    #[default]
    Handshake,
    /// A file that is fetched from port 80 (HTTP-01, RFC 8555, 8.3).
    Fetch,
}

/// What became of an attempt.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub said: String,
    /// What to do about it.
    pub advice: String,
}

/// What was tried so far; kept on the disk.
#[derive(Serialize, Deserialize, Clone, Default, Debug)]
#[serde(default)]
pub(crate) struct History {
    /// The attempts of the last hour, the oldest first.
    attempts_ms: Vec<i64>,
    /// Failures since a certificate was given.
    pub failures: u32,
    /// Until when to rest after a failure. Who runs this place may end it sooner.
    rest_until_ms: i64,
    /// Until when the directory asked us to wait. Nobody ends that.
    told_until_ms: i64,
    /// The last failure, until a certificate is given.
    pub failure: Option<Failure>,
    /// The way to try next.
    pub way: Way,
}

impl History {
    /// From when on the next attempt may be made; `asked` by who runs this place.
    pub(crate) fn free_at_ms(&self, asked: bool) -> i64 {
        let rest = if asked { 0 } else { self.rest_until_ms };
        let spent = self.attempts_ms.len() >= ACME_ATTEMPTS_PER_HOUR;
        let oldest = self.attempts_ms.first().filter(|_| spent);
        let hour = oldest.map_or(0, |at| at.saturating_add(HOUR_MS));
        rest.max(hour).max(self.told_until_ms)
    }

    /// Notes that an attempt begins. It counts as failed until it is said to be otherwise: the
    /// process may be killed meanwhile. `chance` is from 0 to 1.
    pub(super) fn begin(&mut self, now_ms: i64, chance: f64) {
        self.attempts_ms.retain(|at| (now_ms - HOUR_MS..=now_ms).contains(at));
        self.attempts_ms.push(now_ms);
        let surplus = self.attempts_ms.len().saturating_sub(ACME_ATTEMPTS_PER_HOUR);
        self.attempts_ms.drain(..surplus);
        let step = usize::try_from(self.failures).unwrap_or(usize::MAX);
        self.failures = self.failures.saturating_add(1);
        let last = WAITS_MIN.len() - 1;
        let wait_min = WAITS_MIN.get(step.min(last)).copied().unwrap_or(MINUTE_MS);
        let wait_ms = wait_min * MINUTE_MS;
        self.rest_until_ms =
            now_ms.saturating_add(wait_ms).saturating_add(share(wait_ms / 5, chance));
    }

    /// Notes how the attempt that was begun failed. The next goes the other way if there is one.
    pub(super) fn failed(&mut self, failure: Failure, told_until_ms: Option<i64>, ways: &[Way]) {
        let longest_ms = failure.at_ms.saturating_add(ACME_RETRY_AFTER_S_MAX * 1_000);
        self.told_until_ms = told_until_ms.unwrap_or(0).min(longest_ms);
        self.failure = Some(failure);
        let other = ways.iter().find(|way| **way != self.way);
        self.way = other.or(ways.first()).copied().unwrap_or_default();
    }

    /// Notes that a certificate was given. What worked is tried first the next time.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.failure = None;
        self.rest_until_ms = 0;
        self.told_until_ms = 0;
    }
}

/// When a certificate is to be renewed: when two thirds of its life are over, and a little later
/// as `chance` (from 0 to 1) has it, so that not all servers of a restarted machine come at once.
pub(super) fn renewal_ms(facts: &Facts, chance: f64) -> i64 {
    let life_ms = facts.ends_ms.saturating_sub(facts.begins_ms).max(0);
    let two_thirds_ms = life_ms / 3 * 2;
    facts.begins_ms.saturating_add(two_thirds_ms).saturating_add(share(life_ms / 30, chance))
}

/// A part of `whole`, as `chance` has it.
#[expect(clippy::cast_possible_truncation, reason = "a part of the whole fits where it fits")]
fn share(whole: i64, chance: f64) -> i64 {
    (whole as f64 * chance.clamp(0.0, 1.0)) as i64
}

/// How long a directory asks us to wait, from the text of Retry-After (RFC 9110, 10.2.3): seconds
/// or a date. In Unix milliseconds.
pub(super) fn retry_after_ms(text: &str, now_ms: i64) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(now_ms.saturating_add(i64::from(seconds) * 1_000));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(date.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * HOUR_MS;
    const BOTH: &[Way] = &[Way::Handshake, Way::Fetch];

    fn failure(at_ms: i64) -> Failure {
        Failure { at_ms, said: "no".to_owned(), advice: "wait".to_owned() }
    }

    #[test]
    fn renewal_is_due_at_two_thirds_and_well_before_the_end() {
        let facts = |days| Facts { begins_ms: 0, ends_ms: days * DAY_MS, names: vec![] };
        for (days, chance, expected_days) in [(90, 0.0, 60), (90, 1.0, 63), (6, 0.0, 4)] {
            assert_eq!(renewal_ms(&facts(days), chance), expected_days * DAY_MS);
        }
        // One that ended before it began is due, and not in another age.
        assert_eq!(renewal_ms(&Facts { begins_ms: 5, ends_ms: 0, names: vec![] }, 1.0), 5);
    }

    #[test]
    fn failures_are_followed_by_longer_and_longer_rests() {
        let mut history = History::default();
        let (mut now, mut rests) = (1_000_000_000, vec![]);
        for _ in 0..10 {
            now = now.max(history.free_at_ms(false));
            history.begin(now, 0.0);
            history.failed(failure(now), None, BOTH);
            rests.push((history.rest_until_ms - now) / MINUTE_MS);
        }
        assert_eq!(rests, [1, 10, 30, 60, 120, 240, 480, 720, 720, 720]);
        assert_eq!(history.failures, 10);
        history.succeeded();
        assert_eq!((history.failures, history.free_at_ms(false)), (0, 0));
    }

    #[test]
    fn who_asks_comes_before_the_rest_and_not_before_the_hour() {
        let mut history = History::default();
        let now = 1_000_000_000;
        for minute in 0..4 {
            let at = now + minute * MINUTE_MS;
            assert!(history.free_at_ms(true) <= at, "attempt {minute}");
            history.begin(at, 0.5);
            assert!(history.free_at_ms(false) > at, "a killed process rests too");
            history.failed(failure(at), None, BOTH);
        }
        assert_eq!(history.free_at_ms(true), now + HOUR_MS);
        // A clock that was set back does not lock anybody out.
        history.begin(now - DAY_MS, 0.0);
        assert_eq!(history.attempts_ms, [now - DAY_MS]);
    }

    #[test]
    fn what_the_directory_says_comes_before_who_asks() {
        let mut history = History::default();
        let now = 1_000_000_000;
        history.begin(now, 0.0);
        history.failed(failure(now), Some(now + 3 * HOUR_MS), BOTH);
        assert_eq!(history.free_at_ms(true), now + 3 * HOUR_MS);
        history.failed(failure(now), Some(i64::MAX), BOTH);
        assert_eq!(history.free_at_ms(true), now + 7 * DAY_MS);
    }

    #[test]
    fn the_other_way_is_tried_where_there_is_one() {
        let mut history = History::default();
        let mut next = |ways| {
            history.failed(failure(0), None, ways);
            history.way
        };
        assert_eq!(next(BOTH), Way::Fetch);
        assert_eq!(next(BOTH), Way::Handshake);
        assert_eq!(next(&[Way::Handshake]), Way::Handshake);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (text, expected) in [
            ("120", Some(121_000)),
            (" 0 ", Some(1_000)),
            ("Thu, 01 Jan 1970 00:01:00 GMT", Some(60_000)),
            ("soon", None),
            ("-5", None),
            ("99999999999", None),
            ("", None),
        ] {
            assert_eq!(retry_after_ms(text, 1_000), expected, "{text}");
        }
    }
}
