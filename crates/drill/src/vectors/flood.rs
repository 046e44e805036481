//! Floods: visits at a rate that does not depend on answers. A visit is a connection with a full
//! handshake that carries a few requests, sent at once (pipelined), as flooding tools do.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, time::timeout};

use crate::{
    chance::Chance,
    guise,
    limits::{BOT_MS, FLIGHTS_MAX, LATE_MS_MAX},
    measure::Schedule,
    target::Source,
    vectors::front::{Front, Ledger},
    wire::{Answer, Link, Request, Wire},
};

/// One visit: from where, and what is sent on its connection.
pub(super) struct Visit {
    pub source: Source,
    pub requests: Vec<Vec<u8>>,
    /// What is sent after the first answer, made from it: the form that a page holds.
    pub follow: Option<Follow>,
    /// Whether it comes round the proxies that stand in front of the target.
    pub is_round: bool,
}

/// See [`Visit::follow`].
pub(super) type Follow = fn(&Front, &Answer) -> Option<Vec<u8>>;

impl Visit {
    /// One that asks all at once.
    pub(super) const fn at_once(source: Source, requests: Vec<Vec<u8>>) -> Self {
        Self { source, requests, follow: None, is_round: false }
    }
}

/// Offers visits of `each` requests until the front's end; `make` draws each.
pub(super) async fn flood(
    front: Arc<Front>,
    each: u32,
    make: impl Fn(&Front, &mut Chance) -> Visit + Send,
) {
    let (start, end) = (front.start, front.end);
    stretch(&front, each, (start, end), make).await;
}

/// The same from one moment to another.
pub(super) async fn stretch(
    front: &Arc<Front>,
    each: u32,
    (start, end): (Instant, Instant),
    make: impl Fn(&Front, &mut Chance) -> Visit + Send,
) {
    let flights = Arc::new(Semaphore::new(FLIGHTS_MAX));
    let per_s = front.offer.per_s / f64::from(each.max(1));
    let mut chance = Chance::fork(front.seed, "visits");
    let mut schedule = Schedule::new(Chance::fork(front.seed, "moments"), per_s, start, end);
    let mut burst = 0;
    while let Some(due) = schedule.tick(&mut burst).await {
        // As many as can be made: what comes too late is left out, and is seen in what was offered.
        let late = crate::clock::now().saturating_duration_since(due);
        if late > LATE_MAX {
            front.ledger.planned.fetch_add(u64::from(each), Ordering::Relaxed);
            continue;
        }
        let visit = make(front, &mut chance);
        Ledger::add(&front.ledger.planned, visit.requests.len());
        let Ok(flight) = Arc::clone(&flights).try_acquire_owned() else { continue };
        let front = Arc::clone(front);
        tokio::spawn(async move {
            pay(&front, &visit).await;
            drop(flight);
        });
    }
}

const LATE_MAX: Duration = Duration::from_millis(LATE_MS_MAX);

/// Makes one visit.
async fn pay(front: &Front, visit: &Visit) {
    let patience = Duration::from_millis(BOT_MS);
    let made = match visit.is_round {
        true => timeout(patience, front.secure_round_the_proxies(visit.source)).await,
        false => timeout(patience, front.secure_in_haste(visit.source)).await,
    };
    let Ok(Ok(stream)) = made else {
        // What no connection could carry was offered, and dropped.
        Ledger::add(&front.ledger.offered, visit.requests.len());
        Ledger::add(&front.ledger.dropped, visit.requests.len());
        return;
    };
    let mut wire = Wire::new(stream);
    let before = wire.answers;
    let exchanged = timeout(patience, exchange(front, visit, &mut wire)).await;
    drop(exchanged);
    let answered = usize::try_from(wire.answers - before).unwrap_or(0);
    Ledger::add(&front.ledger.dropped, visit.requests.len().saturating_sub(answered));
}

async fn exchange(front: &Front, visit: &Visit, wire: &mut Wire<Link>) -> std::io::Result<()> {
    Ledger::add(&front.ledger.offered, visit.requests.len());
    wire.send(&visit.requests.concat()).await?;
    for _ in &visit.requests {
        let answer = wire.answer().await?;
        front.ledger.answered(&answer);
        if let Some(next) = visit.follow.and_then(|follow| follow(front, &answer)) {
            wire.send(&next).await?;
            Ledger::add(&front.ledger.offered, 1);
            let answer = wire.answer().await;
            match answer {
                Ok(answer) => front.ledger.answered(&answer),
                Err(_) => Ledger::add(&front.ledger.dropped, 1),
            }
            break;
        }
        if !answer.is_kept {
            break;
        }
    }
    Ok(())
}

/// A GET as a browser sends it.
pub(super) fn get(front: &Front, path: &str) -> Vec<u8> {
    with(front, "GET", path, &BROWSER, &[])
}

/// The same for a page that is to be read.
pub(super) fn get_to_read(front: &Front, path: &str) -> Vec<u8> {
    let [agent, accept, language, _] = BROWSER;
    let fields = [agent, accept, language, ("Accept-Encoding", "identity")];
    with(front, "GET", path, &fields, &[])
}

/// A GET by a browser like any, the same at each address.
pub(super) fn browse(front: &Front, source: Source, path: &str) -> Vec<u8> {
    with(front, "GET", path, &guise::packed(guise::of(source)), &[])
}

/// A request with these fields.
pub(super) fn with(
    front: &Front,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    Request { method, path, host: &front.scene.host, fields, body }.bytes()
}

/// What one program sends on all its machines: one browser's headers.
pub(super) const BROWSER: [(&str, &str); 4] = [
    (
        "User-Agent",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/142.0.0.0 Safari/537.36",
    ),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.9"),
    ("Accept-Encoding", guise::PACKED),
];
