//! Whose request it is, where proxies of the host stand in between: the rightmost address in the
//! header that they write which is no proxy of ours. What stands before it was written by strangers
//! and is not believed. Pure; which networks are proxies, and which header they write, is the
//! host's word.
//!
//! One header is read, never both: a proxy appends to the one that it knows and passes the other on
//! as a stranger wrote it, so that whichever came first in some order could be forged. It is read
//! from its end, so that nothing that a stranger put before can change how the rest is understood.

use http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

use crate::limits::PROXIES_MAX;

/// The header in which proxies say for whom they ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, a list of addresses: what nearly every proxy writes.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The address that a request comes from. `peer` is the other end of the connection; only what a
/// proxy says is followed, one step for each proxy, and a word that is no address ends it.
#[must_use]
pub fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    by: ForwardedBy,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_proxy(client) {
        return client;
    }
    let name = match by {
        ForwardedBy::XForwardedFor => "x-forwarded-for",
        ForwardedBy::Forwarded => "forwarded",
    };
    let lines = headers.get_all(name).iter().rev();
    let steps = lines.flat_map(|line| Steps { left: Some(line.as_bytes()), by });
    for step in steps.take(PROXIES_MAX) {
        let Some(address) = step else { break };
        client = address;
        if !is_proxy(client) {
            break;
        }
    }
    client
}

/// The steps of one line from its end: an address each, or none where there is none to be read.
struct Steps<'a> {
    left: Option<&'a [u8]>,
    by: ForwardedBy,
}

impl Iterator for Steps<'_> {
    type Item = Option<IpAddr>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.left?;
        let (left, step) = split_last(line, b',');
        self.left = left;
        let step = std::str::from_utf8(step).ok();
        Some(match self.by {
            ForwardedBy::XForwardedFor => step.and_then(|step| node(step.trim())),
            ForwardedBy::Forwarded => step.and_then(forwarded_for),
        })
    }
}

/// What stands behind the last separator that is not quoted, and what stands before that one. From
/// the end: a quote that a stranger left open lies before all that our proxies wrote.
fn split_last(text: &[u8], separator: u8) -> (Option<&[u8]>, &[u8]) {
    let mut is_quoted = false;
    for (at, byte) in text.iter().enumerate().rev() {
        if *byte == b'"' {
            let before = text.get(..at).unwrap_or_default();
            let escapes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
            is_quoted ^= escapes % 2 == 0;
        } else if *byte == separator && !is_quoted {
            return (text.get(..at), text.get(at + 1..).unwrap_or_default());
        }
    }
    (None, text)
}

/// The address in the `for` of one step of `Forwarded`. Two of them are none: who knows which one
/// the proxy wrote?
fn forwarded_for(step: &str) -> Option<IpAddr> {
    let (mut left, mut found) = (Some(step.as_bytes()), None);
    while let Some(text) = left {
        let (before, pair) = split_last(text, b';');
        left = before;
        let Some((name, value)) = std::str::from_utf8(pair).ok()?.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case("for") && found.replace(value.trim()).is_some() {
            return None;
        }
    }
    let value = found?;
    match value.strip_prefix('"') {
        // No address needs an escape, so that what has one is none.
        Some(quoted) => node(quoted.strip_suffix('"')?),
        None => node(value),
    }
}

/// An address, with a port or without (RFC 7239, section 6). Whoever is `unknown`, or is named by a
/// word of the proxy's own, has none; a port may be such a word.
fn node(text: &str) -> Option<IpAddr> {
    let is_port = |text: &str| {
        let hidden = text.strip_prefix('_');
        let is_hidden = hidden.is_some_and(|word| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !word.is_empty() && word.bytes().all(fits)
        });
        is_hidden || (text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let by_parts = || {
        let (address, rest) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => text.split_at_checked(text.find(':')?)?,
        };
        let fits = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        let is_six = text.starts_with('[');
        let address = address.parse::<IpAddr>().ok().filter(|found| found.is_ipv6() == is_six)?;
        fits.then_some(address)
    };
    let found = bare().or_else(with_port).or_else(by_parts)?;
    Some(found.to_canonical())
}

