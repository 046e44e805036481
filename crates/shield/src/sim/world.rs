//! The simulated world: a queue of events, one core that does admitted work in order, and crowds
//! that act on the answers that they get.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::IpAddr;

use super::bots::Earned;
use super::chance::Chance;
use super::crowd::{self, Population, Visitor};
use super::day::{self, Burst};
use super::machine::Machine;
use super::plan::Plan;
use super::report::{Figures, Phase, Report};
use crate::decide::number::{real, whole};
use crate::decide::{
    Admission, Called, Decision, Lane, Now, Outcome, Place, Settings, Standing, State, Step, Work,
    decide,
};
use crate::limits::decide as limits;

pub(super) const SECOND_US: u64 = 1_000_000;
const DAY_S: u64 = 86_400;
/// When the world begins, in seconds since 1970.
pub(super) const START_S: u64 = 20_000 * DAY_S;
/// By how much timers fire late at most, in us, and how much of that the gate does not count: they
/// count in ms.
const TIMER_US: u64 = 1_000;
/// Seconds of peace that are learnt from, on each of two days.
const LEARNT_S: u64 = 90;
/// How many times more visitors come in them, so that little has to be simulated.
const LEARNT_RUSH: f64 = 4.0;
/// Seconds before and after the attack.
const AROUND_S: u64 = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// The shield's tick is due, and comes to its turn.
    Tick(u64),
    Ticked(u64),
    Arrive(usize),
    Bot,
    Honest(Burst),
    /// The server is restarted, and what it learnt is kept or not.
    Restart(bool),
    /// A visitor asks again.
    Again(usize),
    /// A request's answer has ended.
    End(usize),
    /// The core is free for the next task in line.
    Free,
}

/// What waits in line for the core.
pub(super) enum Task {
    /// A request, not decided on.
    Ask(usize),
    /// A request that left the queue.
    Serve(usize, Admission),
    /// The shield's tick, due then.
    Tick(u64),
}

/// A request that is being served.
pub(super) struct Running {
    visitor: usize,
    admission: Admission,
    cost_ns: u64,
}

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) state: State,
    key: [u8; 16],
    pub(super) chance: Chance,
    pub(super) now_us: u64,
    pub(super) machine: Machine,
    /// Tasks in line for the core with when they came, and whether an event will look after them.
    line: VecDeque<(u64, Task)>,
    looked_after: bool,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    visitors: Vec<Option<Visitor>>,
    vacant: Vec<usize>,
    pub(super) running: Vec<Option<Running>>,
    pub(super) idle: Vec<usize>,
    pub(super) queued: HashMap<Place, usize>,
    pub(super) dropped: HashMap<IpAddr, u64>,
    pub(super) bots: HashMap<usize, u64>,
    pub(super) earned: Earned,
    pub(super) attack: (u64, u64),
    /// When the day began.
    pub(super) day_from_us: u64,
    sampled_us: u64,
    pub(super) learning: bool,
    pub(super) report: Report,
    pub(super) decisions: u64,
}

/// Runs a plan.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let mut chance = Chance::new(plan.seed);
    let key = key(&mut chance);
    let start = Now { us: 0, unix_s: START_S };
    let mut world = World {
        plan: *plan,
        state: State::new(settings(plan), key, start),
        key,
        chance,
        now_us: 0,
        machine: Machine::new(plan.speed, plan.told, plan.theft.0),
        line: VecDeque::new(),
        looked_after: false,
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
        day_from_us: 0,
        sampled_us: 0,
        learning: true,
        report: Report::default(),
        decisions: 0,
    };
    world.live();
    world.report
}

fn settings(plan: &Plan) -> Settings {
    Settings {
        capacity_ns_per_s: whole(1e9 * plan.told),
        sources: 1 << 17,
        observe: !plan.shield,
        ..Settings::for_cores(1)
    }
}

fn key(chance: &mut Chance) -> [u8; 16] {
    let mut key = [0; 16];
    key.iter_mut().for_each(|byte| *byte = u8::try_from(chance.below(256)).unwrap_or(0));
    key
}

impl World {
    /// A shield that knows nobody, under its key or another.
    pub(super) fn fresh(&mut self, same_key: bool) -> State {
        if !same_key {
            self.key = key(&mut self.chance);
        }
        State::new(settings(&self.plan), self.key, self.now())
    }

