//! The gate: a service around all others that asks `decide` about every request, runs its handler,
//! holds it in the queue, or has it turned away; and that settles what each one cost.
//!
//! ```text
//! request -> Wiring::facts -> decide -> the handler, its polls timed -> body -> settle
//!                                   \-> a place in the queue, until it is called or must leave
//!                                   \-> Wiring::turned_away
//! ```
//!
//! What costs no more than its refusal would (a health check, a browser's question whether a script
//! may ask) passes without a decision: the wiring gives no facts of it.
//!
//! A charge is a guard (`charge.rs`): whatever becomes of a request (its answer ends, its caller
//! leaves, its handler panics), it is settled exactly once. Costs are processor time of the polls,
//! so that a thread that others crowd out does not make a route look dear.
//!
//! Whoever watches over the instance hears of attacks as typed events (`events.rs`); operators look
//! at a bounded sample of decisions (`notes.rs`).
//!
//! Leaves to the wiring what a request shows, what answers look like and how work is measured (also
//! what was done for a handler on other threads), and to `decide` who is served.

mod charge;
mod clock;
mod events;
mod notes;
mod service;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use parking_lot::Mutex;
use tokio::sync::{broadcast, oneshot};

pub use charge::Settled;
pub use clock::{Began, Monotonic, thread_work_ns};
pub use events::{Event, Happened, NetworkLoad};
pub use notes::{Note, Notes};
pub use service::{Gated, Gating};

pub use crate::decide::TurnedAway;
use crate::decide::{
    self, Admission, Called, Decision, Denial, Facts, Now, Outcome, Place, SavedError, Settings,
    Snapshot, State, Step, Verdict,
};
use crate::limits;
use events::Herald;

/// What the gate asks of the server around it.
pub trait Wiring: Send + Sync + 'static {
    /// Bodies of answers, the handlers' and its own.
    type Body;

    /// Where a piece of work began.
    type Began: Copy;

    /// What is known of a request, and when it began to be looked at. May not wait, and may take
    /// out of its headers what is meant for the gate alone. None: it passes whoever sends it, and
    /// nothing is counted.
    fn facts<B>(&self, request: &mut Request<B>) -> Option<(Facts, Self::Began)>;

    /// The answer to a request that is not served.
    fn turned_away<B>(
        &self,
        request: &Request<B>,
        turned: &TurnedAway,
        facts: &Facts,
        verdict: Verdict,
    ) -> Response<Self::Body>;

    /// Hears how a request would have been turned away that is served, because the shield only
    /// observes.
    fn overruled<B>(
        &self,
        request: &mut Request<B>,
        turned: &TurnedAway,
        facts: &Facts,
        verdict: Verdict,
    );

    /// The clocks.
    fn now(&self) -> Now;

    /// The clocks as they were where a piece of work began.
    fn now_at(&self, began: Self::Began) -> Now;

    /// Begins a piece of work on this thread: [`Began::now`], with what was done for it elsewhere.
    /// One that follows at once on another begins where that one ended: [`Began::is_latest`].
    fn begin(&self, last: Option<Self::Began>) -> Self::Began;

    /// What a piece of work has taken, in ns, and where the next one begins: [`Began::lap`].
    fn lap(&self, began: Self::Began) -> (u64, Self::Began);
}

/// What becomes of a request.
enum Ruling {
    Serve(Admission),
    Wait(Place, oneshot::Receiver<Called>),
    TurnAway(TurnedAway),
}

/// By how much a timer may fire late on an idle machine, in us: it counts in ms.
const TIMER_US: u64 = 1_000;

/// Decides for every service that it is put around; there is one for a process.
pub struct Gate<W> {
    wiring: W,
    desk: Mutex<Desk>,
    events: broadcast::Sender<Event>,
}

/// What decisions are made with, and who waits for one.
struct Desk {
    state: State,
    waiting: HashMap<Place, oneshot::Sender<Called>>,
    herald: Herald,
}

impl Desk {
    /// Tells all whose turn it is, or whose time is over.
    fn call(&mut self, now: Now) {
        // A called request leaves the queue, so this ends; the bound is for a defect in that.
        for _ in 0..=limits::decide::QUEUE_MAX {
            let Some((place, called)) = self.state.next(now) else { return };
            let told = self.waiting.remove(&place).map(|waiter| waiter.send(called));
            if let Some(Err(Called::Serve(admission))) = told {
                self.state.settle(admission, Outcome::Cancelled { cost_ns: Some(0) }, now);
            }
        }
    }
}

impl<W: Wiring> Gate<W> {
    /// A gate that knows nobody; the key is sixteen random bytes.
    pub fn new(settings: Settings, key: [u8; 16], wiring: W) -> Arc<Self> {
        let state = State::new(settings, key, wiring.now());
        let herald = Herald::new();
        let desk = Mutex::new(Desk { state, waiting: HashMap::new(), herald });
        let (events, _) = broadcast::channel(limits::EVENTS_KEPT);
        Arc::new(Self { wiring, desk, events })
    }

