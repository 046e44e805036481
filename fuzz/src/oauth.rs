//! What OAuth clients send: scopes, PKCE, HTTP Basic, redirect addresses. What is accepted is in
//! one normal form, and a redirect never smuggles a directive into a policy.

use http::{HeaderMap, HeaderValue, header};
use httpkit::value::Value;
use httpkit::{body, oauth};
use model::scope;

/// Tries one input.
pub fn run(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    scopes(query);
    source(query);
    if let Ok(value) = HeaderValue::from_str(query) {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value);
        if let Some((id, _)) = oauth::basic(&headers) {
            assert!(!id.contains(':'), "an identifier ends at the first colon");
        }
    }
    let Ok(params) = body::query_of(Some(query)) else { return };
    crate::bounds::hold(&params);
    let text = |name: &str| match params.get(name) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let (challenge, method) = (text("code_challenge"), text("code_challenge_method"));
    if oauth::challenge(challenge, method).is_ok() {
        let challenge = challenge.unwrap_or_default();
        assert!(challenge.is_empty() || (challenge.len() == 43 && method == Some("S256")));
    }
    if let Some(asked) = text("scope") {
        scopes(asked);
    }
    if let Some(uri) = text("redirect_uri") {
        source(uri);
    }
}

fn scopes(text: &str) {
    let Some(known) = scope::parse(text) else { return };
    let again = scope::parse(&scope::names(known).join(" "));
    assert!(again == Some(known), "scopes change when read back: {text}");
}

/// A source of a policy is of harmless characters alone: no space, quote, wildcard or semicolon.
fn source(uri: &str) {
    let source = oauth::redirect_source(uri);
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-.:[]/".contains(c);
    assert!(source.chars().all(plain), "{source}");
}
