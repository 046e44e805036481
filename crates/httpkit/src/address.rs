//! Which addresses our server may call for others' sake. Everything that is not plainly the public
//! internet is refused, so that a link in a post cannot reach the host's own network. Pure.
//! Source: IANA special-purpose address registries (RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the address is on the public internet. IPv4 inside IPv6 (mapped, translated, 6to4,
/// Teredo) is judged by the IPv4 address where one can be read, else refused.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        (0 | 10 | 127 | 224..=255, ..) => true,
        (100, 64..=127, _) => true, // carriers' shared space
        (169, 254, _) => true,      // link-local, and clouds' metadata services
        (172, 16..=31, _) => true,
        (192, 0, 0 | 2) => true, // protocol assignments, documentation
        (192, 88, 99) => true,   // 6to4 relays
        (192, 168, _) => true,
        (198, 18 | 19, _) => true, // benchmarks
        (198, 51, 100) | (203, 0, 113) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let [first, second, _, _, _, _, high, low] = address.segments();
    if (first, second) == (0x64, 0xff9b) && address.segments().get(2..6) == Some(&[0; 4]) {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Of IPv6 only 2000::/3 is given out; within it these are special.
    let special = match (first, second) {
        (0x2001, 0..=0x01ff) => true, // Teredo, benchmarks, ORCHID and their kin
        (0x2001, 0x0db8) => true,     // documentation
        (0x2002, _) => true,          // 6to4
        (0x3fff, 0..=0x0fff) => true, // documentation
        _ => false,
    };
    (0x2000..=0x3fff).contains(&first) && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2a00::1",
        ] {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
        for text in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "203.0.113.9",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fec0::1",
        ] {
            assert!(!is_public(text.parse().expect("an address")), "{text}");
        }
    }
}
