//! Gives every request an id, answers with it, and fills the body of a 5xx with it alone; the
//! cause goes to the log under the same id. A client's own id is not taken over: it could forge
//! log lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request, Uri};

use crate::error::Failure;
use crate::hook::{After, Hook};
use crate::limits::{PATH_WORD_BYTES_MAX, PATH_WORDS_MAX};

/// The header that carries the id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request at hand, in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(u64);

impl RequestId {
    /// As a header, its sixteen digits written without going through formatting.
    #[must_use]
    pub fn header(self) -> HeaderValue {
        let mut digits = [0_u8; 16];
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            let four = (self.0 >> (4 * place)) & 0xF;
            let four = u8::try_from(four).unwrap_or(0);
            *digit = if four < 10 { b'0' + four } else { b'a' + four - 10 };
        }
        HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("0"))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// Issues ids: a counter from a random start, mixed so that neighbours look unlike.
#[derive(Clone, Debug)]
pub struct RequestIds(Arc<AtomicU64>);

impl RequestIds {
    /// Starts at a random number, so that two runs do not share ids.
    #[must_use]
    pub fn starting_at(random: u64) -> Self {
        Self(Arc::new(AtomicU64::new(random)))
    }

    /// An id for a request whose answer is made elsewhere: it is put into the request's extensions
    /// where it goes on.
    #[must_use]
    pub fn next(&self) -> RequestId {
        let mut mixed = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        RequestId(mixed ^ (mixed >> 31))
    }
}

/// Gives each request its id, and its answer the same.
impl Hook for RequestIds {
    type Kept = Asked;

    fn before<B>(&self, request: &mut Request<B>) -> Result<Asked, Box<Response>> {
        let id = match request.extensions().get() {
            Some(id) => *id,
            None => {
                let id = self.next();
                request.extensions_mut().insert(id);
                id
            }
        };
        Ok(Asked { id, method: request.method().clone(), uri: request.uri().clone() })
    }

    fn after(&self, asked: Asked, mut response: Response) -> After {
        let Asked { id, method, uri } = asked;
        if response.status().is_server_error() {
            let failure = response.extensions_mut().remove::<Failure>();
            let Failure { cause, shown: told } = failure.unwrap_or_default();
            let (status, path) = (response.status().as_u16(), shown(uri.path()));
            tracing::error!(request_id = %id, %method, path, status, cause, "request failed");
            explain(&mut response, &id.to_string(), told.unwrap_or("Something went wrong"));
        }
        response.headers_mut().insert(REQUEST_ID, id.header());
        After::Now(response)
    }
}

/// What is remembered of a request until its answer is there.
#[derive(Debug)]
pub struct Asked {
    id: RequestId,
    method: Method,
    uri: Uri,
}

/// A path as the log may have it: words and ids; whatever else stands in it (names, keys, tokens
/// that somebody put there) is nobody's but its caller's.
fn shown(path: &str) -> String {
    let is_plain = |part: &str| {
        part.len() <= PATH_WORD_BYTES_MAX
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let parts: Vec<&str> = path
        .split('/')
        .take(PATH_WORDS_MAX)
        .map(|part| if is_plain(part) { part } else { "*" })
        .collect();
    parts.join("/")
}

/// Replaces the body of a 5xx by one that says a fixed sentence, the id and nothing else.
fn explain(response: &mut Response, id: &str, what: &'static str) {
    let body = format!(r#"{{"error":"{what}. Request {id}","request_id":"{id}"}}"#);
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ApiError;
    use crate::hook::Hooked;
    use axum::Router;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use model::StoreError;
    use tower::ServiceExt;

    async fn answer(path: &str) -> (u16, String, String) {
        let router = Router::new()
            .route("/fine", get(async || "fine"))
            .route("/broken", get(async || ApiError::internal().with_cause("secret")))
            .route("/full", get(async || ApiError::from(StoreError::Full)))
            .route(
                "/late",
                get(async || ApiError::from(StoreError::Unsettled { retry_after_s: 1 })),
            );
        let router = Hooked::new(router, RequestIds::starting_at(7));
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        let id = response.headers().get(REQUEST_ID).expect("an id").to_str().expect("text");
        let (status, id) = (response.status().as_u16(), id.to_owned());
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, id, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn a_failure_says_its_id_and_nothing_else() {
        let (status, id, body) = answer("/broken").await;
        assert_eq!(status, 500);
        assert!(body.contains(&id) && !body.contains("secret"), "{body}");
        for (path, expected, sentence) in [
            ("/full", 507, "No space is left. Request "),
            ("/late", 503, "not told in time whether this was stored"),
        ] {
            let (status, id, body) = answer(path).await;
            assert_eq!(status, expected);
            assert!(body.contains(&id) && body.contains(sentence), "{body}");
        }
        assert_eq!(answer("/fine").await.2, "fine");
    }

    #[test]
    fn an_id_reads_the_same_in_the_header_and_in_the_log() {
        for raw in [0, 1, 0x0123_4567_89AB_CDEF, u64::MAX] {
            let id = RequestId(raw);
            assert_eq!(id.header().to_str().expect("text"), id.to_string());
        }
    }

    #[test]
    fn the_log_has_words_and_ids_of_a_path_and_nothing_else() {
        for (path, expected) in [
            ("/api/v1/statuses/114012345678901234/context", None),
            ("/api/v1/accounts/update_credentials", None),
            ("/", None),
            ("/@ann/1", Some("/*/1")),
            ("/media/5f0cAAbb.png", Some("/media/*")),
            ("/x/0123456789abcdef0123456789abcdef", Some("/x/*")),
            ("/a%20b/c\u{1b}[0m", Some("/*/*")),
            ("/1/2/3/4/5/6/7/8/9", Some("/1/2/3/4/5/6/7")),
        ] {
            assert_eq!(shown(path), expected.unwrap_or(path));
        }
    }

    #[test]
    fn ids_differ() {
        let ids = RequestIds::starting_at(0);
        let seen: std::collections::HashSet<_> =
            (0..1000).map(|_| ids.next().to_string()).collect();
        assert_eq!(seen.len(), 1000);
    }
}
