//! Decisions about members, as the store keeps them.

use super::Stored;
use crate::{AccountId, decision::Decision};
use async_trait::async_trait;

/// Where decisions live, and where they take effect.
#[async_trait]
pub trait DecisionStore {
    /// Suspends, lifts a suspension or changes a role, and keeps the record, in one deed. Tells
    /// `AccountChanged`, or `AccountRestored` of who may be seen again. `false`: it was so already,
    /// or there is no such member. `Conflict("last_owner")` where it would leave nobody who owns
    /// the instance.
    async fn decide(&self, decision: &Decision) -> Stored<bool>;
    /// Replaces a password's hash, ends every session, code, token and link, and keeps the record.
    /// Whoever decides knows the member, so that the address counts as confirmed. With `notice` a
    /// mail that tells of it is enqueued. Tells `AccountChanged`. `false`: there is no such member.
    async fn decide_password(&self, decision: &Decision, hash: &str, notice: bool) -> Stored<bool>;
    /// What was decided about an account, newest first.
    async fn decisions(&self, target: AccountId, limit: u32) -> Stored<Vec<Decision>>;
}
