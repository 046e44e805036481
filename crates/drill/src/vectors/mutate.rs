//! `mutate`: bots that change what they look like and what they ask for before they are learnt

use std::time::Duration;

use crate::{
    chance::Chance,
    clock,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, flood, with},
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "mutate",
    family: Family::Botnets,
    models: "bots that change what they look like and what they ask for before they are \
        learnt",
    source: "Traffic distillation and per-request mutation in botnet kits, as described for \
        Meris and Mantis (Cloudflare, 2022)",
    parameters: "a new set of headers and one other kind of page every 10 s, or five times in the \
        phase; 4 requests on a connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 4, visit)),
};

/// How long one look lasts, at most.
const LOOK: Duration = Duration::from_secs(10);

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let look = LOOK.min((front.end - front.start) / 5).as_millis().max(1);
    let passed = clock::now().saturating_duration_since(front.start).as_millis();
    let turn = u64::try_from(passed / look).unwrap_or(0);
    // All bots of a turn look alike: that is what can be learnt, and what is of no use after it.
    let mut guise = Chance::new(front.seed ^ turn);
    let agent = format!("Mozilla/5.0 ({}; rv:{}.0)", guise.word(7), 90 + guise.below(60));
    let language = format!("{}-{}", guise.word(2), guise.word(2).to_uppercase());
    let mut fields = vec![
        ("User-Agent", agent.as_str()),
        ("Accept", "*/*"),
        ("Accept-Language", language.as_str()),
    ];
    let turns = usize::try_from(guise.below(3)).unwrap_or(0);
    fields.rotate_left(turns);
    let source = front.bots.one(chance);
    let requests = (0..4).map(|_| with(front, "GET", &path(front, turn, chance), &fields, &[]));
    Visit::at_once(source, requests.collect())
}

fn path(front: &Front, turn: u64, chance: &mut Chance) -> String {
    let post = chance.one(&front.scene.posts);
    let (author, id) = post.map_or(("nobody", "1"), |post| (&*post.author, &*post.id));
    match turn % 4 {
        0 => format!("/@{author}/{id}"),
        1 => format!("/api/v1/timelines/public?limit={}", 1 + chance.below(40)),
        2 => format!("/tags/{}", chance.word(3)),
        _ => format!("/api/v1/statuses/{id}/context"),
    }
}
