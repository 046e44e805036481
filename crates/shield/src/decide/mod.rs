//! Who is served when not all can be. Pure and deterministic: no clock, no chance, no I/O; the
//! caller hands in the time, a random key, and what it knows of a request, and gets a decision.
//!
//! ```text
//! decide(&mut state, &facts, now) -> Serve | Queue | Challenge | WaitingRoom | Refuse
//! state.settle(admission, outcome, now)   when an answer's body has ended, or its caller has left
//! state.next(now)                         after each of these and each tick: who leaves the queue
//! state.hear(delay_us)                    how long admitted work waited before it ran
//! state.tick(now)                         about every 10 ms
//! ```
//!
//! In peace everybody is served, after at most a short wait. Under pressure each request gets a
//! rank (`rank.rs`), and those above a threshold are served (`threshold.rs`): as much *cost* as the
//! machine does (`flow.rs`), best rank first. Memory is of fixed size, keyed by a secret, and
//! nothing is allocated in a decision.
//!
//! Leaves to the wiring: sockets, verifying credentials, what pages look like, measuring costs and
//! delays. Leaves to `edge`: connections and bytes. Why it is so: `docs/decisions`, "Admit cost by
//! rank".

mod cost;
mod decision;
mod degrade;
mod facts;
mod flow;
mod in_flight;
mod keyed;
mod legitimacy;
pub(crate) mod number;
mod offenders;
mod queue;
mod rank;
mod saved;
pub(crate) mod sketch;
mod snapshot;
mod threshold;
mod turn;

#[cfg(test)]
mod tests;

use ipnet::IpNet;

pub use decision::{
    Admission, Called, Decision, Outcome, Place, Reason, Refusal, TurnedAway, Verdict,
};
pub use degrade::Step;
pub use facts::{
    Clearance, Credentials, Criticality, Door, Facts, Lane, Member, Now, Principal, Route, RouteId,
    Standing, TRAITS, Traits, Visit, Work, network_of,
};
pub use offenders::Denial;
pub use saved::{SavedError, Saving, backdate};
pub use sketch::Entry;
pub use snapshot::{Snapshot, Tally};

use crate::limits::decide as limits;
use number::{real, small};
use queue::Waiting;
use rank::{Shares, Who};
use sketch::{Active, History, Meter, Top};

/// What differs by machine and host.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Work that the machine does, in ns per second: a thousand million for each core.
    pub capacity_ns_per_s: u64,
    /// Sources that tables are made for; [`limits::SOURCES`] takes 52 MiB once all are touched.
    pub sources: usize,
    /// Whether strangers may be challenged.
    pub challenges: bool,
    /// Whether proven offenders are denied.
    pub denials: bool,
    /// Decides and counts, but serves everybody.
    pub observe: bool,
}

impl Settings {
    /// For a machine of so many cores.
    #[must_use]
    pub const fn for_cores(cores: u32) -> Self {
        Self {
            capacity_ns_per_s: 1_000_000_000 * cores as u64,
            sources: limits::SOURCES,
            challenges: true,
            denials: true,
            observe: false,
        }
    }
}

/// Who was active lately.
struct Actives {
    members: Active,
    addresses: Active,
    networks: Active,
}

/// All that is remembered between decisions.
pub struct State {
    settings: Settings,
    key: keyed::Key,
    flow: flow::Flow,
    costs: cost::Costs,
    ranks: threshold::Ranks,
    used: Meter,
    in_flight: in_flight::InFlight,
    legitimacy: legitimacy::Legitimacy,
    history: History,
    taught: Meter,
    offenders: offenders::Offenders,
    queue: queue::Queue,
    evicted: Vec<(Place, Admission)>,
    ladder: degrade::Ladder,
    active: Actives,
    shares: Shares,
    top: Top<IpNet>,
    counters: snapshot::Counters,
    last: Verdict,
    pressed: bool,
    pressed_since_s: u64,
    challenged_us: u64,
    /// Work that strangers are owed by their floor, and that challenges may cost, in ns.
    floor_ns: f64,
    challenge_ns: f64,
    turns: turn::Turns,
}

