//! Mail that waits, and the links that were sent. A mail and the job that sends it are stored with
//! their cause and go together. Its jobs are claimed apart from the others: sending waits for
//! strangers, and polls shall not.

use crate::{Batch, CommitError, IdSlot, Row, SqlStore, Value, app::ending_access, job, params};
use async_trait::async_trait;
use model::{
    AccountId, Event, MailId, StoreError, Timestamp,
    job::{Job, JobKind},
    mail::{Link, LinkPurpose, Mail, MailKind, NewMail},
    ports::{MailStore, Stored},
};

const INSERT: &str = "INSERT INTO mail (id, kind, account_id, address, created_ms) \
    VALUES (?1, ?2, ?3, ?4, ?5)";
/// The same, unless too many wait: an address that anybody can type has no other bound.
const INSERT_IF_ROOM: &str = "INSERT INTO mail (id, kind, account_id, address, created_ms) \
    SELECT ?1, ?2, NULLIF(?3, 0), ?4, ?5 WHERE (SELECT COUNT(*) FROM mail) < ?6";
/// The same, to the address that an account has.
const INSERT_TO_MEMBER: &str = "INSERT INTO mail \
    (id, kind, account_id, address, created_ms, about) \
    SELECT ?1, ?2, account_id, email, ?4, ?5 FROM member WHERE account_id = ?3";
const FORGET: &str = "DELETE FROM mail WHERE id = ?1";
const CLAIM: &str = "UPDATE job SET run_ms = ?2, attempts = attempts + 1 \
    WHERE run_ms <= ?1 AND kind = 'mail' AND id IN \
    (SELECT id FROM job WHERE run_ms <= ?1 AND kind = 'mail' ORDER BY run_ms, id LIMIT ?3) \
    RETURNING id, kind, subject_id, attempts, told_until";
/// Changes nothing, and meets no row once a later claim was made.
const STILL_CLAIMED: &str =
    "UPDATE job SET told_until = told_until WHERE id = ?1 AND attempts = ?2";
const INSERT_LINK: &str = "INSERT INTO mail_link \
    (hash, purpose, account_id, address, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const FORGET_OLDER: &str = "DELETE FROM mail_link WHERE account_id = ?1 AND purpose = ?2 \
    AND hash NOT IN (SELECT hash FROM mail_link WHERE account_id = ?1 AND purpose = ?2 \
    ORDER BY created_ms DESC, hash LIMIT ?3)";
const LINK: &str = "SELECT hash, account_id, address, created_ms, expires_ms FROM mail_link \
    WHERE hash = ?1 AND purpose = ?2 AND expires_ms > ?3";
const USE: &str = "DELETE FROM mail_link \
    WHERE hash = ?1 AND purpose = ?2 AND account_id = ?3 AND expires_ms > ?4";
const FORGET_LINKS: &str = "DELETE FROM mail_link WHERE account_id = ?1";
const CONFIRM: &str = "UPDATE member SET confirmed_ms = COALESCE(confirmed_ms, ?3) \
    WHERE account_id = ?1 AND email_lower = ?2";
const NEW_PASSWORD: &str = "UPDATE member SET password_hash = ?3, \
    confirmed_ms = COALESCE(confirmed_ms, ?4) WHERE account_id = ?1 AND email_lower = ?2";
const NEW_ADDRESS: &str = "UPDATE member SET email = ?2, email_lower = ?3 \
    WHERE account_id = ?1 AND confirmed_ms IS NULL";

fn mail_of(row: &Row) -> Stored<Mail> {
    Ok(Mail {
        id: row.id(0)?,
        kind: MailKind::from_word(row.text(1)?)
            .ok_or_else(|| StoreError::Inconsistent("mail.kind".into()))?,
        account: row.opt_id(2)?,
        address: row.text(3)?.to_owned(),
        created: Timestamp::from_ms(row.int(4)?),
        about: row.text(5)?.to_owned(),
    })
}

fn link_of(row: &Row, purpose: LinkPurpose) -> Stored<Link> {
    Ok(Link {
        hash: row.bytes(0)?.to_vec(),
        purpose,
        account: row.id(1)?,
        address: row.text(2)?.to_owned(),
        created: Timestamp::from_ms(row.int(3)?),
        expires: Timestamp::from_ms(row.int(4)?),
    })
}

/// Adds a mail about an account, and the job that sends it, to the deed that causes it.
pub(crate) fn enqueue(
    batch: &mut Batch,
    kind: MailKind,
    account: impl Into<Value>,
    address: &str,
    at: Timestamp,
) {
    let (mail, account) = (batch.id(), account.into());
    batch.add(INSERT, params![mail, kind.word(), account, address, at]);
    enqueue_job(batch, mail, at);
}

/// The same, to the address that the account has when the deed commits.
pub(crate) fn enqueue_to_member(
    batch: &mut Batch,
    kind: MailKind,
    account: AccountId,
    at: Timestamp,
) {
    enqueue_telling(batch, kind, account, at, "");
}

/// The same, which tells this besides.
pub(crate) fn enqueue_telling(
    batch: &mut Batch,
    kind: MailKind,
    account: AccountId,
    at: Timestamp,
    about: &str,
) {
    let mail = batch.id();
    batch.add(INSERT_TO_MEMBER, params![mail, kind.word(), account, at, about]);
    enqueue_job(batch, mail, at);
}

