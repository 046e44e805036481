//! How a member leaves, as the store keeps it.

use super::Stored;
use crate::{AccountId, Timestamp, decision::Decision, job::Job, media::Media};
use async_trait::async_trait;

/// Where the end of an account takes effect: at once what everybody meets, by a job what is left.
#[async_trait]
pub trait LeavingStore {
    /// Takes the member away and leaves a tombstone in the place of the account: hidden like a
    /// suspended one, its handle never free again. Ends all access, keeps the record, enqueues the
    /// job that removes the rest, in one deed. Tells `AccountChanged`. `false`: there is no such
    /// member. `Conflict("last_owner")` where nobody would own the instance.
    async fn leave(&self, decision: &Decision) -> Stored<bool>;
    /// Attachments of an account, at most so many.
    async fn left_media(&self, account: AccountId, limit: u32) -> Stored<Vec<Media>>;
    /// Removes what an account has left besides posts, media, follows and favourites: at most so
    /// many rows of each kind, in one deed. How many went; none: nothing is left.
    async fn clear_left(&self, account: AccountId, limit: u32) -> Stored<usize>;
    /// Ends the job: everything is gone, and the tombstone names no pictures any more. Tells
    /// `AccountChanged`. `false`: the claim is over.
    async fn left_for_good(&self, job: &Job, account: AccountId) -> Stored<bool>;
    /// Who signed up before then, has not confirmed the address, has no link that still works at
    /// this hour, and has neither posted, followed nor marked anything: at most so many.
    async fn unconfirmed(
        &self,
        before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Stored<Vec<AccountId>>;
    /// Takes one of those away, as `leave` does, without a record, for nobody has decided it; the
    /// job that it enqueues sets the name free at its end. Tells `AccountChanged`. `false`: not one
    /// of those (any more).
    async fn leave_unconfirmed(
        &self,
        account: AccountId,
        before: Timestamp,
        now: Timestamp,
    ) -> Stored<bool>;
    /// Ends the job: the account is gone, and its name is free. Tells `AccountChanged`. `false`:
    /// the claim is over.
    async fn forget_account(&self, job: &Job, account: AccountId) -> Stored<bool>;
    /// Puts a fresh job in the place of this one, so that others get their turn. `false`: the claim
    /// is over.
    async fn leave_on(&self, job: &Job, at: Timestamp) -> Stored<bool>;
}
