//! A day of honest traffic: people as they come by the hour, and what is bursty about them. Nobody
//! in it is an attacker, so nobody may be refused for as long as the machine can do it.

use super::crowd::{self, Population, Visitor};
use super::world::{Event, SECOND_US, World};
use crate::decide::number::{real, whole};

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Seconds in which it passes: 86,400, or fewer. Then bursts are as steep and as long as on a
    /// whole day, and only what lies between them is shorter.
    pub seconds: u64,
    /// What exceeds the machine.
    pub excess: Excess,
}

/// What exceeds the machine on a day, at six in the evening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Nothing.
    None,
    /// A post that so many follow a link to that their pages alone are five times what the machine
    /// does, for a minute.
    Viral,
    /// Every member's app asks for twenty things at once: eight seconds of work.
    Storm,
}

/// Honest traffic that is not steady.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Burst {
    /// An app that comes back after a restart.
    Reconnect,
    /// One of many strangers who follow a link.
    Viral,
    /// A pupil of a school, behind its address.
    School,
    /// A crawler, three times a second.
    Crawler,
    /// An app without an account that asks every second.
    Poller,
}

impl Burst {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Reconnect, Self::Viral, Self::School, Self::Crawler, Self::Poller];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reconnect => "reconnect",
            Self::Viral => "viral",
            Self::School => "school",
            Self::Crawler => "crawler",
            Self::Poller => "poller",
        }
    }

    /// How long one of them tries, in us: an app that lost its connection, longer than a person.
    pub(super) const fn patience_us(self, population: Population) -> u64 {
        match self {
            Self::Reconnect => 30 * SECOND_US,
            _ => population.patience_us(),
        }
    }
}

/// Hours at which the server is restarted: once what it learnt is kept, once it is lost.
const RESTARTS: [(u64, bool); 2] = [(4, true), (16, false)];
/// What each app asks for when it reconnects; and all at once where that is to exceed the machine.
const RECONNECTS: (u64, u64) = (3, 20);
/// Visitors a second who follow a link, and for how many seconds.
const VIRAL: (f64, u64) = (120.0, 20);
/// The same where it exceeds the machine: at 3 ms a page, five times what it does.
const VIRAL_EXCESS: (f64, u64) = (5.0e9 / 3.0e6, 60);
/// Hours of a burst that fits, of school, and of what exceeds.
const NOON: u64 = 12;
const SCHOOL: (u64, u64) = (8, 14);
const EVENING: u64 = 18;

impl World {
    /// Lives a day.
    pub(super) fn day(&mut self, day: Day) {
        let from = self.now_us;
        self.day_from_us = from;
        let hour = |hour: u64| from + day.seconds * SECOND_US / 24 * hour;
        for (at, kept) in RESTARTS {
            // What exceeds the machine is ranked by what is known: that is to be there.
            let kept = kept || day.excess != Excess::None;
            self.at(hour(at), Event::Restart(kept));
        }
        self.at(hour(NOON), Event::Honest(Burst::Viral));
        self.at(hour(SCHOOL.0), Event::Honest(Burst::School));
        self.at(from, Event::Honest(Burst::Crawler));
        self.at(from, Event::Honest(Burst::Poller));
        if day.excess != Excess::None {
            // Its minute is told apart as if it were an attack.
            self.attack = (hour(EVENING), hour(EVENING) + VIRAL_EXCESS.1 * SECOND_US);
            let burst = if day.excess == Excess::Viral { Burst::Viral } else { Burst::Reconnect };
            self.at(self.attack.0, Event::Honest(burst));
        }
        self.until(from + day.seconds * SECOND_US);
        self.report.simulated = (real(self.now_us - from) / 1e6, self.decisions);
    }

    /// How many come at this hour, in parts of the mean: most at eight in the evening.
    pub(super) fn tide(&self) -> f64 {
        let Some(day) = self.plan.day.filter(|_| !self.learning) else { return 1.0 };
        let passed = real(self.now_us - self.day_from_us) / real(day.seconds * SECOND_US);
        1.0 + 0.6 * ((passed - 20.0 / 24.0) * std::f64::consts::TAU).cos()
    }