impl State {
    /// Knows nobody. The key is sixteen random bytes, the same as long as what was learnt under it
    /// is to be used.
    #[must_use]
    pub fn new(settings: Settings, key: [u8; 16], now: Now) -> Self {
        let key = keyed::Key::new(key);
        let sources = settings.sources.max(1_024);
        let day = now.unix_s / 86_400;
        Self {
            settings,
            key,
            flow: flow::Flow::new(settings.capacity_ns_per_s, now.us),
            costs: cost::Costs::new(),
            ranks: threshold::Ranks::new(),
            used: Meter::new(sources, limits::CONSUMPTION_WINDOW_US),
            in_flight: in_flight::InFlight::new(),
            legitimacy: legitimacy::Legitimacy::new(key.mixer(), now.us, now.unix_s),
            history: History::new(sources, day),
            taught: Meter::new(sources / 16, 86_400_000_000),
            offenders: offenders::Offenders::new(sources, day),
            queue: queue::Queue::new(key.fingerprint()),
            evicted: Vec::with_capacity(limits::QUEUE_MAX),
            ladder: degrade::Ladder::new(),
            active: Actives {
                members: Active::new(),
                addresses: Active::new(),
                networks: Active::new(),
            },
            shares: Shares::LEAST,
            top: Top::new(),
            counters: snapshot::Counters::default(),
            last: Verdict { standing: Standing::Stranger, overruled: None },
            pressed: false,
            pressed_since_s: 0,
            challenged_us: 0,
            floor_ns: 0.0,
            challenge_ns: 0.0,
            turns: turn::Turns::new(now),
        }
    }

    /// What is switched off at present.
    #[must_use]
    pub fn step(&self) -> Step {
        self.ladder.step()
    }

    /// What was found of the request that was decided on last.
    #[must_use]
    pub const fn last(&self) -> Verdict {
        self.last
    }

    /// Whether there is pressure.
    #[must_use]
    pub const fn pressed(&self) -> bool {
        self.pressed
    }

    /// Hears how long a piece of admitted work waited for a core before it ran, in us: what a
    /// handler waited, or the lag of a timer that measures the scheduler.
    pub fn hear(&mut self, delay_us: u64) {
        self.flow.hear(delay_us);
    }

    /// Settles a served request: once, when the body of its answer has ended or its caller left.
    pub fn settle(&mut self, admission: Admission, outcome: Outcome, now: Now) {
        self.flow.drain(now.us);
        self.in_flight.leave(admission.principal.0);
        let cost_ns = match outcome {
            Outcome::Ended { cost_ns } => {
                self.costs.learn(admission.route, cost_ns);
                cost_ns
            }
            Outcome::Cancelled { cost_ns } => cost_ns.unwrap_or(admission.estimate_ns),
        };
        self.flow.correct(admission.estimate_ns, cost_ns);
        // Who found a dear request pays for it; who sent a cheap one is not paid back, since a
        // sketch cannot forget one key without wronging others.
        let beyond_us = small(cost_ns.saturating_sub(admission.estimate_ns) / 1_000);
        if beyond_us > 0 {
            self.used.add(admission.principal.0, beyond_us, now.us);
        }
    }

