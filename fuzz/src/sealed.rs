//! Sealed strings, form tokens and cookies: only what was sealed opens, in one spelling, and
//! nothing that was changed.

use http::{HeaderMap, HeaderValue, header};
use httpkit::cookie::Transport;
use httpkit::csrf;
use httpkit::seal::{Kind, PAYLOAD_BYTES_MAX, Sealer};

/// Tries one input.
pub fn run(data: &[u8]) {
    let sealer = Sealer::new(&[7; 32]);
    if let Ok(text) = std::str::from_utf8(data) {
        for kind in [Kind::Token, Kind::Session, Kind::Form] {
            if let Some(payload) = sealer.open(kind, text) {
                assert_eq!(sealer.seal(kind, &payload), text, "two spellings of one seal");
            }
        }
        let token = csrf::token(&sealer, text);
        assert!(csrf::check(&sealer, text, &token).is_ok());
        assert!(csrf::check(&sealer, text, text).is_err() || text == token);
        cookies(text);
    }
    let Some((at, payload)) = data.split_first() else { return };
    if payload.len() > PAYLOAD_BYTES_MAX {
        return;
    }
    let text = sealer.seal(Kind::Token, payload);
    assert_eq!(sealer.open(Kind::Token, &text).as_deref(), Some(payload));
    assert_eq!(sealer.open(Kind::Session, &text), None, "one kind opens as another");
    let mut forged = text.into_bytes();
    let place = usize::from(*at) % forged.len();
    forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).expect("base64");
    assert_eq!(sealer.open(Kind::Token, &forged), None, "a changed seal opens");
}

fn cookies(text: &str) {
    for transport in [Transport::Plain, Transport::Secure] {
        if let Some(set) = transport.set("session", text, None) {
            let line = set.to_str().expect("text");
            assert_eq!(line.matches("; Path=/").count(), 1, "{line}");
            let sent = line.split("; ").next().unwrap_or_default();
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(sent).expect("a cookie"));
            assert_eq!(transport.read(&headers, "session"), Some(text), "a cookie changes");
        }
        if let Ok(value) = HeaderValue::from_str(text) {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, value);
            let _found = transport.read(&headers, "session");
        }
    }
}
