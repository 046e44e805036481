//! Who is admitted when not all can be: those whose rank lies above a threshold. It is the rank at
//! which the cost offered over the last second, counted from the best rank down, reaches what the
//! machine can do. Of those exactly at it a part passes, chosen by a keyed hash that changes with
//! time: identical bots share one rank, and without the hash they would all pass or all fail.
//!
//! Floors: strangers keep a share of the capacity however many members ask, and within it the
//! cleared and the others keep half each. So there is one threshold for each lane.

use super::facts::Lane;
use super::number::{fraction, place, real, small};
use crate::limits::decide as limits;

/// Ranks told apart.
pub(super) const RANKS: usize = 1_024;
const LANES: usize = 3;

/// Where a lane is cut: above it all pass, at it a part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    /// The rank at which only a part passes.
    pub rank: u16,
    /// Which part.
    pub part: f64,
}

impl Cut {
    /// Lets everybody pass.
    pub(super) const OPEN: Self = Self { rank: 0, part: 1.0 };

    /// Whether a request of this rank passes.
    #[inline]
    pub(super) fn passes(self, rank: u16, tie: u64) -> bool {
        rank > self.rank || (rank == self.rank && fraction(tie) < self.part)
    }
}

/// What was offered, by lane and rank, over the last second.
pub(super) struct Ranks {
    /// Cost in us for each turn, lane and rank.
    turns: Box<[u32]>,
    sums: Box<[u64]>,
    turn: usize,
    /// Turns that were counted so far, up to all.
    filled: usize,
    cuts: [Cut; LANES],
    challenge: Cut,
    fraction: f64,
    /// Requests of the unknown in this turn, and their mean a second.
    unknown: (u32, f64),
}

/// The capacity as the thresholds are to use it, in ns per second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// For everybody together.
    pub all: f64,
    /// How many challenges may be given, a second.
    pub challenges: f64,
}

impl Ranks {
    pub(super) fn new() -> Self {
        Self {
            turns: vec![0; RANKS * LANES * limits::TURNS_KEPT].into_boxed_slice(),
            sums: vec![0; RANKS * LANES].into_boxed_slice(),
            turn: 0,
            filled: 0,
            cuts: [Cut::OPEN; LANES],
            challenge: Cut::OPEN,
            fraction: 1.0,
            unknown: (0, 0.0),
        }
    }

    /// Notes what a request offers.
    #[inline]
    pub(super) fn offer(&mut self, lane: Lane, rank: u16, cost_ns: u64) {
        let at = lane as usize * RANKS + place(u64::from(rank), RANKS - 1);
        let cost_us = small(cost_ns / 1_000).max(1);
        self.unknown.0 = self.unknown.0.saturating_add(u32::from(lane == Lane::Unknown));
        if let Some(sum) = self.sums.get_mut(at) {
            *sum += u64::from(cost_us);
        }
        if let Some(held) = self.turns.get_mut(self.turn * RANKS * LANES + at) {
            *held = held.saturating_add(cost_us);
        }
    }

    /// The threshold of a lane.
    #[inline]
    pub(super) fn cut(&self, lane: Lane) -> Cut {
        self.cuts.get(lane as usize).copied().unwrap_or(Cut::OPEN)
    }

    /// Above which rank a stranger who is not served is challenged.
    pub(super) fn challenge(&self) -> Cut {
        self.challenge
    }

    /// Cost offered per second in a lane, in ns.
    pub(super) fn offered(&self, lane: Lane) -> f64 {
        let from = lane as usize * RANKS;
        let lane = self.sums.get(from..from + RANKS).unwrap_or_default();
        real(lane.iter().sum::<u64>()) * 1_000.0 / self.seconds()
    }

    /// Cost offered per second, in ns.
    pub(super) fn offered_all(&self) -> f64 {
        real(self.sums.iter().sum::<u64>()) * 1_000.0 / self.seconds()
    }

    /// The same in the last second, of which less may have passed since the first: what comes at
    /// once after a start is no rate.
    pub(super) fn offered_in_a_second(&self) -> f64 {
        real(self.sums.iter().sum::<u64>()) * 1_000.0
    }