/// Adds to a deed that no link which was sent to an account works any more.
pub(crate) fn end_links(batch: &mut Batch, account: AccountId) {
    batch.add(FORGET_LINKS, params![account]);
}

fn enqueue_job(batch: &mut Batch, mail: IdSlot, at: Timestamp) {
    let id = batch.id();
    batch.add(job::ENQUEUE, params![id, JobKind::Mail.word(), mail, at]);
}

#[async_trait]
impl MailStore for SqlStore {
    async fn enqueue_mail(&self, mail: &NewMail, waiting_max: usize) -> Stored<bool> {
        let mut batch = Batch::new();
        let id = batch.id();
        let (kind, address) = (mail.kind.word(), mail.address.as_str());
        let most = i64::try_from(waiting_max).unwrap_or(i64::MAX);
        let account = mail.account.map_or(0, AccountId::get);
        batch.must(INSERT_IF_ROOM, params![id, kind, account, address, mail.created, most]);
        enqueue_job(&mut batch, id, mail.created);
        self.claimed_step(batch).await
    }

    async fn claim_mail(&self, now: Timestamp, lease_ms: i64, limit: u32) -> Stored<Vec<Job>> {
        self.claim(CLAIM, now, lease_ms, limit).await
    }

    async fn next_mail(&self) -> Stored<Option<Timestamp>> {
        let sql = "SELECT run_ms FROM job WHERE run_ms IS NOT NULL AND kind = 'mail' \
                   ORDER BY run_ms LIMIT 1";
        let row = self.db.first(sql, params![]).await?;
        row.map(|row| row.int(0).map(Timestamp::from_ms)).transpose()
    }

    async fn mail(&self, id: MailId) -> Stored<Option<Mail>> {
        let sql = "SELECT id, kind, account_id, address, created_ms, about FROM mail \
                   WHERE id = ?1";
        self.db.first(sql, params![id]).await?.as_ref().map(mail_of).transpose()
    }

    async fn put_link(&self, job: &Job, link: &Link, kept: u32) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(STILL_CLAIMED, params![job.id, job.attempts]);
        let (hash, purpose) = (link.hash.as_slice(), link.purpose.word());
        batch.add(
            INSERT_LINK,
            params![hash, purpose, link.account, link.address.as_str(), link.created, link.expires],
        );
        batch.add(FORGET_OLDER, params![link.account, purpose, kept]);
        self.claimed_step(batch).await
    }

    async fn end_mail(&self, job: &Job) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(job::END, params![job.id, job.attempts]);
        batch.add(FORGET, params![job.subject]);
        self.claimed_step(batch).await
    }

    async fn give_mail_up(&self, job: &Job, why: &str) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(job::POSTPONE, params![job.id, job.attempts, None::<Timestamp>, why]);
        batch.add(FORGET, params![job.subject]);
        self.claimed_step(batch).await
    }

    async fn link(
        &self,
        hash: &[u8],
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Stored<Option<Link>> {
        let row = self.db.first(LINK, params![hash, purpose.word(), now]).await?;
        row.as_ref().map(|row| link_of(row, purpose)).transpose()
    }

    async fn confirm_by_link(&self, link: &Link, at: Timestamp) -> Stored<bool> {
        let (account, address) = (link.account, link.address.to_lowercase());
        let mut batch = Batch::new();
        batch.must(USE, params![link.hash.as_slice(), link.purpose.word(), account, at]);
        batch.must(CONFIRM, params![account, address, at]);
        batch.add(
            "DELETE FROM mail_link WHERE account_id = ?1 AND purpose = ?2",
            params![account, LinkPurpose::Confirm.word()],
        );
        batch.tell(move |_| Some(Event::AccountChanged(account)));
        self.claimed_step(batch).await
    }

    async fn reset_by_link(&self, link: &Link, hash: &str, at: Timestamp) -> Stored<bool> {
        let (account, address) = (link.account, link.address.to_lowercase());
        let mut batch = Batch::new();
        batch.must(USE, params![link.hash.as_slice(), link.purpose.word(), account, at]);
        batch.must(NEW_PASSWORD, params![account, address, hash, at]);
        end_links(&mut batch, account);
        ending_access(&mut batch, account, None, at);
        enqueue(&mut batch, MailKind::PasswordChanged, account, &link.address, at);
        batch.tell(move |_| Some(Event::AccountChanged(account)));
        self.claimed_step(batch).await
    }

    async fn change_unconfirmed_address(
        &self,
        account: AccountId,
        address: &str,
        at: Timestamp,
    ) -> Stored<bool> {
        let mut batch = Batch::new();
        let place = batch.must(NEW_ADDRESS, params![account, address, address.to_lowercase()]);
        end_links(&mut batch, account);
        enqueue(&mut batch, MailKind::Confirm, account, address, at);
        match self.db.commit(batch).await {
            Ok(_) => Ok(true),
            Err(CommitError::Key(at)) if at == place => Err(StoreError::Conflict("member_email")),
            Err(CommitError::Unmet(_)) => Ok(false),
            Err(other) => Err(other.into_store("member")),
        }
    }
}
