//! What is switched off before anybody is refused, one step at a time, and back again after a while
//! of peace. Members keep everything; strangers lose what costs most and matters least.

use super::facts::{Lane, Route, Work};
use crate::limits::decide as limits;

/// How much is switched off; each step includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Nothing.
    Whole,
    /// Pages for visitors come from the rendered cache, also slightly stale.
    Stale,
    /// Strangers cannot search.
    NoSearch,
    /// No media are decoded or scaled for strangers.
    NoMedia,
    /// Nothing is fetched from others.
    NoFetch,
}

impl Step {
    const ALL: [Self; 5] = [Self::Whole, Self::Stale, Self::NoSearch, Self::NoMedia, Self::NoFetch];

    /// What the status page and metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Stale => "stale_pages",
            Self::NoSearch => "no_search",
            Self::NoMedia => "no_media",
            Self::NoFetch => "no_fetch",
        }
    }

    /// Whether a route is switched off for a lane.
    pub(super) fn forbids(self, route: Route, lane: Lane) -> bool {
        lane != Lane::Known
            && match route.work {
                Work::Plain | Work::Cacheable => false,
                Work::Search => self >= Self::NoSearch,
                Work::Media => self >= Self::NoMedia,
                Work::Fetch => self >= Self::NoFetch,
            }
    }
}

/// Where on the way it stands.
pub(super) struct Ladder {
    at: usize,
    rising: u32,
    falling: u32,
}

impl Ladder {
    pub(super) const fn new() -> Self {
        Self { at: 0, rising: 0, falling: 0 }
    }

    pub(super) fn step(&self) -> Step {
        Step::ALL.get(self.at).copied().unwrap_or(Step::Whole)
    }

    /// One turn, in which this share of offered cost was turned away.
    pub(super) fn turn(&mut self, shed: f64) {
        let (up, down) = (limits::DEGRADE_AFTER, limits::RESTORE_AFTER);
        self.rising = if shed > up.0 { self.rising.saturating_add(1) } else { 0 };
        self.falling = if shed < down.0 { self.falling.saturating_add(1) } else { 0 };
        if self.rising >= up.1 && self.at + 1 < Step::ALL.len() {
            (self.at, self.rising) = (self.at + 1, 0);
        } else if self.falling >= down.1 && self.at > 0 {
            (self.at, self.falling) = (self.at - 1, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Criticality, Door, RouteId};
    use super::*;

    #[test]
    fn steps_are_taken_quickly_and_taken_back_slowly() {
        let mut ladder = Ladder::new();
        let turns_up = (1..100).find(|_| {
            ladder.turn(0.9);
            ladder.step() == Step::NoFetch
        });
        assert_eq!(turns_up, Some(4 * limits::DEGRADE_AFTER.1));
        (0..1_000).for_each(|_| ladder.turn(0.1));
        assert_eq!(ladder.step(), Step::NoFetch, "between the two it stays");
        let turns_down = (1..1_000).find(|_| {
            ladder.turn(0.0);
            ladder.step() == Step::Whole
        });
        assert_eq!(turns_down, Some(4 * limits::RESTORE_AFTER.1));
    }

    #[test]
    fn members_keep_everything() {
        let route =
            |work| Route { id: RouteId(1), criticality: Criticality::Minor, work, door: Door::Api };
        assert!(!Step::NoFetch.forbids(route(Work::Search), Lane::Known));
        assert!(Step::NoFetch.forbids(route(Work::Search), Lane::Cleared));
        assert!(!Step::Stale.forbids(route(Work::Search), Lane::Unknown));
        assert!(!Step::NoSearch.forbids(route(Work::Media), Lane::Unknown));
        assert!(!Step::NoFetch.forbids(route(Work::Plain), Lane::Unknown));
    }
}
