//! `low-and-wide`: a hundred thousand browsers, each slower than a person, on pages that no store
//! of answers holds

use crate::{
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, browse, flood},
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "low-and-wide",
    family: Family::Botnets,
    models: "a hundred thousand browsers, each slower than a person, on pages that no store \
        of answers holds",
    source: "Cloudflare, 2023 to 2025: application attacks from botnets of hundreds of \
        thousands of addresses, below any limit for each",
    parameters: "headers of browsers as people have them; threads, lookups and tags, drawn at \
        random; 2 requests on a connection; each address comes about once",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 2, visit)),
};

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let source = front.bots.one(chance);
    Visit::at_once(source, (0..2).map(|_| browse(front, source, &address(front, chance))).collect())
}

/// An address that a person might ask for, and that was hardly asked for just before.
pub(super) fn address(front: &Front, chance: &mut Chance) -> String {
    let post = chance.one(&front.scene.posts);
    let (author, id) = post.map_or(("nobody", "1"), |post| (&*post.author, &*post.id));
    match chance.below(5) {
        0 => format!("/@{author}/{id}"),
        1 => format!("/api/v1/statuses/{id}/context"),
        2 => format!("/api/v1/accounts/lookup?acct={author}"),
        3 => format!("/@{author}?max_id={id}"),
        _ => format!("/api/v1/timelines/tag/{}", chance.word(4)),
    }
}
