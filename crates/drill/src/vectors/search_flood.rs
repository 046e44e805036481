//! `search-flood`: searches for words that were never searched for

use crate::{
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, flood, get},
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "search-flood",
    family: Family::Floods,
    models: "searches for words that were never searched for",
    source: "OWASP API4:2023, unrestricted resource consumption: the dearest anonymous route \
        is chosen",
    parameters: "two letters to eight, posts and accounts and tags; 2 searches on a connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 2, visit)),
};

/// Words that posts of the scratch instance hold: they find much.
const KNOWN: [&str; 6] = ["harbour", "quay", "wind", "gull", "tide", "morning"];

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let requests = (0..2).map(|_| get(front, &address(chance))).collect();
    Visit::at_once(front.bots.one(chance), requests)
}

fn address(chance: &mut Chance) -> String {
    let letters = usize::try_from(2 + chance.below(7)).unwrap_or(2);
    let word = match chance.one(&KNOWN) {
        Some(known) if chance.below(2) == 0 => (*known).to_owned(),
        _ => chance.word(letters),
    };
    format!("/api/v2/search?q={word}&limit=40")
}
