//! Members' home timelines as they were sent, kept for those who ask again and again, as apps do
//! that poll: gathering twenty posts and writing them down costs ten times what sending them does.
//!
//! A page is given again only while its reader would be sent the very same: `social` says so, by
//! the version of the timeline and by what the page shows. It is kept from the second time on that
//! it is asked for unchanged, so that whoever looks in now and then takes no room. A hook, put
//! around whatever adds the same headers to every answer: what is kept is given before the router.
//! Who asks and whether they may is found out for every request all the same, further out.

use crate::{
    Api,
    caller::Shown,
    limits::{HOME_BESIDES_BYTES, HOME_PAGE_BYTES_MAX, HOME_PAGES_BYTES_MAX, HOME_QUERY_BYTES_MAX},
};
use axum::{
    body::{Body, Bytes},
    extract::MatchedPath,
    http::{HeaderMap, Method, Request, StatusCode},
    response::Response,
};
use httpkit::hook::{After, Hook};
use model::{AccountId, Timestamp};
use parking_lot::Mutex;
use social::{HomeStamp, Shows, StatusView};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

/// Where home timelines are.
const PATH: &str = "/api/v1/timelines/home";
/// Headers that are added to each answer further out.
const HEADERS_ADDED: usize = 8;

/// A page that was made, beside its answer.
#[derive(Clone)]
pub(crate) struct Made {
    pub reader: AccountId,
    /// As it was asked for.
    pub query: Box<str>,
    pub stamp: HomeStamp,
    /// What it shows that can change.
    pub topics: Box<[u64]>,
    /// When it changes with time alone.
    pub until: Option<Timestamp>,
    pub body: Bytes,
}

/// How an answer looks when it leaves.
#[derive(Clone)]
struct Answer {
    headers: HeaderMap,
    route: Option<MatchedPath>,
    body: Bytes,
}

/// What is known of a reader's page.
struct Entry {
    query: Box<str>,
    stamp: HomeStamp,
    topics: Box<[u64]>,
    until: Option<Timestamp>,
    /// It was asked for again before it changed.
    again: bool,
    answer: Option<Answer>,
}

impl Entry {
    fn bytes(&self) -> usize {
        let body = self.answer.as_ref().map_or(0, |answer| answer.body.len());
        HOME_BESIDES_BYTES + size_of_val(&*self.topics) + body
    }
}

/// In two generations: when the young one is full it becomes the old one, and what nobody asked
/// for since is gone.
#[derive(Default)]
struct Generations {
    young: HashMap<AccountId, Entry, foldhash::fast::RandomState>,
    old: HashMap<AccountId, Entry, foldhash::fast::RandomState>,
    young_bytes: usize,
    old_bytes: usize,
}

impl Generations {
    fn put(&mut self, reader: AccountId, entry: Entry) {
        let bytes = entry.bytes();
        if self.young_bytes + bytes > HOME_PAGES_BYTES_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
            self.old_bytes = std::mem::take(&mut self.young_bytes);
        }
        self.young_bytes += bytes;
        self.young.insert(reader, entry);
    }

    fn take(&mut self, reader: AccountId) -> Option<Entry> {
        if let Some(entry) = self.young.remove(&reader) {
            self.young_bytes -= entry.bytes();
            return Some(entry);
        }
        let entry = self.old.remove(&reader)?;
        self.old_bytes -= entry.bytes();
        Some(entry)
    }

    /// The entry, which is among the young from then on.
    fn get(&mut self, reader: AccountId) -> Option<&mut Entry> {
        if !self.young.contains_key(&reader) {
            let entry = self.take(reader)?;
            self.put(reader, entry);
        }
        self.young.get_mut(&reader)
    }
}

/// The pages that are kept.
#[derive(Default)]
pub struct HomePages {
    pages: Mutex<Generations>,
    given_at_once: AtomicU64,
}

impl HomePages {
    /// Bytes that are kept, of pages and what belongs to them.
    pub fn bytes(&self) -> u64 {
        let kept = self.pages.lock();
        (kept.young_bytes + kept.old_bytes) as u64
    }

    /// How many answers were given without making them.
    pub fn given_at_once(&self) -> u64 {
        self.given_at_once.load(Ordering::Relaxed)
    }

