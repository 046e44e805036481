//! `sleeper-cookies`: visit cookies that were harvested before and are used by bots now

use crate::{
    atlas::Bots,
    chance::Chance,
    guise,
    limits::HARVESTED,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, flood, with},
        low_and_wide::address,
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "sleeper-cookies",
    family: Family::Botnets,
    models: "visit cookies that were harvested before and are used by bots now",
    source: "What an attacker does who has read that a cookie at least a day old ranks before a \
        stranger",
    parameters: "2,000 addresses, each with a cookie of its own that is two days old; headers of \
        browsers as people have them; 2 requests on a connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| {
        let bots = Bots::drawn(front.seed.rotate_left(29), HARVESTED);
        Box::pin(flood(front, 2, move |front, chance| visit(front, &bots, chance)))
    },
};

/// How old the cookies are.
const DAYS: u64 = 2;

fn visit(front: &Front, bots: &Bots, chance: &mut Chance) -> Visit {
    let source = bots.one(chance);
    let cookie = front.scene.visit_cookie.as_ref().map(|made| made(source, DAYS));
    let mut fields: Vec<(&str, &str)> = guise::of(source);
    if let Some(cookie) = &cookie {
        fields.push(("Cookie", cookie));
    }
    let one = |chance: &mut Chance| with(front, "GET", &address(front, chance), &fields, &[]);
    Visit::at_once(source, (0..2).map(|_| one(chance)).collect())
}
