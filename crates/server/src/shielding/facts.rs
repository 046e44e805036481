//! What the gate learns of a request before anything is done for it, without the database: where it
//! comes from, who sends it as far as MACs tell, what it asks for, what it looks like. And what is
//! answered to who is turned away.
//!
//! Every request pays for this, also those that nobody wants; so nothing here allocates but what is
//! left for rooms further in, and a token's MAC is verified once.

use super::{
    answers::{self, Answers},
    members::{Judged, Members},
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
    decide::{Credentials, Door, Facts, Member, Now, Standing, Verdict},
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
        let us = self.steady.us();
        Now { us, unix_s: self.start_unix_s.load(Relaxed) + us / 1_000_000 }
    }
}

impl Wire {
    /// Where a request comes from, and whether that is the other end of its connection.
    fn origin<B>(&self, request: &Request<B>) -> (IpAddr, bool) {
        let info = request.extensions().get::<edge::ConnectionInfo>();
        match &self.behind {
            Some(address_of) => (address_of(request.extensions(), request.headers()), false),
            None => (info.map_or(Ipv4Addr::UNSPECIFIED.into(), |info| info.peer.ip()), true),
        }
    }

    /// The account that a request is from. What is forged, over, or nobody's makes a stranger.
    fn member<B>(&self, request: &mut Request<B>, door: Door) -> Option<Member> {
        let now = || (self.clock.now().unix_s, self.is_peace.load(Relaxed));
        if let Some(text) = api::bearer(request.headers()) {
            let opened = api::open_token(&self.sealer, text);
            let member = opened.and_then(|said| self.members.of_token(said, now()));
            // Whoever reads the token next is spared the MAC.
            request.extensions_mut().insert(api::Bearer(opened));
            if let Some(said) = opened {
                let counted = member.is_some();
                request.extensions_mut().insert(Judged { token: said.token, counted });
            }
            return member;
        }
        if door == Door::Stream {
            let text = of_stream(request)?;
            let said = api::open_token(&self.sealer, text)?;
            return self.members.of_token(said, now());
        }
        if !request.headers().contains_key(header::COOKIE) {
            return None;
        }
        let said = web::session_said(&self.sealer, self.transport, request.headers())?;
        self.members.of_session(said, now())
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

    fn facts<B>(&self, request: &mut Request<B>) -> Option<Facts> {
        if !self.mode.decides() {
            return None;
        }
        let found = self.routes.find(request.method(), request.uri().path());
        let Found::Of(mut route) = found else { return None };
        route.door = answers::door(request.headers(), route.door);
        let (address, direct) = self.origin(request);
        let info = request.extensions().get::<edge::ConnectionInfo>();
        let greeting = info.and_then(|info| info.fingerprint.as_ref());
        let greeting = greeting.map_or(0, |print| traits::of_text(print.as_str()));
        let traits = traits::of(request, Origin { greeting, ..Origin::default() }, found);
        let member = self.member(request, route.door);
        // Whoever joined today may have come with the attack: no seat is kept for them.
        let now_s = self.clock.now().unix_s;
        if let Some(member) = member
            && now_s.saturating_sub(member.created_unix_s) >= MEMBER_FOR_S
            && let Some(info) = request.extensions().get::<edge::ConnectionInfo>()
        {
            info.vouch(Standing::Member, member.account);
        }
        let carried = self.passes.take(request, address, now_s);
        let credentials = Credentials { member, ..carried };
        Some(Facts { address, direct, credentials, route, traits })
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
        self.answers.turned_away(request, turned, address, door, &id.to_string())
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

    fn begin(&self) -> (gate::Began, u64) {
        (gate::Began::now(), work::borrowed_ns())
    }

    fn spent_ns(&self, (began, borrowed_ns): (gate::Began, u64)) -> u64 {
        began.spent_ns().saturating_add(work::borrowed_ns().saturating_sub(borrowed_ns))
    }
}
