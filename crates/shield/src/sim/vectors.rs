//! The attacks: what each models, and what its bots can do. Every one knows this code; none knows
//! the key.

use std::net::{IpAddr, Ipv4Addr};

use super::chance::Chance;
use super::crowd::{self, API, PAGE, SEARCH, UNSEEN};
use crate::decide::number::{real, small};
use crate::decide::{Credentials, Facts, Member, Route, TRAITS, Traits, Visit};

/// What the bots of a vector look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// One program: one set of headers, one TLS greeting, two hosting networks.
    Crude,
    /// As people do, value by value.
    Human,
    /// One plausible browser for all, another every ten seconds.
    Mutating,
    /// Values that nobody ever sent, new with each request.
    Random,
}

/// What bots do with an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ability {
    /// Nothing.
    None,
    /// They solve challenges, so many a second all together.
    Solves(f64),
    /// They follow the waiting room.
    Waits,
    /// They have accounts, so many days old and used on so many.
    Accounts(u64, u16),
    /// They have visit cookies, so many days old.
    Cookies(u64),
}

/// One attack.
#[derive(Debug, Clone, Copy)]
pub struct Vector {
    /// Its name.
    pub name: &'static str,
    /// What it models.
    pub models: &'static str,
    /// Bots, each with an address of its own.
    pub bots: u64,
    /// Bots of one /24.
    pub crowding: u64,
    /// What they look like.
    pub looks: Looks,
    /// What they can do.
    pub ability: Ability,
    /// What they ask for, and what one costs in ns on average.
    pub asks: (Route, u64),
    /// Offered cost of the bots, in capacities.
    pub overload: f64,
    /// Seconds on and off; none is always on.
    pub pulse: Option<(f64, f64)>,
    /// Whether they sit in the networks of people.
    pub among_people: bool,
    /// Whether each came in peace the day before.
    pub warmed: bool,
    /// Share of the visits in peace that look as the bots will, to poison the profile.
    pub poison: f64,
    /// Seconds of attack.
    pub seconds: u64,
}

const FLOOD: Vector = Vector {
    name: "flood",
    models: "one program on 300 rented machines asks for a page",
    bots: 300,
    crowding: 8,
    looks: Looks::Crude,
    ability: Ability::None,
    asks: PAGE,
    overload: 10.0,
    pulse: None,
    among_people: false,
    warmed: false,
    poison: 0.0,
    seconds: 60,
};

/// All attacks, the plain ones first.
pub const VECTORS: [Vector; 19] = [
    FLOOD,
    Vector { name: "api-flood", models: "the same on the public API", asks: API, ..FLOOD },
    Vector {
        name: "low-and-wide",
        models: "100,000 homes, each slower than a person, browsers like any",
        bots: 100_000,
        crowding: 6,
        looks: Looks::Human,
        ..FLOOD
    },
    Vector {
        name: "wide-crude",
        models: "100,000 homes with one program",
        bots: 100_000,
        crowding: 6,
        ..FLOOD
    },
    Vector {
        name: "shared-prefix",
        models: "bots in the networks of members and visitors",
        bots: 4_000,
        crowding: 1,
        among_people: true,
        ..FLOOD
    },
    Vector {
        name: "pulse",
        models: "on and off",
        pulse: Some((35.0, 35.0)),
        seconds: 140,
        ..FLOOD
    },
    Vector {
        name: "resonate",
        models: "on and off in step with the window of one second",
        pulse: Some((1.0, 1.0)),
        ..FLOOD
    },
    Vector {
        name: "mutate",
        models: "another browser every ten seconds",
        bots: 20_000,
        crowding: 6,
        looks: Looks::Mutating,
        ..FLOOD
    },
    Vector {
        name: "random-looks",
        models: "headers that nobody ever sent, new each time",
        bots: 20_000,
        crowding: 6,
        looks: Looks::Random,
        ..FLOOD
    },
    Vector {
        name: "warmed",
        models: "bots that came in peace the day before",
        bots: 5_000,
        crowding: 6,
        warmed: true,
        ..FLOOD
    },
    Vector {
        name: "sleeper-cookies",
        models: "visit cookies harvested two days ago",
        bots: 5_000,
        crowding: 6,
        ability: Ability::Cookies(2),
        ..FLOOD
    },
    Vector {
        name: "sleepers",
        models: "2,000 accounts made in peace three weeks ago and hardly used",
        bots: 2_000,
        crowding: 6,
        ability: Ability::Accounts(21, 2),
        asks: API,
        ..FLOOD
    },
    Vector {
        name: "solver",
        models: "human looks, and 60 solved challenges a second",
        bots: 20_000,
        crowding: 6,
        looks: Looks::Human,
        ability: Ability::Solves(60.0),
        ..FLOOD
    },
    Vector {
        name: "waiter",
        models: "human looks, and all follow the waiting room",
        bots: 20_000,
        crowding: 6,
        looks: Looks::Human,
        ability: Ability::Waits,
        ..FLOOD
    },
    Vector {
        name: "poison",
        models: "a third of the visits in peace looked like the bots",
        bots: 20_000,
        crowding: 6,
        poison: 0.33,
        ..FLOOD
    },
    Vector {
        name: "brink",
        models: "just so much that no pressure begins",
        bots: 20_000,
        overload: 0.7,
        ..FLOOD
    },
    Vector {
        name: "mild",
        models: "half as much again as there is",
        bots: 20_000,
        overload: 1.5,
        ..FLOOD
    },
    Vector { name: "search-flood", models: "the dearest page", asks: SEARCH, ..FLOOD },
    Vector {
        name: "hundredfold",
        models: "a hundred times the capacity: refusing alone costs a fifth of it",
        bots: 20_000,
        crowding: 6,
        overload: 100.0,
        seconds: 12,
        ..FLOOD
    },
];

