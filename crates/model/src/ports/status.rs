//! Statuses, media, polls and marks, as the store keeps them.

use super::Stored;
use crate::{
    AccountId, ConversationId, MediaId, Page, PollId, Status, StatusCounts, StatusId, Timestamp,
    event::Mark,
    media::Media,
    poll::Poll,
    relation::Edge,
    status::{Marks, NewStatus, StatusEdit, StatusVersion},
    thread::ThreadPost,
};
use async_trait::async_trait;

/// What a viewer's sight of an author depends on, gathered in one query.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SightFacts {
    /// Viewer follows the author.
    pub follows: bool,
    /// Either blocks the other.
    pub blocked: bool,
    /// Viewer mutes the author.
    pub muted: bool,
    /// Viewer mutes the author's notifications too.
    pub notifications_muted: bool,
    /// Viewer follows the author without their reblogs.
    pub hides_reblogs: bool,
}

/// Which statuses a listing from the store holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TimelineQuery {
    /// Of the accounts that this one follows, and its own.
    Home(AccountId),
    /// Public originals that answer nobody but their author; `local`: of this server, `remote`:
    /// of others.
    Public {
        /// Only local authors.
        local: bool,
        /// Only remote authors.
        remote: bool,
        /// Only with media.
        only_media: bool,
    },
    /// Public, with this normalised hashtag.
    Tag {
        /// The hashtag.
        tag: String,
        /// Or any of these.
        any: Vec<String>,
        /// And all of these too.
        all: Vec<String>,
        /// And none of these.
        none: Vec<String>,
        /// Only local authors.
        local: bool,
        /// Only with media.
        only_media: bool,
    },
    /// Of the accounts on a list.
    List(crate::ListId),
    /// Of one account, visible at `visibilities_max` or wider.
    Account {
        /// Author.
        account: AccountId,
        /// The narrowest visibility shown (its code).
        visibility_max: crate::Visibility,
        /// Leave replies to others out.
        exclude_replies: bool,
        /// Leave reblogs out.
        exclude_reblogs: bool,
        /// Only with media.
        only_media: bool,
        /// Only with this normalised hashtag.
        tagged: Option<String>,
    },
}

/// Where statuses and what hangs on them live.
#[async_trait]
pub trait StatusStore {
    /// Those that exist, in no particular order.
    async fn statuses(&self, ids: &[StatusId]) -> Stored<Vec<Status>>;
    /// Counters; statuses without a row are left out (all zero).
    async fn status_counts(&self, ids: &[StatusId]) -> Stored<Vec<(StatusId, StatusCounts)>>;
    /// What the viewer has done with these; those with no mark are left out.
    async fn marks(
        &self,
        viewer: AccountId,
        statuses: &[StatusId],
    ) -> Stored<Vec<(StatusId, Marks)>>;
    /// How the viewer stands to these authors at this time; those with no relation are left out.
    async fn sight_facts(
        &self,
        viewer: AccountId,
        authors: &[AccountId],
        at: Timestamp,
    ) -> Stored<Vec<(AccountId, SightFacts)>>;
    /// Stores a post with mentions, tags, poll, media, notifications: all or nothing. Tells
    /// `Posted`. A known idempotency key returns the first post; a reblog that is already there
    /// returns that one. The flag says whether it is new.
    async fn create_status(&self, new: NewStatus) -> Stored<(Status, bool)>;
    /// Rewords a post, the old wording goes to its history. Tells `Edited`. `None`: gone.
    async fn edit_status(&self, edit: StatusEdit) -> Stored<Option<Status>>;
    /// Deletes a post or reblog of this author with all that hangs on it. Tells `Deleted`. Its
    /// media stay, counted as uploaded `at`: their author has a day to post them again.
    async fn delete_status(
        &self,
        author: AccountId,
        id: StatusId,
        at: Timestamp,
    ) -> Stored<Option<Status>>;
    /// Wordings, oldest first, the current one not included.
    async fn history(&self, id: StatusId) -> Stored<Vec<StatusVersion>>;
    /// A conversation's posts in posting order without reblogs, at most `limit`: what each answers.
    async fn thread(&self, conversation: ConversationId, limit: u32) -> Stored<Vec<ThreadPost>>;
    /// A listing; rules about the reader beyond the query's own are the caller's.
    async fn timeline(&self, query: &TimelineQuery, page: Page) -> Stored<Vec<StatusId>>;
    /// Hashtags that begin like this (normalised), in alphabetical order, without the first
    /// `offset`.
    async fn tags_by_prefix(&self, text: &str, limit: u32, offset: u32) -> Stored<Vec<String>>;
    /// Sets or takes away a mark, telling `Marked`; `notify` is the author to be told of a new
    /// favourite. `false` when it was so already.
    async fn mark(
        &self,
        account: AccountId,
        status: StatusId,
        mark: Mark,
        on: bool,
        notify: Option<AccountId>,
        at: Timestamp,
    ) -> Stored<bool>;
    /// Favourites or bookmarks of an account, paged by the mark's own id.
    async fn marked(
        &self,
        account: AccountId,
        mark: Mark,
        page: Page,
    ) -> Stored<Vec<(crate::EdgeId, StatusId)>>;
    /// Who favourited a status.
    async fn favourited_by(&self, status: StatusId, page: Page) -> Stored<Vec<Edge>>;
    /// Local accounts that reblogged it, the newest reblogs first, at most `limit`.
    async fn local_rebloggers(&self, status: StatusId, limit: u32) -> Stored<Vec<AccountId>>;
    /// Who reblogged it (public reblogs).
    async fn reblogged_by(&self, status: StatusId, page: Page) -> Stored<Vec<Edge>>;
    /// The viewer's own reblog of it.
    async fn reblog_by(&self, account: AccountId, status: StatusId) -> Stored<Option<StatusId>>;
    /// Pinned by this account, newest pin first.
    async fn pinned(&self, account: AccountId) -> Stored<Vec<StatusId>>;
    /// Polls by id.
    async fn polls(&self, ids: &[PollId]) -> Stored<Vec<Poll>>;
    /// The viewer's choices in these polls.
    async fn votes_of(&self, viewer: AccountId, polls: &[PollId]) -> Stored<Vec<(PollId, u32)>>;
    /// Votes; all choices or none. Tells `Voted`. `Conflict` when already voted.
    async fn vote(
        &self,
        account: AccountId,
        poll: &Poll,
        choices: &[u32],
        at: Timestamp,
    ) -> Stored<()>;
    /// Media by id.
    async fn media(&self, ids: &[MediaId]) -> Stored<Vec<Media>>;
}
