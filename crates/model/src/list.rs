//! Lists of accounts. Source: <https://docs.joinmastodon.org/entities/List/>.

use crate::{AccountId, ListId};

/// Which replies a list shows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum RepliesPolicy {
    /// To anybody whom the owner follows.
    Followed,
    /// To members of the list.
    #[default]
    List,
    /// None.
    None,
}

impl RepliesPolicy {
    /// Mastodon's word, also as stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Followed => "followed",
            Self::List => "list",
            Self::None => "none",
        }
    }
    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Followed, Self::List, Self::None].into_iter().find(|p| p.word() == word)
    }
}

/// A list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List {
    /// Its id.
    pub id: ListId,
    /// Whose it is.
    pub account: AccountId,
    /// Its title.
    pub title: String,
    /// Which replies it shows.
    pub replies_policy: RepliesPolicy,
    /// Its members' posts leave the home timeline.
    pub exclusive: bool,
}
