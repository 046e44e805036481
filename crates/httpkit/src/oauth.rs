//! Pure readings of what OAuth clients send beside their parameters: HTTP Basic, PKCE, and where a
//! redirect leads. They look at text alone, so that fuzzing calls them directly; who the client is
//! and what it may do is left to the routes. Source: RFC 6749, RFC 7636, RFC 7617.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};

/// The client's identifier and secret from an `Authorization: Basic` header (RFC 6749, 2.3.1).
#[must_use]
pub fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let bytes = STANDARD.decode(value.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// Whether PKCE is asked for in a form that proves something, or not at all (RFC 7636, 4.3). A
/// method without a challenge is an app that believes itself protected and is not.
///
/// # Errors
/// With what is wrong, for the app's author.
pub fn challenge(challenge: Option<&str>, method: Option<&str>) -> Result<(), &'static str> {
    // BASE64URL of SHA-256 without padding.
    const LENGTH: usize = 43;
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match (challenge.filter(|c| !c.is_empty()), method.filter(|m| !m.is_empty())) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err("code_challenge is missing"),
        (Some(challenge), Some("S256")) => {
            if challenge.len() == LENGTH && challenge.bytes().all(is_base64url) {
                Ok(())
            } else {
                Err("code_challenge is not a SHA-256 in base64url")
            }
        }
        (Some(_), _) => Err("Only code_challenge_method=S256 is supported"),
    }
}

/// The origin (or scheme) of a redirect, for `form-action`: Chromium applies it to redirects too.
/// Empty when the address has no scheme (RFC 3986, 3.1): nothing else may enter a policy.
#[must_use]
pub fn redirect_source(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once(':') else { return String::new() };
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(of_scheme) {
        return String::new();
    }
    let host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '[' | ']');
    match host {
        Some(host)
            if matches!(scheme, "http" | "https")
                && !host.is_empty()
                && host.chars().all(plain) =>
        {
            format!("{scheme}://{host}")
        }
        _ => format!("{scheme}:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_that_proves_nothing_is_refused() {
        let proof = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"; // RFC 7636 appendix B
        for (challenge, method, fine) in [
            (None, None, true),
            (Some(""), Some(""), true),
            (Some(proof), Some("S256"), true),
            (None, Some("S256"), false),
            (Some(""), Some("S256"), false),
            (Some(proof), None, false),
            (Some(proof), Some("plain"), false),
            (Some("short"), Some("S256"), false),
            (Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"), Some("S256"), false),
        ] {
            let answer = super::challenge(challenge, method);
            assert_eq!(answer.is_ok(), fine, "{challenge:?} {method:?}");
        }
    }

    #[test]
    fn form_action_admits_the_redirect_and_nothing_smuggled() {
        for (uri, source) in [
            ("https://app.example/cb?x=1", "https://app.example"),
            ("http://127.0.0.1:9/cb", "http://127.0.0.1:9"),
            ("myapp://cb", "myapp:"),
            ("urn:ietf:wg:oauth:2.0:oob", "urn:"),
            ("https://a;script-src *", "https:"),
        ] {
            assert_eq!(redirect_source(uri), source, "{uri}");
        }
    }
}