    /// One event of a burst, and the next of it.
    pub(super) fn burst(&mut self, burst: Burst) {
        let Some(day) = self.plan.day else { return };
        let exceeds = (self.attack.0..self.attack.1).contains(&self.now_us);
        if burst == Burst::Reconnect {
            return self.reconnect(RECONNECTS.1);
        }
        let hour = day.seconds * SECOND_US / 24;
        let viral = if exceeds { VIRAL_EXCESS } else { VIRAL };
        let began = if exceeds { self.attack.0 } else { self.day_from_us + NOON * hour };
        let (per_s, until) = match burst {
            Burst::Viral => (viral.0, began + viral.1 * SECOND_US),
            Burst::School => (4.0, self.day_from_us + SCHOOL.1 * hour),
            Burst::Crawler => (3.0, u64::MAX),
            Burst::Poller | Burst::Reconnect => (1.0, u64::MAX),
        };
        let gap_us = if burst == Burst::Poller { SECOND_US } else { self.chance.gap_us(per_s) };
        if self.now_us + gap_us < until {
            self.at(self.now_us + gap_us, Event::Honest(burst));
        }
        let mut visitor = self.stranger(burst);
        if burst == Burst::Viral {
            (visitor.facts.route, visitor.cost_ns) =
                (crowd::POST.0, crowd::spread(crowd::POST.1, &mut self.chance));
        } else {
            visitor.facts.address = crowd::human_address(burst as u64, 9);
        }
        self.welcome_honest(visitor);
    }

    /// One of the strangers of a burst; of those who follow a link a third has no scripts.
    fn stranger(&mut self, burst: Burst) -> Visitor {
        let population = match burst {
            Burst::Viral if self.chance.unit() < 0.33 => Population::NewcomersNoScript,
            Burst::Viral => Population::Newcomers,
            _ => Population::Returning,
        };
        let unix_s = self.now().unix_s;
        let drawn = crowd::draw(Population::Newcomers, self.now_us, unix_s, &mut self.chance);
        Visitor { population, burst: Some(burst), ..drawn }
    }

    /// Every member's app asks for so many things at once.
    pub(super) fn reconnect(&mut self, times: u64) {
        let unix_s = self.now().unix_s;
        for at in 0..times * crowd::MEMBERS {
            let visitor = Visitor {
                population: Population::Members,
                burst: Some(Burst::Reconnect),
                facts: crowd::member(at % crowd::MEMBERS, unix_s),
                cost_ns: crowd::spread(crowd::HOME.1, &mut self.chance),
                since_us: self.now_us,
                challenged: false,
            };
            self.welcome_honest(visitor);
        }
    }

    fn welcome_honest(&mut self, visitor: Visitor) {
        let whose = (visitor.population, visitor.burst);
        let place = self.welcome(visitor);
        let phase = self.phase(self.now_us);
        self.figures(whose, phase, |figures| figures.attempted += 1);
        self.come(place);
    }

    /// The server is restarted, with what it learnt or without; then all apps come back at once.
    pub(super) fn restart(&mut self, kept: bool) {
        let now = self.now();
        let saved = kept.then(|| self.state.save(now));
        // Who is being served is still answered, who waits has to ask again.
        while let Some(at) = self.running.iter().position(Option::is_some) {
            self.end(at);
        }
        self.idle.clear();
        let waiting: Vec<usize> = self.queued.drain().map(|(_, visitor)| visitor).collect();
        self.state = self.fresh(kept);
        if let Some(saved) = saved {
            let loaded = self.state.load(&saved, now);
            debug_assert!(loaded.is_ok(), "saved under this key a moment ago");
        }
        for visitor in waiting {
            self.at(self.now_us + SECOND_US, Event::Again(visitor));
        }
        self.forget_admissions();
        self.reconnect(RECONNECTS.0);
    }
}

/// How long who was refused waits: an app as it was told, people for a second or two.
pub(super) fn again_us(burst: Option<Burst>, told_s: u32, unit: f64) -> u64 {
    match burst {
        Some(Burst::Reconnect) => u64::from(told_s) * SECOND_US + whole(unit * 1e6),
        _ => SECOND_US + whole(unit * 1e6),
    }
}
