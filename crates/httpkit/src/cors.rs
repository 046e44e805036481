//! Lets scripts of any place use what is not authorised by a cookie, as the Fetch standard has it
//! (<https://fetch.spec.whatwg.org/#http-cors-protocol>). A question whether they may is answered
//! here and goes no further.

use crate::{
    hook::{After, Hook},
    limits::CORS_ANSWER_KEPT_S,
};
use axum::response::Response;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    },
};

const ANYBODY: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET,POST,PUT,PATCH,DELETE");
/// The star does not stand for `Authorization`.
const ALL_HEADERS: HeaderValue = HeaderValue::from_static("*,authorization");

/// Admits everybody to the paths that it is for.
#[derive(Clone)]
pub struct Cors {
    exposed: HeaderValue,
    is_open: fn(&str) -> bool,
}

impl Cors {
    /// Scripts may read these headers, of answers at paths that `is_open` says.
    #[must_use]
    pub fn new<'a>(exposed: impl IntoIterator<Item = &'a str>, is_open: fn(&str) -> bool) -> Self {
        let names: Vec<&str> = exposed.into_iter().collect();
        let exposed = HeaderValue::from_str(&names.join(","));
        Self { exposed: exposed.unwrap_or(HeaderValue::from_static("")), is_open }
    }

    /// Whether scripts of any place may use this path.
    #[must_use]
    pub fn is_open(&self, path: &str) -> bool {
        (self.is_open)(path)
    }

    fn write(&self, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
    }
}

impl Hook for Cors {
    /// Whether the path is open.
    type Kept = bool;

    fn before<B>(&self, request: &mut Request<B>) -> Result<bool, Box<Response>> {
        let is_open = (self.is_open)(request.uri().path());
        if !is_open || request.method() != Method::OPTIONS {
            return Ok(is_open);
        }
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        self.write(headers);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALL_HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, CORS_ANSWER_KEPT_S.into());
        Err(Box::new(response))
    }

    fn after(&self, is_open: bool, mut response: Response) -> After {
        if is_open {
            self.write(response.headers_mut());
        }
        After::Now(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::Hooked;
    use axum::{Router, body::Body, routing::get};
    use tower::ServiceExt as _;

    async fn ask(method: &str, path: &str) -> Response {
        let router = Router::new().route("/api/a", get("a")).route("/page", get("b"));
        let cors = Cors::new(["link", "etag"], |path| path.starts_with("/api/"));
        let request = Request::builder().method(method).uri(path).body(Body::empty());
        Hooked::new(router, cors).oneshot(request.expect("a request")).await.expect("an answer")
    }

    #[tokio::test]
    async fn scripts_may_use_what_is_open_and_nothing_else() {
        for (method, path, status, open) in [
            ("GET", "/api/a", 200, true),
            ("OPTIONS", "/api/a", 204, true),
            ("OPTIONS", "/api/nothing", 204, true),
            ("POST", "/api/a", 405, true),
            ("GET", "/page", 200, false),
            ("OPTIONS", "/page", 405, false),
        ] {
            let response = ask(method, path).await;
            assert_eq!(response.status().as_u16(), status, "{method} {path}");
            let origin = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(origin.is_some(), open, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn a_token_may_be_sent_and_all_methods_used() {
        let headers = ask("OPTIONS", "/api/a").await.into_parts().0.headers;
        let said = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        assert_eq!(said(ACCESS_CONTROL_ALLOW_HEADERS), Some("*,authorization"));
        assert!(said(ACCESS_CONTROL_ALLOW_METHODS).is_some_and(|all| all.contains("DELETE")));
        assert_eq!(said(ACCESS_CONTROL_EXPOSE_HEADERS), Some("link,etag"));
    }
}
