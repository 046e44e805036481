//! Reports to the moderators. Source: <https://docs.joinmastodon.org/entities/Report/>.

use crate::{AccountId, ReportId, StatusId, Timestamp};

/// What a report is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ReportCategory {
    /// Unwanted advertising.
    Spam,
    /// Against the law.
    Legal,
    /// Against rules of this place.
    Violation,
    /// Anything else.
    #[default]
    Other,
}

impl ReportCategory {
    /// Mastodon's word, also as stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Legal => "legal",
            Self::Violation => "violation",
            Self::Other => "other",
        }
    }
    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Spam, Self::Legal, Self::Violation, Self::Other]
            .into_iter()
            .find(|c| c.word() == word)
    }
}

/// A report to be stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewReport {
    /// Who reports.
    pub account: AccountId,
    /// Whom.
    pub target: AccountId,
    /// What it is about.
    pub category: ReportCategory,
    /// In the reporter's words.
    pub comment: String,
    /// Which posts of the target.
    pub statuses: Vec<StatusId>,
    /// Which rules of this place, by the number that the instance shows.
    pub rules: Vec<i64>,
    /// Whether the target's server should hear of it.
    pub forward: bool,
    /// When.
    pub created: Timestamp,
}

/// A report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Its id.
    pub id: ReportId,
    /// What was reported, by whom and when.
    pub content: NewReport,
    /// When a moderator closed it.
    pub resolved: Option<Timestamp>,
}
