//! The edge: the only way into Fulmar. It accepts, speaks TLS, holds every connection to its
//! bounds, and hands requests to a service. Leaves to the service what a request means, and to
//! `decide` who is served when not all can be.
//!
//! Why our own: with `axum::serve` or hyper-util's `auto` builder a silent connection, a dripped
//! header, a slow body or a slow reader stays open for ever (measured with hyper 1.12). How: no
//! connection arms a timer. Whoever moves bytes or requests notes it in the connection's *gauge*
//! (`gauge.rs`), and one *watchman* looks at every gauge once a second and carries out what a pure
//! rule (`judge.rs`) says. So a request pays for a few plain memory writes.

mod answer;
mod body;
mod bucket;
mod clock;
mod connection;
mod desk;
mod frames;
mod gauge;
mod handshakes;
mod hello;
mod io;
mod judge;
mod known;
mod listener;
mod networks;
mod options;
mod proxy;
mod seats;
mod shaking;
mod socket;
mod stats;
mod steering;
mod tickets;
pub mod tls;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use body::{Body, BodyError};
pub use connection::{ResponseBody, Serve};
pub use desk::ConnectionInfo;
pub use frames::{Metered, metered};
pub use hello::{Fingerprint, tickets_brought};
pub use listener::{Door, Listener};
pub use networks::backdate;
pub use options::Options;
pub use proxy::{Announced, announced};
pub use socket::{open_files_max, raise_open_files};
pub use stats::{Cut, Handshaken, Stats};
pub use tickets::Tickets;

use crate::limits;
use gauge::Order;
use handshakes::Handshakes;
use known::Known;
use networks::Networks;
use seats::Seats;

/// Any error of a service or of its response bodies. hyper only ends the connection over it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What all connections of an edge share.
struct Shared {
    clock: clock::Clock,
    options: Options,
    stats: Arc<Stats>,
    seats: Mutex<Seats>,
    /// Strangers' handshakes.
    handshakes: Handshakes,
    /// Those of the known: several times as many at once, and not for so much time of a processor.
    known_handshakes: Handshakes,
    known: Known,
    networks: Mutex<Networks>,
    /// Somebody else found that there is more to do than can be done.
    pressed: AtomicBool,
    /// Told when the last connection of a drain has left.
    emptied: Notify,
    /// A response was refused since the watchman last looked.
    overfull: AtomicBool,
    /// More bytes of request bodies were in memory than may be, since the watchman last looked.
    crowded: AtomicBool,
}

/// One edge: its doors share their caps, budgets and counters.
pub struct Edge {
    shared: Arc<Shared>,
}

/// How an edge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Requests handed to the service over its whole life.
    pub requests: u64,
    /// Connections that were still busy at the drain's deadline, and were reset.
    pub connections_cut: usize,
}

impl Edge {
    /// An edge with these options. The cap on connections is lowered to what the process's limit
    /// of open files allows: see [`raise_open_files`].
    pub fn new(mut options: Options) -> Self {
        if let Ok(files) = open_files_max() {
            let reserved = limits::FILES_RESERVED.min(files / 2);
            options.connections_max = options.connections_max.min(files - reserved).max(1);
        }
        options.turns = options.turns.max(1);
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let us_per_s = options.handshake_us_per_s.saturating_mul(cores);
        let at_once = usize::try_from(cores).unwrap_or(1);
        let handshakes = Handshakes::new(at_once, us_per_s);
        let known_handshakes = Handshakes::new(at_once.saturating_mul(limits::KNOWN_TURNS), 0);
        let shared = Shared {
            clock: clock::Clock::new(),
            options,
            stats: Arc::default(),
            seats: Mutex::new(Seats::new()),
            handshakes,
            known_handshakes,
            known: Known::new(clock::unix_s()),
            networks: Mutex::new(Networks::new(clock::unix_s())),
            pressed: AtomicBool::new(false),
            emptied: Notify::new(),
            overfull: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The counters, to be read while it serves and after.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.shared.stats)
    }

    /// What others may ask of it and tell it while it serves.
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Serves all doors until `stop`, then finishes what was accepted and answers how that went.
    ///
    /// # Errors
    /// When a listening socket cannot be given to the runtime; nothing is served then.
    pub async fn serve<S, B>(
        self,
        doors: Vec<Door>,
        service: S,
        stop: CancellationToken,
    ) -> std::io::Result<Drained>
    where
        S: Serve<B>,
        B: ResponseBody,
    {
        let mut loops = JoinSet::new();
        for door in doors {
            door.open(&self.shared, &service, &stop, &mut loops)?;
        }
        let mut watchman = Watchman::new(Arc::clone(&self.shared));
        watchman.watch(stop.cancelled()).await;
        {
            let mut seats = self.shared.seats.lock();
            seats.draining = true;
            seats.tell_all(Order::Finish);
        }
        while loops.join_next().await.is_some() {}
        let deadline = Duration::from_millis(self.shared.options.drain_ms);
        // A timeout here only means that some are left: they are counted as they are cut.
        let _ = tokio::time::timeout(deadline, watchman.watch(self.shared.empty())).await;
        let connections_cut = self.shared.seats.lock().cut_all(Cut::Deadline);
        Ok(Drained { requests: self.shared.stats.requests(), connections_cut })
    }
}

