//! Answers that are the same for every visitor, made once and given to all of them: the anonymous
//! timelines and public pages that a flood asks for. An answer is made by one request while the
//! others wait for it, is kept in memory of fixed size, and serves until something that it shows
//! has changed or it is old, whichever is sooner.
//!
//! While deeds come faster than pages are worth making, an answer may be up to [`SHARED_LAG_MS`]
//! behind; at rest it is never behind. Under pressure whoever wires the rooms may let it be behind
//! by [`SHARED_STALE_MS`]: then a flood of deeds and a flood of visitors do not multiply. What
//! depends on who asks must not pass through here. That an answer is given again before anything is
//! routed is the work of [`crate::shared_front`].

use crate::{
    etag::{etag, not_modified},
    limits::{
        SHARED_AGE_MS, SHARED_BYTES_MAX, SHARED_CALM_MS, SHARED_HEADERS_ADDED, SHARED_LAG_MS,
        SHARED_MAKES, SHARED_PAGES, SHARED_PATHS, SHARED_STALE_MS, SHARED_TOPICS_MAX,
        SHARED_TOTAL_BYTES_MAX,
    },
};
use axum::extract::MatchedPath;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY},
};
use model::Timestamp;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

/// Others may keep an answer, but ask again before they show it.
const REVALIDATE: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");
/// Whoever shows a token or cookie gets an answer of their own.
const BY_CALLER: HeaderValue = HeaderValue::from_static("authorization, cookie, origin");
/// What an answer takes besides its body: headers, its key, its place in the map.
const BESIDES_BYTES: usize = 2_048;

/// Where it is known what has changed, and what time it is.
pub trait Changes: Send + Sync + 'static {
    /// A number that grows with every change.
    fn pulse(&self) -> u64;
    /// Whether one of these topics has changed since the pulse had that number; without topics,
    /// whether anything that visitors see has.
    fn changed(&self, topics: &[u64], since: u64) -> bool;
    /// Now.
    fn now(&self) -> Timestamp;
}

/// One answer.
#[derive(Clone, Debug)]
pub struct SharedPage {
    headers: HeaderMap,
    body: Bytes,
    topics: Box<[u64]>,
    age_max_ms: i64,
}

impl SharedPage {
    /// An answer of 200 with this content, to be made anew when anything public changes. `more`
    /// are headers such as `Link`.
    #[must_use]
    pub fn new(content_type: HeaderValue, more: HeaderMap, body: Bytes) -> Self {
        let mut headers = more;
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(ETAG, etag(&body));
        headers.insert(CACHE_CONTROL, REVALIDATE);
        headers.insert(VARY, BY_CALLER);
        Self { headers, body, topics: Box::default(), age_max_ms: SHARED_AGE_MS }
    }

    /// Only these topics can change it. `is_timed`: it also says something of the hour, such as
    /// whether a poll is still open.
    #[must_use]
    pub fn about(mut self, topics: impl IntoIterator<Item = u64>, is_timed: bool) -> Self {
        let mut topics: Vec<u64> = topics.into_iter().collect();
        topics.sort_unstable();
        topics.dedup();
        if topics.is_empty() || topics.len() > SHARED_TOPICS_MAX {
            return self;
        }
        self.topics = topics.into();
        self.age_max_ms = if is_timed { SHARED_AGE_MS } else { SHARED_CALM_MS };
        self
    }

    /// For a request with these headers: 304 if its sender has this content already. `head`: the
    /// headers of the answer.
    fn answer<B: From<Bytes> + Default>(&self, asked: &HeaderMap, head: HeaderMap) -> Response<B> {
        let held = asked.contains_key(http::header::IF_NONE_MATCH)
            && self.headers.get(ETAG).is_some_and(|tag| not_modified(asked, tag));
        let mut response =
            Response::new(if held { B::default() } else { self.body.clone().into() });
        *response.headers_mut() = head;
        if held {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            for of_the_body in [CONTENT_TYPE, CONTENT_LENGTH] {
                response.headers_mut().remove(of_the_body);
            }
        }
        response
    }
}

