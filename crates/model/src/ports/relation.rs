//! Follows, blocks, mutes, lists and notifications, as the store keeps them.

use super::Stored;
use crate::{
    AccountId, ConversationId, ListId, NotificationId, Page, Timestamp,
    list::List,
    notification::{Notification, NotificationKind},
    relation::{Edge, FollowOptions, MuteOptions, Relationship},
};
use async_trait::async_trait;

/// What decides whether somebody is told of what another does, gathered in one query.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoticeFacts {
    /// They follow who caused it.
    pub follows: bool,
    /// Either blocks the other.
    pub blocked: bool,
    /// They mute who caused it, notifications included.
    pub muted: bool,
    /// They have muted the thread.
    pub thread_muted: bool,
}

/// Where relations between accounts live.
#[async_trait]
pub trait RelationStore {
    /// How the viewer stands to these, in the order asked.
    async fn relationships(
        &self,
        viewer: AccountId,
        others: &[AccountId],
    ) -> Stored<Vec<Relationship>>;
    /// Follows, or changes how. Tells `Followed`, with a notification when new.
    async fn follow(
        &self,
        account: AccountId,
        target: AccountId,
        options: &FollowOptions,
        at: Timestamp,
    ) -> Stored<()>;
    /// Asks to follow. Tells `Notified` when new.
    async fn request_follow(
        &self,
        account: AccountId,
        target: AccountId,
        options: &FollowOptions,
        at: Timestamp,
    ) -> Stored<()>;
    /// Ends a follow or a request. Tells `Unfollowed`.
    async fn unfollow(&self, account: AccountId, target: AccountId) -> Stored<()>;
    /// Answers a request of `account` to follow `target`. `false`: there was none.
    async fn answer_request(
        &self,
        account: AccountId,
        target: AccountId,
        accept: bool,
        at: Timestamp,
    ) -> Stored<bool>;
    /// Requests that wait for this account.
    async fn requests_for(&self, target: AccountId, page: Page) -> Stored<Vec<Edge>>;
    /// Followers.
    async fn followers(&self, target: AccountId, page: Page) -> Stored<Vec<Edge>>;
    /// Followed.
    async fn following(&self, account: AccountId, page: Page) -> Stored<Vec<Edge>>;
    /// Everybody whom the account follows, and how (bounded by `FOLLOWS_PER_ACCOUNT`).
    async fn all_following(&self, account: AccountId) -> Stored<Vec<(AccountId, FollowOptions)>>;
    /// Everybody whom the account blocks, is blocked by, or mutes at this time; and when that ends
    /// by itself, if it does.
    async fn all_restricted(
        &self,
        account: AccountId,
        at: Timestamp,
    ) -> Stored<Vec<(AccountId, Option<Timestamp>)>>;
    /// How these stand, at this time, to somebody who may cause them to be told of something, and
    /// to the thread it is about; those with no relation are left out.
    async fn notice_facts(
        &self,
        from: AccountId,
        told: &[AccountId],
        conversation: Option<ConversationId>,
        at: Timestamp,
    ) -> Stored<Vec<(AccountId, NoticeFacts)>>;
    /// Local followers who asked to be told of this account's posts, at most `limit`.
    async fn notified_followers(&self, account: AccountId, limit: u32) -> Stored<Vec<AccountId>>;
    /// Blocks: ends follows and requests both ways. Tells `Restricted` and `Unfollowed`.
    async fn block(&self, account: AccountId, target: AccountId, at: Timestamp) -> Stored<()>;
    /// Unblocks.
    async fn unblock(&self, account: AccountId, target: AccountId) -> Stored<()>;
    /// Blocked accounts.
    async fn blocks(&self, account: AccountId, page: Page) -> Stored<Vec<Edge>>;
    /// Mutes, or changes how.
    async fn mute(
        &self,
        account: AccountId,
        target: AccountId,
        options: MuteOptions,
        at: Timestamp,
    ) -> Stored<()>;
    /// Unmutes.
    async fn unmute(&self, account: AccountId, target: AccountId) -> Stored<()>;
    /// Accounts muted at this time, and when each mute ends by itself.
    async fn mutes(
        &self,
        account: AccountId,
        page: Page,
        at: Timestamp,
    ) -> Stored<Vec<(Edge, Option<Timestamp>)>>;
    /// Keeps a private note; an empty one is removed.
    async fn set_note(&self, account: AccountId, target: AccountId, note: &str) -> Stored<()>;

    /// A member's lists.
    async fn lists(&self, account: AccountId) -> Stored<Vec<List>>;
    /// One list.
    async fn list(&self, id: ListId) -> Stored<Option<List>>;
    /// Makes a list; the `id` field is ignored.
    async fn create_list(&self, list: &List) -> Stored<ListId>;
    /// Changes title and policies.
    async fn change_list(&self, list: &List) -> Stored<()>;
    /// Deletes a list.
    async fn delete_list(&self, list: &List) -> Stored<()>;
    /// Puts accounts on a list; those that are on it stay.
    async fn add_to_list(&self, list: &List, accounts: &[AccountId]) -> Stored<()>;
    /// Takes accounts off.
    async fn remove_from_list(&self, list: &List, accounts: &[AccountId]) -> Stored<()>;
    /// Who is on those of a member's lists whose accounts leave the home timeline.
    async fn on_exclusive_lists(&self, account: AccountId) -> Stored<Vec<AccountId>>;
    /// Which of these are on it.
    async fn on_list(&self, list: ListId, accounts: &[AccountId]) -> Stored<Vec<AccountId>>;
    /// Who is on it.
    async fn list_members(&self, list: ListId, page: Page) -> Stored<Vec<Edge>>;
    /// On which of the member's lists an account is.
    async fn lists_with(&self, account: AccountId, target: AccountId) -> Stored<Vec<List>>;

    /// Notifications, without the excluded kinds (all kinds where `kinds` is empty).
    async fn notifications(
        &self,
        account: AccountId,
        kinds: &[NotificationKind],
        from: Option<AccountId>,
        page: Page,
    ) -> Stored<Vec<Notification>>;
    /// One.
    async fn notification(
        &self,
        account: AccountId,
        id: NotificationId,
    ) -> Stored<Option<Notification>>;
    /// Removes one, or all.
    async fn dismiss(&self, account: AccountId, id: Option<NotificationId>) -> Stored<()>;
    /// How many are newer than this id, at most `limit`.
    async fn unread(&self, account: AccountId, after: i64, limit: u32) -> Stored<i64>;
}
