//! Who lives where in 127.0.0.0/8: an invented map of networks and countries, so that scores by
//! network and an incident's record have a geography to see. Data: a database of addresses can be
//! made from [`BLOCKS`]. Countries are the codes that ISO 3166-1 leaves to users (XA to XZ), the
//! numbers of networks those that RFC 6996 keeps private.

use crate::{chance::Chance, limits::SOURCES, target::Source};

/// What kind of network a block is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Homes: a few devices behind each address.
    Homes,
    /// A carrier of phones: hundreds of people behind each address.
    Phones,
    /// Rented machines.
    Hosting,
    /// A school or an office.
    School,
    /// Homes again, where many devices are open to anybody.
    Devices,
}

/// A block of addresses: 127.FIRST.0.0 to 127.LAST.255.255.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Block {
    /// Second octet of its first address.
    pub first: u8,
    /// Second octet of its last.
    pub last: u8,
    /// What its network is called.
    pub network: &'static str,
    /// The network's number.
    pub asn: u32,
    /// Country.
    pub country: &'static str,
    /// Kind.
    pub kind: Kind,
    /// Of a thousand bots, how many come from here.
    pub bots: u16,
}

const fn block(
    first: u8,
    last: u8,
    network: &'static str,
    asn: u32,
    country: &'static str,
    kind: Kind,
    bots: u16,
) -> Block {
    Block { first, last, network, asn, country, kind, bots }
}

/// The map. What is not on it (127.0.0.0/12 among others) belongs to the machine itself.
pub const BLOCKS: [Block; 12] = [
    block(16, 23, "Kestrel Cable", 4_200_000_001, "XA", Kind::Homes, 60),
    block(24, 31, "Dunlin Fibre", 4_200_000_002, "XB", Kind::Homes, 60),
    block(32, 39, "Plover Mobile", 4_200_000_003, "XA", Kind::Phones, 40),
    block(40, 43, "Avocet University", 4_200_000_004, "XB", Kind::School, 0),
    block(48, 55, "Turnstone Telecom", 4_200_000_005, "XC", Kind::Homes, 80),
    block(64, 79, "Sanderling Online", 4_200_000_006, "XD", Kind::Devices, 180),
    block(80, 95, "Whimbrel Net", 4_200_000_007, "XE", Kind::Devices, 200),
    block(96, 103, "Curlew Broadband", 4_200_000_008, "XF", Kind::Devices, 140),
    block(112, 119, "Godwit Cable", 4_200_000_009, "XG", Kind::Homes, 90),
    block(128, 135, "Ruff Hosting", 4_200_000_010, "XH", Kind::Hosting, 70),
    block(136, 143, "Knot Cloud", 4_200_000_011, "XC", Kind::Hosting, 40),
    block(160, 167, "Dotterel Wireless", 4_200_000_012, "XI", Kind::Phones, 40),
];

/// The block that an address is of; none where it is not on the map.
#[must_use]
pub fn block_of(source: Source) -> Option<&'static Block> {
    let [_, second, _, _] = source.address().octets();
    BLOCKS.iter().find(|block| (block.first..=block.last).contains(&second))
}

fn small(number: u32) -> u8 {
    u8::try_from(number & 0xff).unwrap_or(0)
}

/// Where a member lives: homes, a carrier and a school; some thirty share a /24, none an address.
#[must_use]
pub fn member(number: u32) -> Source {
    let second = match number % 8 {
        0..=3 => 16,
        4 | 5 => 24,
        6 => 32,
        _ => 40,
    };
    Source::new(second, small(number / 240 * 2), small(number % 240) + 8)
}

/// Networks of the proxies in front of an instance that has some: 127.1.0.0/24.
pub const PROXIES: &str = "127.1.0.0/24";

/// The proxy through which a source comes.
#[must_use]
pub fn proxy(of: Source) -> Source {
    Source::new(1, 0, small(of.number() % 200) + 1)
}

/// A bot beside members: an address of a /24 in which some live, above all of theirs.
#[must_use]
pub fn beside_members(number: u32, members: u32) -> Source {
    let beside = member(number % members.max(1));
    let [_, a, b, _] = beside.address().octets();
    Source::new(a, b, 249 + small(number % 6))
}

/// Where a returning visitor lives.
#[must_use]
pub fn returning(number: u32) -> Source {
    let second = if number.is_multiple_of(2) { 48 } else { 26 };
    Source::new(second, small((number >> 8) * 2), small(number))
}

