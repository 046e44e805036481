//! `cache-bust`: public pages, each under an address that nobody asked for before, so that no
//! stored answer fits

use crate::{
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, flood, get},
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "cache-bust",
    family: Family::Floods,
    models: "public pages, each under an address that nobody asked for before, so that no \
        stored answer fits",
    source: "Akamai and Cloudflare describe random query strings as the common way round \
        caches; Mastodon pages by ids allow the same",
    parameters: "unknown parameters with random values, and pages before random ids; 4 requests \
        on a connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 4, visit)),
};

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let requests = (0..4).map(|_| get(front, &address(front, chance))).collect();
    Visit::at_once(front.bots.one(chance), requests)
}

fn address(front: &Front, chance: &mut Chance) -> String {
    let author = chance.one(&front.scene.posts).map(|post| post.author.clone());
    let author = author.unwrap_or_default();
    let word = chance.word(10);
    match chance.below(4) {
        0 => format!("/?{word}={}", chance.below(1 << 40)),
        1 => format!("/@{author}?{word}=1"),
        2 => format!("/api/v1/timelines/public?limit=20&max_id={}", chance.bits() >> 1),
        _ => format!("/@{author}?max_id={}", chance.bits() >> 1),
    }
}
