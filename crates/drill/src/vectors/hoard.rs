//! Hoarding: connections that are opened and held, each replaced when it ends. What is done on
//! one is the vector's.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::task::JoinSet;

use crate::{chance::Chance, clock, limits::HOARDERS_MAX, target::Source, vectors::front::Front};

/// Pause of a hoarder between a connection's end and the next, in ms.
const PAUSE_MS: u64 = 250;

/// Keeps so many hoarders at it until the front's end. `hold` opens a connection from a source and
/// ends when that is over; it counts as one request offered.
pub(super) async fn hoard<F>(
    front: Arc<Front>,
    hold: impl Fn(Arc<Front>, Source, u64) -> F + Send + Sync + Clone + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let wanted = front.offer.hoarders.min(HOARDERS_MAX);
    let mut chance = Chance::fork(front.seed, "hoarders");
    let mut hoarders = JoinSet::new();
    // All arrive within a second or as fast as the generator can, whichever is later.
    for number in 0..wanted {
        let (front, hold) = (Arc::clone(&front), hold.clone());
        let first = Duration::from_millis(chance.below(1_000));
        let seed = chance.bits();
        hoarders.spawn(async move {
            let mut chance = Chance::new(seed);
            front.ledger.planned.fetch_add(1, Ordering::Relaxed);
            clock::until((front.start + first).min(front.end)).await;
            let mut turn = 0_usize;
            while !front.is_over() {
                let source = front.bots.numbered(number + turn * wanted);
                front.ledger.offered.fetch_add(1, Ordering::Relaxed);
                hold(Arc::clone(&front), source, chance.bits()).await;
                turn += 1;
                let pause = Duration::from_millis(PAUSE_MS + chance.below(PAUSE_MS));
                clock::until((clock::now() + pause).min(front.end)).await;
            }
        });
    }
    clock::until(front.end).await;
    hoarders.shutdown().await;
}
