//! Who a request is from, and how it ranks: standing first, then how much its route is missed, what
//! its principal has used against its fair share, and for strangers how legitimate they look.
//!
//! One scale for all standings, so that whoever uses far more than a share falls past those below:
//! a member's stolen token ranks under the visitors whom it would crowd out.

use super::State;
use super::facts::{Criticality, Facts, Lane, Now, Origin, Principal, Standing};
use super::keyed::{Domain, Key};
use super::legitimacy::Bins;
use super::number::{real, small, whole};
use crate::limits::decide as limits;

/// Points of the scale; four make a rank.
const POINTS_MAX: f64 = 4_095.0;
/// Points for each doubling of a fair share: of those known from before, who lose much of what they
/// have, and of strangers.
const OVERUSE: (f64, f64) = (300.0, 150.0);
/// Points for each nat of legitimacy, half of it for who was here in peace, and at most.
const NAT: f64 = 35.0;
const LEGITIMACY_MAX: f64 = 600.0;
/// Points for each second that a waiting-room ticket has waited.
const WAITED: f64 = 130.0;
/// Days after which an account or a cookie has all its seniority.
const SENIOR_ACCOUNT_DAYS: f64 = 30.0;
const SENIOR_ACTIVE_DAYS: f64 = 10.0;
const SENIOR_COOKIE_DAYS: f64 = 14.0;
const DAY_S: u64 = 86_400;

/// Who a request is from.
pub(super) struct Who {
    pub standing: Standing,
    pub principal: Principal,
    pub origin: Origin,
    /// How long it has been known, from 0 to 1.
    pub seniority: f64,
    /// Seconds that its waiting-room ticket has waited.
    pub waited_s: Option<u64>,
    /// Whether the address was here in peace, whatever else is shown.
    pub familiar: bool,
}

/// Fair shares of a window of consumption, in us of cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    pub member: f64,
    pub address: f64,
    pub network: f64,
}

impl Shares {
    pub(super) const LEAST: Self = Self {
        member: limits::SHARE_LEAST_MEMBER_MS * 1_000.0,
        address: limits::SHARE_LEAST_MS * 1_000.0,
        network: limits::SHARE_LEAST_MS * 1_000.0 * limits::SHARES_OF_A_NETWORK,
    };

    /// From the capacity (ns per second), the strangers' part of it, and who is active.
    pub(super) fn of(capacity: f64, strangers: f64, members: f64, hosts: (f64, f64)) -> Self {
        let window_us = real(limits::CONSUMPTION_WINDOW_US) / 1e9;
        let (addresses, networks) = hosts;
        let address = (strangers * window_us / addresses).max(Self::LEAST.address);
        Self {
            member: (capacity * window_us / members.max(limits::MEMBERS_LEAST))
                .max(Self::LEAST.member),
            address,
            network: (strangers * window_us / networks).max(address * limits::SHARES_OF_A_NETWORK),
        }
    }
}

/// Which principal and standing a request has.
pub(super) fn recognise(state: &State, facts: &Facts, now: Now) -> Who {
    let origin = Origin::of(&state.key, facts.address);
    let familiar = state.history.contains(origin.address);
    let (standing, principal, seniority) = shown(state, facts, now).unwrap_or_else(|| {
        let standing = if familiar { Standing::FamiliarAddress } else { Standing::Stranger };
        (standing, Principal(origin.address), 0.0)
    });
    let since = facts.credentials.waiting_since_unix_s;
    let waited_s = since.and_then(|since| now.unix_s.checked_sub(since));
    let mut who = Who { standing, principal, origin, seniority, waited_s, familiar };
    let waited = waited_s.is_some_and(|waited| waited >= limits::WAITED_S.0);
    if state.pressed
        && matches!(standing, Standing::Stranger | Standing::FamiliarAddress)
        && !waited
        && state.offenders.is_suspect(origin.address, now.us)
    {
        who.standing = Standing::Suspect;
    }
    who
}

