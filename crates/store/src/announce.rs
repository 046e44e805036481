//! Handing events over. A listener's panic must not take the writer with it: the deed is durable
//! by then, and the others go on.

use crate::{Done, batch::Tell};
use model::{
    Event,
    ports::{Announcement, Announcer},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The event of a committed deed, if it tells one.
pub(crate) fn event_of(tell: Option<Tell>, done: &Done) -> Option<Event> {
    let tell = tell?;
    catch_unwind(AssertUnwindSafe(|| tell(done))).unwrap_or_else(|_| {
        tracing::error!("making an event panicked; the deed itself is committed");
        None
    })
}

/// Gives a group to the announcer. Where that panics, the callers are released unanswered.
pub(crate) fn hand_over(announcer: &dyn Announcer, group: Vec<Announcement>) {
    if group.is_empty() {
        return;
    }
    if catch_unwind(AssertUnwindSafe(|| announcer.announce(group))).is_err() {
        tracing::error!("a listener panicked; what it keeps has to be built anew");
        gap(announcer);
    }
}

/// Says that something was committed whose events are not to be had.
pub(crate) fn gap(announcer: &dyn Announcer) {
    if catch_unwind(AssertUnwindSafe(|| announcer.gap())).is_err() {
        tracing::error!("a listener panicked while it was told of a gap");
    }
}
