//! What operators and metrics are shown: counters by standing and by reason, and where the
//! controller stands. Of bounded size whatever strangers do; fingerprints stay inside.

use ipnet::IpNet;

use super::State;
use super::decision::{Decision, Reason};
use super::degrade::Step;
use super::facts::{Lane, Now, Standing};
use super::number::real;
use super::sketch::Entry;

/// What became of the requests of one standing, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Asked.
    pub offered: u64,
    /// Served at once, or out of the queue.
    pub served: u64,
    /// Put in the queue.
    pub queued: u64,
    /// Given a challenge.
    pub challenged: u64,
    /// Sent to the waiting room.
    pub waiting: u64,
    /// Refused, also out of the queue.
    pub refused: u64,
}

/// Counters that only grow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counters {
    standings: [Tally; Standing::ALL.len()],
    reasons: [u64; Reason::ALL.len()],
}

impl Counters {
    pub(super) fn of(&mut self, standing: Standing, change: impl FnOnce(&mut Tally)) {
        if let Some(tally) = self.standings.get_mut(standing.index()) {
            change(tally);
        }
    }

    pub(super) fn refused(&mut self, standing: Standing, reason: Reason) {
        self.of(standing, |tally| tally.refused += 1);
        if let Some(count) = self.reasons.get_mut(reason.index()) {
            *count += 1;
        }
    }

    pub(super) fn decided(&mut self, standing: Standing, decision: &Decision) {
        match decision {
            Decision::Serve(_) => self.of(standing, |tally| tally.served += 1),
            Decision::Queue(_) => self.of(standing, |tally| tally.queued += 1),
            Decision::Challenge => self.of(standing, |tally| tally.challenged += 1),
            Decision::WaitingRoom { .. } => self.of(standing, |tally| tally.waiting += 1),
            Decision::Refuse(refusal) => self.refused(standing, refusal.reason),
        }
    }
}

/// The state at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Whether there is pressure.
    pub pressed: bool,
    /// Pressure since, in seconds since 1970.
    pub pressed_since_unix_s: Option<u64>,
    /// What the machine is held to do, in ns of work per second.
    pub capacity_ns_per_s: f64,
    /// What the controller makes of the capacity it was told: 1 is all of it.
    pub trim: f64,
    /// Cost offered over the last second, in ns per second, and that of the three lanes in it.
    pub offered_ns_per_s: f64,
    /// See `offered_ns_per_s`: known, cleared, unknown.
    pub offered_by_lane: [f64; 3],
    /// The part of offered cost that is to be admitted.
    pub admitted_fraction: f64,
    /// The rank of the threshold in the three lanes; 0 lets all pass.
    pub thresholds: [u16; 3],
    /// Work admitted and not done, in ms.
    pub depth_ms: f64,
    /// Queueing delay of admitted work as reported, in ms.
    pub delay_ms: f64,
    /// Requests in the queue.
    pub queued: usize,
    /// What is switched off.
    pub step: Step,
    /// Whether challenges were given in the last seconds.
    pub challenging: bool,
    /// Addresses denied.
    pub denied: usize,
    /// Strangers active in the last seconds: addresses and networks.
    pub strangers: (f64, f64),
    /// Members active in the last seconds.
    pub members: f64,
    /// Requests that the peace profile rests on.
    pub profile: f64,
    /// By standing, in the order of [`Standing::ALL`].
    pub standings: [Tally; Standing::ALL.len()],
    /// Refusals by reason, in the order of [`Reason::ALL`].
    pub reasons: [u64; Reason::ALL.len()],
    /// Networks that ask for most, in us of cost over the last seconds.
    pub top_networks: Vec<Entry<IpNet>>,
    /// Bytes of all tables, touched or not.
    pub bytes: usize,
}

impl Snapshot {
    /// One standing's counters.
    #[must_use]
    pub fn tally(&self, standing: Standing) -> Tally {
        self.standings.get(standing.index()).copied().unwrap_or_default()
    }
}

/// Networks shown.
const TOP: usize = 16;

impl State {
    /// What operators and metrics are shown. Takes some microseconds: ask once a second.
    #[must_use]
    pub fn snapshot(&self, now: Now) -> Snapshot {
        let lanes = [Lane::Known, Lane::Cleared, Lane::Unknown];
        Snapshot {
            pressed: self.pressed,
            pressed_since_unix_s: self.pressed.then_some(self.pressed_since_s),
            capacity_ns_per_s: self.flow.capacity(),
            trim: self.flow.trim(),
            offered_ns_per_s: self.ranks.offered_all(),
            offered_by_lane: lanes.map(|lane| self.ranks.offered(lane)),
            admitted_fraction: if self.pressed { self.ranks.admitted_fraction() } else { 1.0 },
            thresholds: lanes.map(|lane| self.ranks.cut(lane).rank),
            depth_ms: self.flow.depth_ms(),
            delay_ms: self.flow.delay_ms(),
            queued: self.queue.len(),
            step: self.ladder.step(),
            challenging: now.us.saturating_sub(self.challenged_us) < 5_000_000
                && self.challenged_us > 0,
            denied: self.offenders.denied(now.unix_s),
            strangers: (self.active.addresses.estimate(), self.active.networks.estimate()),
            members: self.active.members.estimate(),
            profile: self.legitimacy.known(),
            standings: self.counters.standings,
            reasons: self.counters.reasons,
            top_networks: self.top.largest(TOP),
            bytes: self.bytes(),
        }
    }

    /// The part of requests of a standing that was served, since the start; for tests and reports.
    #[must_use]
    pub fn served_part(&self, standing: Standing) -> f64 {
        let tally = self.counters.standings.get(standing.index()).copied().unwrap_or_default();
        real(tally.served) / real(tally.offered.max(1))
    }
}
