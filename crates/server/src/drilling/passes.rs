//! Cookies as the instance under drill would have given them, made with its own key: visitors who
//! were here days ago, and people and bots that have solved a challenge, for whose work the load's
//! core has no time.

use crate::world::WallClock;
use drill::{ClearanceCookie, Source, VisitCookie};
use http::{HeaderMap, HeaderValue, header::USER_AGENT};
use httpkit::{
    Sealer,
    pass::{Bearer, Clearance, Visit},
};
use model::ports::Clock as _;
use std::sync::Arc;

/// What they are called over TLS.
const VISIT: &str = "__Host-visit";
const CLEARANCE: &str = "__Host-clearance";
const DAY_S: u64 = 86_400;

fn now_unix_s() -> u64 {
    u64::try_from(WallClock.now().ms() / 1_000).unwrap_or(0)
}

/// A number of an address's own, which no other kind of cookie has.
fn id(source: Source, kind: u64) -> u64 {
    (u64::from(source.number()) << 8 | kind).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Cookies of visits.
pub(super) fn visits(sealer: Arc<Sealer>) -> VisitCookie {
    Arc::new(move |source, days| {
        let given_unix_s = now_unix_s().saturating_sub(days * DAY_S);
        let visit = Visit { id: id(source, 1), given_unix_s };
        format!("{VISIT}={}", visit.seal(&sealer))
    })
}

/// Cookies that solved challenges earn.
pub(super) fn clearances(sealer: Arc<Sealer>) -> ClearanceCookie {
    Arc::new(move |source, agent| {
        let mut headers = HeaderMap::new();
        if let Ok(agent) = HeaderValue::from_str(agent) {
            headers.insert(USER_AGENT, agent);
        }
        let bearer = Bearer::of(source.address().into(), &headers);
        let clearance = Clearance { id: id(source, 2), given_unix_s: now_unix_s() };
        format!("{CLEARANCE}={}", clearance.seal(&sealer, bearer))
    })
}
