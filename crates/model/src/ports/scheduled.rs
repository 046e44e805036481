//! Scheduled posts, as the store keeps them.

use super::Stored;
use crate::{
    AccountId, Page, ScheduledId, Status, Timestamp,
    job::Job,
    scheduled::{NewScheduled, Scheduled},
    status::NewStatus,
};
use async_trait::async_trait;

/// Where scheduled posts wait, each with the job that publishes it.
#[async_trait]
pub trait ScheduledStore {
    /// Schedules a post, holds its media and enqueues its job, in one deed. A known idempotency key
    /// returns what it was first used for. `Conflict("scheduled_total")`,
    /// `Conflict("scheduled_daily")` past the limits (a day is one of UTC), `Conflict("media")`
    /// where another post holds one of them.
    async fn schedule(&self, new: &NewScheduled) -> Stored<Scheduled>;
    /// By id, whoever's.
    async fn scheduled(&self, id: ScheduledId) -> Stored<Option<Scheduled>>;
    /// Of an account, newest first.
    async fn scheduled_of(&self, account: AccountId, page: Page) -> Stored<Vec<Scheduled>>;
    /// Moves a post to another time, with a new job. `false`: it is gone. Limits as above.
    async fn reschedule(&self, account: AccountId, id: ScheduledId, at: Timestamp) -> Stored<bool>;
    /// Takes a post back, with its job; its media are free again. `false`: it is gone.
    async fn unschedule(&self, account: AccountId, id: ScheduledId, at: Timestamp) -> Stored<bool>;
    /// Publishes what the job was made for and ends both, in one deed. Tells `Posted`. `None`: the
    /// claim is over, or the post was taken back.
    async fn publish_scheduled(&self, job: &Job, new: NewStatus) -> Stored<Option<Status>>;
}
