//! Reading and setting cookies. Over TLS ours carry the `__Host-` prefix, which browsers accept
//! only with Secure, without Domain and for the whole site; on plain loopback they are unprefixed,
//! because some clients never send prefixed ones back there. Source: RFC 6265bis, section 4.1.3.

use http::header::{COOKIE, HeaderMap, HeaderValue};

use crate::limits::COOKIES_MAX;

/// Whether cookies travel over TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TLS, here or in front of us.
    Secure,
    /// Plain HTTP, as on loopback.
    Plain,
}

impl Transport {
    fn name(self, name: &str) -> String {
        match self {
            Self::Secure => format!("__Host-{name}"),
            Self::Plain => name.to_owned(),
        }
    }

    /// The value of one of our cookies.
    #[must_use]
    pub fn read<'a>(self, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        let wanted = self.name(name);
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .take(COOKIES_MAX)
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    }

    /// A `Set-Cookie` value: for the whole site, out of scripts' reach, sent from other sites only
    /// by following a link. Lives `max_age_s` seconds, or until the browser closes. None when the
    /// value cannot be a cookie's.
    #[must_use]
    pub fn set(self, name: &str, value: &str, max_age_s: Option<u64>) -> Option<HeaderValue> {
        self.write(name, value, "; HttpOnly", max_age_s)
    }

    /// The same within reach of our own pages' scripts.
    #[must_use]
    pub fn set_open(self, name: &str, value: &str, max_age_s: u64) -> Option<HeaderValue> {
        self.write(name, value, "", Some(max_age_s))
    }

    fn write(
        self,
        name: &str,
        value: &str,
        reach: &str,
        max_age_s: Option<u64>,
    ) -> Option<HeaderValue> {
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        if !value.bytes().all(allowed) {
            return None;
        }
        let secure = if self == Self::Secure { "; Secure" } else { "" };
        // Each new visitor is given one: joined in one piece, and not looked at again.
        let name = self.name(name);
        let age = max_age_s.map(|age| age.to_string());
        let (max_age, age) = age.as_deref().map_or(("", ""), |age| ("; Max-Age=", age));
        let parts =
            [name.as_str(), "=", value, "; Path=/", reach, "; SameSite=Lax", secure, max_age, age];
        HeaderValue::try_from(parts.concat()).ok()
    }

    /// A `Set-Cookie` value that takes the cookie away.
    #[must_use]
    pub fn clear(self, name: &str) -> Option<HeaderValue> {
        self.set(name, "", Some(0))
    }
}

/// Cookies that are read in front of everything else and taken out of the request there, so that
/// nothing behind takes who carries them for somebody.
#[derive(Clone, Debug)]
pub struct Apart<const N: usize> {
    names: [Box<str>; N],
}

impl<const N: usize> Apart<N> {
    /// Of these names.
    #[must_use]
    pub fn new(transport: Transport, names: [&str; N]) -> Self {
        Self { names: names.map(|name| transport.name(name).into()) }
    }

    /// What such a cookie is called as it travels, in the order of [`Self::new`].
    #[must_use]
    pub fn name(&self, place: usize) -> &str {
        self.names.get(place).map_or("", |name| &**name)
    }

    /// Their values; none where the request has no such cookie. Of several of one name the first
    /// counts.
    #[must_use]
    pub fn read<'a>(&self, headers: &'a HeaderMap) -> Option<[Option<&'a str>; N]> {
        let mut found = [None; N];
        let mut any = false;
        for pair in headers.get_all(COOKIE).iter().flat_map(pairs) {
            let Some((place, value)) = self.place(pair) else { continue };
            any = true;
            if let Some(slot) = found.get_mut(place) {
                *slot = slot.or_else(|| std::str::from_utf8(value).ok());
            }
        }
        any.then_some(found)
    }

    /// Takes them out; a header of nothing else goes whole.
    pub fn strip(&self, headers: &mut HeaderMap) {
        let mut left = Vec::new();
        for pair in headers.get_all(COOKIE).iter().flat_map(pairs) {
            if self.place(pair).is_none() && !pair.is_empty() {
                if !left.is_empty() {
                    left.extend_from_slice(b"; ");
                }
                left.extend_from_slice(pair);
            }
        }
        // All lines go, and what is left comes back as one.
        let was_there = headers.remove(COOKIE).is_some();
        if was_there
            && !left.is_empty()
            && let Ok(value) = HeaderValue::from_bytes(&left)
        {
            headers.insert(COOKIE, value);
        }
    }

    fn place<'a>(&self, pair: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair.get(..at)?, pair.get(at + 1..)?);
        let place = self.names.iter().position(|known| known.as_bytes() == name)?;
        Some((place, value))
    }
}

