//! What has changed of all that visitors see, and when: so that an answer which is kept for them
//! can be believed for as long as nothing that it shows has changed. Memory is fixed: topics share
//! slots by a hash, so a stranger's topic can only make an answer anew that need not be.
//!
//! Leaves what an answer shows to whoever made it.

use crate::{StatusView, limits::PULSE_SLOTS};
use model::{AccountId, ConversationId, Event, Status, StatusId, event::Mark};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that an answer may show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topic {
    /// What is public here, as a whole: any post, edit, deletion or change of an account.
    Public,
    /// An account: its profile, its numbers, which posts it has.
    Account(AccountId),
    /// A thread: which posts it has.
    Thread(ConversationId),
    /// A post: its words and its numbers.
    Status(StatusId),
}

impl Topic {
    /// As a number, for those who need not know what it stands for; 0 is [`Topic::Public`].
    #[must_use]
    pub const fn number(self) -> u64 {
        // Ids leave the sign and, for some thousand years, the bits below it free.
        match self {
            Self::Public => 0,
            Self::Account(id) => id.get().cast_unsigned() | 1 << 62,
            Self::Thread(id) => id.get().cast_unsigned() | 2 << 62,
            Self::Status(id) => id.get().cast_unsigned() | 3 << 62,
        }
    }
}

/// What an answer shows that can change.
#[derive(Clone, Debug, Default)]
pub struct Shows {
    /// Numbers of its topics.
    pub topics: Vec<u64>,
    /// Whether it also changes with time alone, as an open poll does.
    pub is_timed: bool,
}

impl Shows {
    /// With these posts: themselves, who wrote them, whom they name, and what they repeat.
    #[must_use]
    pub fn with<'a>(mut self, views: impl IntoIterator<Item = &'a StatusView>) -> Self {
        for view in views {
            for view in std::iter::once(view).chain(view.reblog.as_deref()) {
                self = self.and(Topic::Status(view.entry.status.id));
                for person in std::iter::once(&view.author).chain(&view.mentions) {
                    self = self.and(Topic::Account(person.account.id));
                }
                self.is_timed |= view.entry.poll.is_some();
            }
        }
        self
    }

    /// And this.
    #[must_use]
    pub fn and(mut self, topic: Topic) -> Self {
        self.topics.push(topic.number());
        self
    }
}

/// When each topic last changed, counted in beats.
pub(crate) struct Pulse {
    beats: AtomicU64,
    /// The first is that of [`Topic::Public`], which shares with nobody.
    last: Box<[AtomicU64]>,
    /// Held while it beats.
    turn: Mutex<()>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            beats: AtomicU64::new(0),
            last: (0..PULSE_SLOTS).map(|_| AtomicU64::new(0)).collect(),
            turn: Mutex::new(()),
        }
    }
}

