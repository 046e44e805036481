//! What is known of a request before it is served: who sends it, what it asks for, what it looks
//! like. The wiring fills [`Facts`] without asking a database; here is what they mean.
//!
//! Leaves to the wiring the verification of every credential (each by a MAC or a signature alone),
//! and the choice of what makes two requests alike in a trait.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::keyed::{Domain, Key};

/// What is known of who sends a request, from most to least trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// An account of ours.
    Member,
    /// A known server that federates with us.
    Peer,
    /// Seen in peace: a visit cookie at least a day old.
    FamiliarCookie,
    /// Seen in peace: the exact address, on an earlier day.
    FamiliarAddress,
    /// Passed a challenge.
    Cleared,
    /// Nothing is known.
    Stranger,
    /// Left many challenges unanswered.
    Suspect,
}

impl Standing {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Member,
        Self::Peer,
        Self::FamiliarCookie,
        Self::FamiliarAddress,
        Self::Cleared,
        Self::Stranger,
        Self::Suspect,
    ];

    /// Where a table by standing has its row.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// What operators and metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Peer => "peer",
            Self::FamiliarCookie => "familiar_cookie",
            Self::FamiliarAddress => "familiar_address",
            Self::Cleared => "cleared",
            Self::Stranger => "stranger",
            Self::Suspect => "suspect",
        }
    }

    /// The lane whose floor it counts towards.
    #[must_use]
    pub const fn lane(self) -> Lane {
        match self {
            Self::Member | Self::Peer | Self::FamiliarCookie | Self::FamiliarAddress => Lane::Known,
            Self::Cleared => Lane::Cleared,
            Self::Stranger | Self::Suspect => Lane::Unknown,
        }
    }
}

/// Standings that share a floor. `Cleared` and `Unknown` together are the strangers; each keeps
/// half of their floor, or who solves challenges by the thousand would shut out those who cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Known from before.
    Known,
    /// Strangers with a clearance.
    Cleared,
    /// Strangers without.
    Unknown,
}

/// An account, as its token or session says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub account: u64,
    /// When it was made, in seconds since 1970.
    pub created_unix_s: u64,
    /// Days on which it was used, as far as the credential or a cache knows.
    pub active_days: u16,
}

/// A signed visit cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// Its id.
    pub id: u64,
    /// When it was given out, in seconds since 1970.
    pub given_unix_s: u64,
}

/// What a challenge earned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clearance {
    /// Its id. The wiring gives it to one prefix and one user agent.
    pub id: u64,
    /// The challenge is answered by this very request: so once for each, whatever becomes of the
    /// request.
    pub is_fresh: bool,
}

/// What a request shows and the wiring has verified. The best of them counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Credentials {
    /// A token or session.
    pub member: Option<Member>,
    /// A verified signature of a known server: its host, hashed.
    pub peer: Option<u64>,
    /// A visit cookie.
    pub visit: Option<Visit>,
    /// A clearance.
    pub clearance: Option<Clearance>,
    /// A waiting-room ticket: when it was given out, in seconds since 1970.
    pub waiting_since_unix_s: Option<u64>,
}

/// Which route of the server, for its cost. Past 255 routes the wiring shares numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteId(pub u8);

/// How much people miss it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Criticality {
    /// Reading one's home, posting.
    Vital,
    /// Most of what there is.
    Usual,
    /// Search, suggestions, trends.
    Minor,
    /// Exports, sign-up.
    Last,
}

/// What a route does that can be switched off for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Nothing of the following.
    Plain,
    /// It can be answered from the rendered cache, also slightly stale.
    Cacheable,
    /// Searches.
    Search,
    /// Decodes or scales media.
    Media,
    /// Fetches from others.
    Fetch,
}

/// Who asks there, which says what a refusal may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A browser asks for a page: the only door with challenges.
    Page,
    /// An app.
    Api,
    /// A stream held open.
    Stream,
    /// Another server.
    Federation,
    /// A feed reader.
    Feed,
    /// The status page.
    Status,
}

