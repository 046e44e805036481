//! Forms of our pages are accepted only from our pages: the browser's own word first
//! (Sec-Fetch-Site, then Origin), then a token in the form that is bound to the session. The API
//! needs none of it: it takes a bearer token, which a browser never adds by itself. Source: Fetch
//! Metadata, section 2.4; OWASP Cross-Site Request Forgery Prevention.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

use crate::seal::{Kind, Sealer};

/// A form that did not come from our pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the form did not come from this site")]
pub struct CrossSite;

/// Asks the browser's headers whether the request comes from our own pages. Requests with neither
/// header (no browser of the last years) pass on to the token check.
///
/// # Errors
/// When it comes from elsewhere.
pub fn same_site(headers: &HeaderMap, own_host: &str) -> Result<(), CrossSite> {
    if let Some(site) = headers.get("sec-fetch-site") {
        match site.as_bytes() {
            b"same-origin" | b"none" => {}
            _ => return Err(CrossSite),
        }
    }
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().map_err(|_| CrossSite)?;
    let (_, host) = origin.split_once("://").ok_or(CrossSite)?;
    let asked = headers.get(HOST).and_then(|host| host.to_str().ok());
    let ours = host.eq_ignore_ascii_case(own_host)
        || asked.is_some_and(|asked| asked.eq_ignore_ascii_case(host));
    if ours { Ok(()) } else { Err(CrossSite) }
}

/// The token for forms shown in this session (or, before log-in, to the holder of this cookie).
/// It is a MAC of the session and does not contain it: the page must not give away what the
/// cookie's `HttpOnly` keeps from scripts. The session may be of any length.
#[must_use]
pub fn token(sealer: &Sealer, session: &str) -> String {
    sealer.sign(Kind::Form, session.as_bytes())
}

/// Checks the token that came back with a form.
///
/// # Errors
/// When it is not the one shown in this session.
pub fn check(sealer: &Sealer, session: &str, token: &str) -> Result<(), CrossSite> {
    if sealer.verify(Kind::Form, session.as_bytes(), token) { Ok(()) } else { Err(CrossSite) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn from(pairs: &[(&'static str, &'static str)]) -> Result<(), CrossSite> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        same_site(&headers, "example.org")
    }

    #[test]
    fn our_own_pages_pass() {
        assert_eq!(from(&[]), Ok(()));
        assert_eq!(from(&[("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(from(&[("origin", "https://example.org")]), Ok(()));
        assert_eq!(from(&[("origin", "http://127.0.0.1:80"), ("host", "127.0.0.1:80")]), Ok(()));
    }

    #[test]
    fn others_do_not() {
        assert_eq!(from(&[("sec-fetch-site", "cross-site")]), Err(CrossSite));
        assert_eq!(from(&[("sec-fetch-site", "same-site")]), Err(CrossSite));
        assert_eq!(from(&[("origin", "null")]), Err(CrossSite));
        assert_eq!(from(&[("origin", "https://evil.example")]), Err(CrossSite));
        let forged = [("sec-fetch-site", "same-origin"), ("origin", "https://example.org.evil")];
        assert_eq!(from(&forged), Err(CrossSite));
    }

    #[test]
    fn a_token_holds_for_its_session_only() {
        let sealer = Sealer::new(&[3; 32]);
        let shown = token(&sealer, "one");
        assert_eq!(check(&sealer, "one", &shown), Ok(()));
        assert_eq!(check(&sealer, "two", &shown), Err(CrossSite));
        assert_eq!(check(&sealer, "one", ""), Err(CrossSite));
        assert_eq!(check(&Sealer::new(&[4; 32]), "one", &shown), Err(CrossSite));
    }

    #[test]
    fn a_token_does_not_give_the_session_away() {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let sealer = Sealer::new(&[3; 32]);
        let session = sealer.seal(Kind::Session, b"a session's number");
        let shown = URL_SAFE_NO_PAD.decode(token(&sealer, &session)).expect("base64url");
        assert!(!shown.windows(8).any(|part| session.as_bytes().windows(8).any(|s| s == part)));
    }

    #[test]
    fn a_long_session_has_a_token_that_holds() {
        let sealer = Sealer::new(&[3; 32]);
        let session = sealer.seal(Kind::Session, &[9; crate::seal::PAYLOAD_BYTES_MAX]);
        assert_eq!(check(&sealer, &session, &token(&sealer, &session)), Ok(()));
    }
}
