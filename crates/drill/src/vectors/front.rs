//! What every vector is handed: where to, from where, how much, until when, and a ledger that says
//! what was offered and what came of it.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::{
    atlas::Bots,
    clock,
    limits::BOT_DIAL_MS,
    room::Room,
    scene::Scene,
    target::Source,
    wire::{Answer, Dialer, Failure, Link},
};

/// How much a vector is to offer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    /// Requests (streams, frames, handshakes) per second.
    pub per_s: f64,
    /// Connections that want to be held at once, of those vectors that hoard.
    pub hoarders: usize,
}

/// The attackers' side.
pub(crate) struct Front {
    pub scene: Scene,
    pub dialer: Dialer,
    pub fresh: TlsConnector,
    pub http2: TlsConnector,
    pub bots: Bots,
    pub ledger: Ledger,
    pub offer: Offer,
    pub start: Instant,
    pub end: Instant,
    pub seed: u64,
    /// The network of its own in which it attacks, if there is one.
    pub room: Option<Room>,
    /// Whether it is only measured what a request costs that is served.
    pub is_rehearsal: bool,
}

impl Front {
    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        clock::now() >= self.end
    }

    /// A connection with a full handshake.
    pub(crate) async fn secure(&self, from: Source) -> Result<Link, Failure> {
        self.noted(from, self.dialer.secure(&self.fresh, from).await)
    }

    /// The same, by a bot that does not wait long to be let in.
    pub(crate) async fn secure_in_haste(&self, from: Source) -> Result<Link, Failure> {
        let patience = Duration::from_millis(BOT_DIAL_MS);
        let made = async {
            let stream = timeout(patience, self.dialer.plain(from)).await;
            self.dialer.shake(&self.fresh, stream.map_err(|_| Failure::Late)??).await
        };
        self.noted(from, made.await)
    }

    /// The same to the target itself, where everybody else comes through proxies.
    pub(crate) async fn secure_round_the_proxies(&self, from: Source) -> Result<Link, Failure> {
        let made = async {
            let stream = self.dialer.round_the_proxies(from).await?;
            self.dialer.shake(&self.fresh, stream).await
        };
        self.noted(from, made.await)
    }

    /// The same for HTTP/2.
    pub(crate) async fn secure_http2(&self, from: Source) -> Result<Link, Failure> {
        self.noted(from, self.dialer.secure(&self.http2, from).await)
    }

    /// A bare connection.
    pub(crate) async fn plain(&self, from: Source) -> Result<tokio::net::TcpStream, Failure> {
        self.noted(from, self.dialer.plain(from).await)
    }

    fn noted<T>(&self, from: Source, made: Result<T, Failure>) -> Result<T, Failure> {
        self.ledger.came_from(from);
        if made.is_err() {
            self.ledger.unconnected.fetch_add(1, Ordering::Relaxed);
        }
        made
    }
}

/// Counts of the attack.
pub(crate) struct Ledger {
    /// Requests that were due.
    pub planned: AtomicU64,
    /// Those that were put on a connection.
    pub offered: AtomicU64,
    /// Those that were answered with what was asked for.
    pub served: AtomicU64,
    /// Those that were refused in words: an answer of another kind, a reset, a farewell.
    pub refused: AtomicU64,
    /// Those without an answer.
    pub dropped: AtomicU64,
    /// Connections that were not made, or not to the handshake's end.
    pub unconnected: AtomicU64,
    /// Connections held now.
    pub held: AtomicUsize,
    /// The most that were held at once.
    pub held_most: AtomicUsize,
    /// Connections that the kernel dropped before the server saw them, where that is known.
    pub dropped_kernel: Mutex<Option<u64>>,
    /// Connections asked for that the kernel answered with a cookie, where that is known.
    pub cookies: Mutex<Option<u64>>,
    /// Which of the 2^24 sources came.
    sources: Vec<AtomicU64>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            planned: AtomicU64::new(0),
            offered: AtomicU64::new(0),
            served: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            unconnected: AtomicU64::new(0),
            held: AtomicUsize::new(0),
            held_most: AtomicUsize::new(0),
            dropped_kernel: Mutex::default(),
            cookies: Mutex::default(),
            sources: (0..1 << 18).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Ledger {
    /// Notes a source.
    pub(crate) fn came_from(&self, source: Source) {
        let number = source.number();
        let at = usize::try_from(number >> 6).unwrap_or(0);
        if let Some(word) = self.sources.get(at) {
            word.fetch_or(1 << (number & 63), Ordering::Relaxed);
        }
    }

    /// How many sources came.
    pub(crate) fn sources(&self) -> u64 {
        let ones = |word: &AtomicU64| u64::from(word.load(Ordering::Relaxed).count_ones());
        self.sources.iter().map(ones).sum()
    }

    pub(crate) fn add(counter: &AtomicU64, more: usize) {
        counter.fetch_add(u64::try_from(more).unwrap_or(0), Ordering::Relaxed);
    }

    /// Notes an answer.
    pub(crate) fn answered(&self, answer: &Answer) {
        let counter =
            if (200..400).contains(&answer.status) { &self.served } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a connection that is held as long as this is.
    pub(crate) fn hold(&self) -> Held<'_> {
        let now = self.held.fetch_add(1, Ordering::Relaxed) + 1;
        self.held_most.fetch_max(now, Ordering::Relaxed);
        Held(self)
    }
}

/// See [`Ledger::hold`].
pub(crate) struct Held<'l>(&'l Ledger);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_counted_once_each() {
        let ledger = Ledger::default();
        for number in [0, 1, 1, 63, 64, 0xff_ffff, 0xff_ffff] {
            ledger.came_from(Source::numbered(number));
        }
        assert_eq!(ledger.sources(), 5);
    }

    #[test]
    fn the_most_that_were_held_is_remembered() {
        let ledger = Ledger::default();
        let (one, two) = (ledger.hold(), ledger.hold());
        drop(one);
        let three = ledger.hold();
        assert_eq!(ledger.held.load(Ordering::Relaxed), 2);
        drop((two, three));
        let most = ledger.held_most.load(Ordering::Relaxed);
        assert_eq!((ledger.held.load(Ordering::Relaxed), most), (0, 2));
    }
}