    /// A page as it was sent, if it would be sent the same: `is_same` compares what one was made
    /// of with how it is now.
    fn given(
        &self,
        reader: AccountId,
        query: &str,
        (stamp, now): (HomeStamp, Timestamp),
        is_same: impl FnOnce(HomeStamp, &[u64]) -> bool,
    ) -> Option<Answer> {
        let mut kept = self.pages.lock();
        let entry = kept.get(reader)?;
        let is_timely = entry.until.is_none_or(|end| end > now);
        if &*entry.query != query || !is_timely || !is_same(entry.stamp, &entry.topics) {
            return None;
        }
        // What was found unchanged is not compared again before something changes.
        entry.stamp = stamp;
        entry.again = true;
        let answer = entry.answer.clone()?;
        self.given_at_once.fetch_add(1, Ordering::Relaxed);
        Some(answer)
    }

    /// Notes a page as it leaves; keeps it if the one before was asked for again.
    fn left(&self, made: Made, headers: &HeaderMap, route: Option<&MatchedPath>) {
        let Made { reader, query, stamp, topics, until, body } = made;
        let mut kept = self.pages.lock();
        let before = kept.take(reader);
        let again = before.is_some_and(|entry| entry.query == query && entry.again);
        let answer = (again && body.len() <= HOME_PAGE_BYTES_MAX).then(|| {
            let mut headers = headers.clone();
            // A copy then has room for what is added to each answer further out.
            headers.reserve(HEADERS_ADDED);
            // What was written into has room to spare, which would be kept with it.
            Answer { headers, route: route.cloned(), body: Bytes::copy_from_slice(&body) }
        });
        kept.put(reader, Entry { query, stamp, topics, until, again: false, answer });
    }
}

/// Gives kept home timelines before the router.
#[derive(Clone)]
pub struct HomeFront(pub Api);

impl HomeFront {
    fn given<B>(&self, request: &Request<B>) -> Option<Answer> {
        let Shown(Some(caller)) = request.extensions().get::<Shown>()? else { return None };
        // Who may not read here is told so by the handler.
        let reader = caller.confirmed().ok()?.member(SCOPE).ok()?;
        let api = &self.0;
        let (stamp, now) = (api.social.home_stamp(reader)?, api.social.now());
        let is_same = |then, topics: &[u64]| api.social.is_same_home(then, stamp, topics);
        let query = request.uri().query().unwrap_or_default();
        api.homes.given(reader, query, (stamp, now), is_same)
    }
}

/// What a token must be allowed to do to read home.
pub(crate) const SCOPE: &str = "read:statuses";

/// What a page shows that can change, and when it changes with time alone: as a poll ends.
pub(crate) fn shown(views: &[StatusView], now: Timestamp) -> (Box<[u64]>, Option<Timestamp>) {
    let mut topics = Shows::default().with(views).topics;
    topics.sort_unstable();
    topics.dedup();
    let each = views.iter().flat_map(|view| std::iter::once(view).chain(view.reblog.as_deref()));
    let ends = each.filter_map(|view| view.entry.poll.as_ref()?.expires);
    (topics.into(), ends.filter(|end| *end > now).min())
}

/// Whether a page that was asked for like this may be kept.
pub(crate) fn may_keep(query: &str) -> bool {
    query.len() <= HOME_QUERY_BYTES_MAX
}

impl Hook for HomeFront {
    /// Whether the answer may be kept.
    type Kept = bool;

    fn before<B>(&self, request: &mut Request<B>) -> Result<bool, Box<Response>> {
        if request.method() != Method::GET || request.uri().path() != PATH {
            return Ok(false);
        }
        let Some(Answer { headers, route, body }) = self.given(request) else { return Ok(true) };
        let mut response = Response::new(Body::from(body));
        *response.headers_mut() = headers;
        if let Some(route) = route {
            response.extensions_mut().insert(route);
        }
        Err(Box::new(response))
    }

    fn after(&self, may_be_kept: bool, mut response: Response) -> After {
        if let Some(made) = response.extensions_mut().remove::<Made>()
            && may_be_kept
            && response.status() == StatusCode::OK
        {
            self.0.homes.left(made, response.headers(), response.extensions().get());
        }
        After::Now(response)
    }
}

#[cfg(test)]
mod tests;