/// An answer in its place, as it is given to one request.
#[derive(Clone)]
pub struct Served {
    page: Arc<SharedPage>,
    slot: Arc<Slot>,
}

impl Served {
    /// For a request with these headers: 304 if its sender has this content already.
    #[must_use]
    pub fn response<B: From<Bytes> + Default>(self, asked: &HeaderMap) -> Response<B> {
        let mut response = self.page.answer(asked, self.page.headers.clone());
        response.extensions_mut().insert(self);
        response
    }
}

/// How an answer looks when it leaves.
#[derive(Clone)]
struct Head {
    headers: HeaderMap,
    /// Which route gave it, for whoever counts by route.
    route: Option<MatchedPath>,
}

/// An answer with when it was made.
struct Made {
    page: Arc<SharedPage>,
    /// Nothing that it shows had changed when the pulse was this.
    pulse: u64,
    at: Timestamp,
    /// How many were made in the second that began then.
    second: (i64, u32),
    /// Its headers as they left, with what is added to every answer on the way out.
    head: Option<Head>,
    #[expect(dead_code, reason = "counts its bytes for as long as it is kept")]
    charge: Charge,
}

impl Made {
    /// Whether it may still be shown. What was found unchanged is not compared again before
    /// something changes.
    fn serves(&mut self, changes: &dyn Changes, now: Timestamp, may_be_stale: bool) -> bool {
        let age = now.since_ms(self.at);
        let is_fresh_enough = may_be_stale && age < SHARED_STALE_MS;
        // A clock that went backwards makes everything old.
        if age < 0 || (age >= self.page.age_max_ms && !is_fresh_enough) {
            return false;
        }
        let pulse = changes.pulse();
        if self.pulse == pulse {
            return true;
        }
        if changes.changed(&self.page.topics, self.pulse) {
            return is_fresh_enough || (self.second.1 >= SHARED_MAKES && age < SHARED_LAG_MS);
        }
        self.pulse = pulse;
        true
    }
}

/// Bytes in the count of all, for as long as it lives.
struct Charge {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Charge {
    fn new(bytes: usize, all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(bytes, Ordering::Relaxed);
        Self { bytes, all: Arc::clone(all) }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The place of one key: what was made, and the right to make.
#[derive(Default)]
struct Slot {
    made: Mutex<Option<Made>>,
    making: tokio::sync::Mutex<()>,
}

impl Slot {
    fn current(&self, pages: &SharedPages, now: Timestamp) -> Option<Arc<SharedPage>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let made = made.as_mut()?;
        made.serves(&*pages.changes, now, pages.may_be_stale()).then(|| Arc::clone(&made.page))
    }

    fn keep(&self, page: &Arc<SharedPage>, pulse: u64, now: Timestamp, all: &Arc<AtomicUsize>) {
        if page.body.len() > SHARED_BYTES_MAX {
            return;
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let second = now.ms().div_euclid(1_000);
        let count = match &*made {
            Some(made) if made.second.0 == second => made.second.1.saturating_add(1),
            _ => 1,
        };
        *made = Some(Made {
            page: Arc::clone(page),
            pulse,
            at: now,
            second: (second, count),
            head: None,
            charge: Charge::new(page.body.len() + BESIDES_BYTES, all),
        });
    }
}

/// A map in two generations: keys that nobody asks for go first, so a flood of invented keys does
/// not push out what everybody reads.
struct Generations<V> {
    young: HashMap<Box<str>, V>,
    old: HashMap<Box<str>, V>,
    half: usize,
}

impl<V: Clone> Generations<V> {
    fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (most / 2).max(1) }
    }

    fn get(&mut self, key: &str) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.put(key, value.clone());
        Some(value)
    }

    fn put(&mut self, key: Box<str>, value: V) {
        if self.young.len() >= self.half {
            self.turn();
        }
        self.young.insert(key, value);
    }

