//! `forged-token`: members pretended: tokens that look right and whose seal is wrong

use crate::{
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, flood, with},
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "forged-token",
    family: Family::Floods,
    models: "members pretended: tokens that look right and whose seal is wrong",
    source: "OWASP API2:2023, broken authentication: guessed and altered tokens",
    parameters: "a real token with its end altered, on the home timeline; 8 requests on a \
        connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 8, visit)),
};

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let requests = (0..8).map(|_| request(front, chance)).collect();
    Visit::at_once(front.bots.one(chance), requests)
}

fn request(front: &Front, chance: &mut Chance) -> Vec<u8> {
    let real = chance.one(&front.scene.taken).map(|taken| taken.token.clone());
    let mut token = real.unwrap_or_default();
    token.truncate(token.len().saturating_sub(8));
    let bearer = format!("Bearer {token}{}", chance.word(8));
    let fields = [("Authorization", bearer.as_str()), ("User-Agent", "Tern/2.4 (Android 16)")];
    with(front, "GET", "/api/v1/timelines/home?limit=20", &fields, &[])
}
