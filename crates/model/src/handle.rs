//! Names of people: the username, the domain of another server, and the handle made of both.
//! Parses them; whether an account of that name exists is the store's business.
//!
//! Local usernames are ASCII so that two people cannot look the same; remote ones may also hold
//! dots and dashes, because other software allows them.
//! Source: <https://docs.joinmastodon.org/spec/webfinger/>, RFC 7565, RFC 1035 section 2.3.4.

use crate::limits::{DOMAIN_BYTES, REMOTE_USERNAME_BYTES, USERNAME_CHARACTERS};
use std::fmt;

/// `name` or `name@domain`, as typed into a mention, a search or an import.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Handle {
    /// As typed.
    pub username: String,
    /// Lower case; `None` for this server.
    pub domain: Option<String>,
}

impl Handle {
    /// From `name`, `@name`, `name@domain` or `@name@domain`; also with `acct:` in front.
    /// `None` when either half is no name.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("acct:").unwrap_or(text);
        let text = text.strip_prefix('@').unwrap_or(text);
        let (username, domain) = match text.split_once('@') {
            None => (text, None),
            Some((username, domain)) => (username, Some(domain_key(domain)?)),
        };
        let fits = if domain.is_some() {
            username.len() <= REMOTE_USERNAME_BYTES && name_len(username) == username.len()
        } else {
            is_local_username(username)
        };
        (fits && !username.is_empty()).then(|| Self { username: username.to_owned(), domain })
    }
    /// The same handle seen from the server whose own domain is `home`.
    pub fn seen_from(mut self, home: &str) -> Self {
        if self.domain.as_deref().is_some_and(|domain| domain.eq_ignore_ascii_case(home)) {
            self.domain = None;
        }
        self
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.username)?;
        match &self.domain {
            None => Ok(()),
            Some(domain) => write!(f, "@{domain}"),
        }
    }
}

/// Whether a text may be the username of a local account: letters, digits and underscores.
pub fn is_local_username(text: &str) -> bool {
    !text.is_empty() && text.len() <= USERNAME_CHARACTERS && text.bytes().all(is_name_byte)
}

/// A domain in lower case, with its port if it has one; letters outside ASCII are kept. `None`
/// when it is over 253 bytes, or has an empty or dash-edged label or a character of no host name.
pub fn domain_key(text: &str) -> Option<String> {
    let (host, port) = match text.split_once(':') {
        None => (text, None),
        Some((host, port)) => (host, Some(port)),
    };
    let is_port =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if text.len() > DOMAIN_BYTES || !host.split('.').all(is_label) || !port.is_none_or(is_port) {
        return None;
    }
    let lower = text.to_lowercase();
    // Some letters fall apart in lower case (İ becomes i and a combining dot): the key must be a
    // domain itself, or the same handle would have two spellings.
    let lower_host = lower.split(':').next().unwrap_or_default();
    let holds = lower.len() <= DOMAIN_BYTES && lower_host.split('.').all(is_label);
    holds.then_some(lower)
}

/// Whether a byte may stand in any username.
pub(crate) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Bytes of the longest name at the start of the text; dots and dashes only between name bytes.
pub(crate) fn name_len(text: &str) -> usize {
    let goes_on = |b: u8| is_name_byte(b) || b == b'.' || b == b'-';
    let run = text.bytes().position(|b| !goes_on(b)).unwrap_or(text.len());
    let name = text.get(..run).unwrap_or_default();
    if name.starts_with(['.', '-']) { 0 } else { name.trim_end_matches(['.', '-']).len() }
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_falls_apart_in_lower_case_is_none() {
        assert_eq!(domain_key("\u{130}x.example"), None);
        let key = domain_key("\u{c4}x.Example").expect("a domain");
        assert_eq!(domain_key(&key), Some(key));
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(Handle::parse(text).map(|h| h.to_string()).as_deref(), expected, "{text:?}");
    }

    #[test]
    fn handles_are_read_in_every_usual_spelling() {
        check("alice", Some("alice"));
        check("@Alice_1", Some("Alice_1"));
        check("alice@Example.ORG", Some("alice@example.org"));
        check("acct:a.b-c@example.org:8443", Some("a.b-c@example.org:8443"));
        check("alice@bücher.example", Some("alice@bücher.example"));
    }

    #[test]
    fn what_is_no_handle_is_refused() {
        let long_name = "a".repeat(USERNAME_CHARACTERS + 1);
        let long_domain = format!("a@{}", "x".repeat(DOMAIN_BYTES + 1));
        let long_remote = format!("{}@x.org", "a".repeat(REMOTE_USERNAME_BYTES + 1));
        for text in ["", "@", "@@x.org", "a.b", "älice", "a@", "a@-x.org", "a@x..org", "a\0b"] {
            check(text, None);
        }
        for text in ["a@x.org/path", "a@x.org:99999", "a@x.org:+1", ".a@x.org", "a@x.org@y.org"] {
            check(text, None);
        }
        for text in [&long_name, &long_domain, &long_remote] {
            check(text, None);
        }
    }

    #[test]
    fn a_handle_of_the_own_domain_is_local() {
        let handle = Handle::parse("alice@Example.org").unwrap();
        assert_eq!(handle.clone().seen_from("example.ORG").domain, None);
        assert_eq!(handle.seen_from("example.com").domain.as_deref(), Some("example.org"));
    }
}