impl Vector {
    /// By name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        VECTORS.iter().find(|vector| vector.name == name)
    }

    /// Requests a second while it is on, at a capacity of one core.
    #[must_use]
    pub fn per_s(&self) -> f64 {
        self.overload * 1e9 / real(self.asks.1)
    }

    /// Whether it is on, so many us after its beginning.
    #[must_use]
    pub fn is_on(&self, at_us: u64) -> bool {
        self.pulse.is_none_or(|(on_s, off_s)| (real(at_us) / 1e6) % (on_s + off_s) < on_s)
    }

    /// What a bot sends, at a time.
    #[must_use]
    pub fn facts(&self, bot: u64, now_us: u64, unix_s: u64, chance: &mut Chance) -> Facts {
        let mut credentials = Credentials::default();
        match self.ability {
            Ability::Accounts(age_days, active_days) => {
                let created_unix_s = unix_s - age_days * 86_400;
                let account = 1_000_000 + bot;
                credentials.member = Some(Member { account, created_unix_s, active_days });
            }
            Ability::Cookies(age_days) => {
                let given_unix_s = unix_s - age_days * 86_400;
                credentials.visit = Some(Visit { id: 1_000_000 + bot, given_unix_s });
            }
            Ability::None | Ability::Solves(_) | Ability::Waits => {}
        }
        crowd::facts(self.address(bot), credentials, self.asks.0, self.look(bot, now_us, chance))
    }

    fn address(&self, bot: u64) -> IpAddr {
        let network = bot / self.crowding.max(1);
        if self.among_people {
            return crowd::human_address(network, 200 + bot % 50);
        }
        let word = 0x5000_0000 + network * 256 + bot % self.crowding.max(1);
        IpAddr::V4(Ipv4Addr::from_bits(small(word)))
    }

    fn look(&self, bot: u64, now_us: u64, chance: &mut Chance) -> Traits {
        match self.looks {
            Looks::Crude => crude(bot),
            Looks::Human => crowd::human_looks(&mut Chance::new(bot + 31)),
            Looks::Mutating => crowd::human_looks(&mut Chance::new(now_us / 10_000_000 + 5)),
            Looks::Random => [0; TRAITS].map(|_| chance.word()),
        }
    }

    /// How likely a bot of this vector is to look so at a time, as the sum of logarithms.
    #[must_use]
    pub fn likelihood(&self, looks: &Traits, now_us: u64) -> f64 {
        let exactly = |same: bool| if same { 0.0 } else { UNSEEN };
        match self.looks {
            Looks::Crude => exactly((0..CRUDE_KINDS).any(|kind| crude(kind) == *looks)),
            Looks::Human => crowd::human_likelihood(looks),
            Looks::Mutating => {
                let now = crowd::human_looks(&mut Chance::new(now_us / 10_000_000 + 5));
                exactly(now == *looks)
            }
            // Spread over so many values that none of the people's has any weight.
            Looks::Random => -400.0,
        }
    }
}

const CRUDE_KINDS: u64 = 2;

/// What one program sends: as a common browser writes it, but for four traits of its own.
fn crude(bot: u64) -> Traits {
    let [.., language, cookies, shape] = crowd::human_looks(&mut Chance::new(3));
    let network = 10_000 + 150 + bot % CRUDE_KINDS;
    let [_, country, http, ..] = crowd::human_looks(&mut Chance::new(4));
    [network, country, http, 901, 902, 903, language, cookies, shape]
}
