//! Who comes: members, returning visitors, newcomers, and what each of them looks like. People
//! share one distribution of looks, whoever they are; bots have one of their own (`vectors.rs`).

use std::net::{IpAddr, Ipv4Addr};

use super::chance::{Chance, commonness};
use super::day::Burst;
use crate::decide::number::{real, small};
use crate::decide::{
    Clearance, Credentials, Criticality, Door, Facts, Member, Route, RouteId, TRAITS, Traits,
    Visit, Work,
};

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Population {
    /// Accounts of ours, a month old at least and used on ten days.
    Members,
    /// Younger accounts.
    NewMembers,
    /// Visitors who were here in peace: half of them show a cookie, half only their address.
    Returning,
    /// Visitors who come for the first time, with scripts.
    Newcomers,
    /// The same without scripts.
    NewcomersNoScript,
    /// The attack.
    Bots,
}

impl Population {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Members,
        Self::NewMembers,
        Self::Returning,
        Self::Newcomers,
        Self::NewcomersNoScript,
        Self::Bots,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::NewMembers => "new_members",
            Self::Returning => "returning",
            Self::Newcomers => "newcomers",
            Self::NewcomersNoScript => "newcomers_no_script",
            Self::Bots => "bots",
        }
    }

    /// Requests or first requests a second.
    #[must_use]
    pub const fn per_s(self) -> f64 {
        match self {
            Self::Members => 60.0,
            Self::NewMembers => 4.0,
            Self::Returning => 20.0,
            Self::Newcomers => 4.0,
            Self::NewcomersNoScript => 2.0,
            Self::Bots => 0.0,
        }
    }

    /// How long somebody tries, in us; 0 is once.
    #[must_use]
    pub const fn patience_us(self) -> u64 {
        match self {
            Self::Newcomers => 5_000_000,
            Self::NewcomersNoScript => 30_000_000,
            Self::Members | Self::NewMembers | Self::Returning | Self::Bots => 0,
        }
    }
}

/// Members of the community, and visitors who return.
pub const MEMBERS: u64 = 200;
const RETURNING: u64 = 300;
/// Networks that people come from.
const NETWORKS: u64 = 4_000;
/// Values of a trait that people show, by trait.
const VALUES: [u64; TRAITS] = [200, 40, 2, 30, 20, 30, 25, 4, 12];
const DAY_S: u64 = 86_400;

/// Routes, with what one request costs in ns.
pub const HOME: (Route, u64) = (route(1, Criticality::Vital, Work::Plain, Door::Api), 2_000_000);
/// A public page.
pub const PAGE: (Route, u64) = (route(2, Criticality::Usual, Work::Plain, Door::Page), 3_000_000);
/// A search.
pub const SEARCH: (Route, u64) =
    (route(3, Criticality::Minor, Work::Search, Door::Page), 12_000_000);
/// The public API.
pub const API: (Route, u64) = (route(4, Criticality::Usual, Work::Plain, Door::Api), 3_000_000);

/// One post's page, which many follow a link to.
pub const POST: (Route, u64) =
    (route(5, Criticality::Usual, Work::Cacheable, Door::Page), 3_000_000);
/// Times less that a page costs from the rendered cache.
pub const STALE_SAVES: u64 = 30;

const fn route(id: u8, criticality: Criticality, work: Work, door: Door) -> Route {
    Route { id: RouteId(id), criticality, work, door }
}

/// The looks of one of the people.
pub fn human_looks(chance: &mut Chance) -> Traits {
    let mut looks = VALUES;
    for (at, value) in looks.iter_mut().enumerate() {
        *value = (at as u64 + 1) * 10_000 + chance.common(*value);
    }
    looks
}

/// How likely one of the people is to look so, as the sum of logarithms.
#[must_use]
pub fn human_likelihood(looks: &Traits) -> f64 {
    let one = |(at, (value, values)): (usize, (&u64, &u64))| {
        let drawn = value.wrapping_sub((at as u64 + 1) * 10_000);
        let known = (1..=*values).contains(&drawn);
        if known { commonness(drawn, *values).ln() } else { UNSEEN }
    };
    looks.iter().zip(&VALUES).enumerate().map(one).sum()
}