/// A route, as the router knows it before its handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Whose cost is learnt together.
    pub id: RouteId,
    /// How much people miss it.
    pub criticality: Criticality,
    /// What it does.
    pub work: Work,
    /// Who asks there.
    pub door: Door,
}

/// Traits of a request that the wiring reads, each a hash or a number; 0 where there is none.
/// Prefix and route are added here.
pub const TRAITS: usize = 9;

/// What a request looks like, in this order: network (ASN), country, HTTP version, order and set of
/// header names, family of the user agent, fingerprint of the TLS greeting, accepted languages,
/// presence of cookies and referer, method and shape of the path. Hashes need no key: they are
/// hashed again.
pub type Traits = [u64; TRAITS];

/// All that a decision is made of.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Where the request comes from: the peer, or what a trusted proxy says.
    pub address: IpAddr,
    /// Whether the address is the peer of our socket; only then can the kernel deny it.
    pub direct: bool,
    /// What it shows.
    pub credentials: Credentials,
    /// What it asks for.
    pub route: Route,
    /// What it looks like.
    pub traits: Traits,
}

/// The clocks, both read by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Microseconds on a clock that never goes back.
    pub us: u64,
    /// Seconds since 1970.
    pub unix_s: u64,
}

/// To what a request is accounted, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal(pub(super) u64);

/// An address, hashed as itself (IPv4 /32, IPv6 /64) and as its network (/24, /48).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub address: u64,
    pub network: u64,
}

impl Origin {
    pub(super) fn of(key: &Key, address: IpAddr) -> Self {
        let (high, low, wide) = match address {
            IpAddr::V4(v4) => {
                let word = u64::from(v4.to_bits());
                (4, word, word >> 8)
            }
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => return Self::of(key, IpAddr::V4(v4)),
                None => {
                    let word = super::number::low_half(v6.to_bits() >> 64);
                    (6, word, word >> 16)
                }
            },
        };
        Self {
            address: key.hash(Domain::Address, high, low),
            network: key.hash(Domain::Network, high, wide),
        }
    }
}

/// The network of an address (IPv4 /24, IPv6 /48), for people to read.
#[must_use]
pub fn network_of(address: IpAddr) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let kept = Ipv4Addr::from_bits(v4.to_bits() & !0xff);
            Ipv4Net::new(kept, 24).map_or_else(|_| IpNet::V4(kept.into()), IpNet::V4)
        }
        IpAddr::V6(v6) => {
            let kept = Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80);
            Ipv6Net::new(kept, 48).map_or_else(|_| IpNet::V6(kept.into()), IpNet::V6)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(one: &str, other: &str, same_address: bool, same_network: bool) {
        let key = Key::new([3; 16]);
        let of = |text: &str| Origin::of(&key, text.parse().expect("an address"));
        assert_eq!(of(one).address == of(other).address, same_address, "{one} {other}: address");
        assert_eq!(of(one).network == of(other).network, same_network, "{one} {other}: network");
    }

    #[test]
    fn addresses_roll_up_to_networks() {
        check("192.0.2.1", "192.0.2.1", true, true);
        check("192.0.2.1", "192.0.2.200", false, true);
        check("192.0.2.1", "192.0.3.1", false, false);
        check("192.0.2.1", "::ffff:192.0.2.1", true, true);
        check("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true, true);
        check("2001:db8:1:2::1", "2001:db8:1:3::1", false, true);
        check("2001:db8:1:2::1", "2001:db8:2:2::1", false, false);
        check("0.0.0.4", "::4", false, false);
    }

    #[test]
    fn a_network_is_written_as_people_write_it() {
        let written = |text: &str| network_of(text.parse().expect("an address")).to_string();
        assert_eq!(written("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(written("2001:db8:1:2::1"), "2001:db8:1::/48");
    }
}
