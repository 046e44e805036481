//! Load that costs little: it has one core, and must not be what is measured.
//!
//! Requests are built before they are needed, answers are looked at just enough to know their
//! status and where they end, nothing is pipelined. Closed loop: each connection sends as soon as
//! it was answered, which finds the rate a server can sustain. Open loop: requests are due at fixed
//! times whatever the server does, and each is timed from when it was due, so that a stall shows
//! in the latencies of all that waited (no coordinated omission).

mod histogram;
mod wire;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::LocalSet;
use tokio_rustls::rustls::ClientConfig;

pub use histogram::Histogram;
pub use wire::Wire;

use crate::{ground, pin};

/// Connections of one load, at most: bounded by file descriptors.
pub const CONNECTIONS_MAX: usize = 1_200;

/// How long a load may last of which only the requests are counted.
const COUNTED_MAX: Duration = Duration::from_secs(600);

/// Writes the next request of a connection; the numbers are the connection's and the request's.
pub type Requests = Rc<dyn Fn(usize, u64, &mut Vec<u8>)>;

/// What one load showed.
pub struct Shown {
    /// Latencies of the answers that were fine.
    pub latencies: Histogram,
    /// Answers other than 2xx, and connections that broke.
    pub failed: u64,
    /// From the first request to the last answer.
    pub took: Duration,
}

impl Shown {
    /// Fine answers a second.
    pub fn per_second(&self) -> f64 {
        let seconds = self.took.as_secs_f64();
        // Counts of a bench stay far below 2^53.
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let count = self.latencies.count() as f64;
        if seconds > 0.0 { count / seconds } else { 0.0 }
    }

    /// # Errors
    /// When anything failed: a rate of refusals is no rate.
    pub fn all_fine(self, what: &str) -> Result<Self> {
        let fine = self.latencies.count();
        ensure!(fine > 0, "{what}: nothing was answered");
        ensure!(self.failed == 0, "{what}: {} failed beside {fine} fine answers", self.failed);
        Ok(self)
    }
}

/// How load is to be given.
#[derive(Clone, Copy)]
pub enum Pace {
    /// As soon as answered.
    Closed,
    /// So many requests a second over all connections, at fixed times.
    Open(f64),
    /// As soon as answered, so many on each connection.
    Counted(u64),
}

/// One load.
#[derive(Clone)]
pub struct Load {
    /// Whom it goes to.
    pub address: SocketAddr,
    /// How many connections, each kept open.
    pub connections: usize,
    /// How long it lasts, warm-up included.
    pub duration: Duration,
    /// The first part, which is not counted.
    pub warm_up: Duration,
    /// How requests follow each other.
    pub pace: Pace,
    /// How connections are encrypted; none where they are not.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Load {
    /// Closed loop for some seconds after one of warm-up.
    pub const fn closed(address: SocketAddr, connections: usize, seconds: u64) -> Self {
        Self {
            address,
            connections,
            duration: Duration::from_secs(seconds + 1),
            warm_up: Duration::from_secs(1),
            pace: Pace::Closed,
            tls: None,
        }
    }

    /// Open loop at a rate.
    pub const fn open(address: SocketAddr, connections: usize, seconds: u64, rate: f64) -> Self {
        let mut load = Self::closed(address, connections, seconds);
        load.pace = Pace::Open(rate);
        load
    }

    /// So many requests on each connection, all of them counted, as fast as they are answered.
    pub const fn counted(address: SocketAddr, connections: usize, requests: u64) -> Self {
        let mut load = Self::closed(address, connections, 0);
        (load.warm_up, load.duration) = (Duration::ZERO, COUNTED_MAX);
        load.pace = Pace::Counted(requests);
        load
    }

    /// Gives the load from this thread.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn run(&self, requests: Requests) -> Result<Shown> {
        ensure!(self.connections <= CONNECTIONS_MAX, "{} connections", self.connections);
        block_on(async {
            let mut wires = Vec::with_capacity(self.connections);
            for _ in 0..self.connections {
                wires.push(Wire::open_as(self.address, self.tls.as_ref()).await?);
            }
            Ok(self.on(wires, requests).await)
        })
    }

    /// Gives the load on connections that are open already. On the runtime of [`block_on`] only.
    pub async fn on(&self, wires: Vec<Wire>, requests: Requests) -> Shown {
        let start = ground::now();
        let count = wires.len();
        let mut tasks = Vec::with_capacity(count);
        for (at, wire) in wires.into_iter().enumerate() {
            let lane =
                Lane { load: self.clone(), at, count, start, requests: Rc::clone(&requests) };
            tasks.push(tokio::task::spawn_local(lane.run(wire)));
        }
        let mut shown = Shown { latencies: Histogram::new(), failed: 0, took: Duration::ZERO };
        for task in tasks {
            if let Ok((latencies, failed)) = task.await {
                shown.latencies.add(&latencies);
                shown.failed += failed;
            } else {
                shown.failed += 1;
            }
        }
        shown.took = start.elapsed().saturating_sub(self.warm_up);
        shown
    }
}

/// Runs asynchronous load on this thread, kept on the load's core.
///
/// # Errors
/// What the work gives.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    if pin::possible() {
        pin::here(pin::LOAD_CORE).context("keep the load on its core")?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}

/// One connection's part of a load.
struct Lane {
    load: Load,
    at: usize,
    count: usize,
    start: std::time::Instant,
    requests: Requests,
}

impl Lane {
    async fn run(self, mut wire: Wire) -> (Histogram, u64) {
        let mut latencies = Histogram::new();
        let mut failed = 0;
        let mut request = Vec::with_capacity(1024);
        for number in 0_u64.. {
            let Some(begun) = self.next(number).await else { break };
            request.clear();
            (self.requests)(self.at, number, &mut request);
            let status = wire.ask(&request).await;
            let counted = begun.duration_since(self.start) >= self.load.warm_up;
            match status {
                Ok(200..=299) if counted => latencies.record(begun.elapsed()),
                Ok(200..=299) => {}
                Ok(_) => failed += 1,
                Err(_) => {
                    // One broken connection is one failure, and the lane goes on with another.
                    failed += 1;
                    match Wire::open_as(self.load.address, self.load.tls.as_ref()).await {
                        Ok(fresh) => wire = fresh,
                        Err(_) => break,
                    }
                }
            }
        }
        (latencies, failed)
    }

    /// Waits until the request is due; from when it is timed, or none past the end.
    async fn next(&self, number: u64) -> Option<std::time::Instant> {
        let now = ground::now();
        let lasts = now.duration_since(self.start) < self.load.duration;
        let rate = match self.load.pace {
            Pace::Closed => return lasts.then_some(now),
            Pace::Counted(most) => return (lasts && number < most).then_some(now),
            Pace::Open(rate) => rate,
        };
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let place = self.at as f64 + number as f64 * self.count as f64;
        let due_after = Duration::from_secs_f64(place / rate);
        if due_after >= self.load.duration {
            return None;
        }
        let due = self.start + due_after;
        if due > now {
            tokio::time::sleep_until(due.into()).await;
            // The timer rounds up to a millisecond; what it adds is the load's, not the server's.
            return Some(ground::now());
        }
        Some(due)
    }
}
