//! Gives visitors again what was given before, without routing their request: the work that all
//! answers have in common (finding the handler, reading the query, adding constant headers) was a
//! good half of a shared answer's cost. What a visitor asked for the first time goes its usual way;
//! the answer is noted as it leaves, and serves from then on for as long as
//! [`SharedPages`] believes it.
//!
//! Put it around whatever adds the same headers to every answer, and inside of whatever adds others
//! to each: request ids, allowances.

use crate::{
    hook::{After, Hook},
    limits::SHARED_PATH_BYTES_MAX,
    shared_page::{Served, SharedPages},
};
use axum::response::Response;
use http::{
    Method, Request, StatusCode, Uri,
    header::{AUTHORIZATION, COOKIE},
};
use std::sync::Arc;

/// Gives shared answers at once.
#[derive(Clone)]
pub struct SharedFront(pub Arc<SharedPages>);

impl Hook for SharedFront {
    /// What a visitor asked for, to be noted beside its answer.
    type Kept = Option<Uri>;

    fn before<B>(&self, request: &mut Request<B>) -> Result<Option<Uri>, Box<Response>> {
        let headers = request.headers();
        let is_visitor = !headers.contains_key(AUTHORIZATION) && !headers.contains_key(COOKIE);
        if request.method() != Method::GET || !is_visitor {
            return Ok(None);
        }
        let path = asked(request.uri());
        if path.len() > SHARED_PATH_BYTES_MAX {
            return Ok(None);
        }
        match self.0.at_once(path, headers) {
            Some(response) => Err(Box::new(response)),
            None => Ok(Some(request.uri().clone())),
        }
    }

    fn after(&self, kept: Option<Uri>, mut response: Response) -> After {
        if let Some(served) = response.extensions_mut().remove::<Served>()
            && let Some(uri) = kept
            && response.status() == StatusCode::OK
        {
            self.0.left(asked(&uri), &served, &response);
        }
        After::Now(response)
    }
}

/// What was asked, as it was written.
fn asked(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hook::Hooked,
        shared_page::{Changes, SharedPage},
    };
    use axum::{Router, body::Body, extract::State, routing::get};
    use http::{HeaderMap, HeaderValue, header};
    use http_body_util::BodyExt as _;
    use model::Timestamp;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tower::ServiceExt as _;

    /// Everything has changed whenever the number has.
    #[derive(Clone, Default)]
    struct World(Arc<AtomicU64>);

    impl Changes for World {
        fn pulse(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
        fn changed(&self, _: &[u64], since: u64) -> bool {
            self.pulse() > since
        }
        fn now(&self) -> Timestamp {
            Timestamp::from_ms(0)
        }
    }

    /// How often something was routed, and the pages.
    #[derive(Clone)]
    struct Site(Arc<AtomicU64>, Arc<SharedPages>);

    async fn page(State(Site(routed, pages)): State<Site>, asked: HeaderMap) -> Response {
        let n = routed.fetch_add(1, Ordering::Relaxed);
        let served = pages.page("/page", async || {
            let kind = HeaderValue::from_static("text/plain");
            Ok::<_, std::convert::Infallible>(SharedPage::new(
                kind,
                HeaderMap::new(),
                n.to_string().into(),
            ))
        });
        let Ok(served) = served.await;
        served.response(&asked)
    }

    struct Door {
        world: World,
        routed: Arc<AtomicU64>,
        pages: Arc<SharedPages>,
    }

    impl Door {
        fn new() -> Self {
            let world = World::default();
            let pages = Arc::new(SharedPages::new(world.clone()));
            Self { world, routed: Arc::default(), pages }
        }

        async fn ask(&self, line: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
            let site = Site(Arc::clone(&self.routed), Arc::clone(&self.pages));
            let router = Router::new().route("/page", get(page)).with_state(site);
            let service = Hooked::new(router, crate::security::Security);
            let service = Hooked::new(service, SharedFront(Arc::clone(&self.pages)));
            let (method, path) = line.split_once(' ').expect("a method and a path");
            let mut request = Request::builder().method(method).uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::empty()).expect("a request");
            let response = service.oneshot(request).await.expect("an answer");
            let (parts, body) = response.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            let text = String::from_utf8_lossy(&body).into_owned();
            (parts.status.as_u16(), parts.headers, text)
        }

        fn routed(&self) -> u64 {
            self.routed.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn what_was_answered_is_answered_again_with_the_same_headers() {
        let door = Door::new();
        let first = door.ask("GET /page", &[]).await;
        assert!(first.1.contains_key(header::X_CONTENT_TYPE_OPTIONS), "{first:?}");
        for _ in 0..3 {
            assert_eq!(door.ask("GET /page", &[]).await, first);
        }
        assert_eq!((door.routed(), door.pages.given_at_once()), (1, 3));
        let other = door.ask("GET /page?x=1", &[]).await;
        assert_eq!((other, door.routed()), (first, 2), "another address, the same answer");
        door.ask("GET /page?x=1", &[]).await;
        assert_eq!(door.routed(), 2);
    }

    #[tokio::test]
    async fn what_has_changed_is_not_given_again() {
        let door = Door::new();
        let first = door.ask("GET /page", &[]).await;
        door.world.0.fetch_add(1, Ordering::Relaxed);
        let next = door.ask("GET /page", &[]).await;
        assert_ne!(first.2, next.2);
        assert_eq!(door.ask("GET /page", &[]).await, next);
        assert_eq!(door.routed(), 2);
    }

    #[tokio::test]
    async fn who_is_somebody_or_asks_otherwise_is_routed() {
        let door = Door::new();
        door.ask("GET /page", &[]).await;
        for (line, headers) in [
            ("GET /page", [("authorization", "Bearer x")].as_slice()),
            ("GET /page", &[("cookie", "a=b")]),
            ("HEAD /page", &[]),
            ("POST /page", &[]),
        ] {
            door.ask(line, headers).await;
            assert_eq!(door.pages.given_at_once(), 0, "{line} {headers:?}");
        }
        let long = format!("GET /page?{}", "x".repeat(SHARED_PATH_BYTES_MAX));
        door.ask(&long, &[]).await;
        door.ask(&long, &[]).await;
        assert_eq!(door.pages.given_at_once(), 0, "too long to be noted");
    }

    #[tokio::test]
    async fn who_has_it_gets_no_body_at_once_either() {
        let door = Door::new();
        let (_, headers, _) = door.ask("GET /page", &[]).await;
        let tag = headers.get(header::ETAG).expect("a tag").to_str().expect("text").to_owned();
        for _ in 0..2 {
            let (status, headers, body) = door.ask("GET /page", &[("if-none-match", &tag)]).await;
            assert_eq!((status, body.as_str()), (304, ""));
            assert!(headers.contains_key(header::ETAG));
            assert!(!headers.contains_key(header::CONTENT_LENGTH), "{headers:?}");
        }
        assert_eq!((door.routed(), door.pages.given_at_once()), (1, 2));
        // What left as a 304 is not how the whole looks.
        let door = Door::new();
        door.ask("GET /page", &[("if-none-match", "*")]).await;
        let (status, headers, _) = door.ask("GET /page", &[]).await;
        assert_eq!(status, 200);
        assert!(headers.contains_key(header::CONTENT_TYPE));
    }
}
