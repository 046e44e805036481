//! What the gate learns of a request before anything is done for it, without the database: where it
//! comes from, who sends it as far as MACs tell, what it asks for, what it looks like. And what is
//! answered to who is turned away.
//!
//! Every request pays for this, also those that nobody wants; so nothing here allocates but what is
//! left for rooms further in, and a token's MAC is verified once.

use super::{
    answers::{self, Answers},
    members::{Members, Uncounted},
    passes::Passes,
    routes::{Found, Routes},
    traits::{self, Origin},
};
use crate::config::ShieldMode;
use axum::body::Body;
use http::{HeaderMap, Request, Response, header};
use httpkit::{
    Sealer,
    cookie::Transport,
    request_id::{RequestId, RequestIds},
};
use model::work;
use shield::{
    decide::{Credentials, Door, Facts, Member, Now, Standing, Traits, Verdict},
    edge,
    gate::{self, Monotonic, Notes, TurnedAway},
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

/// How old an account must be before seats and handshakes are kept for its connections.
const MEMBER_FOR_S: u64 = 24 * 3_600;

/// How old an account must be for nobody to score what its requests look like in peace, in s: older
/// than pressure may be before it is heard of here.
const UNSEEN_FOR_S: u64 = 60;

/// What the token in a request's header says, where it has one.
type Shown = Option<api::Bearer>;

/// What the gate asks of this server.
pub(crate) struct Wire {
    pub(super) mode: ShieldMode,
    /// Behind proxies of the host: whose request it is, by what they say. Nobody's connection is
    /// known there, so nobody is denied in the kernel.
    pub(super) behind: Option<api::AddressOf>,
    pub(super) sealer: Arc<Sealer>,
    pub(super) transport: Transport,
    pub(super) routes: Routes,
    pub(super) members: Arc<Members>,
    pub(super) ids: RequestIds,
    pub(super) passes: Arc<Passes>,
    pub(super) answers: Arc<Answers>,
    pub(super) notes: Notes,
    pub(super) clock: Clock,
    /// Accounts are seen to be used while there is no pressure.
    pub(super) is_peace: AtomicBool,
}

/// The time of day, told now and then, and carried on by a clock that never goes back: a request
/// asks for one time, not for two.
pub(super) struct Clock {
    steady: Monotonic,
    start_unix_s: AtomicU64,
}

impl Clock {
    pub(super) fn starting_at(unix_s: u64) -> Self {
        Self { steady: Monotonic::start(), start_unix_s: AtomicU64::new(unix_s) }
    }

    /// Hears what time it is.
    pub(super) fn set(&self, unix_s: u64) {
        let start = unix_s.saturating_sub(self.steady.us() / 1_000_000);
        self.start_unix_s.store(start, Relaxed);
    }

    pub(super) fn now(&self) -> Now {
        self.at(self.steady.us())
    }

    fn at(&self, us: u64) -> Now {
        Now { us, unix_s: self.start_unix_s.load(Relaxed) + us / 1_000_000 }
    }
}

impl Wire {
    /// Where a request comes from, and whether that is the other end of its connection.
    fn origin<B>(
        &self,
        request: &Request<B>,
        info: Option<&edge::ConnectionInfo>,
    ) -> (IpAddr, bool) {
        match &self.behind {
            Some(address_of) => (address_of(request.extensions(), request.headers()), false),
            None => (info.map_or(Ipv4Addr::UNSPECIFIED.into(), |info| info.peer.ip()), true),
        }
    }

    /// The account that a request is from, and what the token in its header says where it has one.
    /// What is forged, over, or nobody's makes a stranger.
    fn member<B>(
        &self,
        request: &Request<B>,
        (door, has_cookie): (Door, bool),
        now_s: u64,
    ) -> (Option<Member>, Shown) {
        let now = (now_s, self.is_peace.load(Relaxed));
        let headers = request.headers();
        if let Some(text) = api::bearer(headers) {
            let opened = api::open_token(&self.sealer, text);
            let member = opened.and_then(|said| self.members.of_token(said, now));
            return (member, Some(api::Bearer(opened)));
        }
        let member = if door == Door::Stream {
            let opened = of_stream(request).and_then(|text| api::open_token(&self.sealer, text));
            opened.and_then(|said| self.members.of_token(said, now))
        } else if has_cookie {
            let said = web::session_said(&self.sealer, self.transport, headers);
            said.and_then(|said| self.members.of_session(said, now))
        } else {
            None
        };
        (member, None)
    }

    /// The id of a request that goes no further, or that had one.
    fn id<B>(&self, request: &Request<B>) -> RequestId {
        request.extensions().get().copied().unwrap_or_else(|| self.ids.next())
    }
}

/// The token that a stream is opened with where there is none in a header of its own: browsers can
/// set no header for an `EventSource` or a socket.
fn of_stream<B>(request: &Request<B>) -> Option<&str> {
    let query = request.uri().query().unwrap_or_default();
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("access_token="));
    asked.filter(|token| !token.is_empty()).or_else(|| protocol(request.headers()))
}

