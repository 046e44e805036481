//! `forged-forwarded-for`: bots that write members' addresses into the headers by which proxies
//! tell whom they speak for

use crate::{
    atlas,
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{BROWSER, Visit, flood, with},
        low_and_wide::address,
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "forged-forwarded-for",
    family: Family::Door,
    models: "bots that write members' addresses into the headers by which proxies tell whom they \
        speak for",
    source: "RFC 7239, 8.1: the field is written by anybody; servers that believe it count \
        attackers as their victims",
    parameters: "through the proxies; X-Forwarded-For and Forwarded name a member's address; \
        threads, lookups and tags; 4 requests on a connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 4, visit)),
};

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let members = u64::try_from(front.scene.members.len()).unwrap_or(1);
    let member = u32::try_from(chance.below(members)).unwrap_or(0);
    let victim = atlas::member(member).address();
    let (list, forwarded) = (victim.to_string(), format!("for={victim};proto=https"));
    let mut fields = BROWSER.to_vec();
    fields.push(("X-Forwarded-For", &list));
    fields.push(("Forwarded", &forwarded));
    let one = |chance: &mut Chance| with(front, "GET", &address(front, chance), &fields, &[]);
    let requests = (0..4).map(|_| one(chance)).collect();
    Visit::at_once(front.bots.one(chance), requests)
}
