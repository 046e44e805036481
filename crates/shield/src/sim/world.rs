//! The simulated world: a queue of events, one core that does admitted work in order, and crowds
//! that act on the answers that they get.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::IpAddr;

use super::chance::Chance;
use super::crowd::{self, Population, Visitor};
use super::report::{Phase, Report};
use super::vectors::{Ability, Vector};
use crate::decide::number::{real, whole};
use crate::decide::{
    Admission, Called, Clearance, Decision, Now, Outcome, Place, Settings, Standing, State, decide,
};
use crate::limits::decide as limits;

const SECOND_US: u64 = 1_000_000;
const DAY_S: u64 = 86_400;
/// When the world begins, in seconds since 1970.
const START_S: u64 = 20_000 * DAY_S;
/// Between two ticks of the shield, in us.
const TICK_US: u64 = 5_000;
/// Seconds of peace that are learnt from, on each of two days.
const LEARNT_S: u64 = 90;
/// How many times more visitors come in them, so that little has to be simulated.
const LEARNT_RUSH: f64 = 4.0;
/// Seconds before and after the attack.
const AROUND_S: u64 = 20;
/// How long a waiting-room ticket and a clearance are good for, in us.
const TICKET_US: u64 = 120 * SECOND_US;

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The attack; none is a day in peace.
    pub vector: Option<Vector>,
    /// Chance.
    pub seed: u64,
    /// How fast the core really is: the shield is told 1.
    pub speed: f64,
    /// Whether the kernel drops what it is told.
    pub kernel: bool,
    /// Whether the shield is in force; else everybody is served in order.
    pub shield: bool,
    /// Seconds of attack, where fewer than the vector's are enough.
    pub seconds_max: u64,
    /// Instead of an attack a day of bursts: a viral post, a reconnect storm, a school behind one
    /// address, a crawler, an app that asks every second.
    pub honest: bool,
}

impl Plan {
    /// A vector on the machine as stated.
    #[must_use]
    pub const fn of(vector: Vector, seed: u64) -> Self {
        Self {
            vector: Some(vector),
            seed,
            speed: 1.0,
            kernel: true,
            shield: true,
            seconds_max: u64::MAX,
            honest: false,
        }
    }

    /// Peace, with honest bursts.
    #[must_use]
    pub const fn honest(seed: u64, speed: f64) -> Self {
        Self { vector: None, seed, speed, kernel: true, shield: true, seconds_max: 0, honest: true }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Tick,
    Arrive(usize),
    Bot,
    Honest(Burst),
    /// A visitor asks again.
    Again(usize),
    /// A request's answer has ended.
    End(usize),
}

/// Honest traffic that is not steady.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Burst {
    /// Every member's app asks three times at once.
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
    /// All of them, and how many a second; the first is once in 30 s.
    const ALL: [(Self, f64); 5] = [
        (Self::Reconnect, 1.0 / 30.0),
        (Self::Viral, 120.0),
        (Self::School, 4.0),
        (Self::Crawler, 3.0),
        (Self::Poller, 1.0),
    ];
}

/// A request that is being served.
struct Running {
    visitor: usize,
    admission: Admission,
    cost_ns: u64,
}

/// What bots have earned: by bot, what and until when.
#[derive(Default)]
struct Earned {
    clearances: HashMap<u64, (Clearance, u64)>,
    tickets: HashMap<u64, u64>,
    /// In the order in which they were earned.
    holders: Vec<u64>,
    solutions: f64,
    solved_us: u64,
}

struct World {
    plan: Plan,
    state: State,
    chance: Chance,
    now_us: u64,
    /// When the core is free, in ns.
    free_ns: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    visitors: Vec<Option<Visitor>>,
    vacant: Vec<usize>,
    running: Vec<Option<Running>>,
    idle: Vec<usize>,
    queued: HashMap<Place, usize>,
    dropped: HashMap<IpAddr, u64>,
    bots: HashMap<usize, u64>,
    earned: Earned,
    attack: (u64, u64),
    learning: bool,
    report: Report,
    decisions: u64,
}

