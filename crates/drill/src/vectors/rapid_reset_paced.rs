//! `rapid-reset-paced`: the same at a pace at which the handlers begin before they are cancelled

use crate::{
    vectors::{
        Family, Front, Resource, Vector,
        streams::{Manner, Salvo, attack},
    },
    wire::frames::{get, reset},
};

pub(super) const VECTOR: Vector = Vector {
    name: "rapid-reset-paced",
    family: Family::Http2,
    models: "the same at a pace at which the handlers begin before they are cancelled",
    source: "Measured with h2 0.4.20, November 2026: 14,100 handlers started in 0.4 s on one \
        connection, at 20 ms never cut",
    parameters: "16 connections; 50 requests, and in the next turn their cancellations",
    resource: Resource::Streams,
    room: None,
    attack: |front| Box::pin(attack(front, MANNER)),
};

const MANNER: Manner = Manner { connections: 16, settings: &[], salvo, counts_resets: false };

fn salvo(front: &Front, turn: u32) -> Option<Salvo> {
    let mut bytes = Vec::new();
    for place in 0..50 {
        let stream = (turn / 2).checked_mul(100)?.checked_add(place * 2 + 1)?;
        match turn % 2 {
            0 => bytes.extend(get(stream, "/api/v1/timelines/public", &front.scene.host)),
            _ => bytes.extend(reset(stream)),
        }
    }
    // A turn of cancellations waits as long as one of requests: both offer half of each.
    Some(Salvo { bytes, offers: 25 })
}