    /// Who leaves the queue now; ask until there is none.
    pub fn next(&mut self, now: Now) -> Option<(Place, Called)> {
        // As after nearly every request: nobody waits.
        if self.queue.is_empty() && self.evicted.is_empty() {
            return None;
        }
        self.flow_on(now);
        if let Some((place, admission)) = self.evicted.pop() {
            return Some((place, Called::Refuse(self.dismiss(&admission))));
        }
        if let Some((place, waiting)) = self.queue.expired(now.us) {
            return Some((place, Called::Refuse(self.dismiss(&waiting.admission))));
        }
        let depth = self.flow.depth_ms();
        let stranger = self.queue.next_stranger_ns();
        let known = self.queue.next_known();
        let whom = if stranger.is_some_and(|cost| depth < self.strangers_depth_ms(cost)) {
            queue::Whom::Anybody
        } else if stranger.is_some_and(|cost| self.floor_covers(cost)) {
            queue::Whom::Strangers
        } else if known.is_some_and(|(rank, cost)| depth < self.known_depth_ms(rank, cost)) {
            queue::Whom::Known
        } else {
            return None;
        };
        let (place, waiting) = self.queue.pop(self.pressed, whom)?;
        let admission = waiting.admission;
        self.take_on(waiting.lane, admission.estimate_ns);
        self.counters.of(admission.standing, |tally| tally.served += 1);
        Some((place, Called::Serve(admission)))
    }

    /// Gives up a place in the queue whose caller has left.
    pub fn leave(&mut self, place: Place) {
        if let Some(waiting) = self.queue.leave(place) {
            self.in_flight.leave(waiting.admission.principal.0);
        } else if let Some(at) = self.evicted.iter().position(|(gone, _)| *gone == place) {
            let (_, admission) = self.evicted.swap_remove(at);
            self.in_flight.leave(admission.principal.0);
        }
    }

    /// The next address that the kernel should deny.
    pub fn next_denial(&mut self) -> Option<Denial> {
        self.offenders.next_denial()
    }

    /// Forgives one address: an operator's word. Answers whether it was denied.
    pub fn forgive(&mut self, address: std::net::IpAddr, now: Now) -> bool {
        let origin = facts::Origin::of(&self.key, address);
        self.offenders.forgive(origin.address, address, now)
    }

    /// Forgives every denied address: an operator's word.
    pub fn clear_denials(&mut self) {
        self.offenders.clear();
    }

    /// Bytes of all tables, touched or not.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.used.bytes() + self.history.bytes() + self.taught.bytes() + self.offenders.bytes()
    }

    /// Refuses one that waited.
    fn dismiss(&mut self, admission: &Admission) -> Refusal {
        self.in_flight.leave(admission.principal.0);
        self.counters.refused(admission.standing, Reason::QueueFull);
        refusal(Reason::QueueFull, admission.principal.0)
    }

    /// Lets time pass for work and for what floors and challenges are owed.
    fn flow_on(&mut self, now: Now) {
        let work = self.flow.drain(now.us);
        let saved = limits::FLOOR_SAVED_MS / 1_000.0 * self.flow.capacity();
        self.floor_ns = (self.floor_ns + work * limits::FLOOR_STRANGERS).min(saved);
        let saved = limits::CHALLENGE_SHARE * self.flow.capacity();
        self.challenge_ns = (self.challenge_ns + work * limits::CHALLENGE_SHARE).min(saved);
    }

    /// The depth below which a stranger's request of this cost is served.
    fn strangers_depth_ms(&self, cost_ns: u64) -> f64 {
        let cost_ms = real(cost_ns) * 1_000.0 / self.flow.capacity();
        limits::DEPTH_STRANGERS_MS - cost_ms.min(limits::DEPTH_DEAR_MS)
    }

    /// The same for one known from before. Only the best have all of it: bots with accounts made in
    /// peace or harvested cookies are known too, and members shall not wait behind them.
    fn known_depth_ms(&self, rank: u16, cost_ns: u64) -> f64 {
        if rank >= limits::RANK_BEST {
            limits::DEPTH_KNOWN_MS
        } else {
            self.strangers_depth_ms(cost_ns)
        }
    }

    /// Whether strangers are owed so much by their floor, now.
    fn floor_covers(&self, cost_ns: u64) -> bool {
        let saved = limits::FLOOR_SAVED_MS / 1_000.0 * self.flow.capacity();
        self.floor_ns >= real(cost_ns).min(saved * 0.9)
            && self.flow.depth_ms() < limits::DEPTH_KNOWN_MS
    }

    /// Takes work on.
    fn take_on(&mut self, lane: Lane, cost_ns: u64) {
        self.flow.admit(cost_ns);
        if lane != Lane::Known {
            self.floor_ns -= real(cost_ns);
            let saved = limits::FLOOR_SAVED_MS / 1_000.0 * self.flow.capacity();
            self.floor_ns = self.floor_ns.max(-saved);
        }
    }
}