/// The number under which an address is counted: IPv4 whole, IPv6 by its first 64 bits, since one
/// subscriber has all the addresses below.
#[must_use]
pub fn principal(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h, ..] = address.octets();
            u64::from_be_bytes([a, b, c, d, e, f, g, h])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    /// Behind the proxies 10.0.0.1, 10.0.0.2 and 2001:db8::1.
    fn client(peer: &str, by: ForwardedBy, lines: &[(&'static str, &[u8])]) -> String {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            let value = HeaderValue::from_bytes(line).expect("a value");
            headers.append(HeaderName::from_static(name), value);
        }
        let proxies = ["10.0.0.1", "10.0.0.2", "2001:db8::1"];
        let is_proxy = |address: IpAddr| proxies.contains(&&*address.to_string());
        client_address(peer.parse().expect("an address"), &headers, by, is_proxy).to_string()
    }

    #[test]
    fn only_proxies_are_believed_and_only_what_they_saw_themselves() {
        let table: [(&str, &[&[u8]], &str); 20] = [
            ("192.0.2.1", &[b"198.51.100.1"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[b"198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &[b"198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"203.0.113.9", b"198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &[b"198.51.100.1", b"10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &[b"203.0.113.9, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &[b"198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &[b"198.51.100.1,"], "10.0.0.1"),
            ("10.0.0.1", &[b"::ffff:198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"2a00:1::7"], "2a00:1::7"),
            ("10.0.0.1", &[b"198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &[b"[2a00:1::7]:4711"], "2a00:1::7"),
            ("10.0.0.1", &[b"fe80::1%eth0"], "10.0.0.1"),
            // What a stranger puts before does not make the proxy's own word unreadable.
            ("10.0.0.1", &["\u{e9}, 198.51.100.1".as_bytes()], "198.51.100.1"),
            ("10.0.0.1", &[b"\xff\xfe, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"\", 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"10.0.0.2, 10.0.0.2"], "10.0.0.2"),
        ];
        for (peer, lines, expected) in table {
            let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            let found = client(peer, ForwardedBy::XForwardedFor, &lines);
            assert_eq!(found, expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_as_the_standard_has_it() {
        let table: [(&str, &[&[u8]], &str); 23] = [
            ("192.0.2.1", &[b"for=198.51.100.1"], "192.0.2.1"),
            ("10.0.0.1", &[b"for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"For=\"198.51.100.1:4711\""], "198.51.100.1"),
            ("10.0.0.1", &[b"for=\"[2a00:1::7]\""], "2a00:1::7"),
            ("10.0.0.1", &[b"for=\"[2a00:1::7]:4711\";proto=https"], "2a00:1::7"),
            ("10.0.0.1", &[b"proto=https;by=10.0.0.1;for=198.51.100.1;host=a"], "198.51.100.1"),
            ("10.0.0.1", &[b"for=203.0.113.9, for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"for=203.0.113.9", b"for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"for=198.51.100.1, for=10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &[b"for=198.51.100.1,for=\"[2001:db8::1]\""], "198.51.100.1"),
            ("10.0.0.1", &[b"for=\"198.51.100.1:_port\""], "198.51.100.1"),
            ("10.0.0.1", &[b"for=198.51.100.1, for=unknown"], "10.0.0.1"),
            ("10.0.0.1", &[b"for=198.51.100.1, for=_hidden"], "10.0.0.1"),
            ("10.0.0.1", &[b"for=198.51.100.1, by=10.0.0.1"], "10.0.0.1"),
            ("10.0.0.1", &[b"for=203.0.113.9;for=198.51.100.1"], "10.0.0.1"),
            ("10.0.0.1", &[b"host=\"a;for=203.0.113.9\";for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"host=\"a, for=203.0.113.9\";for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"host=\"\\\", for=203.0.113.9\";for=198.51.100.1"], "198.51.100.1"),
            // Quotes and bytes that a stranger left open before the proxy's own word.
            ("10.0.0.1", &[b"for=\"203.0.113.9, for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"for=\"\\, for=\"[2a00:1::7]:1\""], "2a00:1::7"),
            ("10.0.0.1", &[b"\xff, for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"for=\"198.51.100.1"], "10.0.0.1"),
            ("10.0.0.1", &[b"for=\"2a00:1::7\""], "2a00:1::7"),
        ];
        for (peer, lines, expected) in table {
            let lines: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
            let found = client(peer, ForwardedBy::Forwarded, &lines);
            assert_eq!(found, expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_header_that_the_proxies_do_not_write_is_never_read() {
        let both: [(&'static str, &[u8]); 2] =
            [("forwarded", b"for=203.0.113.9"), ("x-forwarded-for", b"198.51.100.1")];
        assert_eq!(client("10.0.0.1", ForwardedBy::XForwardedFor, &both), "198.51.100.1");
        assert_eq!(client("10.0.0.1", ForwardedBy::Forwarded, &both), "203.0.113.9");
        assert_eq!(client("10.0.0.1", ForwardedBy::Forwarded, &both[1..]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", ForwardedBy::XForwardedFor, &both[..1]), "10.0.0.1");
    }

    #[test]
    fn addresses_come_in_these_forms_and_no_other() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:80", Some("192.0.2.1")),
            ("[2a00::1]", Some("2a00::1")),
            ("[2a00::1]:80", Some("2a00::1")),
            ("[2a00::1]:_x.y", Some("2a00::1")),
            ("[::ffff:192.0.2.1]", Some("192.0.2.1")),
            ("", None),
            ("unknown", None),
            ("_a", None),
            ("192.0.2.1:_", None),
            ("192.0.2.1:8o", None),
            ("192.0.2.1:123456", None),
            ("[192.0.2.1]", None),
            ("[2a00::1", None),
            ("[2a00::1]80", None),
            ("192.0.2.01", None),
            ("example.org", None),
        ] {
            assert_eq!(node(text).map(|found| found.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_subscriber_is_one_whatever_its_address_of_the_moment() {
        let number = |text: &str| principal(text.parse().expect("an address"));
        assert_eq!(number("2a00:1:2:3::1"), number("2a00:1:2:3:ffff::9"));
        assert_ne!(number("2a00:1:2:3::1"), number("2a00:1:2:4::1"));
        assert_ne!(number("192.0.2.1"), number("192.0.2.2"));
        assert_eq!(number("::ffff:192.0.2.1"), number("192.0.2.1"));
    }
}