    /// What was not asked for since the last turn is gone.
    fn turn(&mut self) {
        self.old = std::mem::take(&mut self.young);
    }

    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// All of them, by a key that names the whole of what was asked.
pub struct SharedPages {
    changes: Box<dyn Changes>,
    pages: Mutex<Generations<Arc<Slot>>>,
    /// Places by what was literally asked. They hold nothing: what went from `pages` is gone.
    paths: Mutex<Generations<Weak<Slot>>>,
    bytes: Arc<AtomicUsize>,
    given_at_once: AtomicU64,
    stale: AtomicBool,
}

impl SharedPages {
    /// None yet.
    pub fn new(changes: impl Changes) -> Self {
        Self {
            changes: Box::new(changes),
            pages: Mutex::new(Generations::new(SHARED_PAGES)),
            paths: Mutex::new(Generations::new(SHARED_PATHS)),
            bytes: Arc::default(),
            given_at_once: AtomicU64::new(0),
            stale: AtomicBool::new(false),
        }
    }

    /// Says whether answers may be behind by [`SHARED_STALE_MS`] from now on.
    pub fn allow_stale(&self, may_be: bool) {
        self.stale.store(may_be, Ordering::Relaxed);
    }

    fn may_be_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    /// How many keys have a place.
    pub fn kept(&self) -> u64 {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// Bytes that are kept, of answers and what belongs to them.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed) as u64
    }

    /// How many answers were given without routing.
    pub fn given_at_once(&self) -> u64 {
        self.given_at_once.load(Ordering::Relaxed)
    }

    fn slot(&self, key: &str) -> Arc<Slot> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = pages.get(key) {
            return slot;
        }
        let slot = Arc::<Slot>::default();
        pages.put(key.into(), Arc::clone(&slot));
        slot
    }

    /// Lets go of what was not asked for lately, until what is kept is within its bound.
    fn shrink(&self) {
        let over = || self.bytes.load(Ordering::Relaxed) > SHARED_TOTAL_BYTES_MAX;
        // The first turn leaves what was asked for lately, the second nothing.
        for _ in 0..2 {
            if over() {
                self.pages.lock().unwrap_or_else(PoisonError::into_inner).turn();
            }
        }
    }

    /// The answer to a key: a path of ours which answers with the same when it is asked, with
    /// nothing in it that a stranger has invented. What `make` gathers is as of when it is called
    /// or later.
    ///
    /// # Errors
    /// What `make` fails with; a failure is not kept.
    pub async fn page<E>(
        &self,
        key: &str,
        make: impl AsyncFnOnce() -> Result<SharedPage, E>,
    ) -> Result<Served, E> {
        let slot = self.slot(key);
        let current = |slot: &Slot| slot.current(self, self.changes.now());
        if let Some(page) = current(&slot) {
            return Ok(Served { page, slot });
        }
        let turn = slot.making.lock().await;
        // Whoever had the turn before may have made just what is wanted.
        if let Some(page) = current(&slot) {
            drop(turn);
            return Ok(Served { page, slot });
        }
        let (pulse, now) = (self.changes.pulse(), self.changes.now());
        let page = Arc::new(make().await?);
        slot.keep(&page, pulse, now, &self.bytes);
        drop(turn);
        self.shrink();
        Ok(Served { page, slot })
    }

    /// The answer to what was literally asked by a visitor, if it was answered before and may
    /// still be shown.
    pub(crate) fn at_once<B: From<Bytes> + Default>(
        &self,
        path: &str,
        asked: &HeaderMap,
    ) -> Option<Response<B>> {
        let slot = {
            let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
            paths.get(path)?.upgrade()?
        };
        let now = self.changes.now();
        let mut made = slot.made.lock().unwrap_or_else(PoisonError::into_inner);
        let made = made.as_mut()?;
        if !made.serves(&*self.changes, now, self.may_be_stale()) {
            return None;
        }
        let Head { headers, route } = made.head.clone()?;
        self.given_at_once.fetch_add(1, Ordering::Relaxed);
        let mut response = made.page.answer(asked, headers);
        if let Some(route) = route {
            response.extensions_mut().insert(route);
        }
        Some(response)
    }

