//! What must hold in every run, whatever the seed: the promises, and what an attacker who reads
//! this code would look for. The example `sim` searches seeds for a run in which one does not.

use super::crowd::Population;
use super::day::{Burst, Excess};
use super::report::{Figures, Phase, Report};
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

/// What did not hold on an honest day.
#[must_use]
pub fn broken_on_a_day(excess: Excess, report: &Report) -> Vec<String> {
    let mut broken = Vec::new();
    let mut hold = |holds: bool, what: String| {
        if !holds {
            broken.push(what);
        }
    };
    let phases: &[Phase] = match excess {
        Excess::None => &[Phase::Calm, Phase::Attack, Phase::Recovery],
        Excess::Viral | Excess::Storm => &[Phase::Calm],
    };
    for phase in phases {
        for population in Population::ALL {
            let figures = report.of(population, *phase);
            let wrongly = figures.refused + figures.failed + figures.challenged;
            let name = population.name();
            hold(wrongly == 0, format!("{wrongly} of {name} refused or challenged in {phase:?}"));
        }
    }
    if excess == Excess::None {
        return broken;
    }
    let at_once = |population| report.of(population, Phase::Attack);
    let members = at_once(Population::Members);
    // Where members themselves ask for more than there is, the newest comes first, and a few of the
    // older wait longer than anybody does.
    let least = if excess == Excess::Storm { 0.995 } else { 1.0 };
    hold(members.success() >= least, format!("{} members failed", members.failed));
    // They come after members, and before a storm of these they have no floor as strangers have.
    let returning = if excess == Excess::Storm { 0.9 } else { 0.99 };
    for (population, least) in [
        (Population::Returning, returning),
        (Population::Newcomers, 0.99),
        (Population::NewcomersNoScript, 0.95),
    ] {
        let part = part_of_people(report, population);
        hold(part >= least, format!("{} {part:.4} of {least}", population.name()));
    }
    if excess == Excess::Viral {
        hold(members.refused == 0, format!("{} refusals of members", members.refused));
        let p99 = |phase| report.of(Population::Members, phase).latency_ms(0.99);
        let (calm, full) = (p99(Phase::Calm), p99(Phase::Attack));
        hold(full <= (2.0 * calm).max(calm + 25.0), format!("members p99 {calm:.0} {full:.0}"));
        let crawler = report.of_burst(Burst::Crawler, Phase::Attack).success();
        let people = report.of_burst(Burst::Viral, Phase::Attack).success();
        hold(crawler <= people, format!("a crawler {crawler:.3}, people {people:.3}"));
    }
    broken
}

/// The part of a population's deeds that succeeded at the excess, but for programs among it that
/// take more than a person's share.
fn part_of_people(report: &Report, population: Population) -> f64 {
    let all = report.of(population, Phase::Attack);
    let programs = if population == Population::Returning {
        [Burst::Crawler, Burst::Poller].map(|burst| report.of_burst(burst, Phase::Attack)).to_vec()
    } else {
        Vec::new()
    };
    let less = |all: u64, of: fn(&Figures) -> u64| {
        real(all - programs.iter().map(|program| of(program)).sum::<u64>())
    };
    let (served, failed) = (less(all.served, |one| one.served), less(all.failed, |one| one.failed));
    if served + failed > 0.0 { served / (served + failed) } else { 1.0 }
}