/// Decides on one request.
pub fn decide(state: &mut State, facts: &Facts, now: Now) -> Decision {
    state.flow_on(now);
    let who = rank::recognise(state, facts, now);
    let estimate_ns = state.costs.estimate_ns(facts.route);
    let bins = (who.standing != Standing::Member && who.standing != Standing::Peer)
        .then(|| state.legitimacy.bins(facts, who.origin.network));
    state.note(facts, &who, bins.as_ref(), estimate_ns, now);
    let request = Request { facts, who, estimate_ns, bins, now };
    let decision = if state.pressed { state.judge(&request) } else { state.welcome(&request) };
    state.counters.decided(request.who.standing, &decision);
    state.last = Verdict { standing: request.who.standing, overruled: None };
    if state.settings.observe { state.observed(&request, decision) } else { decision }
}

/// One request while it is decided on.
struct Request<'a> {
    facts: &'a Facts,
    who: Who,
    estimate_ns: u64,
    bins: Option<legitimacy::Bins>,
    now: Now,
}

impl Request<'_> {
    const fn lane(&self) -> Lane {
        self.who.standing.lane()
    }
}

impl State {
    /// Counts a request among those that come now.
    fn note(
        &mut self,
        facts: &Facts,
        who: &Who,
        bins: Option<&legitimacy::Bins>,
        estimate_ns: u64,
        now: Now,
    ) {
        self.counters.of(who.standing, |tally| tally.offered += 1);
        if let Some(bins) = bins {
            self.legitimacy.see(bins);
        }
        if facts.credentials.clearance.is_some_and(|clearance| clearance.is_fresh) {
            self.offenders.answered(who.origin.address, now.us);
        }
        if who.standing == Standing::Member {
            self.active.members.insert(who.principal.0);
            self.offenders.served_member(who.origin.address);
        } else {
            self.active.addresses.insert(who.origin.address);
            self.active.networks.insert(who.origin.network);
        }
        if self.pressed && who.standing.lane() != Lane::Known {
            let network = facts::network_of(facts.address);
            self.top.add(who.origin.network, network, estimate_ns / 1_000);
        }
    }

    /// In peace: everybody is served, at once or after a short wait.
    fn welcome(&mut self, request: &Request) -> Decision {
        self.ranks.offer(request.lane(), rank::of_standing(&request.who), request.estimate_ns);
        let deepest = match request.lane() {
            Lane::Known => limits::DEPTH_KNOWN_MS,
            Lane::Cleared | Lane::Unknown => limits::DEPTH_STRANGERS_MS,
        };
        if self.queue.is_empty() && self.flow.depth_ms() < deepest {
            self.learn(request);
            return self.serve(request);
        }
        let bins = request.bins.as_ref();
        let (rank, _) = rank::of(self, request.facts, &request.who, bins, request.now);
        if let Some(place) = self.enqueue(request, rank) {
            return Decision::Queue(place);
        }
        self.press(request.now);
        self.turn_away(request, rank, Reason::QueueFull)
    }