    /// The server around it.
    pub fn wiring(&self) -> &W {
        &self.wiring
    }

    /// Hears from now on of what befalls this instance. Who falls behind is told how far.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// What was learnt in peace, to be kept over a restart: see [`State::save`]. Requests go on
    /// meanwhile: they wait for a piece of it at most. For a thread that may take milliseconds.
    pub fn save(&self) -> Vec<u8> {
        let now = self.wiring.now();
        let mut saving = self.desk.lock().state.begin_saving(now);
        while self.desk.lock().state.save_piece(&mut saving) {
            // Whoever waits for the lock is to find it free.
            std::thread::yield_now();
        }
        saving.into_bytes()
    }

    /// Takes in what was kept.
    ///
    /// # Errors
    /// See [`State::load`].
    pub fn load(&self, bytes: &[u8]) -> Result<(), SavedError> {
        let now = self.wiring.now();
        self.desk.lock().state.load(bytes, now)
    }

    /// Puts the gate around a service.
    pub fn around<S>(self: &Arc<Self>, inner: S) -> Gated<S, W> {
        Gated::new(Arc::clone(self), inner)
    }

    /// Lets time pass for the decisions, for as long as it is polled: without it thresholds never
    /// move and nobody leaves the queue by a deadline.
    pub async fn keep_time(self: Arc<Self>) {
        let mut wait_us = 0;
        let mut due_us = self.wiring.now().us;
        loop {
            tokio::time::sleep(Duration::from_micros(wait_us)).await;
            let woken_us = self.wiring.now().us;
            // Goes to the end of its worker's line: how long that takes is how long a request
            // waits that has been woken now.
            tokio::task::yield_now().await;
            let now = self.wiring.now();
            let late_us = woken_us.saturating_sub(due_us + TIMER_US);
            wait_us = self.tick(late_us.max(now.us.saturating_sub(woken_us)), now);
            due_us = now.us + wait_us;
        }
    }

    /// One step of time, and how long a task waited before it ran; answers when the next is due,
    /// in us.
    fn tick(&self, delay_us: u64, now: Now) -> u64 {
        let mut desk = self.desk.lock();
        desk.state.hear(delay_us);
        desk.state.tick(now);
        desk.call(now);
        let Desk { state, herald, .. } = &mut *desk;
        // Nobody may listen; that is no failure.
        herald.look(state, now, |event| drop(self.events.send(event)));
        desk.state.until_tick_us()
    }

    /// What operators and metrics are shown; some microseconds under the gate's lock.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.wiring.now();
        self.desk.lock().state.snapshot(now)
    }

    /// Whether there is pressure.
    pub fn pressed(&self) -> bool {
        self.desk.lock().state.pressed()
    }

    /// What is switched off at present.
    pub fn step(&self) -> Step {
        self.desk.lock().state.step()
    }

    /// The next address that the kernel should deny.
    pub fn next_denial(&self) -> Option<Denial> {
        self.desk.lock().state.next_denial()
    }

    /// Forgives one address: an operator's word. Answers whether it was denied.
    pub fn forgive(&self, address: std::net::IpAddr) -> bool {
        let now = self.wiring.now();
        self.desk.lock().state.forgive(address, now)
    }

    /// Forgives every denied address: an operator's word.
    pub fn clear_denials(&self) {
        self.desk.lock().state.clear_denials();
    }

    /// Decides on a request.
    fn decide(&self, facts: &Facts, now: Now) -> (Ruling, Verdict) {
        let mut desk = self.desk.lock();
        let ruling = match decide::decide(&mut desk.state, facts, now) {
            Decision::Serve(admission) => Ruling::Serve(admission),
            Decision::Queue(place) => {
                let (call, heard) = oneshot::channel();
                desk.waiting.insert(place, call);
                Ruling::Wait(place, heard)
            }
            Decision::Challenge => Ruling::TurnAway(TurnedAway::Challenge),
            Decision::WaitingRoom { retry_after_s } => {
                Ruling::TurnAway(TurnedAway::WaitingRoom { retry_after_s })
            }
            Decision::Refuse(refusal) => Ruling::TurnAway(TurnedAway::Refused(refusal)),
        };
        let verdict = desk.state.last();
        // It may have taken somebody's place in a full queue.
        desk.call(now);
        (ruling, verdict)
    }

    fn settle(&self, admission: Admission, outcome: Outcome, now: Option<Now>) {
        let now = now.unwrap_or_else(|| self.wiring.now());
        let mut desk = self.desk.lock();
        desk.state.settle(admission, outcome, now);
        desk.call(now);
    }

    /// Gives up a place whose caller has left; false when it has been called already.
    fn leave(&self, place: Place) -> bool {
        let mut desk = self.desk.lock();
        let waited = desk.waiting.remove(&place).is_some();
        if waited {
            desk.state.leave(place);
        }
        waited
    }
}
