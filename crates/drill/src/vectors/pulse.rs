//! `pulse`: an attack that comes and goes, so that what is learnt is forgotten in between

use std::{sync::Arc, time::Duration};

use crate::{
    chance::Chance,
    clock,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{Visit, browse, stretch},
        low_and_wide::address,
    },
};

pub(super) const VECTOR: Vector = Vector {
    name: "pulse",
    family: Family::Botnets,
    models: "an attack that comes and goes, so that what is learnt is forgotten in between",
    source: "Cloudflare and Imperva on pulse-wave attacks: bursts of 35 to 80 s, with pauses",
    parameters: "35 s on and 35 s off where there is time, else three pulses in the phase; pages \
        and threads, 4 requests on a connection",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(attack(front)),
};

/// A pulse and a pause, at most.
const PULSE: Duration = Duration::from_secs(35);

async fn attack(front: Arc<Front>) {
    let pulse = PULSE.min((front.end - front.start) / 5);
    let mut begin = front.start;
    while begin < front.end {
        clock::until(begin).await;
        stretch(&front, 4, (begin, (begin + pulse).min(front.end)), visit).await;
        begin += 2 * pulse;
    }
    clock::until(front.end).await;
}

fn visit(front: &Front, chance: &mut Chance) -> Visit {
    let source = front.bots.one(chance);
    Visit::at_once(source, (0..4).map(|_| browse(front, source, &address(front, chance))).collect())
}
