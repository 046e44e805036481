//! Jobs: work that waits for its hour and is done once, whichever node does it and however often
//! one is killed over it. When to try again is a rule here; the queue itself is the store's.

use crate::{
    JobId,
    limits::{JOB_ATTEMPTS_MAX, JOB_RETRY_FIRST_MS, JOB_RETRY_LONGEST_MS, MAIL_ATTEMPTS_MAX},
};

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JobKind {
    /// Tell author and voters that a poll has ended; the subject is the poll.
    PollEnd,
    /// Publish a scheduled post; the subject is the scheduled post.
    Publish,
    /// Send a mail; the subject is the mail.
    Mail,
    /// Remove what a deleted member left; the subject is the account.
    Leave,
    /// Remove what somebody left who never confirmed an address, and the account with it; the
    /// subject is the account.
    Forget,
    /// Let those follow who asked while the account was locked; the subject is the account.
    Admit,
}

impl JobKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::PollEnd, Self::Publish, Self::Mail, Self::Leave, Self::Forget, Self::Admit];
    /// As stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::PollEnd => "poll_end",
            Self::Publish => "publish",
            Self::Mail => "mail",
            Self::Leave => "leave",
            Self::Forget => "forget",
            Self::Admit => "admit",
        }
    }
    /// How often it is tried.
    pub const fn attempts_max(self) -> i64 {
        match self {
            Self::PollEnd | Self::Publish | Self::Leave | Self::Forget | Self::Admit => {
                JOB_ATTEMPTS_MAX
            }
            Self::Mail => MAIL_ATTEMPTS_MAX,
        }
    }
    /// From the stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// A job as one node has claimed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What is to be done.
    pub kind: JobKind,
    /// What it is done to: the id of a poll, of a scheduled post, of a mail or of an account.
    pub subject: i64,
    /// Which claim this is, from 1. Its effect commits only while no later claim was made.
    pub attempts: i64,
    /// How far earlier claims have come (the last account told); 0 at the beginning.
    pub cursor: i64,
}

impl Job {
    /// How long to wait after this claim has failed, in milliseconds; `None`: it is given up.
    pub fn retry_after_ms(&self) -> Option<i64> {
        if self.attempts >= self.kind.attempts_max() {
            return None;
        }
        let doublings = u32::try_from(self.attempts.saturating_sub(1)).unwrap_or(0);
        let wait = JOB_RETRY_FIRST_MS.saturating_mul(4_i64.saturating_pow(doublings));
        Some(wait.min(JOB_RETRY_LONGEST_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_end() {
        let job = |attempts| Job {
            id: JobId::new(1).expect("an id"),
            kind: JobKind::PollEnd,
            subject: 1,
            attempts,
            cursor: 0,
        };
        let waits: Vec<_> = (1..JOB_ATTEMPTS_MAX).map(|n| job(n).retry_after_ms()).collect();
        assert_eq!(waits.first(), Some(&Some(JOB_RETRY_FIRST_MS)));
        assert!(waits.windows(2).all(|two| two[0] <= two[1]), "{waits:?}");
        assert!(waits.iter().all(|w| w.is_some_and(|w| w <= JOB_RETRY_LONGEST_MS)), "{waits:?}");
        assert_eq!(job(JOB_ATTEMPTS_MAX).retry_after_ms(), None);
        assert_eq!(job(i64::MAX).retry_after_ms(), None);
    }

    #[test]
    fn words_come_back() {
        for kind in JobKind::ALL {
            assert_eq!(JobKind::from_word(kind.word()), Some(kind));
        }
        assert_eq!(JobKind::from_word("letter"), None);
    }
}