/// The pairs of one header.
fn pairs(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_set_and_read_by_transport() {
        let set = Transport::Secure.set("session", "abc", Some(60)).expect("a cookie");
        assert_eq!(
            set.to_str().ok(),
            Some("__Host-session=abc; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60")
        );
        let open = Transport::Plain.set_open("challenge", "abc", 60).expect("a cookie");
        assert_eq!(open.to_str().ok(), Some("challenge=abc; Path=/; SameSite=Lax; Max-Age=60"));
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; __Host-session=abc;b=2; session=x"));
        assert_eq!(Transport::Secure.read(&headers, "session"), Some("abc"));
        assert_eq!(Transport::Plain.read(&headers, "session"), Some("x"));
        assert_eq!(Transport::Plain.read(&headers, "absent"), None);
    }

    #[test]
    fn a_value_that_would_split_the_header_is_refused() {
        for value in ["a;b", "a b", "a\r\nSet-Cookie: x=1", "a,b", "\"", "é"] {
            assert!(Transport::Plain.set("session", value, None).is_none(), "{value}");
        }
    }

    /// What is found in headers, and what is left of them.
    #[track_caller]
    fn apart(lines: &[&str], found: Option<[Option<&str>; 2]>, left: &[&str]) {
        let ours = Apart::new(Transport::Plain, ["visit", "waiting"]);
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line.as_bytes()).expect("a header");
            headers.append(COOKIE, value);
        }
        assert_eq!(ours.read(&headers), found, "{lines:?}");
        ours.strip(&mut headers);
        let rest: Vec<_> = headers.get_all(COOKIE).iter().map(|line| line.as_bytes()).collect();
        assert_eq!(rest, left.iter().map(|line| line.as_bytes()).collect::<Vec<_>>(), "{lines:?}");
    }

    #[test]
    fn what_stands_apart_is_read_and_taken_out() {
        apart(&[], None, &[]);
        apart(&["a=1; b=2"], None, &["a=1; b=2"]);
        apart(&["visit=x"], Some([Some("x"), None]), &[]);
        apart(&["a=1; visit=x; b=2"], Some([Some("x"), None]), &["a=1; b=2"]);
        apart(&["a=1;visit=x ;waiting=y"], Some([Some("x"), Some("y")]), &["a=1"]);
        apart(&["visit=x; visit=y"], Some([Some("x"), None]), &[]);
        apart(&["visit=x", "session=s", "waiting="], Some([Some("x"), Some("")]), &["session=s"]);
        apart(&["a=1", "b=visit=x"], None, &["a=1; b=visit=x"]);
        apart(&["visit=\u{e9}"], Some([Some("\u{e9}"), None]), &[]);
        apart(&["visit; waiting"], None, &["visit; waiting"]);
        apart(&[";; ;visit=x;;"], Some([Some("x"), None]), &[]);
        let many = "visit=x; ".repeat(2_000) + "a=1";
        apart(&[&many], Some([Some("x"), None]), &["a=1"]);
    }

    #[test]
    fn over_tls_only_the_prefixed_names_are_ours() {
        let ours = Apart::new(Transport::Secure, ["visit"]);
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("visit=x; __Host-visit=y"));
        assert_eq!(ours.read(&headers), Some([Some("y")]));
        assert_eq!(ours.name(0), "__Host-visit");
        ours.strip(&mut headers);
        assert_eq!(headers.get(COOKIE).map(HeaderValue::as_bytes), Some(&b"visit=x"[..]));
    }
}
