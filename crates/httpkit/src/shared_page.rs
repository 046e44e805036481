//! Answers that are the same for every visitor, made once and given to all of them: the anonymous
//! timelines and public pages that a flood asks for. An answer is made by one request while the
//! others wait for it, is kept in memory of fixed size, and is made anew when something public has
//! happened since (the pulse has moved) or a second has gone by, whichever is sooner.
//!
//! While deeds come faster than pages are worth making, an answer may be up to
//! [`SHARED_LAG_MS`] behind; at rest it is never behind. What depends on who asks must not pass
//! through here.

use crate::{
    etag::{etag, not_modified},
    limits::{SHARED_AGE_MS, SHARED_BYTES_MAX, SHARED_LAG_MS, SHARED_MAKES, SHARED_PAGES},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, VARY},
};
use model::Timestamp;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Others may keep an answer, but ask again before they show it.
const REVALIDATE: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");
/// Whoever shows a token or cookie gets an answer of their own.
const BY_CALLER: HeaderValue = HeaderValue::from_static("authorization, cookie, origin");

/// One answer.
#[derive(Clone, Debug)]
pub struct SharedPage {
    headers: HeaderMap,
    body: Bytes,
}

impl SharedPage {
    /// An answer of 200 with this content. `more` are headers such as `Link`.
    #[must_use]
    pub fn new(content_type: HeaderValue, more: HeaderMap, body: Bytes) -> Self {
        let mut headers = more;
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(ETAG, etag(&body));
        headers.insert(CACHE_CONTROL, REVALIDATE);
        headers.insert(VARY, BY_CALLER);
        Self { headers, body }
    }

    /// For a request with these headers: 304 if its sender has this content already.
    #[must_use]
    pub fn response<B: From<Bytes> + Default>(&self, asked: &HeaderMap) -> Response<B> {
        let held = asked.contains_key(http::header::IF_NONE_MATCH)
            && self.headers.get(ETAG).is_some_and(|tag| not_modified(asked, tag));
        let mut response =
            Response::new(if held { B::default() } else { self.body.clone().into() });
        *response.headers_mut() = self.headers.clone();
        if held {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(CONTENT_TYPE);
        }
        response
    }
}

/// An answer with when it was made.
#[derive(Clone)]
struct Made {
    page: Arc<SharedPage>,
    pulse: u64,
    at: Timestamp,
    /// How many were made in the second that began then.
    second: (i64, u32),
}

impl Made {
    fn serves(&self, pulse: u64, now: Timestamp) -> bool {
        let age = now.since_ms(self.at);
        // A clock that went backwards makes everything old.
        if !(0..SHARED_AGE_MS).contains(&age) {
            return false;
        }
        self.pulse == pulse || (self.second.1 >= SHARED_MAKES && age < SHARED_LAG_MS)
    }
}

/// The place of one key: what was made, and the right to make.
#[derive(Default)]
struct Slot {
    made: Mutex<Option<Made>>,
    making: tokio::sync::Mutex<()>,
}

impl Slot {
    fn current(&self, pulse: u64, now: Timestamp) -> Option<Arc<SharedPage>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.as_ref().filter(|made| made.serves(pulse, now)).map(|made| Arc::clone(&made.page))
    }

    fn keep(&self, page: &Arc<SharedPage>, pulse: u64, now: Timestamp) {
        if page.body.len() > SHARED_BYTES_MAX {
            return;
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let second = now.ms().div_euclid(1_000);
        let count = match &*made {
            Some(made) if made.second.0 == second => made.second.1.saturating_add(1),
            _ => 1,
        };
        *made = Some(Made { page: Arc::clone(page), pulse, at: now, second: (second, count) });
    }
}

#[derive(Default)]
struct Generations {
    young: HashMap<String, Arc<Slot>>,
    old: HashMap<String, Arc<Slot>>,
}

/// All of them, by a key that names the whole of what was asked.
#[derive(Default)]
pub struct SharedPages(Mutex<Generations>);