    /// Under pressure: by rank.
    fn judge(&mut self, request: &Request) -> Decision {
        let (who, now, lane) = (&request.who, request.now, request.lane());
        let (rank, over) = rank::of(self, request.facts, who, request.bins.as_ref(), now);
        self.ranks.offer(lane, rank, request.estimate_ns);
        let exposed = lane != Lane::Known && who.standing != Standing::Cleared;
        if exposed && self.offenders.denied_s(who.origin.address, now.unix_s).is_some() {
            return self.turn_away(request, rank, Reason::Denied);
        }
        let most = if lane == Lane::Known && who.standing <= Standing::Peer {
            limits::IN_FLIGHT_KNOWN_MAX
        } else {
            limits::IN_FLIGHT_STRANGER_MAX
        };
        if self.in_flight.of(who.principal.0) >= most {
            return self.turn_away(request, rank, Reason::InFlight);
        }
        if self.ladder.step().forbids(request.facts.route, lane) {
            return self.turn_away(request, rank, Reason::Degraded);
        }
        let depth = self.flow.depth_ms();
        let passes = self.ranks.cut(lane).passes(rank, rank::tie(&self.key, who, now));
        let busy = depth >= limits::DEPTH_SPARE_MS || !self.queue.is_empty();
        let may_wait = !passes && busy && lane == Lane::Known && over <= 1.0 && self.may_wait();
        if !passes && busy && !may_wait {
            let reason = match who.standing {
                Standing::Suspect => Reason::Suspect,
                _ if over > 1.0 => Reason::Share,
                _ => Reason::Pressure,
            };
            return self.turn_away(request, rank, reason);
        }
        let deepest = match lane {
            Lane::Known => self.known_depth_ms(rank, request.estimate_ns),
            Lane::Cleared | Lane::Unknown => self.strangers_depth_ms(request.estimate_ns),
        };
        let owed = lane != Lane::Known && self.floor_covers(request.estimate_ns);
        if (depth < deepest && self.queue.is_empty() && !may_wait) || owed {
            return self.serve(request);
        }
        match self.enqueue(request, rank) {
            Some(place) => Decision::Queue(place),
            None => self.turn_away(request, rank, Reason::QueueFull),
        }
    }

    /// Whether so few of those known from before wait that one more will be called in time, even if
    /// the last second's were too many: all apps that come back at once are no attack.
    fn may_wait(&self) -> bool {
        let known_ms = real(self.queue.known_ns()) * 1_000.0 / self.flow.capacity();
        known_ms < limits::KNOWN_WAITING_MS
    }

    fn admission(&mut self, request: &Request) -> Admission {
        let who = &request.who;
        rank::charge(self, who, real(request.estimate_ns), request.now);
        self.in_flight.enter(who.principal.0);
        Admission {
            principal: who.principal,
            standing: who.standing,
            route: request.facts.route.id,
            estimate_ns: request.estimate_ns,
        }
    }

    fn serve(&mut self, request: &Request) -> Decision {
        self.take_on(request.lane(), request.estimate_ns);
        Decision::Serve(self.admission(request))
    }

    fn enqueue(&mut self, request: &Request, rank: u16) -> Option<Place> {
        // Those that made way are told by `next`; a caller that never asks gets no more of them.
        if self.evicted.len() >= limits::QUEUE_MAX {
            return None;
        }
        let lane = request.lane();
        let wait =
            if lane == Lane::Known { limits::QUEUE_WAIT_KNOWN_US } else { limits::QUEUE_WAIT_US };
        let wait_us = if self.pressed { wait.1 } else { wait.0 };
        let deadline_us = request.now.us + wait_us;
        let waiting = Waiting {
            admission: self.admission(request),
            lane,
            network: request.who.origin.network,
            deadline_us,
            expires_us: deadline_us,
        };
        let (place, gone) = self.queue.push(waiting, rank);
        if let Some((place, waiting)) = gone {
            self.evicted.push((place, waiting.admission));
        }
        if place.is_none() {
            self.in_flight.leave(request.who.principal.0);
        }
        place
    }

