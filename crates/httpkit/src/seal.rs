//! Sealed strings: a payload and its MAC in base64url. Access tokens, session cookies and form
//! tokens are these, so that a forged one is refused without asking the database.

use crate::limits::SEALED_CHARACTERS_MAX;
use aws_lc_rs::{constant_time, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Bytes of the MAC that are kept: 128 bits.
const TAG_BYTES: usize = 16;
/// Bytes that a sealed payload may have, so that its string is short enough to be opened again.
pub const PAYLOAD_BYTES_MAX: usize = SEALED_CHARACTERS_MAX / 4 * 3 - TAG_BYTES;

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
    /// A browser that somebody logged in with before.
    Device = 4,
    /// From where somebody logged in.
    Place = 5,
    /// A browser that was here before.
    Visit = 6,
    /// What a browser earned that answered a challenge.
    Clearance = 7,
    /// A challenge, and since when whoever has it waits.
    Challenge = 8,
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

    /// A secret of its own for another purpose, which tells nothing about this key.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        // No kind has this number.
        context.update(&[0]);
        context.update(purpose.as_bytes());
        context.sign().as_ref().first_chunk().copied().unwrap_or_default()
    }

    fn tag(&self, kind: Kind, payload: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[kind as u8]);
        context.update(payload);
        context.sign()
    }

    /// The sealed string. Anyone can read the payload in it, nobody else can make one. A payload of
    /// more than [`PAYLOAD_BYTES_MAX`] is a defect of the caller: its string never opens.
    pub fn seal(&self, kind: Kind, payload: &[u8]) -> String {
        debug_assert!(payload.len() <= PAYLOAD_BYTES_MAX, "a sealed payload that cannot open");
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

    /// The same, for one bearer: it opens only for who is told apart by the same bytes, which are
    /// not in it. Payloads of a kind that is bound are all of one length.
    pub fn seal_for(&self, kind: Kind, payload: &[u8], bearer: &[&[u8]]) -> String {
        debug_assert!(payload.len() <= PAYLOAD_BYTES_MAX, "a sealed payload that cannot open");
        let tag = self.tag_for(kind, payload, bearer);
        let mut bytes = Vec::with_capacity(payload.len() + TAG_BYTES);
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(tag.as_ref().get(..TAG_BYTES).unwrap_or_default());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The payload of `N` bytes, if [`Self::seal_for`] made this text for this bearer.
    pub fn open_for<const N: usize>(
        &self,
        kind: Kind,
        text: &str,
        bearer: &[&[u8]],
    ) -> Option<[u8; N]> {
        if text.len() > SEALED_CHARACTERS_MAX {
            return None;
        }
        let mut room = [0; SEALED_CHARACTERS_MAX];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut room).ok()?;
        let (payload, tag) = room.get(..length)?.split_first_chunk::<N>()?;
        let expected = self.tag_for(kind, payload, bearer);
        constant_time::verify_slices_are_equal(expected.as_ref().get(..TAG_BYTES)?, tag).ok()?;
        Some(*payload)
    }

    fn tag_for(&self, kind: Kind, payload: &[u8], bearer: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[kind as u8]);
        context.update(payload);
        for part in bearer {
            context.update(part);
        }
        context.sign()
    }

    /// The MAC alone: it shows that we have seen this text, and tells nothing about it.
    pub fn sign(&self, kind: Kind, text: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.tag(kind, text).as_ref().get(..TAG_BYTES).unwrap_or_default())
    }

    /// Whether [`Self::sign`] made this MAC with this key for this kind and text.
    pub fn verify(&self, kind: Kind, text: &[u8], signature: &str) -> bool {
        if signature.len() > SEALED_CHARACTERS_MAX {
            return false;
        }
        let Ok(given) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        let tag = self.tag(kind, text);
        let expected = tag.as_ref().get(..TAG_BYTES).unwrap_or_default();
        constant_time::verify_slices_are_equal(expected, &given).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_a_secret_of_its_own() {
        let sealer = Sealer::new(&[7; 32]);
        assert_eq!(sealer.derive("one"), Sealer::new(&[7; 32]).derive("one"));
        assert_ne!(sealer.derive("one"), sealer.derive("other"));
        assert_ne!(sealer.derive("one"), Sealer::new(&[8; 32]).derive("one"));
        assert_ne!(sealer.derive("one"), [0; 32]);
    }

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

    #[test]
    fn what_is_bound_opens_for_its_bearer_alone() {
        let sealer = Sealer::new(&[7; 32]);
        let text = sealer.seal_for(Kind::Visit, &[1, 2, 3], &[b"ann", b"her browser"]);
        let open = |kind, bearer: &[&[u8]]| sealer.open_for::<3>(kind, &text, bearer);
        assert_eq!(open(Kind::Visit, &[b"ann", b"her browser"]), Some([1, 2, 3]));
        assert_eq!(open(Kind::Visit, &[b"ben", b"her browser"]), None);
        assert_eq!(open(Kind::Visit, &[b"ann"]), None);
        assert_eq!(open(Kind::Visit, &[]), None);
        assert_eq!(open(Kind::Clearance, &[b"ann", b"her browser"]), None);
        let whole: &[&[u8]] = &[b"ann", b"her browser"];
        assert_eq!(sealer.open_for::<2>(Kind::Visit, &text, whole), None, "another length");
        assert_eq!(Sealer::new(&[8; 32]).open_for::<3>(Kind::Visit, &text, whole), None);
        for bad in ["", "A", "====", &text[1..], &format!("{text}A"), &"A".repeat(10_000)] {
            assert_eq!(sealer.open_for::<3>(Kind::Visit, bad, whole), None, "{bad}");
        }
    }

    #[test]
    fn the_format_is_the_one_that_clients_hold() {
        // Reckoned apart from this code: base64url(payload, HMAC-SHA256(key, 1 payload)[..16]).
        let held = "cGF5bG9hZNPAWX8TJEf-kpRnWp2pkCg";
        let sealer = Sealer::new(&[7; 32]);
        assert_eq!(sealer.seal(Kind::Token, b"payload"), held);
        assert_eq!(sealer.open(Kind::Token, held).as_deref(), Some(&b"payload"[..]));
    }

    #[test]
    fn a_signature_holds_for_its_text_kind_and_key_and_does_not_show_the_text() {
        let sealer = Sealer::new(&[7; 32]);
        let signature = sealer.sign(Kind::Form, b"session");
        assert!(sealer.verify(Kind::Form, b"session", &signature));
        assert!(!sealer.verify(Kind::Form, b"other", &signature));
        assert!(!sealer.verify(Kind::Session, b"session", &signature));
        assert!(!Sealer::new(&[8; 32]).verify(Kind::Form, b"session", &signature));
        for bad in ["", "A", "====", &signature[..8], &format!("{signature}AAAA")] {
            assert!(!sealer.verify(Kind::Form, b"session", bad), "{bad}");
        }
        assert_eq!(URL_SAFE_NO_PAD.decode(&signature).map(|bytes| bytes.len()), Ok(TAG_BYTES));
    }

    proptest::proptest! {
        #[test]
        fn every_payload_within_the_bound_opens(
            payload in proptest::collection::vec(proptest::num::u8::ANY, 0..=PAYLOAD_BYTES_MAX),
        ) {
            let sealer = Sealer::new(&[7; 32]);
            let text = sealer.seal(Kind::Session, &payload);
            proptest::prop_assert!(text.len() <= SEALED_CHARACTERS_MAX);
            proptest::prop_assert_eq!(sealer.open(Kind::Session, &text), Some(payload));
        }

        #[test]
        fn no_text_of_strangers_opens(text in "\\PC{0,300}|[A-Za-z0-9_-]{0,300}") {
            let sealer = Sealer::new(&[7; 32]);
            proptest::prop_assert_eq!(sealer.open(Kind::Token, &text), None);
            proptest::prop_assert!(!sealer.verify(Kind::Form, b"session", &text));
        }
    }
}
