//! The plain limiter that most servers have in a shield's place: so many requests a second for each
//! address, whoever it is and whatever they cost. Here to be compared with (`[shield] mode =
//! "limiter"`, `fulmar drill --limiter`), as nginx's `limit_req` with `rate=10r/s burst=20
//! nodelay`. Of fixed size: addresses share slots by a hash, and so few do that nobody meets
//! another's.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Request, StatusCode, header};
use httpkit::{
    client_address::principal,
    hook::{After, Hook},
};
use shield::gate::Monotonic;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::limits::{LIMITER_BURST, LIMITER_PER_S, LIMITER_SLOTS};

/// Microseconds between two requests at the rate.
const APART_US: u64 = 1_000_000 / LIMITER_PER_S;

/// The limiter, as a hook around everything.
#[derive(Clone)]
pub(crate) struct Limiter(Arc<Inner>);

struct Inner {
    /// By address: when the bucket is full again, in microseconds of the clock.
    full_us: Box<[AtomicU64]>,
    seed: u64,
    clock: Monotonic,
    address_of: api::AddressOf,
}

impl Limiter {
    /// One that has seen nobody; the seed is random, so that nobody foresees who shares a slot.
    pub(crate) fn new(seed: u64, address_of: api::AddressOf) -> Self {
        let full_us = (0..LIMITER_SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Inner { full_us, seed, clock: Monotonic::start(), address_of }))
    }
}

/// When the bucket will be full once a request was taken from it; none where nothing is left.
fn taken(full_us: u64, now_us: u64) -> Option<u64> {
    let full_us = full_us.max(now_us);
    let used = full_us - now_us;
    (used <= APART_US * LIMITER_BURST).then_some(full_us + APART_US)
}

impl Inner {
    fn allows(&self, principal: u64, now_us: u64) -> bool {
        let hash = (principal ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let mask = u64::try_from(LIMITER_SLOTS - 1).unwrap_or(0);
        let slot = self.full_us.get(usize::try_from(hash & mask).unwrap_or(0));
        let next = |full_us| taken(full_us, now_us);
        slot.is_none_or(|it| it.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok())
    }
}

impl Hook for Limiter {
    type Kept = ();

    fn before<B>(&self, request: &mut Request<B>) -> Result<(), Box<Response>> {
        let inner = &self.0;
        let address = (inner.address_of)(request.extensions(), request.headers());
        if inner.allows(principal(address), inner.clock.us()) {
            return Ok(());
        }
        let retry = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
        Err(Box::new((StatusCode::TOO_MANY_REQUESTS, retry).into_response()))
    }

    fn after(&self, (): (), response: Response) -> After {
        After::Now(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter {
        Limiter::new(7, Box::new(|_, _| std::net::Ipv4Addr::LOCALHOST.into()))
    }

    #[test]
    fn a_burst_then_the_rate_for_each_address() {
        let limiter = limiter();
        let allowed = |address, now_us| limiter.0.allows(address, now_us);
        let burst = (0..100).filter(|_| allowed(1, 1_000)).count();
        assert_eq!(burst, usize::try_from(LIMITER_BURST).expect("few") + 1);
        assert!(!allowed(1, 1_000 + APART_US / 2), "the next is not due");
        assert!(allowed(1, 1_000 + APART_US) && !allowed(1, 1_000 + APART_US));
        assert!(allowed(2, 1_000), "another's is another's");
        let steady = (1..=50).filter(|step| allowed(3, step * APART_US)).count();
        assert_eq!(steady, 50, "who keeps to the rate is never refused");
    }

    #[test]
    fn who_is_over_it_is_told_so() {
        let limiter = limiter();
        let mut request = Request::new(());
        let refused = (0..100).find_map(|_| limiter.before(&mut request).err());
        let refused = refused.expect("a refusal");
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.headers().contains_key(header::RETRY_AFTER));
    }
}
