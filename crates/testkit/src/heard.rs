//! An announcer that remembers what it heard, and can be told to hold its acknowledgements back.

use model::{
    Event,
    ports::{Announcement, Announcer},
};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What was announced, in order.
#[derive(Default)]
pub struct Heard {
    events: Mutex<Vec<Event>>,
    held: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    holding: AtomicBool,
    gaps: AtomicU64,
}

impl Heard {
    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().clone()
    }
    /// How often it was told that events may be missing.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::SeqCst)
    }
    /// Keeps acknowledgements from now on.
    pub fn hold(&self) {
        self.holding.store(true, Ordering::SeqCst);
    }
    /// Gives them out, those kept and those to come.
    pub fn release(&self) {
        self.holding.store(false, Ordering::SeqCst);
        for acknowledge in self.held.lock().drain(..) {
            acknowledge();
        }
    }
}

impl Announcer for Heard {
    fn announce(&self, group: Vec<Announcement>) {
        for told in group {
            self.events.lock().push(told.event);
            if self.holding.load(Ordering::SeqCst) {
                self.held.lock().push(told.acknowledge);
            } else {
                (told.acknowledge)();
            }
        }
    }
    fn gap(&self) {
        self.gaps.fetch_add(1, Ordering::SeqCst);
    }
}
