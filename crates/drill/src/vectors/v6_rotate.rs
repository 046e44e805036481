//! `v6-rotate`: a new /64 of IPv6 for every connection, of which one customer may have 65,536

use crate::{
    chance::Chance,
    room::Fitting,
    target::Source,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, browse, flood},
        low_and_wide::address,
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "v6-rotate",
    family: Family::Botnets,
    models: "a new /64 of IPv6 for every connection, of which one customer may have 65,536",
    source: "RFC 6177: a site is given a /48 to a /64; who counts single addresses, or /64s alone, \
        counts nothing",
    parameters: "16 networks of a /48 each, a /64 drawn for each connection; headers of browsers \
        as people have them; 4 requests on a connection; in a network namespace of its own",
    resource: Resource::Processor,
    room: Some(Fitting::Addresses),
    attack: |front| Box::pin(flood(front, 4, visit)),
};

/// Networks (/48) that the bots have.
const NETWORKS: u64 = 16;

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let number = chance.below(NETWORKS << 16);
    let source = Source::numbered_v6(u32::try_from(number).unwrap_or(0));
    Visit::at_once(source, (0..4).map(|_| browse(front, source, &address(front, chance))).collect())
}
