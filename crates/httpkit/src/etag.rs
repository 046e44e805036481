//! Validators for answers that are asked for again and again: an `ETag` of the content, and whether
//! `If-None-Match` says that the client has it already (RFC 9110, sections 8.8.3 and 13.1.2).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HeaderMap, HeaderValue, IF_NONE_MATCH};

/// The tag of a content. Weak, since compression on the way keeps the meaning and not the bytes.
#[must_use]
pub fn etag(content: &[u8]) -> HeaderValue {
    let hash = digest(&SHA256, content);
    let short = URL_SAFE_NO_PAD.encode(hash.as_ref().get(..12).unwrap_or_default());
    HeaderValue::from_str(&format!("W/\"{short}\"")).unwrap_or(HeaderValue::from_static("W/\"\""))
}

/// Whether the client already holds the content with this tag: answer 304 without a body.
#[must_use]
pub fn not_modified(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let Ok(current) = etag.to_str().map(weak) else { return false };
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|tag| tag.trim() == "*" || weak(tag) == current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_is_not_sent_twice() {
        let tag = etag(b"content");
        let asks = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(value).expect("a header"));
            not_modified(&headers, &tag)
        };
        let text = tag.to_str().expect("text");
        assert!(asks(text) && asks(&format!("\"x\", {text}")) && asks("*"));
        assert!(asks(text.trim_start_matches("W/")));
        assert!(!asks("\"x\"") && !asks("") && !not_modified(&HeaderMap::new(), &tag));
        assert_ne!(etag(b"content"), etag(b"other"));
    }
}