/// Runs a plan.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let settings = Settings { sources: 1 << 17, observe: !plan.shield, ..Settings::for_cores(1) };
    let mut chance = Chance::new(plan.seed);
    let mut key = [0; 16];
    key.iter_mut().for_each(|byte| *byte = u8::try_from(chance.below(256)).unwrap_or(0));
    let start = Now { us: 0, unix_s: START_S };
    let mut world = World {
        plan: *plan,
        state: State::new(settings, key, start),
        chance,
        now_us: 0,
        free_ns: 0,
        events: BinaryHeap::new(),
        sequence: 0,
        visitors: Vec::new(),
        vacant: Vec::new(),
        running: Vec::new(),
        idle: Vec::new(),
        queued: HashMap::new(),
        dropped: HashMap::new(),
        bots: HashMap::new(),
        earned: Earned::default(),
        attack: (u64::MAX, u64::MAX),
        learning: true,
        report: Report::default(),
        decisions: 0,
    };
    world.live();
    world.report
}

impl World {
    fn live(&mut self) {
        self.warm_up();
        self.begin();
        self.peace(LEARNT_S);
        self.jump(2 * DAY_S);
        self.begin();
        self.peace(LEARNT_S);
        self.jump(2 * limits::PROFILE_STAGED_S);
        self.learning = false;
        let from = self.now_us;
        self.begin();
        if self.plan.honest {
            for (burst, _) in Burst::ALL {
                self.at(from + 5 * SECOND_US, Event::Honest(burst));
            }
            return self.until(from + 120 * SECOND_US);
        }
        let seconds = self.plan.vector.map_or(60, |vector| vector.seconds);
        let seconds = seconds.min(self.plan.seconds_max).max(1);
        let begins = from + AROUND_S * SECOND_US;
        self.attack = (begins, begins + seconds * SECOND_US);
        self.at(begins, Event::Bot);
        self.until(self.attack.1 + AROUND_S * SECOND_US);
        let attacked_ns = real(seconds) * 1e9;
        self.report.strangers_served /= attacked_ns;
        self.report.busy /= attacked_ns;
        self.report.simulated = (real(self.now_us - from) / 1e6, self.decisions);
    }

    /// Bots that come in peace, once each, spread over a quarter of an hour.
    fn warm_up(&mut self) {
        let Some(vector) = self.plan.vector.filter(|vector| vector.warmed) else { return };
        for bot in 0..vector.bots {
            self.now_us += 180_000;
            self.tick();
            let facts = vector.facts(bot, self.now_us, self.now().unix_s, &mut self.chance);
            let now = self.now();
            if let Decision::Serve(admission) = decide(&mut self.state, &facts, now) {
                self.state.settle(admission, Outcome::Ended { cost_ns: vector.asks.1 }, now);
            }
        }
    }

    fn now(&self) -> Now {
        Now { us: self.now_us, unix_s: START_S + self.now_us / SECOND_US }
    }

