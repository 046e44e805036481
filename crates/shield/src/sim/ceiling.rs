//! What the best policy could give that knows every population's distribution, but not who is who.
//!
//! It serves by the likelihood that a request is a person's, given all that can be seen of it:
//! credentials first, then looks under the true distributions. So bots that look exactly as
//! newcomers do share what is left with them, request by request. A newcomer has as many chances as
//! fit its patience. Computed from draws, without the shield's own machinery.

use super::chance::Chance;
use super::crowd::{self, Population};
use super::vectors::{Ability, Looks, Vector};
use crate::decide::number::{real, whole};

/// Seconds of requests that are drawn.
const DRAWN_S: f64 = 20.0;
/// People are few: so many times more are drawn, each of so much less cost.
const FINER: f64 = 10.0;
/// Seconds between two tries of a newcomer: reloading by hand, or by the waiting room.
const TRY_S: (f64, f64) = (1.5, 3.0);
/// Requests of one address in ten seconds above which it is no person's.
const PERSON_REQUESTS: f64 = 10.0;

/// One drawn request: how likely it is a person's, whose it is, and what it costs.
struct Drawn {
    merit: f64,
    population: Population,
    cost_ns: f64,
}

/// For each population in order, the part that the best policy serves at one core while a vector is
/// on; nothing is said of the bots.
#[must_use]
pub fn ceiling(vector: &Vector, seed: u64) -> [f64; Population::ALL.len()] {
    let mut chance = Chance::new(seed);
    let mut drawn = Vec::new();
    for population in Population::ALL {
        let bots = population == Population::Bots;
        let per_s = if bots { vector.per_s() } else { population.per_s() * FINER };
        for _ in 0..whole(per_s * DRAWN_S) {
            drawn.push(if bots {
                bot(vector, &mut chance)
            } else {
                person(population, vector, &mut chance)
            });
        }
    }
    // Ties are broken by chance: `merit` carries a little of it.
    drawn.sort_by(|one, other| other.merit.total_cmp(&one.merit));
    let mut left_ns = DRAWN_S * 1e9;
    let mut counts = [(0_u64, 0_u64); Population::ALL.len()];
    for one in &drawn {
        let served = left_ns >= one.cost_ns;
        left_ns -= one.cost_ns;
        if let Some((served_count, all)) = counts.get_mut(one.population as usize) {
            *served_count += u64::from(served);
            *all += 1;
        }
    }
    Population::ALL.map(|population| {
        let (served, all) = counts.get(population as usize).copied().unwrap_or_default();
        let once = if all == 0 { 1.0 } else { real(served) / real(all) };
        let waits = population == Population::NewcomersNoScript;
        let apart_s = if waits { TRY_S.1 } else { TRY_S.0 };
        // The first request earns what the later ones show.
        let tries = (real(population.patience_us()) / 1e6 / apart_s).floor() - 1.0;
        let tries = tries.max(1.0);
        1.0 - (1.0 - once).powf(tries)
    })
}

/// The logarithm of the odds of what no bot of a vector can show, and of what half of them can.
const NEVER: f64 = 250.0;
const HALF: f64 = 0.7;

/// How much what a person shows, beside its looks, speaks for it: members their account, returning
/// visitors their cookie or history, newcomers the challenge that they solved or waited for.
fn shown(population: Population, cookie: bool, vector: &Vector) -> f64 {
    let ability = vector.ability;
    match population {
        // Old accounts: bots that have accounts have young ones.
        Population::Members => 4.0 * NEVER,
        Population::NewMembers if matches!(ability, Ability::Accounts(..)) => 0.0,
        Population::NewMembers => 3.0 * NEVER,
        Population::Returning if cookie => 2.0 * NEVER,
        Population::Returning if vector.warmed => 0.0,
        Population::Returning => NEVER,
        Population::Newcomers if matches!(ability, Ability::Solves(_)) => HALF,
        Population::NewcomersNoScript if matches!(ability, Ability::Waits) => HALF,
        Population::Newcomers | Population::NewcomersNoScript => NEVER,
        Population::Bots => 0.0,
    }
}

fn person(population: Population, vector: &Vector, chance: &mut Chance) -> Drawn {
    let visitor = crowd::draw(population, 0, 20_000 * 86_400, chance);
    let looks = &visitor.facts.traits;
    let cookie = visitor.facts.credentials.visit.is_some();
    let merit = crowd::human_likelihood(looks) - vector.likelihood(looks, 0)
        + shown(population, cookie, vector)
        + chance.unit();
    Drawn { merit, population, cost_ns: real(visitor.cost_ns) / FINER }
}

fn bot(vector: &Vector, chance: &mut Chance) -> Drawn {
    let number = chance.below(vector.bots);
    let facts = vector.facts(number, 0, 20_000 * 86_400, chance);
    let looks = &facts.traits;
    let human = if vector.looks == Looks::Random { -400.0 } else { crowd::human_likelihood(looks) };
    let mut merit = human - vector.likelihood(looks, 0) + chance.unit();
    merit += match vector.ability {
        Ability::Solves(_) | Ability::Waits if chance.unit() < 0.5 => HALF,
        Ability::Solves(_) | Ability::Waits => -NEVER,
        Ability::None | Ability::Accounts(..) | Ability::Cookies(_) => 0.0,
    };
    if vector.per_s() / real(vector.bots) * 10.0 > PERSON_REQUESTS {
        merit -= 4.0 * NEVER;
    }
    let cost_ns = real(crowd::spread(vector.asks.1, chance));
    Drawn { merit, population: Population::Bots, cost_ns }
}
