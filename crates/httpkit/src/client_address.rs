//! Whose request it is, where proxies of the host stand in between: the last address in
//! `X-Forwarded-For` that is no proxy of ours. What stands before it was written by strangers and
//! is not believed. Pure; which networks are proxies is the host's word.

use http::HeaderMap;
use std::net::IpAddr;

/// The address that a request comes from. `peer` is the other end of the connection; only what a
/// proxy says is followed, one step for each proxy, and a word that is no address ends it.
#[must_use]
pub fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer;
    if !is_proxy(client) {
        return client;
    }
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    for word in lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(',')) {
        let Ok(address) = word.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_proxy(client) {
            break;
        }
    }
    client
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
    use http::HeaderValue;

    fn client(peer: &str, lines: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        let is_proxy = |address: IpAddr| ["10.0.0.1", "10.0.0.2"].contains(&&*address.to_string());
        client_address(peer.parse().expect("an address"), &headers, is_proxy).to_string()
    }

    #[test]
    fn only_proxies_are_believed_and_only_what_they_saw_themselves() {
        assert_eq!(client("192.0.2.1", &["198.51.100.1"]), "192.0.2.1", "no proxy of ours");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.1"]), "198.51.100.1", "forged");
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1, 10.0.0.2"]), "198.51.100.1", "two proxies");
        assert_eq!(client("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
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
