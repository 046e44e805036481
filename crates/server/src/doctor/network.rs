//! What this machine's network looks like from inside: its addresses, and what listens on them, as
//! the kernel tells in `/proc/net`. Parsing is pure. Leaves what that means to `origin`.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Addresses of this machine, and sockets that listen.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    pub addresses: BTreeSet<IpAddr>,
    pub listening: BTreeSet<SocketAddr>,
}

impl Network {
    /// Of this machine, as far as it tells.
    pub(super) fn here() -> Self {
        let read = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
        let mut addresses = local_v4(&read("fib_trie"));
        addresses.extend(local_v6(&read("if_inet6")));
        let listening = ["tcp", "tcp6"].map(|name| listeners(&read(name))).concat();
        Self { addresses, listening: listening.into_iter().collect() }
    }
}

/// The machine's own addresses in the kernel's table of routes: each stands on a line before one
/// that says so.
fn local_v4(text: &str) -> BTreeSet<IpAddr> {
    let mut found = BTreeSet::new();
    let mut last = None;
    for line in text.lines() {
        if let Some(address) = line.trim().strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line.trim() == "/32 host LOCAL" {
            found.extend(last.map(IpAddr::V4));
        }
    }
    found
}

/// Its IPv6 addresses: 32 digits at the beginning of each line.
fn local_v6(text: &str) -> BTreeSet<IpAddr> {
    let address = |line: &str| u128::from_str_radix(line.get(..32)?, 16).ok();
    text.lines().filter_map(address).map(|bits| Ipv6Addr::from_bits(bits).into()).collect()
}

/// Sockets in the state LISTEN of a table of the kernel's.
fn listeners(text: &str) -> Vec<SocketAddr> {
    let listener = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (local, state) = (words.next()?, words.nth(1)?);
        let (address, port) = local.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok().filter(|_| state == "0A")?;
        Some(SocketAddr::new(kernel_address(address)?, port))
    };
    text.lines().filter_map(listener).collect()
}

/// An address as words of 32 bits, each printed as this machine's memory holds it.
fn kernel_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at..at + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match text.len() {
        8 => word(0).map(|four| Ipv4Addr::from(four).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let octets = <[u8; 16]>::try_from(words.concat()).ok()?;
            Some(Ipv6Addr::from(octets).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 203.0.113.0\n        /24 link UNICAST\n\
            |-- 203.0.113.9\n        /32 host LOCAL\n     |-- 203.0.113.255\n\
            /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        let expected = ["127.0.0.1", "203.0.113.9"].map(|text| text.parse().expect("one"));
        assert_eq!(local_v4(trie), BTreeSet::from(expected));
        let six = "20010db8000000000000000000000007 02 40 00 80     eth0\n";
        let expected = "2001:db8::7".parse().expect("one");
        assert_eq!(local_v6(six), BTreeSet::from([expected]));
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn listening_sockets_are_those_in_that_state() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue\n";
        let four = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000\n   \
            1: 097100CB:0016 00000000:0000 0A 00000000:00000000 00:00000000\n   \
            2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000\n";
        let found = listeners(&format!("{head}{four}"));
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.1:8080", "203.0.113.9:22"]);
        let none = "00000000000000000000000000000000";
        let own = "B80D0120000000000000000007000000";
        let six =
            format!("   0: {none}:01BB {none}:0000 0A 0\n   1: {own}:0050 {none}:0000 0A 0\n");
        let shown: Vec<String> = listeners(&six).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["[::]:443", "[2001:db8::7]:80"]);
    }
}