/// An edge's ear: see [`Edge::handle`].
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// Whether a member was served at this address within a day, or two at most: it has the rank of
    /// the known at the accept gate, and is never to be denied before it.
    #[must_use]
    pub fn is_familiar(&self, address: IpAddr) -> bool {
        self.shared.known.is_familiar(address.to_canonical())
    }

    /// There is more to do than can be done, or not any more: from now on strangers' handshakes
    /// have a budget. Besides, the edge finds out by itself when the machine is too busy for all.
    pub fn press(&self, pressed: bool) {
        self.shared.pressed.store(pressed, Relaxed);
    }

    /// What was learnt in peace of where people come from, to be kept over a restart.
    #[must_use]
    pub fn learnt(&self) -> Vec<u8> {
        self.shared.networks.lock().save(clock::unix_s())
    }

    /// Takes in what [`Self::learnt`] gave an earlier edge; what is damaged is left out.
    pub fn remember(&self, learnt: &[u8]) {
        self.shared.networks.lock().load(learnt, clock::unix_s());
    }
}

/// Serves one door with an edge of its own: see [`Edge`] for several.
///
/// # Errors
/// As [`Edge::serve`].
pub async fn serve<S, B>(
    door: Door,
    options: Options,
    service: S,
    stop: CancellationToken,
) -> std::io::Result<Drained>
where
    S: Serve<B>,
    B: ResponseBody,
{
    Edge::new(options).serve(vec![door], service, stop).await
}

impl Shared {
    /// Somebody known is behind a connection. False where that gives it nothing more.
    fn promote(&self, gauge: &Arc<gauge::Gauge>, principal: u64) -> bool {
        let mut seats = self.seats.lock();
        let promoted = seats.promote(gauge, principal);
        self.count(&seats);
        promoted
    }

    /// What made a connection known did not hold.
    fn demote(&self, gauge: &Arc<gauge::Gauge>) {
        let mut seats = self.seats.lock();
        seats.demote(gauge);
        self.count(&seats);
    }

    /// Shows how many there are.
    fn count(&self, seats: &Seats) {
        self.stats.open.store(seats.open() as u64, Relaxed);
        self.stats.known.store(seats.known() as u64, Relaxed);
    }

    /// Waits until no connection is open. Only in a drain.
    async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.seats.lock().open() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// Advances the clock and looks at every connection in turn. There is one per edge.
struct Watchman {
    shared: Arc<Shared>,
    ticker: clock::Ticker,
    ticks: tokio::time::Interval,
    /// Shorter ones, for handshakes that wait for their share of the processor.
    calls: tokio::time::Interval,
    turn: usize,
    pressed: bool,
    /// Until when the machine counts as too busy.
    late_until_ms: u64,
}

impl Watchman {
    fn new(shared: Arc<Shared>) -> Self {
        let period = Duration::from_millis(shared.options.tick_ms.max(1));
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut calls = tokio::time::interval(Duration::from_millis(limits::HANDSHAKE_CALL_MS));
        calls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let ticker = clock::Ticker::start();
        Self { shared, ticker, ticks, calls, turn: 0, pressed: false, late_until_ms: 0 }
    }

    /// Keeps watch until `end`.
    async fn watch(&mut self, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                biased;
                () = &mut end => return,
                _ = self.ticks.tick() => self.look(),
                // Else who just missed the last tick would wait for a whole one.
                _ = self.calls.tick(), if self.pressed => {
                    self.ticker.tick(&self.shared.clock);
                    self.shared.handshakes.tick(true, self.shared.clock.now());
                }
            }
        }
    }

    /// One turn: a share of the seats, a thousand of them under one hold of the lock.
    fn look(&mut self) {
        let shared = &self.shared;
        self.ticker.tick(&shared.clock);
        let late_ms = self.ticker.since_look().saturating_sub(shared.options.tick_ms);
        let now = shared.clock.now();
        // A flood that is held up at the door never comes to where requests are counted.
        let is_crowded = shared.handshakes.waiting() >= limits::HANDSHAKES_CROWD;
        if late_ms > limits::LATE_MS || is_crowded {
            self.late_until_ms = now.saturating_add(limits::LATE_LASTS_MS);
        }
        self.pressed = now < self.late_until_ms || shared.pressed.load(Relaxed);
        shared.handshakes.tick(self.pressed, now);
        shared.stats.pressed.store(self.pressed, Relaxed);
        shared.stats.handshakes_waiting.store(shared.handshakes.waiting() as u64, Relaxed);
        let (turns, seats) = (shared.options.turns, shared.seats.lock().len());
        let share = seats.div_ceil(turns);
        let (start, end) = (self.turn * share, ((self.turn + 1) * share).min(seats));
        for from in (start..end).step_by(limits::JUDGED_AT_ONCE) {
            let count = (end - from).min(limits::JUDGED_AT_ONCE);
            shared.seats.lock().judge(from, count, &shared.options, now);
        }
        self.turn = (self.turn + 1) % turns;
        if self.turn == 0 {
            let now_unix_s = clock::unix_s();
            shared.known.turn(now_unix_s);
            shared.networks.lock().turn(now_unix_s, self.pressed);
        }
        if shared.overfull.swap(false, Relaxed) {
            // Half of the budget is where a peer's own share begins to count.
            let most = shared.options.held_bytes_max / 2;
            let excess = shared.stats.held_bytes().saturating_sub(most);
            shared.seats.lock().cut_holders(excess);
        }
        if shared.crowded.swap(false, Relaxed) {
            let most = shared.options.body_bytes_max / 2;
            let excess = shared.stats.body_bytes().saturating_sub(most);
            shared.seats.lock().cut_senders(excess);
        }
    }
}
