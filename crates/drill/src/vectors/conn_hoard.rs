//! `conn-hoard`: bare connections that say nothing

use std::sync::Arc;

use tokio::io::AsyncReadExt as _;

use crate::{
    target::Source,
    vectors::{Family, Front, Resource, Vector, hoard::hoard},
};

pub(super) const VECTOR: Vector = Vector {
    name: "conn-hoard",
    family: Family::Slow,
    models: "bare connections that say nothing",
    source: "The oldest there is; axum::serve and hyper-util held them for ever (measured, \
        November 2026)",
    parameters: "TCP alone; 4 times the seats of the server; a lost one comes back after a \
        quarter second",
    resource: Resource::Seats { times: 4.0 },
    room: None,
    attack: |front| Box::pin(hoard(front, hold)),
};

async fn hold(front: Arc<Front>, source: Source, _lot: u64) {
    let Ok(mut stream) = front.plain(source).await else { return };
    let _held = front.ledger.hold();
    let mut space = [0; 256];
    while stream.read(&mut space).await.is_ok_and(|read| read > 0) {}
}
