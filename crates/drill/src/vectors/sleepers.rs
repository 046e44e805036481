//! `sleepers`: accounts that were made in peace and hardly used, all turned at once

use crate::{
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, flood, with},
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "sleepers",
    family: Family::Botnets,
    models: "accounts that were made in peace and hardly used, all turned at once",
    source: "Mastodon, February 2024: accounts made in waves and left alone for weeks before \
        they spoke",
    parameters: "their own tokens, each from an address of its own; threads, tags and timelines; 4 \
        requests on a connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 4, visit)),
};

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let number = usize::try_from(chance.below(1 << 20)).unwrap_or(0);
    let number = number % front.scene.taken.len().max(1);
    let token = front.scene.taken.get(number).map(|taken| taken.token.clone()).unwrap_or_default();
    let bearer = format!("Bearer {token}");
    let fields = [
        ("Authorization", bearer.as_str()),
        ("User-Agent", "Tern/2.4 (Android 16)"),
        ("Accept", "application/json"),
    ];
    let requests = (0..4).map(|_| with(front, "GET", &path(front, chance), &fields, &[]));
    Visit::at_once(front.bots.numbered(number), requests.collect())
}

fn path(front: &Front, chance: &mut Chance) -> String {
    let id = chance.one(&front.scene.posts).map_or("1", |post| &*post.id);
    match chance.below(4) {
        0 => "/api/v1/timelines/home?limit=40".to_owned(),
        1 => format!("/api/v1/statuses/{id}/context"),
        2 => format!("/api/v1/timelines/public?limit=40&max_id={id}"),
        _ => format!("/api/v1/timelines/tag/{}", chance.word(4)),
    }
}