    /// Notes that this was asked, and how what was served for it looks when it leaves.
    pub(crate) fn left<B>(&self, path: &str, served: &Served, response: &Response<B>) {
        {
            let mut made = served.slot.made.lock().unwrap_or_else(PoisonError::into_inner);
            match made.as_mut() {
                Some(made) if Arc::ptr_eq(&made.page, &served.page) => {
                    if made.head.is_none() {
                        let route = response.extensions().get().cloned();
                        let mut headers = response.headers().clone();
                        // A copy then has room for what is added to each answer further out.
                        headers.reserve(SHARED_HEADERS_ADDED);
                        made.head = Some(Head { headers, route });
                    }
                }
                _ => return,
            }
        }
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        if paths.get(path).is_none_or(|known| known.as_ptr() != Arc::as_ptr(&served.slot)) {
            paths.put(path.into(), Arc::downgrade(&served.slot));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicI64, AtomicU32},
    };

    /// A world in which one topic changes at a time.
    #[derive(Default)]
    struct World {
        pulse: AtomicU64,
        changed: Mutex<HashMap<u64, u64>>,
        ms: AtomicI64,
    }

    impl World {
        fn changes(&self, topic: u64) {
            let next = self.pulse.fetch_add(1, Ordering::Relaxed) + 1;
            self.changed.lock().expect("a lock").insert(topic, next);
        }
    }

    impl Changes for Arc<World> {
        fn pulse(&self) -> u64 {
            self.pulse.load(Ordering::Relaxed)
        }
        fn changed(&self, topics: &[u64], since: u64) -> bool {
            let changed = self.changed.lock().expect("a lock");
            let topics = if topics.is_empty() { &[0] } else { topics };
            topics.iter().any(|topic| changed.get(topic).is_some_and(|at| *at > since))
        }
        fn now(&self) -> Timestamp {
            Timestamp::from_ms(self.ms.load(Ordering::Relaxed))
        }
    }

    struct Kitchen {
        world: Arc<World>,
        pages: SharedPages,
        made: AtomicU32,
    }

    impl Kitchen {
        fn new() -> Self {
            let world = Arc::<World>::default();
            let pages = SharedPages::new(Arc::clone(&world));
            Self { world, pages, made: AtomicU32::new(0) }
        }

        async fn served(&self, key: &str, topics: &[u64], bytes: usize) -> Served {
            let make = async || {
                let n = self.made.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                let kind = HeaderValue::from_static("text/plain");
                let text = n.to_string() + &" ".repeat(bytes.saturating_sub(1));
                let page = SharedPage::new(kind, HeaderMap::new(), text.into());
                Ok::<_, Infallible>(page.about(topics.iter().copied(), false))
            };
            let Ok(served) = self.pages.page(key, make).await;
            served
        }

        async fn ask(&self, key: &str, topics: &[u64], ms: i64) -> Bytes {
            self.world.ms.store(ms, Ordering::Relaxed);
            self.served(key, topics, 1).await.page.body.clone()
        }
    }

    #[tokio::test]
    async fn made_once_until_something_happens_or_a_second_goes_by() {
        let kitchen = Kitchen::new();
        for (happens, ms, made) in [
            (false, 0, "0"),
            (false, SHARED_AGE_MS - 1, "0"),
            (true, SHARED_AGE_MS - 1, "1"),
            (false, 2 * SHARED_AGE_MS, "2"),
            (false, SHARED_AGE_MS, "3"),
        ] {
            if happens {
                kitchen.world.changes(0);
            }
            assert_eq!(kitchen.ask("a", &[], ms).await, made, "at {ms} ms");
        }
        assert_eq!(kitchen.ask("b", &[], 0).await, "4");
    }

