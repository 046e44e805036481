//! `warmed`: bots that came in peace the day before, as visitors do, so that their addresses are
//! known

use crate::{
    atlas::Bots,
    chance::Chance,
    limits::WARMED,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, browse, flood},
        low_and_wide::address,
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "warmed",
    family: Family::Botnets,
    models: "bots that came in peace the day before, as visitors do, so that their addresses are \
        known",
    source: "Peng, Leckie and Ramamohanarao, 2003: filtering by the history of addresses, and what \
        an attacker does who knows of it",
    parameters: "2,000 addresses, each seen once in the recorded peace; headers of browsers as \
        people have them; 2 requests on a connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| {
        let warmed = bots(front.seed);
        Box::pin(flood(front, 2, move |front, chance| visit(front, &warmed, chance)))
    },
};

/// The bots that are seen in the recorded peace.
pub(crate) fn bots(seed: u64) -> Bots {
    Bots::drawn(seed.rotate_left(17), WARMED)
}

fn visit(front: &Front, warmed: &Bots, chance: &mut Chance) -> Visit {
    let source = warmed.one(chance);
    let one = |chance: &mut Chance| browse(front, source, &address(front, chance));
    Visit::at_once(source, (0..2).map(|_| one(chance)).collect())
}