/// The logarithm of the likelihood of what nobody ever shows.
pub const UNSEEN: f64 = -30.0;

/// An address in a network of people.
#[must_use]
pub fn human_address(network: u64, host: u64) -> IpAddr {
    let word = 0x1400_0000 + (network % NETWORKS) * 256 + host % 254 + 1;
    IpAddr::V4(Ipv4Addr::from_bits(small(word)))
}

/// One who comes, and what became of it so far.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// To which population it belongs.
    pub population: Population,
    /// To which burst, where it comes with one.
    pub burst: Option<Burst>,
    /// What it sends.
    pub facts: Facts,
    /// What its request costs, in ns.
    pub cost_ns: u64,
    /// When it first asked, in us.
    pub since_us: u64,
    /// Whether it was challenged.
    pub challenged: bool,
}

impl Visitor {
    /// How long it tries, in us.
    pub(super) fn patience_us(&self) -> u64 {
        let population = self.population;
        self.burst.map_or(population.patience_us(), |burst| burst.patience_us(population))
    }
}

/// Draws who comes next of a population.
pub fn draw(population: Population, now_us: u64, unix_s: u64, chance: &mut Chance) -> Visitor {
    let visitor = |facts: Facts, mean_ns: u64, chance: &mut Chance| Visitor {
        population,
        burst: None,
        facts,
        cost_ns: spread(mean_ns, chance),
        since_us: now_us,
        challenged: false,
    };
    match population {
        Population::Members | Population::NewMembers => {
            let young = population == Population::NewMembers;
            let account = chance.below(MEMBERS) + if young { MEMBERS } else { 0 };
            visitor(member(account, unix_s), HOME.1, chance)
        }
        Population::Returning => {
            let id = chance.below(RETURNING);
            let mut own = Chance::new(id + 77);
            let address = human_address(own.below(NETWORKS), own.below(254));
            let visit = Visit { id, given_unix_s: unix_s - 10 * DAY_S };
            let credentials = Credentials {
                visit: id.is_multiple_of(2).then_some(visit),
                ..Credentials::default()
            };
            let traits = human_looks(&mut own);
            visitor(facts(address, credentials, PAGE.0, traits), PAGE.1, chance)
        }
        Population::Newcomers | Population::NewcomersNoScript | Population::Bots => {
            let address = human_address(chance.below(NETWORKS), chance.below(254));
            let traits = human_looks(chance);
            visitor(facts(address, Credentials::default(), PAGE.0, traits), PAGE.1, chance)
        }
    }
}

/// A member's request; it comes from one address and has one look. Accounts from [`MEMBERS`] on are
/// young.
#[must_use]
pub fn member(account: u64, unix_s: u64) -> Facts {
    let mut own = Chance::new(account + 999);
    let (age_days, active_days) = if account < MEMBERS {
        (30 + own.below(400), 10 + own.below(60))
    } else {
        (3 + own.below(27), 2 + own.below(8))
    };
    let member = Member {
        account,
        created_unix_s: unix_s - age_days * DAY_S,
        active_days: u16::try_from(active_days).unwrap_or(0),
    };
    let credentials = Credentials { member: Some(member), ..Credentials::default() };
    let address = human_address(own.below(NETWORKS), own.below(254));
    facts(address, credentials, HOME.0, human_looks(&mut own))
}

/// A request in one piece.
#[must_use]
pub const fn facts(
    address: IpAddr,
    credentials: Credentials,
    route: Route,
    traits: Traits,
) -> Facts {
    Facts { address, direct: true, credentials, route, traits }
}

/// A cost around a mean.
pub fn spread(mean_ns: u64, chance: &mut Chance) -> u64 {
    crate::decide::number::whole(real(mean_ns) * (0.5 + chance.unit()))
}

/// A clearance that nobody had before.
pub fn clearance(chance: &mut Chance) -> Option<Clearance> {
    Some(Clearance { id: chance.word(), is_fresh: true })
}
