//! Two that are measured in turn, within the same run: what counts is the ratio of each turn, since
//! the machine's own mood changes within seconds and takes from both. From the turns' ratios
//! follows how sure their median is, so that a bar is only called missed where noise does not
//! explain it.

use anyhow::Result;

/// Turns of a pair, at most: later ones would tell little more.
const TURNS_MAX: u64 = 80;
/// How unlikely it is to be that a median lies outside the interval that is told for it.
const UNSURE: f64 = 0.05;
/// Turns from which on that can be told at all: that fewer coins all fall alike is no wonder.
const TURNS_LEAST: usize = 6;

/// Which of the two is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that the row is about.
    Ours,
    /// The one it is held against.
    Theirs,
}

/// What the turns showed.
#[derive(Default)]
pub struct Pairs {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

/// A median, and between which figures it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Median {
    pub low: f64,
    pub middle: f64,
    pub high: f64,
}

impl Pairs {
    /// Measures both in each of so many turns. Who goes first in one turn goes last
    /// in the next: a machine that gets slower meanwhile takes from both.
    ///
    /// # Errors
    /// The first that a measurement gives.
    pub fn in_turn(turns: u64, mut measure: impl FnMut(Side) -> Result<f64>) -> Result<Self> {
        let mut pairs = Self::default();
        for turn in 0..turns.clamp(1, TURNS_MAX) {
            let order = match turn % 2 {
                0 => [Side::Ours, Side::Theirs],
                _ => [Side::Theirs, Side::Ours],
            };
            for side in order {
                let figure = measure(side)?;
                match side {
                    Side::Ours => pairs.ours.push(figure),
                    Side::Theirs => pairs.theirs.push(figure),
                }
            }
        }
        Ok(pairs)
    }

    /// What ours gave in the median.
    pub fn ours(&self) -> f64 {
        Median::of(self.ours.clone()).middle
    }

    /// What theirs gave in the median.
    pub fn theirs(&self) -> f64 {
        Median::of(self.theirs.clone()).middle
    }

    /// Whether the ratio's interval is as sure as it is said to be.
    pub const fn are_enough(&self) -> bool {
        self.ours.len() >= TURNS_LEAST
    }

    /// Ours, divided by theirs of the same turn.
    pub fn ratio(&self) -> Median {
        let both = self.ours.iter().zip(&self.theirs);
        Median::of(both.map(|(ours, theirs)| ours / theirs.max(f64::MIN_POSITIVE)).collect())
    }
}

impl Median {
    /// Of these figures. Each of them is above the true median or below it, as a coin falls: that
    /// bounds it without a word on how the figures are spread.
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let count = figures.len();
        let at = |place: usize| figures.get(place).copied().unwrap_or(f64::NAN);
        let half = count / 2;
        let middle = match count % 2 {
            0 => f64::midpoint(at(half.wrapping_sub(1)), at(half)),
            _ => at(half),
        };
        let outer = left_out(count);
        Self { low: at(outer), middle, high: at(count.wrapping_sub(1 + outer)) }
    }
}

/// How many of the lowest, and of the highest, lie outside the interval.
fn left_out(count: usize) -> usize {
    let coins = i32::try_from(count).unwrap_or(i32::MAX);
    let (mut ways, mut below, mut outer) = (1.0, 1.0, 0_usize);
    for heads in 1..=count / 2 {
        // In how many ways fewer than one more of the coins show heads.
        if 2.0 * below * 0.5_f64.powi(coins) > UNSURE {
            break;
        }
        outer = heads - 1;
        #[expect(clippy::cast_precision_loss, reason = "few")]
        let next = ways * (count - heads + 1) as f64 / heads as f64;
        ways = next;
        below += ways;
    }
    outer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_where_coins_say() {
        // From a table of the sign test's intervals.
        for (count, outer) in [(1, 0), (5, 0), (6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (40, 13)] {
            assert_eq!(left_out(count), outer, "{count}");
        }
        let median = Median::of(vec![3.0, 1.0, 2.0]);
        assert_eq!(median, Median { low: 1.0, middle: 2.0, high: 3.0 });
        assert!((Median::of(vec![1.0, 2.0]).middle - 1.5).abs() < 1e-9);
    }

    #[test]
    fn both_are_measured_in_every_turn_and_take_turns_at_being_first() {
        let mut order = Vec::new();
        let pairs = Pairs::in_turn(2, |side| {
            order.push(side == Side::Ours);
            Ok(if side == Side::Ours { 3.0 } else { 2.0 })
        });
        assert_eq!(order, [true, false, false, true]);
        assert!((pairs.unwrap().ratio().middle - 1.5).abs() < 1e-9);
    }
}
