//! `link-full`: more comes than the link carries, so that most is lost before any server sees it

use std::{net::Ipv4Addr, sync::Arc};

use crate::{
    room::{Fitting, LINK_BYTES_PER_S, SILENT},
    vectors::{Family, Front, Resource, Vector, syn_flood::shoot},
    wire::segments::{ACK, Segment},
};

pub(super) const VECTOR: Vector = Vector {
    name: "link-full",
    family: Family::Network,
    models: "more comes than the link carries, so that most is lost before any server sees it",
    source: "Cloudflare, 2024 and 2025: floods of terabits a second; no server has such a link",
    parameters: "a link of 200 Mbit/s (a rate-limited queue in a network namespace), ten times \
        that in segments of 1,440 bytes that belong to no connection; expected to be lost, and \
        well after",
    resource: Resource::Link { bytes_per_s: LINK_BYTES_PER_S },
    room: Some(Fitting::NarrowLink),
    attack: |front| Box::pin(attack(front)),
};

/// Bytes behind the two heads of a segment.
const PAYLOAD: [u8; 1_400] = [0x55; 1_400];
/// Bytes of a whole one.
pub(crate) const SEGMENT_BYTES: u32 = 1_440;

async fn attack(front: Arc<Front>) {
    shoot(front, 64, |chance, to| {
        let number = u32::try_from(chance.below(1 << 17)).unwrap_or(0);
        let from = (Ipv4Addr::from_bits(SILENT.to_bits() + number), 4_000);
        Segment { from, to, sequence: number, flags: ACK, payload: &PAYLOAD }.bytes()
    })
    .await;
}
