//! Turns for TLS handshakes: so many at once have our answer and owe us the rest of theirs. Whoever
//! has sent no greeting yet needs no turn, and takes none from anybody. Where all turns are taken,
//! the longest wait within the prefix that has most of them ends: a stranger who begins handshakes
//! without going on costs others half a second, not the door. Some turns are kept for who is known,
//! and strangers' must be paid for under pressure (`budget`). Leaves deadlines to `judge`.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::budget::Budget;
use super::gauge::{Gauge, Order};
use super::limits;
use super::seats::Prefix;
use super::stats::Cut;

/// All turns, and who has them.
pub(super) struct Handshakes {
    /// For everybody.
    turns: Semaphore,
    /// For the known alone.
    reserved: Semaphore,
    taken: Mutex<Vec<Taken>>,
    pub(super) budget: Budget,
}

struct Taken {
    gauge: Arc<Gauge>,
    /// None for a trusted proxy: it is never made to give way.
    prefix: Option<Prefix>,
}

/// One handshake's turn, over when it is dropped.
pub(super) struct Turn<'a> {
    all: &'a Handshakes,
    gauge: &'a Arc<Gauge>,
    _permit: SemaphorePermit<'a>,
}

impl Handshakes {
    pub(super) fn new(turns: usize, us_per_s: u64) -> Self {
        let reserved = turns / limits::HANDSHAKES_RESERVED_ONE_IN;
        Self {
            turns: Semaphore::new((turns - reserved).max(1)),
            reserved: Semaphore::new(reserved.max(1)),
            taken: Mutex::new(Vec::new()),
            budget: Budget::new(us_per_s),
        }
    }

    /// Waits for a turn, and makes those who keep others waiting give theirs up. None when too many
    /// came after it, or the edge is gone.
    pub(super) async fn turn<'a>(
        &'a self,
        gauge: &'a Arc<Gauge>,
        prefix: Option<Prefix>,
    ) -> Option<Turn<'a>> {
        let known = gauge.is_known();
        if !known && !self.budget.afford().await {
            gauge.cut(Cut::Evicted);
            return None;
        }
        let mut turn = pin!(self.permit(known));
        let mut looks = tokio::time::interval(Duration::from_millis(limits::HANDSHAKE_LOOK_MS));
        let permit = loop {
            tokio::select! {
                biased;
                permit = &mut turn => break permit?,
                _ = looks.tick() => self.make_room(gauge.now()),
            }
        };
        gauge.greeted();
        self.taken.lock().push(Taken { gauge: Arc::clone(gauge), prefix });
        Some(Turn { all: self, gauge, _permit: permit })
    }

    async fn permit(&self, known: bool) -> Option<SemaphorePermit<'_>> {
        if !known {
            return self.turns.acquire().await.ok();
        }
        tokio::select! {
            biased;
            reserved = self.reserved.acquire() => reserved.ok(),
            common = self.turns.acquire() => common.ok(),
        }
    }

    /// Ends the longest wait of the prefix with most turns, if it is long enough to be held against
    /// a peer that may only be far away.
    fn make_room(&self, now: u64) {
        let taken = self.taken.lock();
        let mut crowds: HashMap<Prefix, usize> = HashMap::new();
        for prefix in taken.iter().filter_map(|one| one.prefix) {
            *crowds.entry(prefix).or_default() += 1;
        }
        let chosen = taken
            .iter()
            .filter(|one| one.gauge.order() < Order::Cut)
            .filter_map(|one| {
                let waits_ms = now.saturating_sub(one.gauge.greeted_since());
                let is_long = waits_ms >= one.gauge.shared.options.eviction_after_ms;
                is_long.then_some((crowds.get(&one.prefix?)?, waits_ms, one))
            })
            .max_by_key(|(crowd, waits_ms, _)| (*crowd, *waits_ms));
        if let Some((_, _, one)) = chosen {
            one.gauge.cut(Cut::Evicted);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.all.taken.lock().retain(|one| !Arc::ptr_eq(&one.gauge, self.gauge));
    }
}