    /// What another shield admitted is asked for again.
    pub(super) fn forget_admissions(&mut self) {
        for (_, task) in &mut self.line {
            if let Task::Serve(visitor, _) = task {
                *task = Task::Ask(*visitor);
            }
        }
    }

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
        if let Some(day) = self.plan.day {
            return self.day(day);
        }
        let seconds = self.plan.vector.map_or(60, |vector| vector.seconds);
        let seconds = seconds.min(self.plan.seconds_max).max(1);
        let begins = from + AROUND_S * SECOND_US;
        self.attack = (begins, begins + seconds * SECOND_US);
        self.at(begins, Event::Bot);
        self.until(begins);
        self.machine.theft = self.plan.theft.1;
        self.until(self.attack.1 + AROUND_S * SECOND_US);
        let attacked_ns = real(seconds) * 1e9;
        self.report.strangers_served /= attacked_ns;
        self.report.busy /= attacked_ns;
        self.report.simulated = (real(self.now_us - from) / 1e6, self.decisions);
    }

    pub(super) fn now(&self) -> Now {
        Now { us: self.now_us, unix_s: START_S + self.now_us / SECOND_US }
    }

    pub(super) fn at(&mut self, at_us: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at_us, self.sequence, event)));
    }

    /// Schedules the first of everything that comes by itself.
    fn begin(&mut self) {
        self.machine.rest(self.now_us);
        self.at(self.now_us, Event::Tick(self.now_us));
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
        self.line.clear();
        self.looked_after = false;
        self.visitors.clear();
        self.vacant.clear();
        while let Some(at) = self.running.iter().position(Option::is_some) {
            self.end(at);
        }
        self.events.clear();
        for _ in 0..seconds.min(40) {
            self.now_us += seconds * SECOND_US / seconds.min(40);
            self.tick(0);
        }
    }

    pub(super) fn until(&mut self, end_us: u64) {
        while let Some(Reverse((at_us, _, event))) = self.events.pop() {
            if at_us > end_us {
                self.events.push(Reverse((at_us, 0, event)));
                break;
            }
            self.now_us = self.now_us.max(at_us);
            self.happen(event);
            self.call();
            self.look_after();
        }
        self.now_us = end_us;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick(due_us) if self.plan.in_line => {
                self.line.push_back((self.now_us, Task::Tick(due_us)));
            }
            // Behind all that is in hand, and before what is taken in hand from now on.
            Event::Tick(due_us) => {
                self.at(self.machine.free_us().max(self.now_us), Event::Ticked(due_us));
            }
            Event::Ticked(due_us) => self.ticked(due_us),
            Event::Arrive(at) => self.arrive(at),
            Event::Bot => self.bot(),
            Event::Honest(burst) => self.burst(burst),
            Event::Restart(kept) => self.restart(kept),
            Event::Again(visitor) => self.come(visitor),
            Event::End(running) => self.end(running),
            Event::Free => {
                self.looked_after = false;
                self.next_task();
            }
        }
    }

    /// A request comes: it is decided on at once, or gets in line for it.
    pub(super) fn come(&mut self, visitor: usize) {
        if self.plan.in_line {
            self.line.push_back((self.now_us, Task::Ask(visitor)));
        } else {
            self.ask(visitor);
        }
    }

    /// The core takes the next task in line, once it has done what it has in hand.
    fn next_task(&mut self) {
        if self.machine.free_us() > self.now_us {
            return;
        }
        match self.line.pop_front() {
            Some((_, Task::Ask(visitor))) => self.ask(visitor),
            Some((_, Task::Serve(visitor, admission))) => self.serve(visitor, admission),
            Some((_, Task::Tick(due_us))) => self.ticked(due_us),
            None => {}
        }
    }

    /// As the gate does it: the next tick is due after this one has run.
    fn ticked(&mut self, due_us: u64) {
        self.tick(self.now_us.saturating_sub(due_us + TIMER_US));
        let due_us = self.now_us + self.state.until_tick_us();
        let fires_us = due_us + self.chance.below(TIMER_US);
        self.at(fires_us, Event::Tick(due_us));
    }

    /// Sees to it that the line moves on.
    fn look_after(&mut self) {
        if !self.looked_after && !self.line.is_empty() {
            self.looked_after = true;
            self.at(self.machine.free_us().max(self.now_us), Event::Free);
        }
    }

    /// How long the one who waits longest for the core has waited, or what there is to do before
    /// who comes now, in us.
    fn delay_us(&self) -> u64 {
        let ahead_us = self.machine.free_us().saturating_sub(self.now_us);
        let waited_us = self.line.front().map_or(0, |(since_us, _)| self.now_us - since_us);
        ahead_us.max(waited_us)
    }

    /// The shield's tick, which came to its turn after a delay.
    pub(super) fn tick(&mut self, delay_us: u64) {
        self.state.hear(delay_us);
        let now = self.now();
        self.state.tick(now);
        while let Some(denial) = self.state.next_denial() {
            if self.plan.kernel {
                let until_us = now.us + u64::from(denial.seconds) * SECOND_US;
                self.dropped.insert(denial.address, until_us);
            }
        }
        let on = (self.attack.0..self.attack.1).contains(&now.us);
        if on && now.us >= self.sampled_us + 100_000 {
            self.sampled_us = now.us;
            let snapshot = self.state.snapshot(now);
            self.report.fractions.push(snapshot.admitted_fraction);
            self.report.trims.push(snapshot.trim);
            let delay_us = self.delay_us().max(delay_us);
            self.report.delays_ms.push(real(delay_us) / 1e3);
        }
    }

    fn arrive(&mut self, at: usize) {
        let Some(population) = Population::ALL.get(at).copied() else { return };
        let visits = !matches!(population, Population::Members | Population::NewMembers);
        let rush = if self.learning && visits { LEARNT_RUSH } else { 1.0 };
        let next = self.now_us + self.chance.gap_us(population.per_s() * rush * self.tide());
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
        self.figures((population, None), phase, |figures| figures.attempted += 1);
        self.come(place);
    }

    pub(super) fn welcome(&mut self, visitor: Visitor) -> usize {
        if let Some(place) = self.vacant.pop() {
            if let Some(held) = self.visitors.get_mut(place) {
                *held = Some(visitor);
            }
            return place;
        }
        self.visitors.push(Some(visitor));
        self.visitors.len() - 1
    }

    pub(super) fn phase(&self, at_us: u64) -> Phase {
        if at_us < self.attack.0 {
            Phase::Calm
        } else if at_us < self.attack.1 {
            Phase::Attack
        } else {
            Phase::Recovery
        }
    }

    pub(super) fn figures(
        &mut self,
        (population, burst): (Population, Option<Burst>),
        phase: Phase,
        change: impl Fn(&mut Figures),
    ) {
        if self.learning {
            return;
        }
        change(self.report.change(population, phase));
        if let Some(burst) = burst {
            change(self.report.change_burst(burst, phase));
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
            Decision::Refuse(refusal) => {
                self.spend(limits::REFUSAL_NS);
                self.refused(place, refusal.retry_after_s);
            }
        }
    }

    /// Time of the core that no decision admitted.
    fn spend(&mut self, cost_ns: u64) {
        self.machine.work(self.now_us, cost_ns);
    }

    fn serve(&mut self, visitor: usize, admission: Admission) {
        let Some(Some(held)) = self.visitors.get(visitor) else { return };
        // From the rendered cache, which the shield says that strangers get now.
        let stale = held.facts.route.work == Work::Cacheable
            && admission.standing().lane() != Lane::Known
            && self.state.step() >= Step::Stale;
        let cost_ns = if stale { held.cost_ns / crowd::STALE_SAVES } else { held.cost_ns };
        let ends_us = self.machine.work(self.now_us, cost_ns);
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
        self.at(ends_us, Event::End(place));
    }

    pub(super) fn end(&mut self, place: usize) {
        let Some(running) = self.running.get_mut(place).and_then(Option::take) else { return };
        self.idle.push(place);
        let cost_ns = self.machine.spent_ns(running.cost_ns);
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
        self.figures((visitor.population, visitor.burst), phase, |figures| {
            if served {
                figures.answered(latency_us, visitor.challenged);
            } else {
                figures.failed += 1;
            }
        });
        if visitor.population == Population::Members && !self.learning {
            let signed = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
            let at = signed(visitor.since_us) - signed(self.attack.0);
            // What is asked of the first seconds; of a whole day there would be millions.
            if (0..60 * signed(SECOND_US)).contains(&at) {
                self.report.deeds.push((at, latency_us, !served));
            }
        }
    }

    /// Whoever leaves the queue.
    fn call(&mut self) {
        while let Some((at, called)) = self.state.next(self.now()) {
            let Some(visitor) = self.queued.remove(&at) else { continue };
            match called {
                Called::Serve(admission) if self.plan.in_line => {
                    self.line.push_back((self.now_us, Task::Serve(visitor, admission)));
                }
                Called::Serve(admission) => self.serve(visitor, admission),
                Called::Refuse(refusal) => {
                    self.spend(limits::REFUSAL_NS);
                    self.refused(visitor, refusal.retry_after_s);
                }
            }
        }
    }

    fn refused(&mut self, place: usize, told_s: u32) {
        let Some(Some(visitor)) = self.visitors.get(place) else { return };
        let (population, burst) = (visitor.population, visitor.burst);
        let gone_us = visitor.since_us + visitor.patience_us();
        let phase = self.phase(self.now_us);
        self.figures((population, burst), phase, |figures| figures.refused += 1);
        if population == Population::Members && phase == Phase::Attack {
            self.report.members_refused += 1;
        }
        let again_us = self.now_us + day::again_us(burst, told_s, self.chance.unit());
        if again_us < gone_us {
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
        let gone = now.us + after_us > visitor.since_us + visitor.patience_us();
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
}
