//! The shield around this server: what the gate is told of each request, what it remembers over a
//! restart, what follows from its decisions elsewhere (stale pages, the log), and what operators
//! are shown. Who is served is decided in `shield`.
//!
//! ```text
//! edge -> gate (facts.rs) -> hooks and routers -> handlers
//!                        \-> answers.rs
//! ```

mod answers;
pub(crate) mod commands;
mod facts;
mod keeping;
pub(crate) mod kernel;
mod members;
mod passes;
mod routes;
mod status;
mod traits;

pub(crate) use keeping::{FILE as STATE, backdate};
pub(crate) use members::Learns;
pub(crate) use status::Status;

use crate::{
    config::{Config, ShieldMode},
    limits::SHIELD_SAVE_EVERY_S,
    open::Instance,
    world::WallClock,
};
use answers::{Answers, Cookies};
use facts::{Clock, Wire};
use httpkit::{SharedPages, cookie::Transport, request_id::RequestIds};
use members::Members;
use passes::Passes;
use shield::{
    decide::{Settings, Step},
    edge,
    gate::{self, Event, Happened, Notes},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

/// The gate of this server.
pub(crate) type Gate = gate::Gate<Wire>;

/// The shield, as the server holds it.
#[derive(Clone)]
pub(crate) struct Shield {
    pub gate: Arc<Gate>,
    key: [u8; 16],
    data: PathBuf,
    /// The door that learns where people come from.
    door: edge::Handle,
}

/// What the shield is made of.
pub(crate) struct Made<'a> {
    pub config: &'a Config,
    pub data: &'a Path,
    pub instance: &'a Instance,
    pub ids: RequestIds,
    pub address_of: api::AddressOf,
    pub is_secure: bool,
    pub door: edge::Handle,
}

impl Shield {
    /// With what was learnt before.
    ///
    /// # Errors
    /// When the title of the place does not fit on its pages.
    pub(crate) fn raise(made: Made<'_>) -> anyhow::Result<Self> {
        let Made { config, data, instance, ids, address_of, is_secure, door } = made;
        let mode = config.shield.mode;
        let now_s = unix_s(instance);
        let kept = match mode {
            ShieldMode::Off | ShieldMode::Limiter => {
                let members = Members::beginning_at(0);
                keeping::Kept { key: [0; 16], members, door: vec![], state: vec![] }
            }
            _ => keeping::load(data, || fresh_key(instance), now_s),
        };
        let behind = (!config.server.trusted_proxies.is_empty()).then_some(address_of);
        let transport = if is_secure { Transport::Secure } else { Transport::Plain };
        let seed = instance.social.unpredictable();
        let passes = Arc::new(Passes::new(Arc::clone(&instance.sealer), transport, seed));
        let title = &config.server.title;
        let clock = Arc::new(WallClock);
        let answers = Answers::new(Arc::clone(&passes), title, api::cors(), clock)?;
        let wire = Wire {
            mode,
            behind,
            sealer: Arc::clone(&instance.sealer),
            transport,
            routes: routes::Routes::new(),
            members: Arc::new(kept.members),
            ids,
            passes,
            answers,
            notes: Notes::default(),
            clock: Clock::starting_at(now_s),
            is_peace: true.into(),
        };
        let gate = Gate::new(settings(config), kept.key, wire);
        if !kept.state.is_empty()
            && let Err(error) = gate.load(&kept.state)
        {
            tracing::warn!(%error, "what the shield had learnt of visitors is lost");
        }
        door.remember(&kept.door);
        Ok(Self { gate, key: kept.key, data: data.to_owned(), door })
    }

    /// Whether it does anything.
    fn is_up(&self) -> bool {
        self.gate.wiring().mode.decides()
    }

    /// Who says whom the kernel is to deny; nobody where nothing is decided.
    pub(crate) fn decider(&self) -> Option<Arc<dyn kernel::Decider>> {
        let decides = self.gate.wiring().mode == ShieldMode::On;
        decides.then(|| Arc::clone(&self.gate) as Arc<dyn kernel::Decider>)
    }

    /// The hook that learns from answers what tokens are worth.
    pub(crate) fn learns(&self, instance: &Instance) -> Option<Learns> {
        let members = Arc::clone(&self.gate.wiring().members);
        self.is_up().then(|| Learns::new(members, Arc::clone(&instance.social)))
    }

    /// The hook that gives visitors their cookies with what is served.
    pub(crate) fn cookies(&self) -> Option<Cookies> {
        self.is_up().then(|| self.gate.wiring().answers.cookies())
    }

