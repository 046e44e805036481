//! `solver`: bots that look like people and solve challenges, as fast as a machine that was rented
//! for it can

use std::time::Duration;

use crate::{
    chance::Chance,
    clock, guise,
    limits::SOLVED_PER_S,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, flood, with},
        low_and_wide::address,
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "solver",
    family: Family::Botnets,
    models: "bots that look like people and solve challenges, as fast as a machine that was \
        rented for it can",
    source: "Solvers for Anubis and its like, 2025: native code does the work of a browser 20 to \
        90 times faster",
    parameters: "60 challenges solved a second, each for another address (handed out by the \
        instance's key, since the load's core could not do the work); half of the visits by those \
        that have solved one; 2 requests on a connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 2, visit)),
};

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let passed = clock::now().saturating_duration_since(front.start);
    let has_solved = chance.below(2) == 0;
    let source = match has_solved {
        // The botnet's first addresses, in the order in which they solved theirs.
        true => front.bots.numbered(usize::try_from(chance.below(solved(passed))).unwrap_or(0)),
        false => front.bots.one(chance),
    };
    let mut fields: Vec<(&str, &str)> = guise::of(source);
    let agent = fields.iter().find(|(name, _)| *name == "User-Agent").map_or("", |(_, it)| *it);
    let made = front.scene.clearance_cookie.as_ref().filter(|_| has_solved);
    let cookie = made.map(|made| made(source, agent));
    fields.extend(cookie.as_deref().map(|cookie| ("Cookie", cookie)));
    let one = |chance: &mut Chance| with(front, "GET", &address(front, chance), &fields, &[]);
    Visit::at_once(source, (0..2).map(|_| one(chance)).collect())
}

/// How many have been solved after some time; one at least.
fn solved(passed: Duration) -> u64 {
    let solved = passed.as_millis() * u128::from(SOLVED_PER_S) / 1_000;
    u64::try_from(solved).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_solved_one_after_the_other() {
        assert_eq!(solved(Duration::ZERO), 1);
        assert_eq!(solved(Duration::from_secs(10)), 10 * u64::from(SOLVED_PER_S));
    }
}
