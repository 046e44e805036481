//! `direct-origin`: the flood goes to the server itself, round the proxies that are to protect it

use crate::{
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, flood, get},
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "direct-origin",
    family: Family::Door,
    models: "the flood goes to the server itself, round the proxies that are to protect it",
    source: "X, 10 March 2025: researchers found origin servers that answered the internet \
        directly, outside the protection that X paid for",
    parameters: "people come through proxies that announce them; bots do not; the public \
        timeline and the front page, 8 requests on a connection; what one would cost is measured \
        through the proxies",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 8, visit)),
};

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let pages = ["/api/v1/timelines/public?limit=40", "/"];
    let page = |chance: &mut Chance| get(front, chance.one(&pages).copied().unwrap_or("/"));
    let requests = (0..8).map(|_| page(chance)).collect();
    let is_round = !front.is_rehearsal;
    Visit { is_round, ..Visit::at_once(front.bots.one(chance), requests) }
}
