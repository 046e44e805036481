//! Reports to the moderators. Source: <https://docs.joinmastodon.org/entities/Report/>.

use crate::{AccountId, ReportId, StatusId, Timestamp};

/// A report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Its id.
    pub id: ReportId,
    /// Who reports.
    pub account: AccountId,
    /// Whom.
    pub target: AccountId,
    /// `spam`, `legal`, `violation` or `other`.
    pub category: String,
    /// In the reporter's words.
    pub comment: String,
    /// Which posts.
    pub statuses: Vec<StatusId>,
    /// Whether the target's server should hear of it.
    pub forward: bool,
    /// When.
    pub created: Timestamp,
    /// When a moderator closed it.
    pub resolved: Option<Timestamp>,
}