impl Pulse {
    /// How often it has beaten.
    pub(crate) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Acquire)
    }

    /// Whether one of the topics has changed since there were so many beats. No topics: whether
    /// anything public has.
    pub(crate) fn changed(&self, topics: &[u64], since: u64) -> bool {
        let changed = |number: &u64| {
            self.slot(*number).is_none_or(|last| last.load(Ordering::Acquire) > since)
        };
        if topics.is_empty() { changed(&0) } else { topics.iter().any(changed) }
    }

    fn slot(&self, number: u64) -> Option<&AtomicU64> {
        if number == 0 {
            return self.last.first();
        }
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        // 32 bits times a count, scaled down by as many: below the count, without a division.
        let others = self.last.len().saturating_sub(1) as u64;
        self.last.get(1 + usize::try_from((mixed * others) >> 32).unwrap_or(0))
    }

    /// These have changed, and the caches know it already.
    pub(crate) fn beat(&self, topics: impl IntoIterator<Item = Topic>) {
        let _turn = self.turn.lock();
        let next = self.beats() + 1;
        for topic in topics {
            if let Some(slot) = self.slot(topic.number()) {
                slot.store(next, Ordering::Release);
            }
        }
        // Last, so that whoever reads this number finds its changes told.
        self.beats.store(next, Ordering::Release);
    }

    /// Everything may have changed.
    pub(crate) fn beat_all(&self) {
        let _turn = self.turn.lock();
        let next = self.beats() + 1;
        for slot in &self.last {
            slot.store(next, Ordering::Release);
        }
        self.beats.store(next, Ordering::Release);
    }

    /// What an event changes of what visitors see.
    pub(crate) fn hear(&self, event: &Event) {
        use Topic::{Account, Public};
        match event {
            Event::Posted { status, .. } => {
                let public = status.visibility.is_for_everybody().then_some(Public);
                self.beat(around(status).chain(public));
            }
            Event::Edited { status, .. } => self.beat(around(status).chain([Public])),
            Event::Deleted { status, rebloggers, answers } => {
                let pages = rebloggers.iter().copied().map(Account);
                let answers = answers.iter().copied().map(Topic::Status);
                self.beat(around(status).chain(pages).chain(answers).chain([Public]));
            }
            Event::Marked { status, account, mark, .. } => match mark {
                Mark::Favourite => self.beat([Topic::Status(*status)]),
                Mark::Pin => self.beat([Topic::Status(*status), Account(*account)]),
                Mark::Bookmark | Mark::Mute => {}
            },
            Event::Voted { status, .. } | Event::PollEnded { status, .. } => {
                self.beat([Topic::Status(*status)]);
            }
            Event::Followed { account, target, .. }
            | Event::Unfollowed { account, target }
            | Event::Restricted { account, target, .. } => {
                self.beat([Account(*account), Account(*target)]);
            }
            Event::ProfileChanged(account) | Event::AccountChanged(account) => {
                self.beat([Account(*account), Public]);
            }
            // No answer names what it left out for the account's sake: any may have to show it.
            Event::AccountRestored(_) => self.beat_all(),
            Event::Notified(_)
            | Event::ListChanged { .. }
            | Event::TokenRevoked(_)
            | Event::SessionEnded(_) => {}
        }
    }
}

/// What a post touches by coming, changing or going: its author's page and its thread, and the
/// numbers of what it answers or repeats.
fn around(status: &Status) -> impl Iterator<Item = Topic> {
    let touched =
        [status.in_reply_to.and_then(|to| to.status), status.reblog_of.map(|of| of.status)];
    [Topic::Account(status.account), Topic::Thread(status.conversation), Topic::Status(status.id)]
        .into_iter()
        .chain(touched.into_iter().flatten().map(Topic::Status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: i64) -> Topic {
        Topic::Account(AccountId::new(number).expect("an id"))
    }

    #[test]
    fn what_changed_is_told_from_what_did_not() {
        let pulse = Pulse::default();
        let begun = pulse.beats();
        pulse.beat([account(7)]);
        assert!(pulse.changed(&[account(7).number()], begun));
        assert!(!pulse.changed(&[account(8).number()], begun), "another account");
        assert!(!pulse.changed(&[], begun), "nothing public");
        assert!(pulse.changed(&[account(8).number(), account(7).number()], begun), "one of two");
        let after = pulse.beats();
        assert!(!pulse.changed(&[account(7).number()], after), "known by then");
        pulse.beat([Topic::Public]);
        assert!(pulse.changed(&[], after) && !pulse.changed(&[account(7).number()], after));
        pulse.beat_all();
        assert!(pulse.changed(&[account(8).number()], after), "a gap changes everything");
    }

    #[test]
    fn the_same_number_is_another_topic_by_kind() {
        let number = 1 << 61;
        let topics = [
            account(number),
            Topic::Thread(ConversationId::new(number).expect("an id")),
            Topic::Status(StatusId::new(number).expect("an id")),
            Topic::Public,
        ];
        let numbers: std::collections::HashSet<u64> =
            topics.iter().map(|topic| topic.number()).collect();
        assert_eq!(numbers.len(), topics.len());
    }
}
