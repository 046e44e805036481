//! What visitors carry in front of everything else: that they were here before, that they answered
//! a challenge, since when they wait. Sealed, so that each is verified without asking anybody; what
//! is earned under attack opens only for the network and the browser that earned it.
//!
//! Leaves to its callers the cookies that carry these, what they are worth, and who has used one
//! up.

use std::net::IpAddr;

use http::header::{HeaderMap, USER_AGENT};

use crate::limits::{AGENT_BYTES_BOUND, CHALLENGE_S, CLEARANCE_S, CLOCKS_APART_S, VISIT_S};
use crate::seal::{Kind, Sealer};

/// Whom a pass is bound to: a network (IPv4 /24, IPv6 /48) and what a browser says of itself. None
/// of it stands in the pass.
#[derive(Clone, Copy, Debug)]
pub struct Bearer<'a> {
    network: [u8; 7],
    agent: &'a [u8],
}

impl<'a> Bearer<'a> {
    /// Who sends a request with these headers from this address.
    #[must_use]
    pub fn of(address: IpAddr, headers: &'a HeaderMap) -> Self {
        let network = match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                [4, a, b, c, 0, 0, 0]
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, ..] = v6.octets();
                [6, a, b, c, d, e, f]
            }
        };
        let agent = headers.get(USER_AGENT).map_or(&b""[..], |agent| agent.as_bytes());
        Self { network, agent: agent.get(..AGENT_BYTES_BOUND).unwrap_or(agent) }
    }
}

/// That a browser was here: an id made by chance, and since when it has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Its id.
    pub id: u64,
    /// When it was given out, in seconds since 1970.
    pub given_unix_s: u64,
}

impl Visit {
    /// As it is carried. Not bound: who is at home and on the road is the same visitor.
    #[must_use]
    pub fn seal(self, sealer: &Sealer) -> String {
        sealer.seal_for(Kind::Visit, &pair(self.id, self.given_unix_s), &[])
    }

    /// What a text says, if we sealed it and it has not run out.
    #[must_use]
    pub fn open(sealer: &Sealer, text: &str, now_unix_s: u64) -> Option<Self> {
        let (id, given_unix_s) = halves(sealer.open_for(Kind::Visit, text, &[])?);
        lives(given_unix_s, VISIT_S, now_unix_s).then_some(Self { id, given_unix_s })
    }
}

/// What answering a challenge earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clearance {
    /// Its id: that of the challenge.
    pub id: u64,
    /// When the challenge was made, in seconds since 1970.
    pub given_unix_s: u64,
}

impl Clearance {
    /// As it is carried.
    #[must_use]
    pub fn seal(self, sealer: &Sealer, bearer: Bearer<'_>) -> String {
        let payload = pair(self.id, self.given_unix_s);
        sealer.seal_for(Kind::Clearance, &payload, &[&bearer.network, bearer.agent])
    }

    /// What a text says, if we sealed it for this bearer and it has not run out.
    #[must_use]
    pub fn open(sealer: &Sealer, text: &str, bearer: Bearer<'_>, now_unix_s: u64) -> Option<Self> {
        let bearer = [&bearer.network[..], bearer.agent];
        let (id, given_unix_s) = halves(sealer.open_for(Kind::Clearance, text, &bearer)?);
        lives(given_unix_s, CLEARANCE_S, now_unix_s).then_some(Self { id, given_unix_s })
    }
}

/// A challenge. As long as it is not answered it says since when somebody waits, so that it is the
/// waiting room's ticket as well. What has to be done for it is in `puzzle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Its id.
    pub id: u64,
    /// When it was made, in seconds since 1970.
    pub given_unix_s: u64,
    /// How hard it is, see `puzzle`.
    pub bits: u8,
}

impl Challenge {
    /// As it is carried. `run` tells one start of the server from the next: what was answered is
    /// remembered no longer than that.
    #[must_use]
    pub fn seal(self, sealer: &Sealer, bearer: Bearer<'_>, run: u64) -> String {
        let mut payload = [0; 17];
        let (front, bits) = payload.split_at_mut(16);
        front.copy_from_slice(&pair(self.id, self.given_unix_s));
        bits.fill(self.bits);
        let bearer = [&bearer.network[..], &run.to_be_bytes(), bearer.agent];
        sealer.seal_for(Kind::Challenge, &payload, &bearer)
    }

    /// What a text says, if this run sealed it for this bearer and it has not run out.
    #[must_use]
    pub fn open(
        sealer: &Sealer,
        text: &str,
        bearer: Bearer<'_>,
        run: u64,
        now_unix_s: u64,
    ) -> Option<Self> {
        let bearer = [&bearer.network[..], &run.to_be_bytes(), bearer.agent];
        let payload: [u8; 17] = sealer.open_for(Kind::Challenge, text, &bearer)?;
        let (front, [bits]) = payload.split_first_chunk::<16>()? else { return None };
        let (id, given_unix_s) = halves(*front);
        let challenge = Self { id, given_unix_s, bits: *bits };
        lives(given_unix_s, CHALLENGE_S, now_unix_s).then_some(challenge)
    }
}

