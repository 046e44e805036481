//! Accounts and members, as the store keeps them.

use super::Stored;
use crate::{
    Account, AccountCounts, AccountId, Page, Timestamp,
    account::{ProfileChange, Standing},
    marker::{Marker, MarkerTimeline},
    member::{Member, NewMember, Role},
};
use async_trait::async_trait;

/// Which accounts are looked for by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountQuery {
    /// How the username begins; of several words each begins a word of the shown name.
    pub text: String,
    /// Only those whom this account follows, and itself.
    pub followed_by: Option<AccountId>,
    /// How many at most.
    pub limit: u32,
    /// How many of the best are left out.
    pub offset: u32,
}

/// Where accounts and members live.
#[async_trait]
pub trait AccountStore {
    /// Those that exist, in no particular order. Any number of ids.
    async fn accounts(&self, ids: &[AccountId]) -> Stored<Vec<Account>>;
    /// By name, without case; `domain` is `None` for local accounts.
    async fn account_by_handle(
        &self,
        username: &str,
        domain: Option<&str>,
    ) -> Stored<Option<Account>>;
    /// Local accounts by name, without case; unknown names are left out.
    async fn local_accounts_by_name(&self, usernames: &[String]) -> Stored<Vec<Account>>;
    /// Counters; accounts without a row are left out (all zero).
    async fn account_counts(&self, ids: &[AccountId]) -> Stored<Vec<(AccountId, AccountCounts)>>;
    /// Accounts whose username, or a word of whose shown name, begins with the text: whoever has
    /// exactly that username first, then whom most follow. Not those that are suspended.
    async fn find_accounts(&self, query: &AccountQuery) -> Stored<Vec<AccountId>>;
    /// Makes an account and its member in one deed. `Conflict("account_handle")` or
    /// `Conflict("member_email")` where taken.
    async fn create_member(&self, new: NewMember) -> Stored<AccountId>;
    /// Takes in a remote account, or what changed of it, by its `uri`.
    async fn upsert_remote_account(&self, account: &Account) -> Stored<AccountId>;
    /// The member of an account.
    async fn member(&self, account: AccountId) -> Stored<Option<Member>>;
    /// By address, without case.
    async fn member_by_email(&self, email: &str) -> Stored<Option<Member>>;
    /// Members, for lists: newest first by id.
    async fn members(&self, page: Page) -> Stored<Vec<Member>>;
    /// The owner who joined first; none on an instance that has none.
    async fn owner(&self) -> Stored<Option<AccountId>>;
    /// How many members were seen on that day or later, with an app or a browser.
    async fn active_members(&self, since: Timestamp) -> Stored<i64>;
    /// How many members there are, and how many local statuses.
    async fn totals(&self) -> Stored<(i64, i64)>;
    /// Changes a profile, and preferences with it. Tells `ProfileChanged`. An error where
    /// preferences are given for somebody who is no member; nothing was changed then.
    async fn change_profile(&self, account: AccountId, change: ProfileChange) -> Stored<()>;
    /// Replaces the password's hash, and ends all sessions, codes, tokens and links: what was
    /// opened with the old one. With `notice` a mail that tells of it is enqueued in the same deed.
    /// Tells `AccountChanged`. `Conflict("member")` where there is no such member.
    async fn set_password(
        &self,
        account: AccountId,
        hash: &str,
        at: Timestamp,
        notice: bool,
    ) -> Stored<()>;
    /// Changes the role.
    async fn set_role(&self, account: AccountId, role: Role) -> Stored<()>;
    /// Marks the address confirmed.
    async fn confirm_member(&self, account: AccountId, at: Timestamp) -> Stored<()>;
    /// Records a moderators' decision. Tells `AccountChanged`.
    async fn set_standing(&self, account: AccountId, standing: Standing) -> Stored<()>;
    /// Reading positions.
    async fn markers(&self, account: AccountId) -> Stored<Vec<Marker>>;
    /// Sets a position; its version grows by one.
    async fn set_marker(
        &self,
        account: AccountId,
        timeline: MarkerTimeline,
        last_read_id: i64,
        at: Timestamp,
    ) -> Stored<Marker>;
}
