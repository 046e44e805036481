//! `shared-prefix`: bots in the same /24 networks as members, so that who refuses a network
//! refuses members

use crate::{
    atlas,
    chance::Chance,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, browse, flood},
        low_and_wide::address,
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "shared-prefix",
    family: Family::Botnets,
    models: "bots in the same /24 networks as members, so that who refuses a network refuses \
        members",
    source: "RFC 6269, 13: what addresses that people share break; carriers put thousands \
        behind one",
    parameters: "six addresses beside the members of each /24; otherwise as low-and-wide",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(flood(front, 2, visit)),
};

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let members = u32::try_from(front.scene.members.len()).unwrap_or(u32::MAX);
    let number = u32::try_from(chance.below(1 << 20)).unwrap_or(0);
    let source = atlas::beside_members(number, members);
    Visit::at_once(source, (0..2).map(|_| browse(front, source, &address(front, chance))).collect())
}
