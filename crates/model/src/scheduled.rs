//! Posts that wait for their hour. Source: <https://docs.joinmastodon.org/entities/ScheduledStatus/>.

use crate::{AccountId, MediaId, ScheduledId, Timestamp};

/// A scheduled post.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scheduled {
    /// Its id.
    pub id: ScheduledId,
    /// Whose.
    pub account: AccountId,
    /// When it is to be posted.
    pub at: Timestamp,
    /// The draft, in the form `social` writes and reads (JSON).
    pub draft: String,
    /// Media it holds, so that the clean-up leaves them alone.
    pub media: Vec<MediaId>,
}

/// A post to be scheduled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewScheduled {
    /// Whose.
    pub account: AccountId,
    /// When it is to be posted.
    pub at: Timestamp,
    /// The draft, as above.
    pub draft: String,
    /// Media to be held.
    pub media: Vec<MediaId>,
    /// The client's key against scheduling twice.
    pub idempotency_key: Option<String>,
    /// Now.
    pub created: Timestamp,
}
