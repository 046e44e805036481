//! What befalls an instance, as typed events: an attack began or ended, a step of degradation was
//! taken, where the threshold stands, which networks ask for most. For whoever watches over it (a
//! journal, a status page); bounded, and lossy for who does not keep up, who is told so.
//!
//! Networks and thresholds are for operators alone until a day after an attack: attackers read
//! public pages.

use ipnet::IpNet;

use crate::decide::{Entry, Now, Snapshot, State, Step};
use crate::limits;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, in seconds since 1970.
    pub at_unix_s: u64,
    /// What.
    pub what: Happened,
}

/// What happened. Work is in ns of processor and database time per second.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// More is asked of the machine than it does, and not only for a moment.
    AttackBegan {
        /// Work that was asked for in the second before.
        offered_ns_per_s: f64,
        /// Work that the machine does.
        capacity_ns_per_s: f64,
    },
    /// It has been asked for clearly less than it does, for some seconds.
    AttackEnded {
        /// How long it lasted.
        seconds: u64,
        /// Requests that were turned away in it.
        turned_away: u64,
    },
    /// Something was switched off, or on again.
    StepChanged {
        /// How it was.
        from: Step,
        /// How it is.
        to: Step,
    },
    /// How it stands, once a second while it lasts.
    Threshold {
        /// The rank from which requests are served: of those known, cleared, and unknown.
        ranks: [u16; 3],
        /// The part of the work asked for that is to be admitted.
        admitted: f64,
        /// Work that is asked for, by those known, cleared, and unknown.
        offered_ns_per_s: [f64; 3],
        /// Requests turned away since it began.
        turned_away: u64,
        /// Addresses that are denied.
        denied: usize,
    },
    /// The networks that ask for most, soon after it began and every ten seconds.
    Networks {
        /// The most first, at most [`limits::EVENT_NETWORKS`].
        most: Vec<NetworkLoad>,
    },
}

/// A network (an IPv4 /24 or IPv6 /48) and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkLoad {
    /// Which.
    pub network: IpNet,
    /// Work that it asked for in the last seconds, in us: an estimate, never too low.
    pub cost_us: u64,
}

/// Notices what is worth telling.
pub(super) struct Herald {
    /// Since when there is pressure, and how many had been turned away before.
    attack: Option<(u64, u64)>,
    step: Step,
    reported_s: u64,
    named_s: u64,
}

impl Herald {
    pub(super) const fn new() -> Self {
        Self { attack: None, step: Step::Whole, reported_s: 0, named_s: 0 }
    }

    /// Looks at the state after a step of time.
    pub(super) fn look(&mut self, state: &State, now: Now, mut tell: impl FnMut(Event)) {
        let mut tell = |what| tell(Event { at_unix_s: now.unix_s, what });
        let step = state.step();
        if step != self.step {
            tell(Happened::StepChanged { from: self.step, to: step });
            self.step = step;
        }
        match (self.attack, state.pressed()) {
            (None, false) => {}
            (None, true) => {
                let shown = state.snapshot(now);
                self.attack = Some((now.unix_s, turned_away(&shown)));
                (self.reported_s, self.named_s) = (now.unix_s, 0);
                tell(Happened::AttackBegan {
                    offered_ns_per_s: shown.offered_ns_per_s,
                    capacity_ns_per_s: shown.capacity_ns_per_s,
                });
            }
            (Some((began_s, before)), true) => {
                if now.unix_s.saturating_sub(self.reported_s) >= limits::EVENT_REPORT_S.0 {
                    self.reported_s = now.unix_s;
                    self.report(&state.snapshot(now), before, now, tell);
                }
                self.attack = Some((began_s, before));
            }
            (Some((began_s, before)), false) => {
                self.attack = None;
                tell(Happened::AttackEnded {
                    seconds: now.unix_s.saturating_sub(began_s),
                    turned_away: turned_away(&state.snapshot(now)).saturating_sub(before),
                });
            }
        }
    }

    fn report(&mut self, shown: &Snapshot, before: u64, now: Now, mut tell: impl FnMut(Happened)) {
        tell(Happened::Threshold {
            ranks: shown.thresholds,
            admitted: shown.admitted_fraction,
            offered_ns_per_s: shown.offered_by_lane,
            turned_away: turned_away(shown).saturating_sub(before),
            denied: shown.denied,
        });
        if now.unix_s.saturating_sub(self.named_s) >= limits::EVENT_REPORT_S.1 {
            self.named_s = now.unix_s;
            let most = shown.top_networks.iter().take(limits::EVENT_NETWORKS);
            let load =
                |entry: &Entry<IpNet>| NetworkLoad { network: entry.label, cost_us: entry.amount };
            tell(Happened::Networks { most: most.map(load).collect() });
        }
    }
}

/// All that were turned away since the start.
fn turned_away(shown: &Snapshot) -> u64 {
    shown.standings.iter().map(|tally| tally.challenged + tally.waiting + tally.refused).sum()
}
