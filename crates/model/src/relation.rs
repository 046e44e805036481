//! How two accounts stand to each other. Source: <https://docs.joinmastodon.org/entities/Relationship/>.

use crate::{AccountId, EdgeId, Timestamp};

/// What a follower wants of the followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FollowOptions {
    /// Reblogs enter the home timeline.
    pub reblogs: bool,
    /// New posts notify.
    pub notify: bool,
    /// Only these languages (ISO 639); empty for all.
    pub languages: Vec<String>,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self { reblogs: true, notify: false, languages: Vec::new() }
    }
}

/// A stored follow, block or mute in a listing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// What the listing is paged by.
    pub id: EdgeId,
    /// The account at the other end.
    pub account: AccountId,
}

/// A mute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MuteOptions {
    /// Their notifications are hidden too.
    pub notifications: bool,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

/// Everything that one account (the viewer) needs to know of its standing to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Relationship {
    /// The other.
    pub account: AccountId,
    /// Viewer follows them, and how.
    pub following: Option<FollowOptions>,
    /// They follow the viewer.
    pub followed_by: bool,
    /// Viewer has asked to follow them, and how.
    pub requested: Option<FollowOptions>,
    /// They have asked to follow the viewer.
    pub requested_by: bool,
    /// Viewer blocks them.
    pub blocking: bool,
    /// They block the viewer.
    pub blocked_by: bool,
    /// Viewer mutes them.
    pub muting: Option<MuteOptions>,
    /// Viewer's private note about them.
    pub note: String,
}

impl Relationship {
    /// As it is at this time: a mute that has ended by itself is none.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.muting = self.muting.filter(|mute| mute.expires.is_none_or(|end| end > now));
        self
    }
    /// Strangers.
    pub fn none(account: AccountId) -> Self {
        Self {
            account,
            following: None,
            followed_by: false,
            requested: None,
            requested_by: false,
            blocking: false,
            blocked_by: false,
            muting: None,
            note: String::new(),
        }
    }
}