    fn at(&mut self, at_us: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at_us, self.sequence, event)));
    }

    /// Schedules the first of everything that comes by itself.
    fn begin(&mut self) {
        self.free_ns = self.now_us * 1_000;
        self.at(self.now_us, Event::Tick);
        for at in 0..Population::ALL.len() - 1 {
            self.at(self.now_us + 1, Event::Arrive(at));
        }
    }

    fn peace(&mut self, seconds: u64) {
        self.until(self.now_us + seconds * SECOND_US);
    }

    /// Lets time pass in which nobody comes.
    fn jump(&mut self, seconds: u64) {
        self.events.clear();
        self.visitors.clear();
        self.vacant.clear();
        while let Some(at) = self.running.iter().position(Option::is_some) {
            self.end(at);
        }
        self.events.clear();
        for _ in 0..seconds.min(40) {
            self.now_us += seconds * SECOND_US / seconds.min(40);
            self.tick();
        }
    }

    fn until(&mut self, end_us: u64) {
        while let Some(Reverse((at_us, _, event))) = self.events.pop() {
            if at_us > end_us {
                self.events.push(Reverse((at_us, 0, event)));
                break;
            }
            self.now_us = self.now_us.max(at_us);
            self.happen(event);
            self.call();
        }
        self.now_us = end_us;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick => {
                self.tick();
                self.at(self.now_us + TICK_US, Event::Tick);
            }
            Event::Arrive(at) => self.arrive(at),
            Event::Bot => self.bot(),
            Event::Honest(burst) => self.burst(burst),
            Event::Again(visitor) => self.ask(visitor),
            Event::End(running) => self.end(running),
        }
    }

    fn tick(&mut self) {
        let now = self.now();
        self.state.tick(now);
        while let Some(denial) = self.state.next_denial() {
            if self.plan.kernel {
                let until_us = now.us + u64::from(denial.seconds) * SECOND_US;
                self.dropped.insert(denial.address, until_us);
            }
        }
        let on = (self.attack.0..self.attack.1).contains(&now.us);
        if on && now.us % 100_000 < TICK_US {
            self.report.fractions.push(self.state.snapshot(now).admitted_fraction);
            let delay_ns = self.free_ns.saturating_sub(now.us * 1_000);
            self.report.delays_ms.push(real(delay_ns) / 1e6);
        }
    }

    fn arrive(&mut self, at: usize) {
        let Some(population) = Population::ALL.get(at).copied() else { return };
        let visits = !matches!(population, Population::Members | Population::NewMembers);
        let rush = if self.learning && visits { LEARNT_RUSH } else { 1.0 };
        let next = self.now_us + self.chance.gap_us(population.per_s() * rush);
        self.at(next, Event::Arrive(at));
        let unix_s = self.now().unix_s;
        let mut visitor = crowd::draw(population, self.now_us, unix_s, &mut self.chance);
        if let Some(vector) = self.plan.vector.filter(|_| self.learning && visits)
            && self.chance.unit() < vector.poison
        {
            let bot = self.chance.below(vector.bots);
            visitor.facts = vector.facts(bot, self.now_us, unix_s, &mut self.chance);
        }
        let place = self.welcome(visitor);
        let phase = self.phase(self.now_us);
        self.figures(population, phase, |figures| figures.attempted += 1);
        self.ask(place);
    }

    fn burst(&mut self, burst: Burst) {
        let (_, per_s) =
            Burst::ALL.iter().find(|(one, _)| *one == burst).copied().unwrap_or((burst, 1.0));
        let next_us = match burst {
            Burst::Reconnect | Burst::Poller => whole(1e6 / per_s),
            _ => self.chance.gap_us(per_s),
        };
        // A post is viral for twenty seconds of each minute.
        let viral = burst != Burst::Viral || self.now_us / SECOND_US % 60 < 20;
        self.at(self.now_us + next_us, Event::Honest(burst));
        let unix_s = self.now().unix_s;
        let draw = |world: &mut Self| {
            crowd::draw(Population::Newcomers, world.now_us, unix_s, &mut world.chance)
        };
        let mut come = Vec::new();
        match burst {
            Burst::Reconnect => {
                for account in 0..3 * crowd::MEMBERS {
                    let mut visitor = draw(self);
                    visitor.population = Population::Members;
                    visitor.facts = crowd::member(account % crowd::MEMBERS, unix_s);
                    visitor.cost_ns = crowd::spread(crowd::HOME.1, &mut self.chance);
                    come.push(visitor);
                }
            }
            Burst::Viral if viral => come.push(draw(self)),
            Burst::Viral => {}
            Burst::School | Burst::Crawler | Burst::Poller => {
                let mut visitor = draw(self);
                visitor.population = Population::Returning;
                visitor.facts.address = crowd::human_address(burst as u64, 9);
                come.push(visitor);
            }
        }
        for visitor in come {
            let population = visitor.population;
            let place = self.welcome(visitor);
            self.figures(population, Phase::Calm, |figures| figures.attempted += 1);
            self.ask(place);
        }
    }

    fn welcome(&mut self, visitor: Visitor) -> usize {
        if let Some(place) = self.vacant.pop() {
            if let Some(held) = self.visitors.get_mut(place) {
                *held = Some(visitor);
            }
            return place;
        }
        self.visitors.push(Some(visitor));
        self.visitors.len() - 1
    }

    fn bot(&mut self) {
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
        self.figures(Population::Bots, Phase::Attack, |figures| figures.attempted += 1);
        if self.dropped.get(&facts.address).is_some_and(|until_us| now.us < *until_us) {
            self.report.dropped += 1;
            return;
        }
        let visitor = Visitor {
            population: Population::Bots,
            facts,
            cost_ns: crowd::spread(vector.asks.1, &mut self.chance),
            since_us: now.us,
            challenged: false,
        };
        let place = self.welcome(visitor);
        self.bots.insert(place, bot);
        self.ask(place);
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

    fn phase(&self, at_us: u64) -> Phase {
        if at_us < self.attack.0 {
            Phase::Calm
        } else if at_us < self.attack.1 {
            Phase::Attack
        } else {
            Phase::Recovery
        }
    }

    fn figures(
        &mut self,
        population: Population,
        phase: Phase,
        change: impl FnOnce(&mut super::Figures),
    ) {
        if !self.learning {
            change(self.report.change(population, phase));
        }
    }

    fn ask(&mut self, place: usize) {
        let Some(Some(visitor)) = self.visitors.get_mut(place) else { return };
        let facts = visitor.facts;
        if let Some(clearance) = &mut visitor.facts.credentials.clearance {
            clearance.is_fresh = false;
        }
        let now = self.now();
        self.decisions += 1;
        match decide(&mut self.state, &facts, now) {
            Decision::Serve(admission) => self.serve(place, admission),
            Decision::Queue(at) => {
                self.queued.insert(at, place);
            }
            Decision::Challenge => {
                self.spend(limits::CHALLENGE_NS);
                self.challenged(place, None);
            }
            Decision::WaitingRoom { retry_after_s } => {
                self.spend(limits::CHALLENGE_NS);
                self.challenged(place, Some(retry_after_s));
            }
            Decision::Refuse(_) => {
                self.spend(limits::REFUSAL_NS);
                self.refused(place);
            }
        }
    }

    /// Time of the core that no decision admitted.
    fn spend(&mut self, cost_ns: u64) {
        self.free_ns = self.free_ns.max(self.now_us * 1_000) + self.worked(cost_ns);
    }

    fn worked(&self, cost_ns: u64) -> u64 {
        whole(real(cost_ns) / self.plan.speed)
    }

    fn serve(&mut self, visitor: usize, admission: Admission) {
        let Some(Some(held)) = self.visitors.get(visitor) else { return };
        let cost_ns = held.cost_ns;
        let begins_ns = self.free_ns.max(self.now_us * 1_000);
        self.state.hear((begins_ns - self.now_us * 1_000) / 1_000);
        self.free_ns = begins_ns + self.worked(cost_ns);
        if self.phase(self.now_us) == Phase::Attack {
            self.report.busy += real(cost_ns);
            if admission.standing() >= Standing::Cleared {
                self.report.strangers_served += real(cost_ns);
            }
        }
        let running = Running { visitor, admission, cost_ns };
        let place = if let Some(place) = self.idle.pop() {
            if let Some(held) = self.running.get_mut(place) {
                *held = Some(running);
            }
            place
        } else {
            self.running.push(Some(running));
            self.running.len() - 1
        };
        self.at(self.free_ns.div_ceil(1_000), Event::End(place));
    }

    fn end(&mut self, place: usize) {
        let Some(running) = self.running.get_mut(place).and_then(Option::take) else { return };
        self.idle.push(place);
        let cost_ns = self.worked(running.cost_ns);
        self.state.settle(running.admission, Outcome::Ended { cost_ns }, self.now());
        self.leave(running.visitor, true);
    }

    /// A visitor's deed has ended.
    fn leave(&mut self, place: usize, served: bool) {
        let Some(visitor) = self.visitors.get_mut(place).and_then(Option::take) else { return };
        self.vacant.push(place);
        self.bots.remove(&place);
        let latency_us = self.now_us - visitor.since_us;
        let phase = self.phase(visitor.since_us);
        self.figures(visitor.population, phase, |figures| {
            if served {
                figures.answered(latency_us, visitor.challenged);
            } else {
                figures.failed += 1;
            }
        });
        if visitor.population == Population::Members && !self.learning {
            let signed = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
            let at = signed(visitor.since_us) - signed(self.attack.0);
            self.report.deeds.push((at, latency_us, !served));
        }
    }

    /// Whoever leaves the queue.
    fn call(&mut self) {
        while let Some((at, called)) = self.state.next(self.now()) {
            let Some(visitor) = self.queued.remove(&at) else { continue };
            match called {
                Called::Serve(admission) => self.serve(visitor, admission),
                Called::Refuse(_) => {
                    self.spend(limits::REFUSAL_NS);
                    self.refused(visitor);
                }
            }
        }
    }

    fn refused(&mut self, place: usize) {
        let Some(Some(visitor)) = self.visitors.get(place) else { return };
        let (population, since_us) = (visitor.population, visitor.since_us);
        let phase = self.phase(self.now_us);
        self.figures(population, phase, |figures| figures.refused += 1);
        if population == Population::Members && phase == Phase::Attack {
            self.report.members_refused += 1;
        }
        // People press the button again after a second or two.
        let again_us = self.now_us + SECOND_US + self.chance.below(SECOND_US);
        if again_us < since_us + population.patience_us() {
            self.at(again_us, Event::Again(place));
        } else {
            self.leave(place, false);
        }
    }

    /// A challenge or, where seconds are given, the waiting room.
    fn challenged(&mut self, place: usize, waits_s: Option<u32>) {
        if let Some(bot) = self.bots.get(&place).copied() {
            self.count_challenge();
            self.earn(bot);
            return self.leave(place, false);
        }
        let now = self.now();
        let phone_us = 600_000 + self.chance.below(SECOND_US);
        let clearance = crowd::clearance(&mut self.chance);
        self.count_challenge();
        let Some(Some(visitor)) = self.visitors.get_mut(place) else { return };
        visitor.challenged = true;
        let after_us = match (visitor.population, waits_s) {
            (Population::Newcomers, None) => {
                visitor.facts.credentials.clearance = clearance;
                phone_us
            }
            (_, waits_s) => u64::from(waits_s.unwrap_or(3)) * SECOND_US,
        };
        let credentials = &mut visitor.facts.credentials;
        credentials.waiting_since_unix_s = credentials.waiting_since_unix_s.or(Some(now.unix_s));
        let gone = now.us + after_us > visitor.since_us + visitor.population.patience_us();
        if gone {
            self.leave(place, false);
        } else {
            self.at(now.us + after_us, Event::Again(place));
        }
    }

    fn count_challenge(&mut self) {
        let (from, to) = self.attack;
        let quarter = (to - from) / 4;
        let (first, last) = &mut self.report.challenges;
        if self.now_us < from + quarter {
            *first += 1;
        } else if (to - quarter..to).contains(&self.now_us) {
            *last += 1;
        }
    }

    /// What a bot makes of a challenge.
    fn earn(&mut self, bot: u64) {
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
