//! What a simulation shows: for each population and phase what it asked and got, and how steadily
//! the shield held.

use super::crowd::Population;
use super::day::Burst;
use crate::decide::number::{real, whole};

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before.
    Calm,
    /// While bots ask.
    Attack,
    /// After.
    Recovery,
}

/// What a population went through in a phase.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Deeds that were begun: a request, or for newcomers a visit with its retries.
    pub attempted: u64,
    /// Deeds that ended with an answer.
    pub served: u64,
    /// Of these, after a challenge or waiting room.
    pub challenged: u64,
    /// Single requests that were refused.
    pub refused: u64,
    /// Deeds that ended without.
    pub failed: u64,
    latencies_us: Vec<u64>,
}

impl Figures {
    /// The part of deeds that ended with an answer.
    #[must_use]
    pub fn success(&self) -> f64 {
        let ended = self.served + self.failed;
        if ended == 0 { 1.0 } else { real(self.served) / real(ended) }
    }

    /// A quantile of the time from the first request to the end of the answer, in ms.
    #[must_use]
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1) as u64;
        let at = usize::try_from(whole(real(last) * quantile)).unwrap_or(0);
        real(sorted.get(at).copied().unwrap_or(0)) / 1_000.0
    }

    pub(super) fn answered(&mut self, latency_us: u64, challenged: bool) {
        self.served += 1;
        self.challenged += u64::from(challenged);
        self.latencies_us.push(latency_us);
    }
}

const fn in_phase([calm, attack, recovery]: &[Figures; 3], phase: Phase) -> &Figures {
    match phase {
        Phase::Calm => calm,
        Phase::Attack => attack,
        Phase::Recovery => recovery,
    }
}

fn in_phase_mut(of: Option<&mut [Figures; 3]>, phase: Phase) -> &mut Figures {
    let [calm, attack, recovery] = match of {
        Some(figures) => figures,
        None => unreachable!("the index was bounded"),
    };
    match phase {
        Phase::Calm => calm,
        Phase::Attack => attack,
        Phase::Recovery => recovery,
    }
}

/// A whole run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    figures: [[Figures; 3]; Population::ALL.len()],
    bursts: [[Figures; 3]; Burst::ALL.len()],
    /// Requests of members that were refused while the attack was on.
    pub members_refused: u64,
    /// When members' deeds began and whether they went badly, in us since the attack began.
    pub(super) deeds: Vec<(i64, u64, bool)>,
    /// The admitted fraction, ten times a second while the attack is on.
    pub(super) fractions: Vec<f64>,
    /// What the controller made of the capacity, at each of these moments.
    pub(super) trims: Vec<f64>,
    /// The queueing delay that the server really had, in ms, at each of these moments.
    pub(super) delays_ms: Vec<f64>,
    /// Requests of bots that the kernel dropped.
    pub dropped: u64,
    /// Work done in the attack for strangers that are not bots or are, in parts of the capacity.
    pub strangers_served: f64,
    /// Work done in the attack for anybody, in parts of the capacity.
    pub busy: f64,
    /// Challenges given in the first and in the last quarter of the attack.
    pub challenges: (u64, u64),
    /// Simulated seconds, and decisions made in them.
    pub simulated: (f64, u64),
}

impl Report {
    /// What a population went through in a phase.
    #[must_use]
    pub fn of(&self, population: Population, phase: Phase) -> &Figures {
        let [first, ..] = &self.figures;
        in_phase(self.figures.get(population as usize).unwrap_or(first), phase)
    }

    /// What those who came with a burst went through in a phase.
    #[must_use]
    pub fn of_burst(&self, burst: Burst, phase: Phase) -> &Figures {
        let [first, ..] = &self.bursts;
        in_phase(self.bursts.get(burst as usize).unwrap_or(first), phase)
    }

    pub(super) fn change(&mut self, population: Population, phase: Phase) -> &mut Figures {
        let at = (population as usize).min(Population::ALL.len() - 1);
        in_phase_mut(self.figures.get_mut(at), phase)
    }

    pub(super) fn change_burst(&mut self, burst: Burst, phase: Phase) -> &mut Figures {
        let at = (burst as usize).min(Burst::ALL.len() - 1);
        in_phase_mut(self.bursts.get_mut(at), phase)
    }

    /// Seconds from the beginning of the attack until the end of the last half second, of its first
    /// ten seconds, in which two members or more were worse off than promised.
    #[must_use]
    pub fn time_to_bite_s(&self) -> f64 {
        let calm_us = self.of(Population::Members, Phase::Calm).latency_ms(0.99) * 1_000.0;
        let bound_us = whole(calm_us + 25_000.0);
        let bad = |(_, latency_us, failed): &&(i64, u64, bool)| *failed || *latency_us > bound_us;
        let early = |(at, ..): &&(i64, u64, bool)| (0..10_000_000).contains(at);
        let mut halves = [0_u32; 20];
        for (at, ..) in self.deeds.iter().filter(early).filter(bad) {
            let half = usize::try_from(at / 500_000).unwrap_or(0);
            halves.get_mut(half).into_iter().for_each(|count| *count += 1);
        }
        let last = halves.iter().rposition(|count| *count >= 2);
        last.map_or(0.0, |half| (real(half as u64) + 1.0) / 2.0)
    }

    /// How much the admitted fraction moves once the attack is five seconds old: its standard
    /// deviation in parts of its mean.
    #[must_use]
    pub fn unsteadiness(&self) -> f64 {
        let settled = self.fractions.get(50..).unwrap_or_default();
        let count = real(settled.len().max(1) as u64);
        let mean = settled.iter().sum::<f64>() / count;
        let spread = settled.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / count;
        if mean > 0.0 { spread.sqrt() / mean } else { 0.0 }
    }

    /// Ten times a second while the attack is on: the admitted fraction, what the controller made
    /// of the capacity, and the queueing delay in ms.
    pub fn moments(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        let pairs = self.fractions.iter().zip(&self.trims).zip(&self.delays_ms);
        pairs.map(|((fraction, trim), delay_ms)| (*fraction, *trim, *delay_ms))
    }

    /// The longest queueing delay of the server while the attack was on, in ms, once it was two
    /// seconds old: until then what a request costs, and what the machine does, may be unknown.
    #[must_use]
    pub fn delay_max_ms(&self) -> f64 {
        self.delays_ms.iter().skip(20).copied().fold(0.0, f64::max)
    }

    /// What the controller made of the capacity: the least and the most of it, so many seconds
    /// after the attack began and later.
    #[must_use]
    pub fn trims(&self, after_s: usize) -> (f64, f64) {
        let settled = self.trims.get(after_s * 10..).unwrap_or_default();
        settled.iter().fold((1e3, 0.0), |(least, most), one| (one.min(least), one.max(most)))
    }

    /// Single requests refused to a population in peace, and deeds that failed then.
    #[must_use]
    pub fn refused_in_peace(&self) -> u64 {
        let calm = |population: &Population| {
            let figures = self.of(*population, Phase::Calm);
            figures.refused + figures.failed
        };
        Population::ALL.iter().map(calm).sum()
    }
}
