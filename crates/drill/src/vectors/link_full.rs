//! `link-full`: more comes than the link carries, so that most is lost before any server sees it

use std::{net::Ipv4Addr, sync::Arc};

use crate::{
    limits::SEGMENTS_MADE,
    room::{Fitting, LINK_BYTES_PER_S, SILENT},
    vectors::{Family, Front, Resource, Vector, syn_flood::shoot},
    wire::segments::{ACK, Segment},
};

pub(super) const VECTOR: Vector = Vector {
    name: "link-full",
    family: Family::Network,
    models: "more comes than the link carries, so that most is lost before any server sees it",
    source: "Cloudflare, 2024 and 2025: floods of terabits a second; no server has such a link",
    parameters: "a link of 200 Mbit/s (a rate-limited queue in a network namespace, before the \
        server for everybody), ten times that in segments of 1,440 bytes that belong to no \
        connection, from 32 senders and 4,096 addresses; expected to be lost, and well after",
    resource: Resource::Link { bytes_per_s: LINK_BYTES_PER_S },
    room: Some(Fitting::NarrowLink),
    attack: |front| Box::pin(attack(front)),
};

/// Bytes behind the two heads of a segment.
const PAYLOAD: [u8; 1_400] = [0x55; 1_400];
/// Bytes of a whole one.
pub(crate) const SEGMENT_BYTES: u32 = 1_440;

async fn attack(front: Arc<Front>) {
    let mut made: Vec<Arc<[u8]>> = Vec::with_capacity(SEGMENTS_MADE);
    shoot(front, 64, move |chance, to| {
        // Made once: sums over their length would take the core of whoever sends them.
        if made.len() == SEGMENTS_MADE
            && let Some(again) = chance.one(&made)
        {
            return Arc::clone(again);
        }
        let number = u32::try_from(chance.below(1 << 17)).unwrap_or(0);
        let from = (Ipv4Addr::from_bits(SILENT.to_bits() + number), 4_000);
        let segment = Segment { from, to, sequence: number, flags: ACK, payload: &PAYLOAD };
        let segment: Arc<[u8]> = segment.bytes().into();
        made.push(Arc::clone(&segment));
        segment
    })
    .await;
}