impl SharedPages {
    /// How many keys have a place.
    pub fn kept(&self) -> u64 {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.young.len() + inner.old.len()) as u64
    }

    /// The slot of a key. Two generations bound the memory: keys that nobody asks for go first, so
    /// a flood of invented keys does not push out what everybody reads.
    fn slot(&self, key: &str) -> Arc<Slot> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = inner.young.get(key) {
            return Arc::clone(slot);
        }
        let slot = inner.old.remove(key).unwrap_or_default();
        if inner.young.len() >= SHARED_PAGES / 2 {
            inner.old = std::mem::take(&mut inner.young);
        }
        inner.young.insert(key.to_owned(), Arc::clone(&slot));
        slot
    }

    /// The answer to a key. `pulse` is read before anything is gathered and must move with every
    /// deed that changes what `make` would answer.
    ///
    /// # Errors
    /// What `make` fails with; a failure is not kept.
    pub async fn page<E>(
        &self,
        key: &str,
        pulse: u64,
        now: Timestamp,
        make: impl AsyncFnOnce() -> Result<SharedPage, E>,
    ) -> Result<Arc<SharedPage>, E> {
        let slot = self.slot(key);
        if let Some(page) = slot.current(pulse, now) {
            return Ok(page);
        }
        let _turn = slot.making.lock().await;
        // Whoever had the turn before may have made just what is wanted.
        if let Some(page) = slot.current(pulse, now) {
            return Ok(page);
        }
        let page = Arc::new(make().await?);
        slot.keep(&page, pulse, now);
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicU32, Ordering},
    };

    struct Kitchen {
        pages: SharedPages,
        made: AtomicU32,
    }

    impl Kitchen {
        async fn ask(&self, key: &str, pulse: u64, ms: i64) -> Bytes {
            let now = Timestamp::from_ms(ms);
            let make = async || {
                let n = self.made.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                let kind = HeaderValue::from_static("text/plain");
                Ok::<_, Infallible>(SharedPage::new(kind, HeaderMap::new(), n.to_string().into()))
            };
            let Ok(page) = self.pages.page(key, pulse, now, make).await;
            page.body.clone()
        }
    }

    fn kitchen() -> Kitchen {
        Kitchen { pages: SharedPages::default(), made: AtomicU32::new(0) }
    }

    #[tokio::test]
    async fn made_once_until_something_happens_or_a_second_goes_by() {
        let kitchen = kitchen();
        for (pulse, ms, made) in [
            (1, 0, "0"),
            (1, SHARED_AGE_MS - 1, "0"),
            (2, SHARED_AGE_MS - 1, "1"),
            (2, 2 * SHARED_AGE_MS, "2"),
            (2, SHARED_AGE_MS, "3"),
        ] {
            assert_eq!(kitchen.ask("a", pulse, ms).await, made, "pulse {pulse} at {ms} ms");
        }
        assert_eq!(kitchen.ask("b", 2, 0).await, "4");
    }

    #[tokio::test]
    async fn many_at_once_make_it_once() {
        let kitchen = kitchen();
        let asked = futures_util::future::join_all((0..50).map(|_| kitchen.ask("a", 1, 0))).await;
        assert!(asked.iter().all(|page| page == "0"), "{asked:?}");
    }

    #[tokio::test]
    async fn under_a_storm_of_deeds_it_lags_a_little_and_is_made_less() {
        let kitchen = kitchen();
        for pulse in 0..u64::from(SHARED_MAKES) {
            let fresh = kitchen.ask("a", pulse, 5_000).await;
            assert_eq!(fresh, pulse.to_string(), "at rest nothing lags");
        }
        let kept = kitchen.ask("a", 9_000, 5_001).await;
        assert_eq!(kept, (SHARED_MAKES - 1).to_string());
        let anew = kitchen.ask("a", 9_000, 5_000 + SHARED_LAG_MS).await;
        assert_eq!(anew, SHARED_MAKES.to_string());
    }

    #[tokio::test]
    async fn invented_keys_do_not_push_out_what_is_read() {
        let kitchen = kitchen();
        let first = kitchen.ask("read", 1, 0).await;
        for n in 0..SHARED_PAGES * 4 {
            kitchen.ask(&format!("invented {n}"), 1, 0).await;
            assert_eq!(kitchen.ask("read", 1, 0).await, first);
        }
        let inner = kitchen.pages.0.lock().expect("a lock");
        assert!(inner.young.len() + inner.old.len() <= SHARED_PAGES);
    }

    #[test]
    fn who_has_it_gets_no_body() {
        let kind = HeaderValue::from_static("text/plain");
        let page = SharedPage::new(kind, HeaderMap::new(), Bytes::from_static(b"text"));
        let full: Response<Bytes> = page.response(&HeaderMap::new());
        assert_eq!((full.status().as_u16(), full.body().len()), (200, 4));
        let mut asked = HeaderMap::new();
        let tag = full.headers().get(ETAG).expect("a tag").clone();
        asked.insert(http::header::IF_NONE_MATCH, tag);
        let short: Response<Bytes> = page.response(&asked);
        assert_eq!((short.status().as_u16(), short.body().len()), (304, 0));
    }
}
