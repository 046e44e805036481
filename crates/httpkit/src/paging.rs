//! Paging parameters and the `Link` header (RFC 8288) that leads to the neighbouring pages.
//! Source: <https://docs.joinmastodon.org/api/guidelines/#pagination>.

use crate::{lenient, limits::PAGE_LIMIT_MAX};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use model::Page;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;

const ENDS: &AsciiSet = &CONTROLS.add(b'<').add(b'>').add(b'"').add(b' ');

/// Paging parameters as sent. An id that is none is left out, as Mastodon does: old apps send
/// `max_id=` and the like.
#[derive(Deserialize, Default, Debug, Clone)]
pub struct PageQuery {
    #[serde(default, deserialize_with = "lenient::text")]
    max_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    since_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    min_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    limit: Option<String>,
}

impl PageQuery {
    /// As a window, `usual` entries long unless asked otherwise, `most` at most.
    pub fn page(&self, usual: u32, most: u32) -> Page {
        let id = |text: &Option<String>| {
            text.as_ref().and_then(|t| t.parse::<i64>().ok()).filter(|id| *id >= 0)
        };
        let limit = self.limit.as_ref().and_then(|t| t.parse::<u32>().ok()).unwrap_or(usual);
        Page {
            max_id: id(&self.max_id),
            since_id: id(&self.since_id),
            min_id: id(&self.min_id),
            limit: limit.clamp(1, most.min(PAGE_LIMIT_MAX)),
        }
    }
}

impl PageQuery {
    /// Whether `limit=0` is asked for: on the few routes where Mastodon says so, everything.
    pub fn is_unlimited(&self) -> bool {
        self.limit.as_deref() == Some("0")
    }
}

/// The `Link` header of a page whose entries have these first (newest) and last ids. The other
/// parameters of the request are kept.
pub fn link(base_url: &str, uri: &Uri, first: i64, last: i64) -> HeaderMap {
    let keep: Vec<&str> = uri
        .query()
        .unwrap_or("")
        .split('&')
        .filter(|pair| {
            let name = pair.split('=').next().unwrap_or("");
            !pair.is_empty() && !matches!(name, "max_id" | "since_id" | "min_id" | "access_token")
        })
        .collect();
    // What would end the `<...>` of a link is escaped; everything else stays as it came.
    let kept: String =
        keep.iter().map(|pair| format!("{}&", utf8_percent_encode(pair, ENDS))).collect();
    let path = uri.path();
    let text = format!(
        "<{base_url}{path}?{kept}max_id={last}>; rel=\"next\", \
         <{base_url}{path}?{kept}min_id={first}>; rel=\"prev\""
    );
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(header::LINK, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_clamped_and_nonsense_is_left_out() {
        let sent = |max_id: &str, limit: &str| PageQuery {
            max_id: Some(max_id.into()),
            limit: Some(limit.into()),
            ..PageQuery::default()
        };
        assert_eq!(sent("7", "5").page(20, 40).max_id, Some(7));
        for bad in ["", "x", "-1", "99999999999999999999"] {
            assert_eq!(sent(bad, bad).page(20, 40), Page::newest(20), "{bad}");
        }
        assert_eq!(sent("", "0").page(20, 40).limit, 1);
        assert_eq!(sent("", "4000").page(20, 40).limit, 40);
    }

    #[test]
    fn links_keep_other_parameters() {
        let uri: Uri = "/api/v1/timelines/public?local=true&max_id=9".parse().unwrap();
        let headers = link("https://h", &uri, 8, 3);
        assert_eq!(
            headers[header::LINK],
            "<https://h/api/v1/timelines/public?local=true&max_id=3>; rel=\"next\", \
             <https://h/api/v1/timelines/public?local=true&min_id=8>; rel=\"prev\""
        );
    }

    proptest::proptest! {
        #[test]
        fn any_query_gives_a_window_and_two_links(query in "[a-z_=&%\\[\\]0-9+<>;,\"-]{0,80}") {
            let Ok(uri) = format!("/x?{query}").parse::<Uri>() else { return Ok(()) };
            if let Ok(params) = crate::body::query_of(uri.query()) {
                let read: Result<PageQuery, _> = crate::reader::read(params);
                let limit = read.map_or(1, |read| read.page(20, 40).limit);
                proptest::prop_assert!((1..=40).contains(&limit));
            }
            let headers = link("https://h", &uri, 8, 3);
            let links = headers[header::LINK].to_str().expect("text").to_owned();
            proptest::prop_assert_eq!(links.matches('>').count(), 2, "{}", links);
        }
    }
}