    /// The part of offered cost that was to be admitted at the last turn.
    pub(super) fn admitted_fraction(&self) -> f64 {
        self.fraction
    }

    fn seconds(&self) -> f64 {
        real(self.filled.max(1) as u64) * real(limits::TURN_US) / 1_000_000.0
    }

    /// Moves the thresholds to what was offered, then begins the next turn.
    pub(super) fn turn(&mut self, budget: Budget) {
        self.filled = (self.filled + 1).min(limits::TURNS_KEPT);
        let per_s = f64::from(std::mem::take(&mut self.unknown.0)) * 1e6 / real(limits::TURN_US);
        self.unknown.1 += (per_s - self.unknown.1) * 0.3;
        self.aim(budget);
        self.turn = (self.turn + 1) % limits::TURNS_KEPT;
        let from = self.turn * RANKS * LANES;
        let oldest = self.turns.get_mut(from..from + RANKS * LANES).unwrap_or_default();
        for (sum, gone) in self.sums.iter_mut().zip(oldest).filter(|(_, gone)| **gone > 0) {
            *sum = sum.saturating_sub(u64::from(std::mem::take(gone)));
        }
        self.filled = self.filled.min(limits::TURNS_KEPT - 1);
    }

    fn aim(&mut self, budget: Budget) {
        const ALL: [Lane; 3] = [Lane::Known, Lane::Cleared, Lane::Unknown];
        const STRANGERS: [Lane; 2] = [Lane::Cleared, Lane::Unknown];
        let offered = self.offered_all();
        self.fraction = if offered > budget.all { budget.all / offered } else { 1.0 };
        let all = self.quantile(&ALL, budget.all);
        self.cuts = [all; LANES];
        let floor = budget.all * limits::FLOOR_STRANGERS;
        let mut strangers = self.above(&STRANGERS, all);
        if strangers < floor.min(self.offered(Lane::Cleared) + self.offered(Lane::Unknown)) {
            let cut = self.quantile(&STRANGERS, floor);
            self.cuts = [self.quantile(&[Lane::Known], budget.all - floor), cut, cut];
            strangers = floor;
        }
        self.aim_strangers(strangers);
        // Who is just below their own cut is challenged: so much cost further down.
        let pass = self.above(&[Lane::Unknown], self.cut(Lane::Unknown));
        let mean = self.offered(Lane::Unknown) / self.unknown.1.max(1.0);
        self.challenge = self.quantile(&[Lane::Unknown], pass + budget.challenges * mean);
    }

    /// Gives each half of the strangers what it is to keep.
    fn aim_strangers(&mut self, budget: f64) {
        let pairs = [(Lane::Cleared, Lane::Unknown), (Lane::Unknown, Lane::Cleared)];
        for (lane, other) in pairs {
            let kept = (budget * limits::FLOOR_HALF).min(self.offered(lane));
            if self.above(&[lane], self.cut(lane)) < kept * 0.999 {
                let (own, rest) =
                    (self.quantile(&[lane], kept), self.quantile(&[other], budget - kept));
                if let Some(cut) = self.cuts.get_mut(lane as usize) {
                    *cut = own;
                }
                if let Some(cut) = self.cuts.get_mut(other as usize) {
                    *cut = rest;
                }
                return;
            }
        }
    }

    /// The cost of some lanes at a rank, in ns per second.
    fn at(&self, lanes: &[Lane], rank: usize) -> f64 {
        let held = |lane: &Lane| self.sums.get(*lane as usize * RANKS + rank).copied().unwrap_or(0);
        real(lanes.iter().map(held).sum()) * 1_000.0 / self.seconds()
    }

    /// The rank at which the cost of some lanes, from the best down, reaches a budget.
    fn quantile(&self, lanes: &[Lane], budget: f64) -> Cut {
        let mut left = budget.max(0.0);
        for rank in (0..RANKS).rev() {
            let cost = self.at(lanes, rank);
            if cost > left {
                return Cut { rank: u16::try_from(rank).unwrap_or(0), part: left / cost };
            }
            left -= cost;
        }
        Cut::OPEN
    }