/// The best of the credentials that a request shows.
fn shown(state: &State, facts: &Facts, now: Now) -> Option<(Standing, Principal, f64)> {
    let shown = &facts.credentials;
    let of = |domain, id| Principal(state.key.hash(domain, 0, id));
    let days = |since: u64| real(now.unix_s.saturating_sub(since)) / real(DAY_S);
    if let Some(member) = shown.member {
        let principal = of(Domain::Account, member.account);
        // Made since the attack began: an account is no better than its maker, yet.
        if state.pressed && member.created_unix_s >= state.pressed_since_s {
            return Some((Standing::Stranger, principal, 0.0));
        }
        let age = (days(member.created_unix_s) / SENIOR_ACCOUNT_DAYS).min(1.0);
        let used = (f64::from(member.active_days) / SENIOR_ACTIVE_DAYS).min(1.0);
        return Some((Standing::Member, principal, curved(age * used)));
    }
    if let Some(host) = shown.peer {
        return Some((Standing::Peer, of(Domain::Peer, host), 1.0));
    }
    if let Some(visit) = shown.visit.filter(|visit| days(visit.given_unix_s) >= 1.0) {
        let seniority = (days(visit.given_unix_s) / SENIOR_COOKIE_DAYS).min(1.0);
        return Some((Standing::FamiliarCookie, of(Domain::Visit, visit.id), seniority));
    }
    let clearance = shown.clearance?;
    Some((Standing::Cleared, of(Domain::Clearance, clearance.id), 0.0))
}

/// To the power of 1.5: an account that is old or much used is not half of one that is both.
fn curved(seniority: f64) -> f64 {
    seniority * seniority.sqrt()
}

/// The rank of who is not yet judged: its standing alone.
pub(super) fn of_standing(who: &Who) -> u16 {
    to_rank(standing_points(who))
}

/// The rank of a request, and how many doublings above its share its principal is.
pub(super) fn of(
    state: &State,
    facts: &Facts,
    who: &Who,
    bins: Option<&Bins>,
    now: Now,
) -> (u16, f64) {
    let over = overuse(state, who, now);
    let mut points = standing_points(who);
    points -= over * if who.standing.lane() == Lane::Known { OVERUSE.0 } else { OVERUSE.1 };
    points += match facts.route.criticality {
        Criticality::Vital => 200.0,
        Criticality::Usual => 100.0,
        Criticality::Minor => 0.0,
        Criticality::Last => -200.0,
    };
    if let Some(bins) = bins {
        let known = who.standing.lane() == Lane::Known;
        let score = state.legitimacy.score(bins) * if known { NAT / 2.0 } else { NAT };
        points += score.clamp(-LEGITIMACY_MAX, LEGITIMACY_MAX);
    }
    if who.standing.lane() == Lane::Unknown {
        points += WAITED * real(who.waited_s.unwrap_or(0).min(limits::WAITED_S.1));
    }
    (to_rank(points), over)
}

const fn standing_points(who: &Who) -> f64 {
    match who.standing {
        // A young account that nobody uses is cheap to have by the thousand: it ranks below
        // visitors who were here in peace.
        Standing::Member => 1_300.0 + 1_900.0 * who.seniority,
        Standing::Peer => 2_700.0,
        Standing::FamiliarCookie => 1_600.0 + 900.0 * who.seniority,
        Standing::FamiliarAddress => 1_600.0,
        Standing::Cleared => 1_500.0,
        Standing::Stranger => 1_000.0,
        Standing::Suspect => 200.0,
    }
}

fn to_rank(points: f64) -> u16 {
    u16::try_from(whole(points.clamp(0.0, POINTS_MAX) / 4.0)).unwrap_or(0)
}

/// Doublings by which a principal is above its fair share; its network counts as well where it is a
/// stranger's, and the worse of both holds.
fn overuse(state: &State, who: &Who, now: Now) -> f64 {
    let used = |hash| f64::from(state.used.estimate(hash, now.us));
    let doublings = |used: f64, share: f64| (used / share).max(1.0).log2();
    let principal = used(who.principal.0);
    match who.standing {
        Standing::Member | Standing::Peer => doublings(principal, state.shares.member),
        Standing::FamiliarCookie | Standing::FamiliarAddress => {
            doublings(principal, state.shares.address)
        }
        Standing::Cleared | Standing::Stranger | Standing::Suspect => {
            doublings(principal, state.shares.address)
                .max(doublings(used(who.origin.network), state.shares.network))
        }
    }
}

/// Charges a request to its principal, and to its network where it is a stranger's.
pub(super) fn charge(state: &mut State, who: &Who, cost_ns: f64, now: Now) {
    let cost_us = small(whole(cost_ns / 1_000.0)).max(1);
    state.used.add_soon(who.principal.0, cost_us, now.us);
    if who.standing.lane() != Lane::Known {
        state.used.add_soon(who.origin.network, cost_us, now.us);
    }
}

/// What splits a tie: strangers in turn every few seconds, known standings every hour.
pub(super) fn tie(key: &Key, who: &Who, now: Now) -> u64 {
    let known = who.standing.lane() == Lane::Known;
    let period_s = if known { limits::TIE_PERIOD_KNOWN_S } else { limits::TIE_PERIOD_S };
    key.hash(Domain::Tie, now.unix_s / period_s, who.principal.0)
}
