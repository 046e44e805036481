//! Mail, as the store keeps it and as it leaves.

use super::Stored;
use crate::{
    AccountId, MailId, Timestamp,
    job::Job,
    mail::{Letter, Link, LinkPurpose, Mail, NewMail},
};
use async_trait::async_trait;

/// Why a letter was not taken. The texts name no address and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Another try may help: the server is away, slow, or says so.
    #[error("{0}")]
    Later(String),
    /// No other try will: the address or the letter was refused.
    #[error("{0}")]
    Never(String),
}

/// Takes letters to the world. Everything it does ends within a time of its own.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends a letter. `Ok` once somebody else has taken charge of it.
    async fn send(&self, letter: &Letter) -> Result<(), MailError>;
}

/// Where mail waits, and the links that were sent. Each mail is enqueued by the deed that causes
/// it, with a job that is claimed apart from all others, because sending waits for strangers.
#[async_trait]
pub trait MailStore {
    /// Enqueues a mail by itself. `false`: as many wait already as may.
    async fn enqueue_mail(&self, mail: &NewMail, waiting_max: usize) -> Stored<bool>;
    /// Claims jobs that send mail, as `claim_jobs` does the others.
    async fn claim_mail(&self, now: Timestamp, lease_ms: i64, limit: u32) -> Stored<Vec<Job>>;
    /// When the next of them is due.
    async fn next_mail(&self) -> Stored<Option<Timestamp>>;
    /// By id, while it waits.
    async fn mail(&self, id: MailId) -> Stored<Option<Mail>>;
    /// Keeps a link that is about to be sent, and of its purpose and account the newest `kept`.
    /// `false`: the claim is over, and nothing was kept.
    async fn put_link(&self, job: &Job, link: &Link, kept: u32) -> Stored<bool>;
    /// Ends the job and forgets its mail: it was sent, or is of no use. `false`: the claim is over.
    async fn end_mail(&self, job: &Job) -> Stored<bool>;
    /// Gives the job up and forgets its mail; the job stays, and says why.
    async fn give_mail_up(&self, job: &Job, why: &str) -> Stored<bool>;
    /// A link that works at this time.
    async fn link(&self, hash: &[u8], purpose: LinkPurpose, now: Timestamp)
    -> Stored<Option<Link>>;
    /// Uses a link: its address is confirmed, in one deed. `false`: it was used, has expired, or
    /// the address is not the account's any more. Tells `AccountChanged`.
    async fn confirm_by_link(&self, link: &Link, at: Timestamp) -> Stored<bool>;
    /// Uses a link: the account has this password, its address counts as confirmed, all its links,
    /// tokens, codes and sessions end, and a mail tells of it; in one deed. `false` as above. Tells
    /// `AccountChanged`.
    async fn reset_by_link(&self, link: &Link, hash: &str, at: Timestamp) -> Stored<bool>;
    /// Gives an account that is not confirmed another address, ends the links that were sent, and
    /// enqueues a mail to it. `false`: it is confirmed. `Conflict("member_email")` where taken.
    async fn change_unconfirmed_address(
        &self,
        account: AccountId,
        address: &str,
        at: Timestamp,
    ) -> Stored<bool>;
}
