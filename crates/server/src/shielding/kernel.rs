//! The keeper of the kernel's deny set: opens it where that can be had, takes proven offenders to
//! it, and takes operators' words to it and to the decisions alike. Leaves the set itself to
//! `shield::kernel`, and who is an offender to `shield::decide`.
//!
//! Where there is no set, nothing else changes: who is denied is then refused by this program.

use crate::config::{Config, Kernel as Wanted};
use anyhow::{Context as _, bail};
use parking_lot::Mutex;
use shield::{
    decide::Denial,
    gate::{Gate, Wiring},
    kernel::{Counter, DenySet, Entry, KernelError, Listed, Options, Outcome},
    limits::kernel as limits,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Whoever decides who is denied.
pub(crate) trait Decider: Send + Sync {
    /// The next address that the kernel should deny.
    fn next_denial(&self) -> Option<Denial>;
    /// Forgives one address; answers whether it was denied.
    fn forgive(&self, address: IpAddr) -> bool;
    /// Forgives all.
    fn forgive_all(&self);
}

impl<W: Wiring> Decider for Gate<W> {
    fn next_denial(&self) -> Option<Denial> {
        Self::next_denial(self)
    }
    fn forgive(&self, address: IpAddr) -> bool {
        Self::forgive(self, address)
    }
    fn forgive_all(&self) {
        self.clear_denials();
    }
}

/// What was taken to the kernel, and what came of it.
#[derive(Default)]
struct Counts {
    denied: AtomicU64,
    spared: AtomicU64,
    full: AtomicU64,
    failed: AtomicU64,
}

/// What metrics are told.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub is_on: bool,
    pub entries: u64,
    pub dropped: Counter,
    /// Addresses by what came of them: denied, spared, no room, refused by the kernel.
    pub outcomes: [u64; 4],
}

/// The set, or why there is none.
pub(crate) struct Kernel {
    set: Mutex<Result<Arc<DenySet>, String>>,
    decider: OnceLock<Arc<dyn Decider>>,
    counts: Counts,
}

impl Kernel {
    /// Opens the set for a server that listens here, and says in the log what came of it.
    pub(crate) fn open(config: &Config, doors: Vec<SocketAddr>) -> Self {
        let set = match config.shield.kernel {
            Wanted::Off => Err("switched off by shield.kernel".to_owned()),
            Wanted::Auto => {
                let proxies = &config.server.trusted_proxies;
                let never = proxies.iter().chain(&config.shield.never_deny).copied().collect();
                DenySet::open(Options { doors, never }).map(Arc::new).map_err(|error| why(&error))
            }
        };
        match &set {
            Ok(set) => tracing::info!(
                table = set.table(),
                at_entrance = set.at_entrance(),
                "the kernel drops what proven offenders send"
            ),
            Err(why) => tracing::info!(
                %why,
                "the kernel drops nothing: proven offenders are refused by this program alone \
                 (`fulmar doctor` says what to do)"
            ),
        }
        Self { set: Mutex::new(set), decider: OnceLock::new(), counts: Counts::default() }
    }

    /// Takes the table away, before the process says that it has stopped.
    pub(crate) fn close(&self) {
        *self.set.lock() = Err("the server stops".to_owned());
    }

    fn set(&self) -> Result<Arc<DenySet>, String> {
        self.set.lock().clone()
    }