    #[tokio::test]
    async fn what_is_about_something_outlives_what_happens_elsewhere() {
        let kitchen = Kitchen::new();
        for (happens, ms, made) in [
            (None, 0, "0"),
            (Some(0), SHARED_AGE_MS, "0"),
            (Some(9), SHARED_AGE_MS, "0"),
            (Some(8), SHARED_AGE_MS, "1"),
            (Some(9), SHARED_AGE_MS, "1"),
            (None, SHARED_AGE_MS + SHARED_CALM_MS, "2"),
        ] {
            if let Some(topic) = happens {
                kitchen.world.changes(topic);
            }
            assert_eq!(kitchen.ask("a", &[7, 8], ms).await, made, "{happens:?} at {ms} ms");
        }
    }

    #[tokio::test]
    async fn many_at_once_make_it_once() {
        let kitchen = Kitchen::new();
        let all = (0..50).map(|_| kitchen.ask("a", &[], 0));
        let asked = futures_util::future::join_all(all).await;
        assert!(asked.iter().all(|page| page == "0"), "{asked:?}");
    }

    #[tokio::test]
    async fn under_a_storm_of_deeds_it_lags_a_little_and_is_made_less() {
        let kitchen = Kitchen::new();
        for pulse in 0..u64::from(SHARED_MAKES) {
            let fresh = kitchen.ask("a", &[], 5_000).await;
            assert_eq!(fresh, pulse.to_string(), "at rest nothing lags");
            kitchen.world.changes(0);
        }
        let kept = kitchen.ask("a", &[], 5_001).await;
        assert_eq!(kept, (SHARED_MAKES - 1).to_string());
        let anew = kitchen.ask("a", &[], 5_000 + SHARED_LAG_MS).await;
        assert_eq!(anew, SHARED_MAKES.to_string());
    }

    #[tokio::test]
    async fn invented_keys_do_not_push_out_what_is_read() {
        let kitchen = Kitchen::new();
        let first = kitchen.ask("read", &[], 0).await;
        for n in 0..SHARED_PAGES * 4 {
            kitchen.ask(&format!("invented {n}"), &[], 0).await;
            assert_eq!(kitchen.ask("read", &[], 0).await, first);
        }
        assert!(kitchen.pages.kept() <= SHARED_PAGES as u64);
    }

    #[tokio::test]
    async fn large_answers_stay_within_the_bytes_of_all() {
        let kitchen = Kitchen::new();
        let most = SHARED_TOTAL_BYTES_MAX / SHARED_BYTES_MAX;
        for n in 0..most * 3 {
            kitchen.served(&format!("large {n}"), &[], SHARED_BYTES_MAX).await;
            assert!(kitchen.pages.bytes() <= SHARED_TOTAL_BYTES_MAX as u64);
        }
        assert!(kitchen.pages.bytes() > 0);
        kitchen.served("too large", &[], SHARED_BYTES_MAX + 1).await;
        let made = kitchen.made.load(Ordering::Relaxed);
        kitchen.served("too large", &[], SHARED_BYTES_MAX + 1).await;
        assert_eq!(kitchen.made.load(Ordering::Relaxed), made + 1, "too large to be kept");
    }

    #[test]
    fn who_has_it_gets_no_body() {
        let kind = HeaderValue::from_static("text/plain");
        let page = SharedPage::new(kind, HeaderMap::new(), Bytes::from_static(b"text"));
        let answer =
            |asked: &HeaderMap| -> Response<Bytes> { page.answer(asked, page.headers.clone()) };
        let full = answer(&HeaderMap::new());
        assert_eq!((full.status().as_u16(), full.body().len()), (200, 4));
        let mut asked = HeaderMap::new();
        let tag = full.headers().get(ETAG).expect("a tag").clone();
        asked.insert(http::header::IF_NONE_MATCH, tag);
        let short = answer(&asked);
        assert_eq!((short.status().as_u16(), short.body().len()), (304, 0));
    }
}
