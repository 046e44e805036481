//! How the bots of an attack come, and what they make of the answers that they get.

use std::collections::HashMap;

use super::crowd::{self, Population, Visitor};
use super::report::Phase;
use super::vectors::{Ability, Vector};
use super::world::{Event, SECOND_US, START_S, World};
use crate::decide::number::real;
use crate::decide::{Clearance, Decision, Outcome, decide};

/// How long a waiting-room ticket and a clearance are good for, in us.
const TICKET_US: u64 = 120 * SECOND_US;

/// What bots have earned: by bot, what and until when.
#[derive(Default)]
pub(super) struct Earned {
    clearances: HashMap<u64, (Clearance, u64)>,
    tickets: HashMap<u64, u64>,
    /// In the order in which they were earned.
    holders: Vec<u64>,
    solutions: f64,
    solved_us: u64,
}

impl World {
    /// Bots that come in peace, once each, spread over a quarter of an hour.
    pub(super) fn warm_up(&mut self) {
        let Some(vector) = self.plan.vector.filter(|vector| vector.warmed) else { return };
        for bot in 0..vector.bots {
            self.now_us += 180_000;
            self.tick(0);
            let facts = vector.facts(bot, self.now_us, self.now().unix_s, &mut self.chance);
            let now = self.now();
            if let Decision::Serve(admission) = decide(&mut self.state, &facts, now) {
                self.state.settle(admission, Outcome::Ended { cost_ns: vector.asks.1 }, now);
            }
        }
    }

    /// The next request of a bot.
    pub(super) fn bot(&mut self) {
        let Some(vector) = self.plan.vector.filter(|_| self.now_us < self.attack.1) else { return };
        let next = self.now_us + self.chance.gap_us(vector.per_s());
        self.at(next, Event::Bot);
        if !vector.is_on(self.now_us - self.attack.0) {
            return;
        }
        let bot = self.choose(&vector);
        let now = self.now();
        let mut facts = vector.facts(bot, now.us, now.unix_s, &mut self.chance);
        if let Some((clearance, until_us)) = self.earned.clearances.get_mut(&bot) {
            facts.credentials.clearance = (now.us < *until_us).then_some(*clearance);
            clearance.is_fresh = false;
        }
        let ticket = self.earned.tickets.get(&bot).filter(|given| now.us < **given + TICKET_US);
        facts.credentials.waiting_since_unix_s = ticket.map(|given| START_S + given / SECOND_US);
        self.figures((Population::Bots, None), Phase::Attack, |figures| figures.attempted += 1);
        if self.dropped.get(&facts.address).is_some_and(|until_us| now.us < *until_us) {
            self.report.dropped += 1;
            return;
        }
        let visitor = Visitor {
            population: Population::Bots,
            burst: None,
            facts,
            cost_ns: crowd::spread(vector.asks.1, &mut self.chance),
            since_us: now.us,
            challenged: false,
        };
        let place = self.welcome(visitor);
        self.bots.insert(place, bot);
        self.come(place);
    }

    /// Which bot asks next: every second time one that has earned something, if any has.
    fn choose(&mut self, vector: &Vector) -> u64 {
        let holders = self.earned.holders.len() as u64;
        if holders > 0 && self.chance.unit() < 0.5 {
            let at = self.chance.below(holders.min(2_000));
            let newest = holders - 1 - at;
            let holder = usize::try_from(newest).ok().and_then(|at| self.earned.holders.get(at));
            return holder.copied().unwrap_or(0);
        }
        self.chance.below(vector.bots)
    }

    /// What a bot makes of a challenge.
    pub(super) fn earn(&mut self, bot: u64) {
        match self.plan.vector.map(|vector| vector.ability) {
            Some(Ability::Solves(per_s)) => {
                let passed_s = real(self.now_us - self.earned.solved_us) / 1e6;
                self.earned.solved_us = self.now_us;
                self.earned.solutions = (self.earned.solutions + passed_s * per_s).min(per_s);
                if self.earned.solutions >= 1.0 {
                    self.earned.solutions -= 1.0;
                    if let Some(clearance) = crowd::clearance(&mut self.chance) {
                        let until_us = self.now_us + TICKET_US;
                        self.earned.clearances.insert(bot, (clearance, until_us));
                    }
                    self.earned.holders.push(bot);
                }
            }
            Some(Ability::Waits) => {
                let had = self.earned.tickets.insert(bot, self.now_us);
                self.earned.holders.extend(had.is_none().then_some(bot));
            }
            _ => {}
        }
    }
}
