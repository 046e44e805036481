//! What requests are answered that the shield does not serve: a page for who asked for one, else
//! Mastodon's JSON; and, around those that are served, the cookies that visitors are given.
//!
//! Heads of answers to apps are made once: under a flood there are more of them than of all other
//! answers together, and each header that is written anew is time of who is served.
//!
//! Leaves to `shield::decide` who is turned away and why, to `web` what pages look like.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER, SET_COOKIE,
};
use http::{Method, Request, StatusCode};
use httpkit::cors::Cors;
use httpkit::hook::{After, Hook};
use httpkit::request_id::REQUEST_ID;
use httpkit::security::Security;
use model::ports::Clock;
use shield::decide::{Door, Reason, Refusal};
use shield::gate::TurnedAway;
use web::{CHALLENGE_AGAIN_S, Doorstep, Notice};

use super::passes::{Carried, Passes};
use crate::limits::PEACE_AFTER_S;

const REASON: HeaderName = HeaderName::from_static("fulmar-reason");

const _: () = assert!(
    CHALLENGE_AGAIN_S as u64 == shield::limits::decide::WAITED_S.0,
    "who comes back by itself has waited long enough to count"
);

/// Answers for those who are turned away, and cookies for those who are not.
pub(crate) struct Answers {
    passes: Arc<Passes>,
    doorstep: Doorstep,
    cors: Cors,
    heads: Heads,
    clock: Arc<dyn Clock>,
    /// When somebody was turned away last, in seconds since 1970.
    turned_unix_s: AtomicU64,
}

impl Answers {
    /// Those of a place of this name.
    pub(crate) fn new(
        passes: Arc<Passes>,
        title: &str,
        cors: Cors,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Arc<Self>> {
        let doorstep = Doorstep::new(title, passes.challenge_cookie())
            .context("`server.title` does not fit on the pages of the waiting room")?;
        let turned_unix_s = AtomicU64::new(0);
        let heads = Heads::new(&cors);
        Ok(Arc::new(Self { passes, doorstep, cors, heads, clock, turned_unix_s }))
    }

    /// The hook that gives cookies with what is served. It belongs inside the gate and outside of
    /// whatever keeps answers for other visitors.
    pub(crate) fn cookies(self: &Arc<Self>) -> Cookies {
        Cookies(Arc::clone(self))
    }

    /// The answer to a request that is not served, with the id that is its header.
    pub(crate) fn turned_away<B>(
        &self,
        request: &Request<B>,
        turned: &TurnedAway,
        address: IpAddr,
        door: Door,
        id: HeaderValue,
    ) -> Response {
        let now_unix_s = self.now_unix_s();
        self.turned_unix_s.store(now_unix_s, Ordering::Relaxed);
        let carried = request.extensions().get::<Carried>();
        let is_open = self.cors.is_open(request.uri().path());
        let mut response = if self::door(request.headers(), door) == Door::Page {
            let page = self.page(request, turned, address, carried, now_unix_s);
            secured(self.cors.after(is_open, page))
        } else {
            self.heads.with_body(is_open, turned, &id)
        };
        if let Some(carried) = carried {
            give(&mut response, &carried.cookies);
        }
        let headers = response.headers_mut();
        headers.insert(REASON, HeaderValue::from_static(turned.code()));
        headers.insert(REQUEST_ID, id);
        response
    }

    fn page<B>(
        &self,
        request: &Request<B>,
        turned: &TurnedAway,
        address: IpAddr,
        carried: Option<&Carried>,
        now_unix_s: u64,
    ) -> Response {
        let packed = accepts(request.headers(), ACCEPT_ENCODING, "gzip");
        let reads = *request.method() == Method::GET || *request.method() == Method::HEAD;
        let waits = carried.is_some_and(|carried| carried.waits);
        let (notice, again_s) = match turned {
            // Who waits with a challenge that is not answered may still answer it.
            TurnedAway::Challenge | TurnedAway::WaitingRoom { .. }
                if !carried.is_some_and(|carried| carried.is_cleared) =>
            {
                let mut response = if reads {
                    self.doorstep.challenge(packed)
                } else {
                    self.doorstep.notice(Notice::Sent, CHALLENGE_AGAIN_S, packed)
                };
                if !waits {
                    let headers = request.headers();
                    give(&mut response, &[self.passes.challenge(address, headers, now_unix_s)]);
                }
                return response;
            }
            TurnedAway::Challenge => (Notice::Waiting, 1),
            TurnedAway::WaitingRoom { retry_after_s } => (Notice::Waiting, *retry_after_s),
            TurnedAway::Refused(refusal) => (notice_of(refusal.reason), refusal.retry_after_s),
        };
        let notice = if reads { notice } else { Notice::Sent };
        self.doorstep.notice(notice, again_s, packed)
    }

    fn now_unix_s(&self) -> u64 {
        u64::try_from(self.clock.now().ms() / 1_000).unwrap_or(0)
    }

    /// Nobody has been turned away for a while.
    fn is_peace(&self, now_unix_s: u64) -> bool {
        let last = self.turned_unix_s.load(Ordering::Relaxed);
        now_unix_s > last.saturating_add(PEACE_AFTER_S)
    }
}

const fn notice_of(reason: Reason) -> Notice {
    match reason {
        Reason::Pressure | Reason::QueueFull | Reason::Suspect => Notice::Busy,
        Reason::Share | Reason::InFlight | Reason::Denied => Notice::Share,
        Reason::Degraded => Notice::Off,
    }
}

/// Heads of answers to apps.
struct Heads {
    /// For paths that scripts of any place may use, and for others.
    open: HeaderMap,
    closed: HeaderMap,
    /// The first numbers, as headers.
    seconds: Vec<HeaderValue>,
}

/// Seconds for which a header is made at the start; for more, as they are needed.
const SECONDS_MADE: u32 = 64;

impl Heads {
    fn new(cors: &Cors) -> Self {
        let seconds: Vec<HeaderValue> = (0..SECONDS_MADE).map(HeaderValue::from).collect();
        let head = |is_open| {
            let mut response = Response::default();
            let headers = response.headers_mut();
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            headers.insert(CONTENT_TYPE, json);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            // These have their place already, and are written over in each answer.
            for name in [RETRY_AFTER, REASON, REQUEST_ID] {
                headers.insert(name, HeaderValue::from_static(""));
            }
            std::mem::take(secured(cors.after(is_open, response)).headers_mut())
        };
        Self { open: head(true), closed: head(false), seconds }
    }