    /// The cost of some lanes that passes a cut, in ns per second.
    fn above(&self, lanes: &[Lane], cut: Cut) -> f64 {
        let at = usize::from(cut.rank);
        (at + 1..RANKS).map(|rank| self.at(lanes, rank)).sum::<f64>()
            + self.at(lanes, at) * cut.part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Offers the same each turn for two seconds, then reads the cuts.
    fn aimed(offers: &[(Lane, u16, u64)], capacity_ms: f64) -> Ranks {
        let mut ranks = Ranks::new();
        let budget = Budget { all: capacity_ms * 1e6, challenges: 1.0 };
        for _ in 0..20 {
            for (lane, rank, cost_ms) in offers {
                ranks.offer(*lane, *rank, cost_ms * MS / 10);
            }
            ranks.turn(budget);
        }
        ranks
    }

    #[track_caller]
    fn check(ranks: &Ranks, lane: Lane, rank: u16, part: f64) {
        let cut = ranks.cut(lane);
        assert_eq!(cut.rank, rank, "{cut:?}");
        assert!((cut.part - part).abs() < 0.02, "{cut:?} instead of {part}");
    }

    #[test]
    fn below_capacity_everybody_passes() {
        let ranks = aimed(&[(Lane::Known, 900, 300), (Lane::Unknown, 100, 600)], 1_000.0);
        assert_eq!(ranks.cut(Lane::Unknown), Cut::OPEN);
        assert!((ranks.admitted_fraction() - 1.0).abs() < 1e-9);
        assert!(Cut::OPEN.passes(0, u64::MAX));
    }

    #[test]
    fn ten_times_the_capacity_is_cut_at_the_rank_of_the_bots() {
        let ranks = aimed(&[(Lane::Known, 900, 400), (Lane::Unknown, 300, 9_600)], 1_000.0);
        check(&ranks, Lane::Unknown, 300, 600.0 / 9_600.0);
        assert!((ranks.admitted_fraction() - 0.1).abs() < 0.01);
    }

    #[test]
    fn members_beyond_the_capacity_leave_strangers_their_floor() {
        let offers =
            [(Lane::Known, 900, 5_000), (Lane::Unknown, 300, 400), (Lane::Unknown, 200, 9)];
        let ranks = aimed(&offers, 1_000.0);
        check(&ranks, Lane::Known, 900, 900.0 / 5_000.0);
        check(&ranks, Lane::Unknown, 300, 100.0 / 400.0);
    }

    #[test]
    fn who_solves_by_the_thousand_leaves_half_to_who_cannot() {
        let offers =
            [(Lane::Known, 900, 400), (Lane::Cleared, 500, 5_000), (Lane::Unknown, 300, 1_000)];
        let ranks = aimed(&offers, 1_000.0);
        check(&ranks, Lane::Unknown, 300, 300.0 / 1_000.0);
        check(&ranks, Lane::Cleared, 500, 300.0 / 5_000.0);
    }

    #[test]
    fn a_tie_is_split_in_the_right_proportion() {
        let cut = Cut { rank: 5, part: 0.25 };
        let keyed = crate::decide::keyed::Key::new([9; 16]);
        let tie = |who| keyed.hash(crate::decide::keyed::Domain::Tie, 1, who);
        let passed = (0..10_000).filter(|who| cut.passes(5, tie(*who))).count();
        assert!((2_300..2_700).contains(&passed), "{passed}");
        assert!(cut.passes(6, u64::MAX) && !cut.passes(4, 0));
    }

    #[test]
    fn what_was_offered_is_forgotten_after_a_second() {
        let mut ranks = aimed(&[(Lane::Unknown, 300, 5_000)], 1_000.0);
        let budget = Budget { all: 1e9, challenges: 0.0 };
        (0..10).for_each(|_| ranks.turn(budget));
        assert!(ranks.offered_all() < 1.0 && ranks.cut(Lane::Unknown) == Cut::OPEN);
    }
}
