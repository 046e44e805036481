//! Statuses: what a post is. Who may see one is in `sight`, what enters a timeline in `entrance`.

use crate::{
    AccountId, AppId, ConversationId, MediaId, PollId, StatusId, Timestamp, media::MediaWords,
    notification::NotificationKind, poll::NewPoll,
};
use smallvec::SmallVec;
use std::collections::HashMap;

/// Who may see a post. Source: <https://docs.joinmastodon.org/entities/Status/#visibility>.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Visibility {
    /// Everybody, and it enters public timelines.
    #[default]
    Public,
    /// Everybody, but it enters no public timeline.
    Unlisted,
    /// Followers and those mentioned (Mastodon's word: `private`).
    Followers,
    /// Only those mentioned.
    Direct,
}

impl Visibility {
    /// Whether visitors see it.
    pub const fn is_for_everybody(self) -> bool {
        matches!(self, Self::Public | Self::Unlisted)
    }
    /// As stored.
    pub const fn code(self) -> i64 {
        match self {
            Self::Public => 0,
            Self::Unlisted => 1,
            Self::Followers => 2,
            Self::Direct => 3,
        }
    }
    /// From the stored number.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Public),
            1 => Some(Self::Unlisted),
            2 => Some(Self::Followers),
            3 => Some(Self::Direct),
            _ => None,
        }
    }
    /// Mastodon's word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Unlisted => "unlisted",
            Self::Followers => "private",
            Self::Direct => "direct",
        }
    }
    /// From Mastodon's word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Public, Self::Unlisted, Self::Followers, Self::Direct]
            .into_iter()
            .find(|v| v.word() == word)
    }
}

/// What a reply answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplyTo {
    /// The answered status, while it is there.
    pub status: Option<StatusId>,
    /// Its author, for as long as the answer is there.
    pub account: AccountId,
}

/// What a reblog repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReblogOf {
    /// The repeated status, never itself a reblog.
    pub status: StatusId,
    /// Its author.
    pub account: AccountId,
}

/// A post or a reblog, as stored. A reblog has no text, media, tags or mentions of its own.
/// Source: <https://docs.joinmastodon.org/entities/Status/>.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Its id: order in every timeline.
    pub id: StatusId,
    /// Its author.
    pub account: AccountId,
    /// ActivityPub id of a remote post; `None` for local ones.
    pub uri: Option<String>,
    /// When it was posted (for local posts, what the id says).
    pub created: Timestamp,
    /// When it was last edited.
    pub edited: Option<Timestamp>,
    /// Who may see it.
    pub visibility: Visibility,
    /// Whether its media are hidden at first.
    pub sensitive: bool,
    /// Content warning; empty for none.
    pub spoiler: String,
    /// Source text of a local post, sanitised HTML of a remote one (`uri` is set).
    pub text: String,
    /// ISO 639 code.
    pub language: Option<String>,
    /// What it answers.
    pub in_reply_to: Option<ReplyTo>,
    /// The thread it belongs to: its root's id.
    pub conversation: ConversationId,
    /// What it repeats.
    pub reblog_of: Option<ReblogOf>,
    /// The app it was posted with.
    pub app: Option<AppId>,
    /// Media, in the author's order.
    pub media: SmallVec<[MediaId; 4]>,
    /// Accounts mentioned, those it answers included when they are named.
    pub mentions: SmallVec<[AccountId; 4]>,
    /// Hashtags, normalised (the display form is in the text).
    pub tags: Vec<String>,
    /// Its poll.
    pub poll: Option<PollId>,
}

/// Numbers shown under a post; they may lag the truth by a second, one's own never do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StatusCounts {
    /// Direct replies.
    pub replies: i64,
    /// Reblogs.
    pub reblogs: i64,
    /// Favourites.
    pub favourites: i64,
}

/// What a viewer has done with a status.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// Favourited.
    pub favourited: bool,
    /// Reblogged.
    pub reblogged: bool,
    /// Bookmarked.
    pub bookmarked: bool,
    /// Its thread is muted.
    pub muted: bool,
    /// Pinned to the viewer's own profile.
    pub pinned: bool,
}

/// A status to be stored; the store assigns its id as it commits.
#[derive(Clone, Debug)]
pub struct NewStatus {
    /// Author.
    pub account: AccountId,
    /// Remote id.
    pub uri: Option<String>,
    /// When.
    pub created: Timestamp,
    /// Who may see it.
    pub visibility: Visibility,
    /// Hide media at first.
    pub sensitive: bool,
    /// Content warning.
    pub spoiler: String,
    /// Source text (local) or sanitised HTML (remote).
    pub text: String,
    /// ISO 639 code.
    pub language: Option<String>,
    /// What it answers, with the thread of that status.
    pub in_reply_to: Option<(ReplyTo, ConversationId)>,
    /// What it repeats.
    pub reblog_of: Option<ReblogOf>,
    /// App.
    pub app: Option<AppId>,
    /// Media of the author, not yet attached elsewhere.
    pub media: SmallVec<[MediaId; 4]>,
    /// Mentioned accounts.
    pub mentions: SmallVec<[AccountId; 4]>,
    /// Normalised hashtags, each once.
    pub tags: Vec<String>,
    /// Its poll.
    pub poll: Option<NewPoll>,
    /// The client's `Idempotency-Key`, bounded; the same key gives the first post back.
    pub idempotency_key: Option<String>,
    /// Local accounts that are told, and why; in the same deed.
    pub notify: Vec<(AccountId, NotificationKind)>,
}

/// A new wording of a status; the old one is kept as history.
#[derive(Clone, Debug)]
pub struct StatusEdit {
    /// Which.
    pub id: StatusId,
    /// When.
    pub edited: Timestamp,
    /// As in `NewStatus`.
    pub sensitive: bool,
    /// As in `NewStatus`.
    pub spoiler: String,
    /// As in `NewStatus`.
    pub text: String,
    /// As in `NewStatus`.
    pub language: Option<String>,
    /// As in `NewStatus`.
    pub media: SmallVec<[MediaId; 4]>,
    /// What is said anew of some of these media.
    pub described: Vec<MediaWords>,
    /// As in `NewStatus`.
    pub mentions: SmallVec<[AccountId; 4]>,
    /// As in `NewStatus`.
    pub tags: Vec<String>,
    /// A poll with the same choices keeps its votes, another one starts anew; `None` removes it.
    pub poll: Option<NewPoll>,
    /// Nothing that readers read has changed: no version is made, and the time of the last edit
    /// stays. The poll's end may still move.
    pub same_wording: bool,
    /// Local accounts that are told, and why; in the same deed.
    pub notify: Vec<(AccountId, NotificationKind)>,
}

/// One wording in a status's history. Source: <https://docs.joinmastodon.org/entities/StatusEdit/>.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatusVersion {
    /// When this wording began.
    pub at: Timestamp,
    /// Text (source or HTML, as the status).
    pub text: String,
    /// Content warning.
    pub spoiler: String,
    /// Hide media.
    pub sensitive: bool,
    /// Media then.
    pub media: SmallVec<[MediaId; 4]>,
    /// What they were said to show, where that is known; else as they are said to now.
    pub described: HashMap<MediaId, String>,
    /// Poll options then.
    pub poll_options: Vec<String>,
}
