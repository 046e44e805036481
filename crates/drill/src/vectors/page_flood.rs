//! `page-flood`: the same two public pages from everywhere, as fast as can be

use crate::{
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, flood, get},
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "page-flood",
    family: Family::Floods,
    models: "the same two public pages from everywhere, as fast as can be",
    source: "climatejustice.social, 11 September 2023: 17,000 requests/s on two anonymous \
        pages, seven hours of repeated downtime",
    parameters: "the public timeline and the front page; 8 requests on a connection, sent at \
        once; full handshakes; 100,000 sources",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 8, visit)),
};

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let pages = ["/api/v1/timelines/public?limit=40", "/"];
    let page = |chance: &mut Chance| get(front, chance.one(&pages).copied().unwrap_or("/"));
    let requests = (0..8).map(|_| page(chance)).collect();
    Visit::at_once(front.bots.one(chance), requests)
}