    /// As Mastodon words it: 429 for one's own exceeded share, 503 for everything else.
    fn with_body(&self, is_open: bool, turned: &TurnedAway, id: &HeaderValue) -> Response {
        let (status, again_s) = match turned {
            TurnedAway::Challenge => (503, CHALLENGE_AGAIN_S),
            TurnedAway::WaitingRoom { retry_after_s } => (503, *retry_after_s),
            TurnedAway::Refused(Refusal { status, retry_after_s, .. }) => (*status, *retry_after_s),
        };
        let said = if status == 429 { "Too many requests" } else { "This place is very busy" };
        let id = id.to_str().unwrap_or_default();
        let parts = ["{\"error\":\"", said, ". Request ", id, "\",\"request_id\":\"", id, "\"}"];
        let mut response = Response::new(Body::from(parts.concat()));
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let mut headers = if is_open { self.open.clone() } else { self.closed.clone() };
        let made = usize::try_from(again_s).ok().and_then(|at| self.seconds.get(at));
        headers.insert(RETRY_AFTER, made.cloned().unwrap_or_else(|| again_s.into()));
        *response.headers_mut() = headers;
        response
    }
}

/// With what every answer of ours says to browsers.
fn secured(answered: After) -> Response {
    let secure = |response| match Security.after((), response) {
        After::Now(response) => response,
        // Neither of these hooks reads an answer first.
        After::Later(_) => Response::default(),
    };
    match answered {
        After::Now(response) => secure(response),
        After::Later(_) => Response::default(),
    }
}

/// Who asks there: at a page's address only who asks for a page. Its pictures and whatever else
/// cannot show a challenge are answered as apps are, and no unanswered challenge is held against
/// them.
pub(super) fn door(headers: &HeaderMap, door: Door) -> Door {
    if door == Door::Page && !accepts(headers, ACCEPT, "text/html") { Door::Api } else { door }
}

/// Whether a header of a list of words, each perhaps with a weight, has this one and not at zero.
fn accepts(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|entry| {
        let (kind, weight) = entry.split_once(';').unwrap_or((entry, ""));
        let never = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok());
        kind.trim().eq_ignore_ascii_case(word) && never != Some(0.0_f32)
    })
}

fn give(response: &mut Response, cookies: &[Option<HeaderValue>]) {
    for cookie in cookies.iter().flatten() {
        response.headers_mut().append(SET_COOKIE, cookie.clone());
    }
}

/// Gives cookies with what is served.
#[derive(Clone)]
pub(crate) struct Cookies(Arc<Answers>);

/// What a visitor may be given.
pub(crate) struct Due {
    carried: Option<Carried>,
    reads: bool,
}

impl Hook for Cookies {
    type Kept = Due;

    fn before<B>(&self, request: &mut Request<B>) -> Result<Due, Box<Response>> {
        // What apps and scripts ask for is no page, whose answer need not be looked at.
        let reads = *request.method() == Method::GET
            && !request.uri().path().starts_with("/api/")
            && accepts(request.headers(), ACCEPT, "text/html");
        Ok(Due { carried: request.extensions_mut().remove::<Carried>(), reads })
    }

    fn after(&self, due: Due, mut response: Response) -> After {
        let has_visit = due.carried.as_ref().is_some_and(|carried| carried.visit);
        if due.reads && !has_visit && is_page(&response) {
            let now_unix_s = self.0.now_unix_s();
            if self.0.is_peace(now_unix_s) {
                give(&mut response, &[self.0.passes.visit(now_unix_s)]);
            }
        }
        if let Some(carried) = &due.carried {
            give(&mut response, &carried.cookies);
        }
        After::Now(response)
    }
}

fn is_page(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    response.status() == StatusCode::OK
        && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

#[cfg(test)]
mod tests;
