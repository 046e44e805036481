//! Refusals and failures as pages, for those who asked for pages: a hook around everything, so
//! that what a visitor meets (no such page, a form that was not understood, the store away) reads
//! the same wherever it was decided. Apps keep their JSON.

use crate::{
    Site,
    frame::{self, Frame},
    limits::SENTENCE_BYTES_MAX,
};
use askama::Template;
use axum::{
    body::to_bytes,
    http::{HeaderMap, Request, StatusCode, header},
    response::Response,
};
use httpkit::{
    hook::{After, Hook},
    request_id::REQUEST_ID,
    security::Csp,
};
use serde::Deserialize;

/// A refusal or a failure.
#[derive(Template, Clone, Debug)]
#[template(path = "failure.html")]
pub struct FailurePage {
    /// Around it.
    pub frame: Frame,
    /// The status.
    pub status: u16,
    /// What it means for whoever reads it.
    pub sentence: String,
    /// What to do about it.
    pub advice: &'static str,
    /// For the host's log; only of failures.
    pub request_id: Option<String>,
    /// When to come back, in seconds.
    pub retry_after_s: Option<u64>,
}

/// What apps ask for, whatever they say they accept.
const FOR_APPS: [&str; 8] = [
    "/api/",
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/userinfo",
    "/.well-known/",
    "/nodeinfo/",
    "/health",
    "/ready",
];

fn wants_page(path: &str, headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let html = accepts.flat_map(|line| line.split(',')).any(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
    });
    html && !FOR_APPS.iter().any(|start| path.starts_with(start))
}

fn titled(status: StatusCode, reason: Option<&str>) -> (&'static str, &'static str, &'static str) {
    match (status.as_u16(), reason) {
        (503, Some("store_unsettled")) => (
            "It is not known whether this was stored",
            "This place was not told in time.",
            "Look before you send it again: it may be there already.",
        ),
        (507, _) => (
            "No room is left",
            "Nothing can be stored here at present.",
            "Nothing of this was kept. Whoever runs this place has to make room; tell them.",
        ),
        (code, _) => by_status(code),
    }
}

fn by_status(code: u16) -> (&'static str, &'static str, &'static str) {
    match code {
        404 | 410 => (
            "There is no such page",
            "It may be gone, it may have been mistyped, or it is not for everybody.",
            "The front page shows what is public here.",
        ),
        403 => ("Not for you", "You may not do this.", "Go back, and try it from the page itself."),
        422 | 400 => (
            "This was not understood",
            "Something that was sent is missing or wrong.",
            "Go back and look over what you filled in.",
        ),
        408 => (
            "This took too long",
            "What you sent did not arrive in time.",
            "Send it again; with a weak connection, from a better place.",
        ),
        429 => (
            "Too many at once",
            "More was asked for than one visitor's share.",
            "Wait a little before you try again.",
        ),
        503 => (
            "Away for a moment",
            "This place cannot answer just now.",
            "Nothing is lost. Try again in a little while.",
        ),
        code if code >= 500 => (
            "Something went wrong on our side",
            "It has been written down for whoever runs this place.",
            "Try again; if it stays so, tell them the number below.",
        ),
        _ => ("This cannot be done", "The request was refused.", "Go back and try another way."),
    }
}

#[derive(Deserialize)]
struct Said {
    error: String,
}

/// Shows failures as pages. Put it outside of what gives requests their ids.
#[derive(Clone)]
pub struct FailuresAsPages(pub Site);

impl Hook for FailuresAsPages {
    type Kept = bool;

    fn before<B>(&self, request: &mut Request<B>) -> Result<bool, Box<Response>> {
        Ok(wants_page(request.uri().path(), request.headers()))
    }

    fn after(&self, page: bool, response: Response) -> After {
        let status = response.status();
        let failed = status.is_client_error() || status.is_server_error();
        if page && failed {
            After::Later(Box::pin(as_page(self.0.clone(), response)))
        } else {
            After::Now(response)
        }
    }
}

/// The failure as a page, unless its answer is one already.
async fn as_page(site: Site, response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let json = kind.is_some_and(|kind| kind.starts_with("application/json"));
    let bare = kind.is_none_or(|kind| kind.starts_with("text/plain"));
    if !(json || bare) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let reason = parts.headers.get("fulmar-reason").and_then(|reason| reason.to_str().ok());
    let (title, mut sentence, advice) = titled(status, reason);
    // What a form was refused for is worth reading; of a failure nothing is said.
    let said = if json && matches!(status.as_u16(), 400 | 403 | 422) {
        let bytes = to_bytes(body, SENTENCE_BYTES_MAX).await.unwrap_or_default();
        serde_json::from_slice::<Said>(&bytes).ok().map(|said| said.error)
    } else {
        None
    };
    if let Some(said) = &said {
        sentence = said;
    }
    let text =
        |name| parts.headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let made = FailurePage {
        frame: Frame::unlisted(&site, title),
        status: status.as_u16(),
        sentence: sentence.to_owned(),
        advice,
        request_id: text(REQUEST_ID).filter(|_| status.is_server_error()).map(str::to_owned),
        retry_after_s: text(header::RETRY_AFTER).and_then(|text| text.parse().ok()),
    };
    match frame::own(&made, status, &Csp::page()) {
        Ok(mut response) => {
            for (name, value) in &parts.headers {
                let body = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING];
                // What the page itself says of these is narrower.
                let own = [header::CONTENT_SECURITY_POLICY, header::REFERRER_POLICY];
                if !own.contains(name) && !body.contains(name) {
                    response.headers_mut().insert(name.clone(), value.clone());
                }
            }
            response
        }
        Err(_) => Response::from_parts(parts, axum::body::Body::empty()),
    }
}

#[cfg(test)]
impl crate::samples::Samples for FailurePage {
    fn samples() -> Vec<Self> {
        let codes = [400_u16, 403, 404, 408, 418, 422, 429, 500, 503, 507];
        let pages = codes.iter().map(|code| {
            let status = StatusCode::from_u16(*code).expect("a status");
            let (_, _, advice) = titled(status, None);
            Self {
                frame: crate::samples::frame(),
                status: *code,
                sentence: crate::samples::HOSTILE.into(),
                advice,
                request_id: status.is_server_error().then(|| "00ff".into()),
                retry_after_s: (*code == 503).then_some(5),
            }
        });
        pages.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_to_try_again_who_may_do_a_deed_twice_or_in_vain() {
        for (status, reason, again) in [
            (StatusCode::SERVICE_UNAVAILABLE, Some("store_away"), true),
            (StatusCode::SERVICE_UNAVAILABLE, None, true),
            (StatusCode::SERVICE_UNAVAILABLE, Some("store_unsettled"), false),
            (StatusCode::INSUFFICIENT_STORAGE, Some("disk_full"), false),
        ] {
            let (_, _, advice) = titled(status, reason);
            assert_eq!(advice.contains("Try again"), again, "{status} {reason:?}: {advice}");
        }
    }

    #[test]
    fn pages_are_for_those_who_ask_for_pages() {
        for (path, accept, page) in [
            ("/@nobody", "text/html,application/xhtml+xml;q=0.9", true),
            ("/@nobody", "Text/HTML;q=0.8", true),
            ("/@nobody", "*/*", false),
            ("/@nobody", "application/json", false),
            ("/api/v1/nothing", "text/html", false),
            ("/oauth/token", "text/html", false),
            ("/oauth/authorize", "text/html", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a header"));
            assert_eq!(wants_page(path, &headers), page, "{path} {accept}");
        }
    }
}