/// Whether something given at one time is good at another. Clocks of nodes may differ a little.
fn lives(given_unix_s: u64, for_s: u64, now_unix_s: u64) -> bool {
    given_unix_s <= now_unix_s.saturating_add(CLOCKS_APART_S)
        && now_unix_s <= given_unix_s.saturating_add(for_s)
}

fn pair(one: u64, other: u64) -> [u8; 16] {
    (u128::from(one) << 64 | u128::from(other)).to_be_bytes()
}

fn halves(bytes: [u8; 16]) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const NOW: u64 = 1_800_000_000;

    fn headers(agent: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !agent.is_empty() {
            headers.insert(USER_AGENT, HeaderValue::from_str(agent).expect("a header"));
        }
        headers
    }

    /// Whether what was sealed for one bearer opens for another, all kinds alike.
    #[track_caller]
    fn check(one: (&str, &str), other: (&str, &str), opens: bool) {
        let sealer = Sealer::new(&[7; 32]);
        let (ours, theirs) = (headers(one.1), headers(other.1));
        let ours = Bearer::of(one.0.parse().expect("an address"), &ours);
        let theirs = Bearer::of(other.0.parse().expect("an address"), &theirs);
        let text = Clearance { id: 5, given_unix_s: NOW }.seal(&sealer, ours);
        assert_eq!(Clearance::open(&sealer, &text, theirs, NOW).is_some(), opens, "{other:?}");
        let text = Challenge { id: 5, given_unix_s: NOW, bits: 9 }.seal(&sealer, ours, 3);
        assert_eq!(Challenge::open(&sealer, &text, theirs, 3, NOW).is_some(), opens, "{other:?}");
    }

    #[test]
    fn what_is_earned_is_for_one_network_and_one_browser() {
        let mine = ("192.0.2.1", "Mozilla/5.0 A");
        check(mine, mine, true);
        check(mine, ("192.0.2.200", "Mozilla/5.0 A"), true);
        check(mine, ("::ffff:192.0.2.1", "Mozilla/5.0 A"), true);
        check(mine, ("192.0.3.1", "Mozilla/5.0 A"), false);
        check(mine, ("192.0.2.1", "Mozilla/5.0 B"), false);
        check(mine, ("192.0.2.1", ""), false);
        let six = ("2001:db8:1:2::1", "x");
        check(six, ("2001:db8:1:ffff::9", "x"), true);
        check(six, ("2001:db8:2:2::1", "x"), false);
        let long = "x".repeat(AGENT_BYTES_BOUND);
        check(("192.0.2.1", &long), ("192.0.2.1", &format!("{long}y")), true);
    }

    #[test]
    fn a_pass_says_what_was_sealed_and_is_no_other_kind() {
        let sealer = Sealer::new(&[7; 32]);
        let none = HeaderMap::new();
        let bearer = Bearer::of("192.0.2.1".parse().expect("an address"), &none);
        let challenge = Challenge { id: u64::MAX, given_unix_s: NOW, bits: 255 };
        let text = challenge.seal(&sealer, bearer, 3);
        assert_eq!(Challenge::open(&sealer, &text, bearer, 3, NOW), Some(challenge));
        assert_eq!(Challenge::open(&sealer, &text, bearer, 4, NOW), None, "another run");
        let clearance = Clearance { id: 1 << 63, given_unix_s: NOW };
        let text = clearance.seal(&sealer, bearer);
        assert_eq!(Clearance::open(&sealer, &text, bearer, NOW), Some(clearance));
        assert_eq!(Visit::open(&sealer, &text, NOW), None);
        assert_eq!(Challenge::open(&sealer, &text, bearer, 3, NOW), None);
        let visit = Visit { id: 77, given_unix_s: NOW };
        assert_eq!(Visit::open(&sealer, &visit.seal(&sealer), NOW), Some(visit));
    }

    #[test]
    fn passes_run_out() {
        let sealer = Sealer::new(&[7; 32]);
        let visit = Visit { id: 7, given_unix_s: NOW }.seal(&sealer);
        for (now, opens) in [
            (NOW, true),
            (NOW + VISIT_S, true),
            (NOW + VISIT_S + 1, false),
            (NOW - CLOCKS_APART_S, true),
            (NOW - CLOCKS_APART_S - 1, false),
            (0, false),
            (u64::MAX, false),
        ] {
            assert_eq!(Visit::open(&sealer, &visit, now).is_some(), opens, "{now}");
        }
        let none = HeaderMap::new();
        let bearer = Bearer::of("192.0.2.1".parse().expect("an address"), &none);
        let open = |text: &str, now| Challenge::open(&sealer, text, bearer, 3, now).is_some();
        let text = Challenge { id: 1, given_unix_s: NOW, bits: 9 }.seal(&sealer, bearer, 3);
        assert!(open(&text, NOW + CHALLENGE_S) && !open(&text, NOW + CHALLENGE_S + 1));
        let text = Clearance { id: 1, given_unix_s: NOW }.seal(&sealer, bearer);
        assert!(Clearance::open(&sealer, &text, bearer, NOW + CLEARANCE_S).is_some());
        assert!(Clearance::open(&sealer, &text, bearer, NOW + CLEARANCE_S + 1).is_none());
    }
}
