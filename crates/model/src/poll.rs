//! Polls. Source: <https://docs.joinmastodon.org/entities/Poll/>.

use crate::{AccountId, PollId, StatusId, Timestamp};

/// A poll to be stored with its status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPoll {
    /// Two or more choices, as typed.
    pub options: Vec<String>,
    /// When voting ends.
    pub expires: Option<Timestamp>,
    /// Whether several choices may be taken.
    pub multiple: bool,
    /// Whether numbers stay hidden until it ends.
    pub hide_totals: bool,
}

/// A poll with its numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Poll {
    /// Its id.
    pub id: PollId,
    /// The status that carries it.
    pub status: StatusId,
    /// Who asked.
    pub account: AccountId,
    /// Choices and votes on each.
    pub options: Vec<PollOption>,
    /// When voting ends.
    pub expires: Option<Timestamp>,
    /// Several choices allowed.
    pub multiple: bool,
    /// Numbers hidden until it ends.
    pub hide_totals: bool,
    /// Voters so far.
    pub voters: i64,
}

/// One choice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PollOption {
    /// As typed.
    pub title: String,
    /// Votes.
    pub votes: i64,
}

impl Poll {
    /// Whether this is still the same question as the other asks: then its votes stand.
    pub fn asks_the_same(&self, other: &NewPoll) -> bool {
        self.multiple == other.multiple
            && self.options.iter().map(|o| &o.title).eq(other.options.iter())
    }
    /// Whether voting has ended.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}
