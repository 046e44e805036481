//! `silent-tls`: connections that say nothing once they are encrypted

use std::sync::Arc;

use tokio::io::AsyncReadExt as _;

use crate::{
    target::Source,
    vectors::{Family, Front, Resource, Vector, hoard::hoard},
};

pub(super) const VECTOR: Vector = Vector {
    name: "silent-tls",
    family: Family::Slow,
    models: "connections that say nothing once they are encrypted",
    source: "As conn-hoard, past what a proxy that counts bare connections sees; hyper issue \
        2355",
    parameters: "a whole handshake, then silence; 2.5 times the seats of the server",
    resource: Resource::Seats { times: 2.5 },
    room: None,
    attack: |front| Box::pin(hoard(front, hold)),
};

async fn hold(front: Arc<Front>, source: Source, _lot: u64) {
    let Ok(mut stream) = front.secure(source).await else { return };
    let _held = front.ledger.hold();
    let mut space = [0; 256];
    while stream.read(&mut space).await.is_ok_and(|read| read > 0) {}
}