    /// Refuses, or gives a stranger a way to become more than one.
    fn turn_away(&mut self, request: &Request, rank: u16, reason: Reason) -> Decision {
        let (who, now) = (&request.who, request.now);
        let knock_ns = limits::KNOCK * real(request.estimate_ns);
        rank::charge(self, who, knock_ns, now);
        self.flow.take_refusal(limits::REFUSAL_NS);
        self.turns.overhead_ns += limits::REFUSAL_NS;
        let may_challenge = reason == Reason::Pressure && request.facts.route.door == Door::Page;
        if may_challenge && let Some(decision) = self.challenge(request, rank) {
            return decision;
        }
        let may_deny = self.settings.denials && request.facts.direct;
        if who.standing == Standing::Suspect
            && may_deny
            && self.offenders.refused(who.origin, who.familiar, now)
            && let Some(seconds) = self.offenders.deny(who.origin.address, now.unix_s)
        {
            self.offenders.announce(request.facts.address, seconds);
        }
        Decision::Refuse(refusal(reason, rank::tie(&self.key, who, now)))
    }

    /// A challenge or the waiting room, where the policy and its budget allow one.
    fn challenge(&mut self, request: &Request, rank: u16) -> Option<Decision> {
        let (who, now) = (&request.who, request.now);
        if !self.settings.challenges || self.challenge_ns < real(limits::CHALLENGE_NS) {
            return None;
        }
        let waits = who.waited_s.is_some() || who.standing == Standing::Cleared;
        let unlucky = !self.ranks.challenge().passes(rank, rank::tie(&self.key, who, now));
        if who.standing.lane() == Lane::Known || (unlucky && !waits) {
            return None;
        }
        self.challenge_ns -= real(limits::CHALLENGE_NS);
        self.flow.take_refusal(limits::CHALLENGE_NS);
        self.turns.overhead_ns += limits::CHALLENGE_NS;
        if waits {
            let cleared = who.standing == Standing::Cleared;
            let retry_after_s = if cleared { CLEARED_WAITING_S } else { WAITING_S };
            return Some(Decision::WaitingRoom { retry_after_s });
        }
        self.offenders.challenged(who.origin.address, now.us);
        self.challenged_us = now.us;
        Some(Decision::Challenge)
    }

    /// What `observe` makes of a decision: everybody is served, as if it had been decided so.
    fn observed(&mut self, request: &Request, decision: Decision) -> Decision {
        self.last.overruled = match decision {
            Decision::Serve(_) => return decision,
            Decision::Queue(place) => {
                self.leave(place);
                None
            }
            Decision::Challenge => Some(TurnedAway::Challenge),
            Decision::WaitingRoom { retry_after_s } => {
                Some(TurnedAway::WaitingRoom { retry_after_s })
            }
            Decision::Refuse(refusal) => Some(TurnedAway::Refused(refusal)),
        };
        Decision::Serve(self.admission(request))
    }

    /// Learns what a visitor in peace looks like and where it comes from.
    fn learn(&mut self, request: &Request) {
        let who = &request.who;
        self.history.insert(who.origin.address);
        let Some(bins) = &request.bins else { return };
        let taught = f64::from(self.taught.add(who.origin.network, 1, request.now.us));
        let weight = (limits::PROFILE_NETWORK_DAY / taught).min(1.0);
        #[expect(clippy::cast_possible_truncation, reason = "a weight from 0 to 1")]
        self.legitimacy.learn(bins, (weight * weight) as f32);
    }
}

/// Seconds until the waiting room comes back by itself, and for who has passed a challenge.
const WAITING_S: u32 = 3;
const CLEARED_WAITING_S: u32 = 1;

/// A refusal; when to come back differs by principal, so that not all come back at once.
fn refusal(reason: Reason, spread: u64) -> Refusal {
    let retry_after_s = match reason {
        Reason::Denied => 60,
        Reason::Degraded => 30,
        _ => 2 + small(spread % 6),
    };
    Refusal { status: reason.status(), retry_after_s, reason }
}
