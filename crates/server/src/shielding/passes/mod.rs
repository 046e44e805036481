//! What visitors carry that earns them a better place, taken out of their requests in front of
//! everything else: a visit, a clearance, a challenge with or without its answer. Nobody behind
//! sees these cookies, so that a visitor's page stays one that visitors share.
//!
//! Three cookies. `visit`: chance and a date, kept by the browser for half a year, by us not at
//! all. `challenge`: given with the challenge's page, whose script writes the answer behind it;
//! without one it is the place in the waiting room. `clearance`: what an answer is exchanged for. A
//! challenge and its answer may be shown again: they earn the same clearance, not another, and take
//! doubt off their address once.
//!
//! Leaves to `httpkit::pass` what is sealed for whom, to `shield::decide` what it is worth.

mod memory;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderValue, Request};
use httpkit::Sealer;
use httpkit::cookie::{Apart, Transport};
use httpkit::limits::{CHALLENGE_S, CLEARANCE_S, PUZZLE_BITS, VISIT_S, WAITING_S};
use httpkit::pass::{Bearer, Challenge, Clearance, Visit};
use httpkit::puzzle;
use parking_lot::Mutex;
use shield::decide::{self, Credentials};

use crate::limits::CLEARANCE_USES_MAX;
use memory::{Answered, Uses};

const VISIT: &str = "visit";
const CHALLENGE: &str = "challenge";
const CLEARANCE: &str = "clearance";

/// What a request carried, for who answers it: in its extensions, where it carried anything.
#[derive(Clone, Default)]
pub(super) struct Carried {
    /// A visit that holds.
    pub visit: bool,
    /// A clearance that holds.
    pub is_cleared: bool,
    /// A challenge that holds and is not answered.
    pub waits: bool,
    /// Cookies to be set with whatever it is answered.
    pub cookies: [Option<HeaderValue>; 2],
}

/// Verifies and gives what visitors carry.
pub(crate) struct Passes {
    sealer: Arc<Sealer>,
    transport: Transport,
    cookies: Apart<3>,
    /// Of this start of the server: what is remembered of answers is no older.
    run: u64,
    given: AtomicU64,
    answered: Mutex<Answered>,
    uses: Mutex<Uses>,
}

impl Passes {
    /// Of this key, over this transport; the seed is chance.
    pub(crate) fn new(sealer: Arc<Sealer>, transport: Transport, seed: u64) -> Self {
        Self {
            sealer,
            transport,
            cookies: Apart::new(transport, [VISIT, CHALLENGE, CLEARANCE]),
            run: seed,
            given: AtomicU64::new(seed.rotate_left(17)),
            answered: Mutex::new(Answered::new(seed)),
            uses: Mutex::new(Uses::new(seed)),
        }
    }

    /// Takes our cookies out of a request and says what they show. Costs nothing where there is no
    /// cookie at all.
    pub(crate) fn take<B>(
        &self,
        request: &mut Request<B>,
        address: IpAddr,
        now_unix_s: u64,
    ) -> Credentials {
        let mut shown = Credentials::default();
        let headers = request.headers();
        let Some([visit, challenge, clearance]) = self.cookies.read(headers) else { return shown };
        let mut carried = Carried::default();
        let bearer = Bearer::of(address, headers);
        if let Some(visit) = visit.and_then(|text| Visit::open(&self.sealer, text, now_unix_s)) {
            carried.visit = true;
            let Visit { id, given_unix_s } = visit;
            shown.visit = Some(decide::Visit { id, given_unix_s });
        }
        let cleared =
            clearance.and_then(|text| Clearance::open(&self.sealer, text, bearer, now_unix_s));
        shown.clearance = cleared.and_then(|held| self.use_once(held.id, false, now_unix_s));
        if let Some(text) = challenge {
            self.look_at(text, bearer, now_unix_s, &mut shown, &mut carried);
        }
        carried.is_cleared = shown.clearance.is_some();
        self.cookies.strip(request.headers_mut());
        request.extensions_mut().insert(carried);
        shown
    }

    /// A challenge that came back: answered, or as a place in the waiting room.
    fn look_at(
        &self,
        text: &str,
        bearer: Bearer<'_>,
        now_unix_s: u64,
        shown: &mut Credentials,
        carried: &mut Carried,
    ) {
        let (text, answer) = text.split_once('.').map_or((text, None), |(a, b)| (a, Some(b)));
        let opened = Challenge::open(&self.sealer, text, bearer, self.run, now_unix_s);
        let Some(challenge) = opened else { return };
        let Some(answer) = answer else {
            let since = challenge.given_unix_s;
            carried.waits = now_unix_s <= since.saturating_add(WAITING_S);
            shown.waiting_since_unix_s = carried.waits.then_some(since);
            return;
        };
        if !puzzle::is_answered(text, challenge.bits, answer) {
            return;
        }
        let is_first = self.answered.lock().is_first(challenge.id, now_unix_s);
        let Challenge { id, given_unix_s, .. } = challenge;
        let Some(clearance) = self.use_once(id, is_first, now_unix_s) else { return };
        shown.clearance = Some(clearance);
        let earned = Clearance { id, given_unix_s }.seal(&self.sealer, bearer);
        carried.cookies = [
            self.transport.set(CLEARANCE, &earned, Some(CLEARANCE_S)),
            self.transport.clear(CHALLENGE),
        ];
    }

    /// A clearance for one more request, unless it is used up.
    fn use_once(&self, id: u64, is_fresh: bool, now_unix_s: u64) -> Option<decide::Clearance> {
        let uses = self.uses.lock().count(id, now_unix_s);
        (uses <= CLEARANCE_USES_MAX).then_some(decide::Clearance { id, is_fresh })
    }

    /// A challenge for whoever sends these headers, as the cookie that carries it. The page's
    /// script has to read it, and what is in it is nobody's secret: of our cookies the only one
    /// that scripts may see.
    pub(super) fn challenge(
        &self,
        address: IpAddr,
        headers: &HeaderMap,
        now_unix_s: u64,
    ) -> Option<HeaderValue> {
        let challenge = Challenge { id: self.id(), given_unix_s: now_unix_s, bits: PUZZLE_BITS };
        let text = challenge.seal(&self.sealer, Bearer::of(address, headers), self.run);
        self.transport.set_open(CHALLENGE, &text, CHALLENGE_S)
    }

    /// What the challenge's cookie is called as it travels.
    pub(super) fn challenge_cookie(&self) -> &str {
        self.cookies.name(1)
    }

    /// A visit that begins now, as its cookie.
    pub(super) fn visit(&self, now_unix_s: u64) -> Option<HeaderValue> {
        let text = Visit { id: self.id(), given_unix_s: now_unix_s }.seal(&self.sealer);
        self.transport.set(VISIT, &text, Some(VISIT_S))
    }

    /// A number that nobody had before and that tells nothing of the one before it.
    fn id(&self) -> u64 {
        let mut bits = self.given.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        for _ in 0..2 {
            bits ^= self.run;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            bits ^= bits >> 31;
        }
        bits
    }
}

#[cfg(test)]
mod tests;
