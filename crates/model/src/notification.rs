//! Notifications. Source: <https://docs.joinmastodon.org/entities/Notification/>.

use crate::{AccountId, NotificationId, StatusId, Timestamp};

/// Why somebody is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NotificationKind {
    /// Named in a post.
    Mention,
    /// Somebody they asked to hear from has posted.
    Status,
    /// Their post was reblogged.
    Reblog,
    /// Somebody follows them.
    Follow,
    /// Somebody asks to follow them.
    FollowRequest,
    /// Their post was favourited.
    Favourite,
    /// A poll they made or voted in has ended.
    Poll,
    /// A post they reblogged was edited.
    Update,
    /// Somebody signed up (moderators).
    AdminSignUp,
    /// Somebody reported (moderators).
    AdminReport,
}

impl NotificationKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Mention,
        Self::Status,
        Self::Reblog,
        Self::Follow,
        Self::FollowRequest,
        Self::Favourite,
        Self::Poll,
        Self::Update,
        Self::AdminSignUp,
        Self::AdminReport,
    ];
    /// Mastodon's word, also as stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mention => "mention",
            Self::Status => "status",
            Self::Reblog => "reblog",
            Self::Follow => "follow",
            Self::FollowRequest => "follow_request",
            Self::Favourite => "favourite",
            Self::Poll => "poll",
            Self::Update => "update",
            Self::AdminSignUp => "admin.sign_up",
            Self::AdminReport => "admin.report",
        }
    }
    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.word() == word)
    }
}

/// One thing somebody is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// Who is told.
    pub account: AccountId,
    /// Why.
    pub kind: NotificationKind,
    /// Who caused it.
    pub from: AccountId,
    /// About which status.
    pub status: Option<StatusId>,
    /// When.
    pub created: Timestamp,
}
