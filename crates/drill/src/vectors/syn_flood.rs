//! `syn-flood`: connections are asked for from addresses that never answer

use std::sync::{Arc, atomic::Ordering};

use crate::{
    chance::Chance,
    measure::Schedule,
    room::{Fitting, Room, SILENT},
    vectors::{Family, Front, Resource, Vector, front::Ledger},
    wire::segments::{SYN, Segment},
};

pub(super) const VECTOR: Vector = Vector {
    name: "syn-flood",
    family: Family::Network,
    models: "connections are asked for from addresses that never answer",
    source: "CERT CA-1996-21 and every year since; RFC 4987 on what helps: cookies",
    parameters: "20,000 SYN segments a second from 131,072 addresses that lead nowhere, in a \
        network namespace of its own; without a defence also without SYN cookies",
    resource: Resource::HalfOpen { places: 4_096 },
    room: Some(Fitting::Silence),
    attack: |front| Box::pin(attack(front)),
};

/// Segments for each time that the schedule tells.
const AT_ONCE: u32 = 32;

async fn attack(front: Arc<Front>) {
    // Asked on this thread, which is in the room.
    let cookies = || front.room.as_ref().and_then(Room::cookies_here);
    let before = cookies();
    shoot(Arc::clone(&front), AT_ONCE, |chance, to| {
        let number = u32::try_from(chance.below(1 << 17)).unwrap_or(0);
        let port = u16::try_from(1_024 + chance.below(60_000)).unwrap_or(1_024);
        let sequence = u32::try_from(chance.below(1 << 32)).unwrap_or(0);
        let from = (std::net::Ipv4Addr::from_bits(SILENT.to_bits() + number), port);
        Segment { from, to, sequence, flags: SYN, payload: &[] }.bytes().into()
    })
    .await;
    let sent = cookies().zip(before).map(|(all, old)| all.saturating_sub(old));
    *front.ledger.cookies.lock() = sent;
}

/// Sends segments at the front's rate, some at once.
pub(super) async fn shoot(
    front: Arc<Front>,
    at_once: u32,
    mut make: impl FnMut(&mut Chance, (std::net::Ipv4Addr, u16)) -> Arc<[u8]> + Send,
) {
    let Some(mut gun) = front.room.as_ref().and_then(|room| front.dialer.target.gun(room).ok())
    else {
        return;
    };
    let per_s = front.offer.per_s / f64::from(at_once);
    let moments = Chance::fork(front.seed, "moments");
    let mut chance = Chance::fork(front.seed, "segments");
    let mut schedule = Schedule::new(moments, per_s, front.start, front.end);
    let mut burst = 0;
    while schedule.tick(&mut burst).await.is_some() {
        front.ledger.planned.fetch_add(u64::from(at_once), Ordering::Relaxed);
        if front.is_over() {
            continue;
        }
        for _ in 0..at_once {
            // What the system does not take has not come to the link, and was not offered.
            if gun.shoot(&make(&mut chance, gun.to)).is_ok() {
                Ledger::add(&front.ledger.offered, 1);
            }
        }
    }
}
