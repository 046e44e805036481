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
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        if !value.bytes().all(allowed) {
            return None;
        }
        let secure = if self == Self::Secure { "; Secure" } else { "" };
        let age = max_age_s.map_or_else(String::new, |age| format!("; Max-Age={age}"));
        let name = self.name(name);
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
        HeaderValue::from_str(&cookie).ok()
    }

    /// A `Set-Cookie` value that takes the cookie away.
    #[must_use]
    pub fn clear(self, name: &str) -> Option<HeaderValue> {
        self.set(name, "", Some(0))
    }
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
}