/// Where a newcomer lives: any network but the school's, as bots do, and never a bot's address
/// (bots have odd third octets, everybody else even ones).
#[must_use]
pub fn newcomer(chance: &mut Chance) -> Source {
    let at = usize::try_from(chance.below(7)).unwrap_or(0);
    let places = [16, 25, 33, 49, 66, 113, 161];
    let second = places.get(at).copied().unwrap_or(16);
    let third = u8::try_from(chance.below(120)).unwrap_or(0) * 2 + 16;
    Source::new(second, third, u8::try_from(chance.below(250)).unwrap_or(0) + 2)
}

/// The addresses of a botnet: drawn once from a seed, spread over networks as the map says.
#[derive(Clone, Debug)]
pub struct Bots {
    sources: Vec<Source>,
}

impl Bots {
    /// A botnet of so many addresses, at most [`SOURCES`].
    #[must_use]
    pub fn drawn(seed: u64, count: u32) -> Self {
        let mut chance = Chance::fork(seed, "bots");
        let count = count.clamp(1, SOURCES);
        Self { sources: (0..count).map(|_| bot(&mut chance)).collect() }
    }

    /// One of them.
    #[must_use]
    pub fn one(&self, chance: &mut Chance) -> Source {
        chance.one(&self.sources).copied().unwrap_or(Source::new(80, 1, 1))
    }

    /// One by its number, which goes round.
    #[must_use]
    pub fn numbered(&self, number: usize) -> Source {
        let at = number % self.sources.len().max(1);
        self.sources.get(at).copied().unwrap_or(Source::new(80, 1, 1))
    }
}

/// Of so many bots, one lives in a /24 of members.
const BESIDE: u64 = 100;

fn bot(chance: &mut Chance) -> Source {
    if chance.below(BESIDE) == 0 {
        return beside_members(u32::try_from(chance.below(1 << 20)).unwrap_or(0), 60);
    }
    let mut lot = u16::try_from(chance.below(1_000)).unwrap_or(0);
    let mut home = BLOCKS.iter().filter(|block| block.bots > 0);
    let chosen = home.find(|block| {
        let is_it = lot < block.bots;
        lot = lot.saturating_sub(block.bots);
        is_it
    });
    let (first, last) = chosen.map_or((80, 95), |block| (block.first, block.last));
    let wide = u64::from(last - first) + 1;
    let second = first + u8::try_from(chance.below(wide)).unwrap_or(0);
    let third = u8::try_from(chance.below(128)).unwrap_or(0) * 2 + 1;
    Source::new(second, third, u8::try_from(chance.below(248)).unwrap_or(0) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn blocks_do_not_overlap_and_bots_add_up() {
        let mut before = 15;
        for block in &BLOCKS {
            assert!(block.first > before && block.last >= block.first, "{block:?}");
            before = block.last;
        }
        assert_eq!(BLOCKS.iter().map(|block| block.bots).sum::<u16>(), 1_000);
    }

    #[test]
    fn everybody_is_on_the_map_and_nobody_shares_an_address() {
        let mut chance = Chance::new(5);
        let members: BTreeSet<_> = (0..400).map(member).collect();
        let returning: BTreeSet<_> = (0..400).map(returning).collect();
        let newcomers: BTreeSet<_> = (0..5_000).map(|_| newcomer(&mut chance)).collect();
        let bots = Bots::drawn(5, SOURCES);
        let bots: BTreeSet<_> = bots.sources.iter().copied().collect();
        assert!(block_of(proxy(Source::new(16, 0, 1))).is_none(), "the machine's own");
        assert!(bots.len() > 90_000, "{} distinct", bots.len());
        assert_eq!((members.len(), returning.len()), (400, 400));
        for source in members.iter().chain(&returning).chain(&newcomers).chain(&bots) {
            assert!(block_of(*source).is_some(), "{source:?} is on no map");
        }
        let groups = [&members, &returning, &newcomers, &bots];
        for (at, one) in groups.iter().enumerate() {
            for other in &groups[at + 1..] {
                assert!(one.is_disjoint(other), "{:?}", one.intersection(other).next());
            }
        }
    }

    #[test]
    fn bots_beside_members_are_in_their_networks_and_not_at_their_addresses() {
        let members: BTreeSet<_> = (0..200).map(member).collect();
        let wide: BTreeSet<_> = members.iter().map(|source| source.number() >> 8).collect();
        for number in 0..1_000 {
            let bot = beside_members(number, 200);
            assert!(wide.contains(&(bot.number() >> 8)) && !members.contains(&bot), "{bot:?}");
        }
    }

    #[test]
    fn a_seed_draws_the_same_botnet() {
        let one = |seed| Bots::drawn(seed, 1_000).sources;
        assert_eq!(one(1), one(1));
        assert_ne!(one(1), one(2));
    }
}
