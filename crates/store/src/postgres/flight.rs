//! Deeds under way. PostgreSQL commits them side by side, so a later id may become visible before
//! an earlier one. Here it is known which ids are still open: readers that page stay below the
//! oldest ([`Flights::horizon`]), and events go out in the order of ids however the commits fall.

use crate::{announce::hand_over, ids::Issuer};
use model::{
    Timestamp,
    ports::{Announcement, Announcer},
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// All deeds of this process that have ids and are not settled.
pub(super) struct Flights {
    state: Mutex<State>,
    announcer: Arc<dyn Announcer>,
}

struct State {
    issuer: Issuer,
    /// By first id. `Open` holds back all that come after.
    flights: BTreeMap<i64, Stage>,
    /// Ready to be announced, in order.
    outbox: VecDeque<Announcement>,
    /// Somebody is announcing; whoever comes then leaves theirs in the outbox.
    announcing: bool,
}

enum Stage {
    Open,
    Settled(Option<Announcement>),
}

impl Flights {
    pub fn new(issuer: Issuer, announcer: Arc<dyn Announcer>) -> Self {
        let state =
            State { issuer, flights: BTreeMap::new(), outbox: VecDeque::new(), announcing: false };
        Self { state: Mutex::new(state), announcer }
    }

    /// Issues ids for a deed and holds its place. Without ids or event there is nothing to hold.
    pub fn begin(self: &Arc<Self>, ids: usize, tells: bool, now: Timestamp) -> (Vec<i64>, Flight) {
        let mut state = self.state.lock();
        let issued: Vec<i64> = (0..ids).map(|_| state.issuer.issue(now)).collect();
        let place = match issued.first() {
            Some(first) => Some(*first),
            None if tells => Some(state.issuer.issue(now)),
            None => None,
        };
        if let Some(place) = place {
            state.flights.insert(place, Stage::Open);
        }
        (issued, Flight { flights: Arc::clone(self), place })
    }

    /// Stays above ids that another process issued.
    pub fn raise(&self, last: i64) {
        self.state.lock().issuer.raise(last);
    }

    /// Every id below is settled: committed and visible, or never to be.
    pub fn horizon(&self, now: Timestamp) -> i64 {
        let mut state = self.state.lock();
        let oldest = state
            .flights
            .iter()
            .find_map(|(place, stage)| matches!(stage, Stage::Open).then_some(*place));
        oldest.unwrap_or_else(|| state.issuer.bound(now))
    }

    /// Says that a deed may have committed without its event.
    pub fn lost(&self) {
        self.announcer.gap();
    }

    fn settle(&self, place: i64, told: Option<Announcement>) {
        let mut state = self.state.lock();
        state.flights.insert(place, Stage::Settled(told));
        while let Some(first) = state.flights.first_entry()
            && matches!(first.get(), Stage::Settled(_))
        {
            if let Stage::Settled(Some(told)) = first.remove() {
                state.outbox.push_back(told);
            }
        }
        if state.announcing {
            return;
        }
        state.announcing = true;
        while !state.outbox.is_empty() {
            let group: Vec<Announcement> = state.outbox.drain(..).collect();
            drop(state);
            hand_over(&*self.announcer, group);
            state = self.state.lock();
        }
        state.announcing = false;
    }
}

/// The place of one deed. Dropped without a word, it counts as one that did not commit.
pub(super) struct Flight {
    flights: Arc<Flights>,
    place: Option<i64>,
}

impl Flight {
    /// The deed has committed; its event goes out once all earlier deeds are settled.
    pub fn land(mut self, told: Option<Announcement>) {
        match (self.place.take(), told) {
            (Some(place), told) => self.flights.settle(place, told),
            (None, Some(told)) => hand_over(&*self.flights.announcer, vec![told]),
            (None, None) => {}
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.flights.settle(place, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountId, Event};

    #[derive(Default)]
    struct Heard(Mutex<Vec<i64>>);

    impl Announcer for Heard {
        fn announce(&self, group: Vec<Announcement>) {
            for told in group {
                if let Event::AccountChanged(id) = told.event {
                    self.0.lock().push(id.get());
                }
                (told.acknowledge)();
            }
        }
    }

    fn told(id: i64) -> Option<Announcement> {
        let event = Event::AccountChanged(AccountId::new(id).unwrap());
        Some(Announcement { event, acknowledge: Box::new(|| {}) })
    }

    #[test]
    fn events_wait_for_earlier_deeds_and_readers_stay_below_them() {
        let heard = Arc::new(Heard::default());
        let flights = Arc::new(Flights::new(Issuer::after(0, 0), heard.clone()));
        let now = Timestamp::from_ms(1);
        let (a, first) = flights.begin(2, true, now);
        let (b, second) = flights.begin(1, true, now);
        let (_, silent) = flights.begin(0, true, now);
        second.land(told(b[0]));
        assert!(heard.0.lock().is_empty(), "the second waits for the first");
        assert_eq!(flights.horizon(now), a[0]);
        first.land(told(a[0]));
        assert_eq!(*heard.0.lock(), [a[0], b[0]]);
        let horizon = flights.horizon(now);
        assert!(horizon > b[0], "both are visible now, the third is not settled");
        drop(silent);
        let (c, _open) = flights.begin(1, false, now);
        assert!(c[0] >= horizon);
    }

    #[test]
    fn a_deed_that_failed_holds_nothing_back() {
        let heard = Arc::new(Heard::default());
        let flights = Arc::new(Flights::new(Issuer::after(0, 0), heard.clone()));
        let now = Timestamp::from_ms(1);
        let (_, failed) = flights.begin(1, true, now);
        let (b, second) = flights.begin(1, true, now);
        second.land(told(b[0]));
        drop(failed);
        assert_eq!(*heard.0.lock(), [b[0]]);
    }
}
