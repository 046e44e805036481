//! A sample of decisions for operators to look at: the latest few hundred, with reason and request
//! id, so that somebody who complains with the id of a refusal can be answered. So many a second,
//! whatever strangers send; who sent them is there by network only.

use std::collections::VecDeque;

use ipnet::IpNet;
use parking_lot::Mutex;

use crate::decide::{Facts, Now, Standing, TurnedAway, Verdict, network_of};
use crate::limits;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When, in seconds since 1970.
    pub at_unix_s: u64,
    /// The id that its answer carries.
    pub request_id: String,
    /// What was decided: a reason's code, `challenge` or `waiting_room`.
    pub code: &'static str,
    /// The standing that its sender had.
    pub standing: Standing,
    /// The number of its route.
    pub route: u8,
    /// Where it came from.
    pub network: IpNet,
    /// It was served all the same, because the shield only observes.
    pub overruled: bool,
}

/// The latest of them.
#[derive(Default)]
pub struct Notes {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    notes: VecDeque<Note>,
    second: u64,
    in_second: u32,
    left_out: u64,
}

impl Notes {
    /// Notes a decision, if this second has room; answers whether it did. `request_id` is asked for
    /// only then.
    pub fn take(
        &self,
        facts: &Facts,
        (turned, verdict): (&TurnedAway, Verdict),
        now: Now,
        request_id: impl FnOnce() -> String,
    ) -> bool {
        let mut kept = self.kept.lock();
        if kept.second != now.unix_s {
            (kept.second, kept.in_second) = (now.unix_s, 0);
        }
        if kept.in_second >= limits::NOTES_PER_S {
            kept.left_out = kept.left_out.saturating_add(1);
            return false;
        }
        kept.in_second += 1;
        if kept.notes.len() >= limits::NOTES_KEPT {
            kept.notes.pop_front();
        }
        kept.notes.push_back(Note {
            at_unix_s: now.unix_s,
            request_id: request_id(),
            code: turned.code(),
            standing: verdict.standing,
            route: facts.route.id.0,
            network: network_of(facts.address),
            overruled: verdict.overruled.is_some(),
        });
        true
    }

    /// The latest, newest first.
    pub fn latest(&self, most: usize) -> Vec<Note> {
        self.kept.lock().notes.iter().rev().take(most).cloned().collect()
    }

    /// Decisions that were not noted because their second was full.
    pub fn left_out(&self) -> u64 {
        self.kept.lock().left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Credentials, Reason, Refusal, TRAITS};
    use crate::sim::crowd;

    #[test]
    fn a_second_has_so_many_and_the_oldest_go() {
        let notes = Notes::default();
        let address = std::net::IpAddr::from([192, 0, 2, 77]);
        let facts = crowd::facts(address, Credentials::default(), crowd::PAGE.0, [0; TRAITS]);
        let refusal = Refusal { status: 503, retry_after_s: 3, reason: Reason::Pressure };
        let turned = TurnedAway::Refused(refusal);
        let verdict = Verdict { standing: Standing::Stranger, overruled: None };
        for second in 0..100 {
            let now = Now { us: second * 1_000_000, unix_s: second };
            for at in 0..2 * limits::NOTES_PER_S {
                let noted = notes.take(&facts, (&turned, verdict), now, || format!("{second}"));
                assert_eq!(noted, at < limits::NOTES_PER_S);
            }
        }
        let latest = notes.latest(usize::MAX);
        assert_eq!(latest.len(), limits::NOTES_KEPT);
        let first = latest.first().expect("one");
        assert_eq!((first.request_id.as_str(), first.code), ("99", "pressure"));
        assert_eq!(first.network.to_string(), "192.0.2.0/24");
        assert_eq!(notes.left_out(), 100 * u64::from(limits::NOTES_PER_S));
    }
}
