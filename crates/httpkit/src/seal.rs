//! Sealed strings: a payload and its MAC in base64url. Access tokens, session cookies and form
//! tokens are these, so that a forged one is refused without asking the database.

use crate::limits::SEALED_CHARACTERS_MAX;
use aws_lc_rs::{constant_time, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Bytes of the MAC that are kept: 128 bits.
const TAG_BYTES: usize = 16;

/// What a sealed string is for; one kind never opens as another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// An OAuth access token.
    Token = 1,
    /// A browser session's cookie.
    Session = 2,
    /// A form's protection against requests from elsewhere.
    Form = 3,
}

/// Seals and opens with one key.
pub struct Sealer {
    key: hmac::Key,
}

impl Sealer {
    /// With a secret key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    fn tag(&self, kind: Kind, payload: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[kind as u8]);
        context.update(payload);
        context.sign()
    }

    /// The sealed string.
    pub fn seal(&self, kind: Kind, payload: &[u8]) -> String {
        let tag = self.tag(kind, payload);
        let mut bytes = payload.to_vec();
        bytes.extend_from_slice(tag.as_ref().get(..TAG_BYTES).unwrap_or_default());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The payload, if this key sealed it for this kind. Takes as long whatever is wrong.
    pub fn open(&self, kind: Kind, text: &str) -> Option<Vec<u8>> {
        if text.len() > SEALED_CHARACTERS_MAX {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let split = bytes.len().checked_sub(TAG_BYTES)?;
        let (payload, tag) = bytes.split_at(split);
        let expected = self.tag(kind, payload);
        constant_time::verify_slices_are_equal(expected.as_ref().get(..TAG_BYTES)?, tag).ok()?;
        bytes.truncate(split);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_opens_and_only_as_what_it_is() {
        let sealer = Sealer::new(&[7; 32]);
        let text = sealer.seal(Kind::Token, b"payload");
        assert_eq!(sealer.open(Kind::Token, &text).as_deref(), Some(&b"payload"[..]));
        assert_eq!(sealer.open(Kind::Session, &text), None);
        assert_eq!(Sealer::new(&[8; 32]).open(Kind::Token, &text), None);
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            if sealer.open(Kind::Token, &forged).is_some() {
                // Only the unused low bits of the last character may differ, and those are
                // refused by the decoder; so nothing opens.
                panic!("a forged string opened: {forged}");
            }
        }
        for bad in ["", "A", "====", &"A".repeat(10_000)] {
            assert_eq!(sealer.open(Kind::Token, bad), None);
        }
    }
}
