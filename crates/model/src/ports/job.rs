//! Jobs, as the store keeps them. They are enqueued by the deeds that cause them.

use super::Stored;
use crate::{AccountId, PollId, Timestamp, job::Job, poll::Poll};
use async_trait::async_trait;

/// Where jobs wait. A claim is a lease: whoever does not end the job before it runs out loses it to
/// the next claim, and every later step of theirs changes nothing (`false`).
#[async_trait]
pub trait JobStore {
    /// Claims jobs whose hour has come, the longest waiting first, for this long. Those that send
    /// mail are claimed apart (`MailStore`), as they wait for others than the store.
    async fn claim_jobs(&self, now: Timestamp, lease_ms: i64, limit: u32) -> Stored<Vec<Job>>;
    /// When the next job is due, leases included; `None` where nothing waits.
    async fn next_job(&self) -> Stored<Option<Timestamp>>;
    /// Notes why a claim came to nothing, and when to try again; `None` gives the job up: it stays
    /// for those who run the instance to see, and is never claimed again.
    async fn postpone_job(&self, job: &Job, until: Option<Timestamp>, why: &str) -> Stored<bool>;
    /// Ends a job that has nothing to do (any more).
    async fn end_job(&self, job: &Job) -> Stored<bool>;
    /// Local accounts that voted in a poll, by id after this one (0 for the first).
    async fn voters(&self, poll: PollId, after: i64, limit: u32) -> Stored<Vec<AccountId>>;
    /// Tells these that the poll has ended, and either ends the job or notes that accounts up to
    /// `told_until` are done, in one deed. Tells `PollEnded`.
    async fn tell_poll_end(
        &self,
        job: &Job,
        poll: &Poll,
        to: &[AccountId],
        told_until: Option<AccountId>,
        at: Timestamp,
    ) -> Stored<bool>;
    /// Removes idempotency keys a day old, sessions and links that have expired, jobs given up long
    /// ago, tokens that were revoked, tokens of apps themselves that nobody uses, and apps
    /// through which nobody logged in: at most `limit` of each, in two deeds. How many went. (Codes
    /// go as new ones are made.)
    async fn remove_expired(&self, now: Timestamp, limit: u32) -> Stored<usize>;
}
