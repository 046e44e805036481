//! What must hold in every run, whatever the seed: the promises, and what an attacker who reads
//! this code would look for. The example `sim` searches seeds for a run in which one does not.

use super::crowd::Population;
use super::report::{Phase, Report};
use super::vectors::{Ability, Vector};
use crate::decide::number::real;

/// Promised parts of deeds that succeed, by population; new members are promised nothing.
const PROMISED: [(Population, f64); 4] = [
    (Population::Members, 0.999),
    (Population::Returning, 0.995),
    (Population::Newcomers, 0.99),
    (Population::NewcomersNoScript, 0.95),
];
/// Where the ceiling lies lower, this part of it.
const OF_CEILING: f64 = 0.9;
/// Seconds until it bites.
const BITE_S: f64 = 2.0;
/// Standard deviation of the admitted fraction, in parts of its mean, under a steady attack.
const UNSTEADY: f64 = 0.15;
/// Queueing delay of admitted work, at any moment, in ms.
const DELAY_MS: f64 = 40.0;
/// Part of the capacity that strangers get however many members ask; less than their floor by what
/// refusing costs.
const FLOOR: f64 = 0.08;

/// What did not hold in a run.
#[must_use]
pub fn broken(vector: &Vector, report: &Report, ceiling: &[f64]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut hold = |holds: bool, what: String| {
        if !holds {
            broken.push(what);
        }
    };
    for (population, promised) in PROMISED {
        let best = ceiling.get(population as usize).copied().unwrap_or(1.0);
        let bound = if best < promised { best * OF_CEILING } else { promised };
        let figures = report.of(population, Phase::Attack);
        let ended = figures.served + figures.failed;
        // One of few may fail by the chance of a tie; where chance is all there is, as many as it
        // takes in 19 of 20 runs.
        let count = real(ended);
        let chance = if best < promised { (count * bound * (1.0 - bound)).sqrt() } else { 0.0 };
        let spared = count * (1.0 - bound) + 1.0 + 1.64 * chance;
        let (name, part) = (population.name(), figures.success());
        let failed = real(figures.failed);
        hold(failed <= spared, format!("{name} {part:.4} of {bound:.4}"));
    }
    let p99 = |phase| report.of(Population::Members, phase).latency_ms(0.99);
    let (calm, attacked) = (p99(Phase::Calm), p99(Phase::Attack));
    hold(attacked <= (2.0 * calm).max(calm + 25.0), format!("members p99 {calm:.0} {attacked:.0}"));
    let bite = report.time_to_bite_s();
    hold(bite <= BITE_S, format!("it bit after {bite:.2} s"));
    let peace = report.refused_in_peace();
    hold(peace == 0, format!("{peace} refused in peace"));
    let refused = report.members_refused;
    hold(refused == 0, format!("{refused} requests of members refused, strangers served"));
    let unsteady = report.unsteadiness();
    // Where the kernel takes bots away the fraction rises, and that is no oscillation.
    let steady = vector.pulse.is_none() && report.dropped == 0;
    hold(!steady || unsteady <= UNSTEADY, format!("unsteady by {unsteady:.2}"));
    let delay = report.delay_max_ms();
    hold(delay <= DELAY_MS, format!("work waited {delay:.0} ms for the core"));
    let known = matches!(vector.ability, Ability::Accounts(..) | Ability::Cookies(_));
    let searches = vector.asks.0.work == crate::decide::Work::Search;
    let offers_much =
        !known && !searches && !vector.warmed && vector.poison == 0.0 && vector.pulse.is_none();
    let served = report.strangers_served;
    let floor = !offers_much || served >= FLOOR || report.dropped > 0;
    hold(floor, format!("strangers got {served:.3} of the capacity"));
    broken
}
