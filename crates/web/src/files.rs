//! The files of the pages: one stylesheet under a name that changes with it, so that browsers may
//! keep it for ever, the icon, and what crawlers are asked.

use crate::{Site, refusal::Refused};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use httpkit::etag::{etag, not_modified};
use std::sync::LazyLock;

const STYLE: &str = include_str!("../static/style.css");
const ICON: &str = include_str!("../static/icon.svg");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const A_DAY: HeaderValue = HeaderValue::from_static("public, max-age=86400");

/// Where the stylesheet is: its name says what is in it.
static STYLE_PATH: LazyLock<String> = LazyLock::new(|| {
    let tag = etag(STYLE.as_bytes());
    let name: String = tag.to_str().unwrap_or_default().chars().skip(3).take(16).collect();
    format!("/assets/style-{name}.css")
});

/// The address of the stylesheet.
pub(crate) fn style_path() -> &'static str {
    STYLE_PATH.as_str()
}

/// `GET /assets/style-….css`. Under another name it is another version, which is not here.
pub(crate) async fn asset(Path(file): Path<String>) -> Result<Response, Refused> {
    if style_path().strip_prefix("/assets/") != Some(file.as_str()) {
        return Err(Refused::nowhere());
    }
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, FOR_EVER)], STYLE).into_response())
}

/// `GET /favicon.svg`, and what old browsers ask for without being told.
pub(crate) async fn icon(asked: HeaderMap) -> Response {
    let tag = etag(ICON.as_bytes());
    if not_modified(&asked, &tag) {
        return (axum::http::StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let kind = HeaderValue::from_static("image/svg+xml");
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, A_DAY), (header::ETAG, tag)];
    (headers, ICON).into_response()
}

/// `GET /robots.txt`: public pages may be read; forms and the API have nothing for crawlers.
pub(crate) async fn robots(State(_): State<Site>) -> Response {
    let text = "User-agent: *\nDisallow: /api/\nDisallow: /oauth/\nDisallow: /auth/\n\
                Disallow: /settings/\n";
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, A_DAY)], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_has_a_name_of_its_own_and_fetches_nothing_else() {
        let name = style_path();
        assert!(name.starts_with("/assets/style-") && name.ends_with(".css"), "{name}");
        assert_eq!(name.len(), "/assets/style-".len() + 16 + 4);
        for outside in ["url(", "@import", "expression"] {
            assert!(!STYLE.contains(outside), "{outside}");
        }
        assert!(!ICON.contains("<script") && !ICON.contains("href"));
    }
}
