//! Facts that others must learn: told once a deed has committed, in commit order. Timelines,
//! streams, caches and (later) other nodes live on them. An event carries what its listeners need,
//! so that none of them has to ask the store.

use crate::{
    AccountId, ListId, SessionId, Status, StatusId, TokenId, notification::Notification,
    relation::FollowOptions,
};
use std::sync::Arc;

/// Something that has happened and is durable.
#[derive(Clone, Debug)]
pub enum Event {
    /// A post or a reblog, with its notifications (committed in the same deed).
    Posted {
        /// It.
        status: Arc<Status>,
        /// Who is told.
        notifications: Vec<Notification>,
        /// How many posts its author has now, where the store knows without waiting for others.
        posts: Option<i64>,
    },
    /// A post has a new wording.
    Edited {
        /// With the new wording.
        status: Arc<Status>,
        /// Who is told.
        notifications: Vec<Notification>,
    },
    /// A post or a reblog is gone.
    Deleted {
        /// As it was.
        status: Arc<Status>,
        /// Whose reblogs of it went with it.
        rebloggers: Vec<AccountId>,
        /// What answered it, and does not name it any more.
        answers: Vec<StatusId>,
    },
    /// A viewer has marked a status or taken a mark away.
    Marked {
        /// Who.
        account: AccountId,
        /// What.
        status: StatusId,
        /// Which mark.
        mark: Mark,
        /// Set or taken away.
        on: bool,
        /// The author is told, if so.
        notification: Option<Notification>,
    },
    /// Votes were cast; the poll of this status has new numbers.
    Voted {
        /// The status that carries the poll.
        status: StatusId,
        /// The voter.
        account: AccountId,
    },
    /// Voting has ended, and these are told (others may be told in a later event).
    PollEnded {
        /// The status that carries the poll.
        status: StatusId,
        /// Who is told.
        notifications: Vec<Notification>,
    },
    /// Somebody follows somebody, or follows differently.
    Followed {
        /// Follower.
        account: AccountId,
        /// Followed.
        target: AccountId,
        /// How.
        options: FollowOptions,
        /// Whether the edge is new (and counts).
        is_new: bool,
        /// The followed is told, if so.
        notification: Option<Notification>,
    },
    /// A follow ended, by whichever side.
    Unfollowed {
        /// Former follower.
        account: AccountId,
        /// Formerly followed.
        target: AccountId,
    },
    /// A block or mute began or ended: what the account sees changes.
    Restricted {
        /// Who blocks or mutes.
        account: AccountId,
        /// Whom.
        target: AccountId,
        /// Which.
        kind: Restriction,
        /// Began or ended.
        on: bool,
    },
    /// Somebody is told something that came with no other event.
    Notified(Notification),
    /// A list, or who is on it, changed.
    ListChanged {
        /// Whose.
        account: AccountId,
        /// Which.
        list: ListId,
    },
    /// A profile changed: how the account looks, not what it may do; or what its member composes
    /// and reads with by default.
    ProfileChanged(AccountId),
    /// What an account may do changed: what moderators decided about it, its password or address,
    /// its tokens. How it looks may have changed too.
    AccountChanged(AccountId),
    /// The same, and what was hidden with the account may be seen again.
    AccountRestored(AccountId),
    /// A token is dead.
    TokenRevoked(TokenId),
    /// A session is dead.
    SessionEnded(SessionId),
}

/// A viewer's mark on a status.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mark {
    /// Favourite.
    Favourite,
    /// Bookmark.
    Bookmark,
    /// Pin on one's profile.
    Pin,
    /// Mute of the thread; `status` is any status of it.
    Mute,
}

/// A wish not to see somebody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Restriction {
    /// Both ways.
    Block,
    /// One way, silently.
    Mute,
}