fn protocol(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?.split(',').next().map(str::trim)
}

impl gate::Wiring for Wire {
    type Body = Body;
    /// And what had been done elsewhere by then for what this thread polls.
    type Began = (gate::Began, u64);

    fn facts<B>(&self, request: &mut Request<B>) -> Option<(Facts, Self::Began)> {
        if !self.mode.decides() {
            return None;
        }
        let found = self.routes.find(request.method(), request.uri().path());
        let Found::Of(mut route) = found else { return None };
        let began = self.begin(None);
        let now_s = self.now_at(began).unix_s;
        route.door = answers::door(request.headers(), route.door);
        let info = request.extensions().get::<edge::ConnectionInfo>();
        let (address, direct) = self.origin(request, info);
        let has_cookie = request.headers().contains_key(header::COOKIE);
        let (member, shown) = self.member(request, (route.door, has_cookie), now_s);
        // Whoever joined today may have come with the attack: no seat is kept for them.
        let is_older = |than_s| {
            let aged_s = |member: Member| now_s.saturating_sub(member.created_unix_s);
            member.is_some_and(|member| aged_s(member) >= than_s)
        };
        if is_older(MEMBER_FOR_S)
            && let (Some(member), Some(info)) = (member, info)
        {
            info.vouch(Standing::Member, member.account);
        }
        let traits = if self.is_peace.load(Relaxed) && is_older(UNSEEN_FOR_S) {
            Traits::default()
        } else {
            let greeting = info.and_then(|info| info.fingerprint.as_ref());
            let greeting = greeting.map_or(0, |print| traits::of_text(print.as_str()));
            traits::of(request, Origin { greeting, ..Origin::default() }, found)
        };
        // Whoever reads the token next is spared the MAC.
        if let Some(shown) = shown {
            request.extensions_mut().insert(shown);
            if let (api::Bearer(Some(_)), None) = (shown, member) {
                request.extensions_mut().insert(Uncounted);
            }
        }
        let carried = has_cookie.then(|| self.passes.take(request, address, now_s));
        let credentials = Credentials { member, ..carried.unwrap_or_default() };
        Some((Facts { address, direct, credentials, route, traits }, began))
    }

    fn turned_away<B>(
        &self,
        request: &Request<B>,
        turned: &TurnedAway,
        facts: &Facts,
        verdict: Verdict,
    ) -> Response<Body> {
        let id = self.id(request);
        self.notes.take(facts, (turned, verdict), self.clock.now(), || id.to_string());
        let (address, door) = (facts.address, facts.route.door);
        self.answers.turned_away(request, turned, address, door, id.header())
    }

    fn overruled<B>(
        &self,
        request: &mut Request<B>,
        turned: &TurnedAway,
        facts: &Facts,
        verdict: Verdict,
    ) {
        let id = self.id(request);
        if self.notes.take(facts, (turned, verdict), self.clock.now(), || id.to_string()) {
            // It is served under the id that it was noted with.
            request.extensions_mut().insert(id);
        }
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn now_at(&self, (began, _): (gate::Began, u64)) -> Now {
        self.clock.at(self.clock.steady.us_at(began))
    }

    fn begin(&self, last: Option<(gate::Began, u64)>) -> (gate::Began, u64) {
        let follows = last.filter(|(last, _)| last.is_latest());
        follows.unwrap_or_else(|| (gate::Began::now(), work::borrowed_ns()))
    }

    fn lap(&self, (began, before_ns): (gate::Began, u64)) -> (u64, (gate::Began, u64)) {
        let (own_ns, now) = began.lap();
        let borrowed_ns = work::borrowed_ns();
        (own_ns.saturating_add(borrowed_ns.saturating_sub(before_ns)), (now, borrowed_ns))
    }
}

#[cfg(test)]
mod tests;