    /// Does what is done beside serving, until the server stops.
    pub(crate) fn keep_up(
        &self,
        instance: &Arc<Instance>,
        shared: Arc<SharedPages>,
        door: edge::Handle,
        shutdown: &CancellationToken,
    ) {
        if !self.is_up() {
            return;
        }
        // It goes on while the server drains: those who wait are called until the end.
        tokio::spawn(Arc::clone(&self.gate).keep_time());
        let members = Arc::clone(&self.gate.wiring().members);
        tokio::spawn(members::listen(members, Arc::clone(&instance.social)));
        tokio::spawn(tell(self.gate.listen(), shared));
        let keeping = keep_watch(self.clone(), Arc::clone(instance), door);
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(keeping));
    }

    /// Writes down what was learnt.
    pub(crate) async fn save(&self) {
        if !self.is_up() {
            return;
        }
        // Beside the threads that serve: with a million sources it takes tens of milliseconds.
        let Self { gate, key, data, door } = self.clone();
        let saved = tokio::task::spawn_blocking(move || {
            let members = &gate.wiring().members;
            let bytes = keeping::written(&key, members, &door.learnt(), &gate.save());
            keeping::save(&data, &bytes)
        });
        let saved = saved.await;
        if let Ok(Err(error)) = saved {
            tracing::warn!(error = format!("{error:#}"), "what the shield learnt was not kept");
        }
    }
}

fn settings(config: &Config) -> Settings {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut settings = Settings::for_cores(u32::try_from(cores).unwrap_or(1));
    let percent = config.shield.capacity_percent.count() as u64;
    settings.capacity_ns_per_s = settings.capacity_ns_per_s / 100 * percent;
    match config.shield.mode {
        ShieldMode::On => settings,
        ShieldMode::Observe => Settings { observe: true, ..settings },
        ShieldMode::Off | ShieldMode::Limiter => Settings { sources: 0, ..settings },
    }
}

fn fresh_key(instance: &Instance) -> [u8; 16] {
    let halves = [instance.social.unpredictable(), instance.social.unpredictable()];
    let mut key = [0; 16];
    for (part, half) in key.chunks_exact_mut(8).zip(halves) {
        part.copy_from_slice(&half.to_le_bytes());
    }
    key
}

fn unix_s(instance: &Instance) -> u64 {
    u64::try_from(instance.social.now().ms() / 1_000).unwrap_or(0)
}

/// Tells the gate what time of day it is and whether there is peace, the door whether strangers'
/// handshakes need a budget, and saves now and then.
async fn keep_watch(shield: Shield, instance: Arc<Instance>, door: edge::Handle) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for second in 1_u64.. {
        seconds.tick().await;
        let wire = shield.gate.wiring();
        wire.clock.set(unix_s(&instance));
        let pressed = shield.gate.pressed();
        wire.is_peace.store(!pressed, Relaxed);
        door.press(pressed && wire.mode == ShieldMode::On);
        if second.is_multiple_of(SHIELD_SAVE_EVERY_S) {
            shield.save().await;
        }
    }
}

/// Does what follows from a step of degradation, and writes into the log what befalls the server.
async fn tell(mut events: tokio::sync::broadcast::Receiver<Event>, shared: Arc<SharedPages>) {
    loop {
        match events.recv().await {
            Ok(event) => told(&event.what, &shared),
            Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "events went by unheard"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn told(what: &Happened, shared: &SharedPages) {
    let cores = |ns: f64| (ns / 10_000_000.0).round() / 100.0;
    match what {
        Happened::AttackBegan { offered_ns_per_s, capacity_ns_per_s } => tracing::warn!(
            asked_cores = cores(*offered_ns_per_s),
            has_cores = cores(*capacity_ns_per_s),
            "more is asked than this machine can do: strangers wait or are turned away"
        ),
        Happened::AttackEnded { seconds, turned_away } => {
            tracing::warn!(seconds, turned_away, "everybody is served again");
        }
        Happened::StepChanged { from, to } => {
            shared.allow_stale(*to >= Step::Stale);
            tracing::info!(from = from.name(), to = to.name(), "the step of degradation changed");
        }
        Happened::Threshold { .. } => {
            tracing::debug!(target: "fulmar::shield", event = ?what, "under pressure");
        }
        // The log names no address; `fulmar shield status` does.
        Happened::Networks { .. } => {}
    }
}