    /// Does something with the set on a thread that may wait for the kernel.
    async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&DenySet) -> Result<T, KernelError> + Send + 'static,
    ) -> anyhow::Result<T> {
        let set = match self.set() {
            Ok(set) => set,
            Err(why) => bail!("the kernel drops nothing: {why}"),
        };
        Ok(tokio::task::spawn_blocking(move || act(&set)).await??)
    }

    /// Takes offenders to the kernel, where somebody decides who they are, and looks at the
    /// machine's addresses, for as long as it is polled.
    pub(crate) async fn keep(self: Arc<Self>, decider: Option<Arc<dyn Decider>>) {
        if let Some(decider) = decider {
            let _first = self.decider.set(decider);
        }
        let mut turns = tokio::time::interval(Duration::from_millis(limits::TURN_MS));
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let turns_between_looks = limits::LOOK_EVERY_S * 1_000 / limits::TURN_MS;
        for turn in 1_u64.. {
            turns.tick().await;
            let Ok(set) = self.set() else { return };
            let fresh = std::iter::from_fn(|| self.decider.get()?.next_denial());
            let most = limits::BATCH_MAX * limits::BATCHES_PER_TURN;
            let fresh: Vec<Entry> = fresh.take(most).map(Entry::of).collect();
            let looks = turn.is_multiple_of(turns_between_looks);
            if fresh.is_empty() && !looks {
                continue;
            }
            let asked = fresh.len();
            let done = tokio::task::spawn_blocking(move || {
                if looks {
                    set.look_again();
                }
                if fresh.is_empty() { Ok(Outcome::default()) } else { set.deny(fresh) }
            });
            if let Ok(done) = done.await {
                self.note(asked, done);
            }
        }
    }

    fn note(&self, asked: usize, done: Result<Outcome, KernelError>) {
        let count = |counter: &AtomicU64, addresses: usize| {
            counter.fetch_add(u64::try_from(addresses).unwrap_or(u64::MAX), Relaxed);
        };
        match done {
            Ok(outcome) => {
                count(&self.counts.denied, outcome.denied);
                count(&self.counts.spared, outcome.spared);
                count(&self.counts.full, outcome.full);
                if asked > 0 {
                    let Outcome { denied, spared, full } = outcome;
                    tracing::debug!(denied, spared, full, "offenders were taken to the kernel");
                }
            }
            Err(error) => {
                // At most one line a turn; while it lasts, this program refuses them.
                count(&self.counts.failed, asked);
                tracing::warn!(why = %why(&error), asked, "offenders stay out of the kernel");
            }
        }
    }

    /// How it is: `on`, or why not.
    pub(crate) fn state(&self) -> String {
        match self.set() {
            Ok(set) if set.at_entrance() => "on".to_owned(),
            Ok(_) => "on, before routing only".to_owned(),
            Err(why) => format!("off: {why}"),
        }
    }

    /// The denied addresses, in order.
    pub(crate) async fn list(&self) -> anyhow::Result<Vec<Listed>> {
        if self.set().is_err() {
            return Ok(Vec::new());
        }
        self.with(DenySet::list).await
    }

    /// Denies an address because an operator says so.
    pub(crate) async fn deny(&self, address: IpAddr, seconds: u32) -> anyhow::Result<()> {
        self.with(move |set| set.deny_one(Entry::by_operator(address, seconds))).await
    }

    /// Forgives an address, here and in the decisions; answers whether it was denied.
    pub(crate) async fn forgive(&self, address: IpAddr) -> anyhow::Result<bool> {
        let was_decided = self.decider.get().is_some_and(|decider| decider.forgive(address));
        if self.set().is_err() {
            return Ok(was_decided);
        }
        let was_in = self.with(move |set| set.forgive(address)).await;
        Ok(was_in.context("it is not refused any more, but the kernel still drops it")?
            || was_decided)
    }

    /// Forgives all.
    pub(crate) async fn forgive_all(&self) -> anyhow::Result<()> {
        if let Some(decider) = self.decider.get() {
            decider.forgive_all();
        }
        if self.set().is_err() {
            return Ok(());
        }
        self.with(DenySet::clear).await
    }

    /// What metrics are told.
    pub(crate) async fn figures(&self) -> Figures {
        let asked = self.with(|set| Ok((set.list()?.len(), set.dropped()?))).await;
        let counts = &self.counts;
        let outcomes = [&counts.denied, &counts.spared, &counts.full, &counts.failed]
            .map(|counter| counter.load(Relaxed));
        let is_on = asked.is_ok();
        let (entries, dropped) = asked.unwrap_or_default();
        let entries = u64::try_from(entries).unwrap_or(u64::MAX);
        Figures { is_on, entries, dropped, outcomes }
    }
}

/// An error with its causes, in one line.
fn why(error: &KernelError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
