//! A member leaves: what ends in one deed, and what a job removes afterwards, a bounded part at a
//! time. Their account stays as a tombstone without a member: suspended, nameless but for the
//! handle, so that nobody else gets it. Posts, follows and favourites go through their own deeds,
//! which keep the counters; here is the rest.

use crate::{
    Batch, CommitError, SqlStore,
    account_find::FORGET_WORDS,
    app::ending_access,
    count,
    decision::{OWNER_LEFT, record},
    job::{END, ENQUEUE},
    media::media_columns,
    params,
    status::media_of,
};
use async_trait::async_trait;
use model::{
    AccountId, Event, StoreError, Timestamp,
    decision::Decision,
    job::{Job, JobKind},
    media::Media,
    ports::{LeavingStore, Stored},
};

const NO_MEMBER: &str = "DELETE FROM member WHERE account_id = ?1";
const ENTOMB: &str = "UPDATE account SET suspended_ms = COALESCE(suspended_ms, ?2), \
    display_name = '', note = '', fields = '[]', discoverable = 0, indexable = 0, \
    public_key_pem = NULL WHERE id = ?1 AND domain IS NULL";
const PICTURES_GONE: &str = "UPDATE account SET avatar = NULL, header = NULL WHERE id = ?1";
const MEDIA_LEFT: &str =
    concat!("SELECT ", media_columns!(), " FROM media WHERE account_id = ?1 ORDER BY id LIMIT ?2");

/// Who signed up before ?1 and never began: nothing of theirs is seen or counted anywhere. A link
/// that works at ?2 is waited for.
macro_rules! never_began {
    () => {
        "member.confirmed_ms IS NULL AND member.role = 'member' AND member.created_ms <= ?1 \
         AND NOT EXISTS (SELECT 1 FROM mail_link l \
             WHERE l.account_id = member.account_id AND l.expires_ms > ?2) \
         AND NOT EXISTS (SELECT 1 FROM status s WHERE s.account_id = member.account_id) \
         AND NOT EXISTS (SELECT 1 FROM follow f WHERE f.account_id = member.account_id) \
         AND NOT EXISTS (SELECT 1 FROM favourite v WHERE v.account_id = member.account_id)"
    };
}
const NEVER_BEGAN: &str = concat!(
    "SELECT member.account_id FROM member WHERE ",
    never_began!(),
    " ORDER BY member.created_ms, member.account_id LIMIT ?3"
);
const NO_MEMBER_YET: &str =
    concat!("DELETE FROM member WHERE member.account_id = ?3 AND ", never_began!());
const NO_ACCOUNT: &str = "DELETE FROM account WHERE id = ?1 AND domain IS NULL \
    AND NOT EXISTS (SELECT 1 FROM member m WHERE m.account_id = ?1)";

/// What an account leaves behind besides; each statement takes away at most so many rows.
const LEFT: &[&str] = &[
    "DELETE FROM token WHERE id IN (SELECT id FROM token WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM notification WHERE id IN \
     (SELECT id FROM notification WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM notification WHERE id IN \
     (SELECT id FROM notification WHERE from_id = ?1 LIMIT ?2)",
    "DELETE FROM bookmark WHERE (account_id, status_id) IN \
     (SELECT account_id, status_id FROM bookmark WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM pin WHERE (account_id, status_id) IN \
     (SELECT account_id, status_id FROM pin WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM mention WHERE (account_id, status_id) IN \
     (SELECT account_id, status_id FROM mention WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM thread_mute WHERE (account_id, conversation_id) IN \
     (SELECT account_id, conversation_id FROM thread_mute WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM idempotency WHERE (account_id, key) IN \
     (SELECT account_id, key FROM idempotency WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM marker WHERE (account_id, timeline) IN \
     (SELECT account_id, timeline FROM marker WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM follow_request WHERE (account_id, target_id) IN \
     (SELECT account_id, target_id FROM follow_request WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM follow_request WHERE (account_id, target_id) IN \
     (SELECT account_id, target_id FROM follow_request WHERE target_id = ?1 LIMIT ?2)",
    "DELETE FROM block WHERE (account_id, target_id) IN \
     (SELECT account_id, target_id FROM block WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM block WHERE (account_id, target_id) IN \
     (SELECT account_id, target_id FROM block WHERE target_id = ?1 LIMIT ?2)",
    "DELETE FROM mute WHERE (account_id, target_id) IN \
     (SELECT account_id, target_id FROM mute WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM mute WHERE (account_id, target_id) IN \
     (SELECT account_id, target_id FROM mute WHERE target_id = ?1 LIMIT ?2)",
    "DELETE FROM account_note WHERE (account_id, target_id) IN \
     (SELECT account_id, target_id FROM account_note WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM account_note WHERE (account_id, target_id) IN \
     (SELECT account_id, target_id FROM account_note WHERE target_id = ?1 LIMIT ?2)",
    "DELETE FROM list_member WHERE (list_id, target_id) IN \
     (SELECT list_id, target_id FROM list_member WHERE target_id = ?1 LIMIT ?2)",
    "DELETE FROM list_member WHERE (list_id, target_id) IN \
     (SELECT m.list_id, m.target_id FROM list_member m JOIN list l ON l.id = m.list_id \
      WHERE l.account_id = ?1 LIMIT ?2)",
    "DELETE FROM list WHERE id IN (SELECT id FROM list WHERE account_id = ?1 AND NOT EXISTS \
     (SELECT 1 FROM list_member m WHERE m.list_id = list.id) LIMIT ?2)",
    "UPDATE media SET scheduled_id = NULL WHERE id IN \
     (SELECT id FROM media WHERE account_id = ?1 AND scheduled_id IS NOT NULL LIMIT ?2)",
    "DELETE FROM sign_in WHERE (account_id, place) IN \
     (SELECT account_id, place FROM sign_in WHERE account_id = ?1 LIMIT ?2)",
    "DELETE FROM scheduled WHERE id IN \
     (SELECT id FROM scheduled WHERE account_id = ?1 LIMIT ?2)",
];

/// Hides an account whose member goes in this deed, ends what opens it, and has a job remove the
/// rest.
fn hide(batch: &mut Batch, account: AccountId, job: JobKind, at: Timestamp) {
    batch.must(ENTOMB, params![account, at]);
    batch.add(FORGET_WORDS, params![account]);
    ending_access(batch, account, None, at);
    batch.add("DELETE FROM mail_link WHERE account_id = ?1", params![account]);
    batch.add("DELETE FROM mail WHERE account_id = ?1", params![account]);
    let id = batch.id();
    batch.add(ENQUEUE, params![id, job.word(), account, at]);
}

#[async_trait]
impl LeavingStore for SqlStore {
    async fn leave(&self, decision: &Decision) -> Stored<bool> {
        let (target, at) = (decision.target, decision.at);
        let mut batch = Batch::new();
        let guard = batch.must(OWNER_LEFT, params![target]);
        batch.must(NO_MEMBER, params![target]);
        hide(&mut batch, target, JobKind::Leave, at);
        record(&mut batch, decision);
        match self.db.commit(batch).await {
            Ok(_) => Ok(true),
            Err(CommitError::Unmet(place)) if place == guard => {
                match model::ports::AccountStore::member(self, target).await? {
                    Some(_) => Err(StoreError::Conflict("last_owner")),
                    None => Ok(false),
                }
            }
            Err(CommitError::Unmet(_)) => Ok(false),
            Err(other) => Err(other.into_store("leave")),
        }
    }

    async fn left_media(&self, account: AccountId, limit: u32) -> Stored<Vec<Media>> {
        self.db.query(MEDIA_LEFT, params![account, limit]).await?.iter().map(media_of).collect()
    }

    async fn clear_left(&self, account: AccountId, limit: u32) -> Stored<usize> {
        let mut batch = Batch::new();
        let places: Vec<usize> =
            LEFT.iter().map(|sql| batch.add(sql, params![account, limit])).collect();
        let done = self.db.commit(batch).await.map_err(|e| e.into_store("leave"))?;
        Ok(places.into_iter().map(|place| done.changed(place)).sum())
    }

    async fn left_for_good(&self, job: &Job, account: AccountId) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(END, params![job.id, job.attempts]);
        batch.add(PICTURES_GONE, params![account]);
        batch.tell(move |_| Some(Event::AccountChanged(account)));
        self.claimed_step(batch).await
    }

    async fn unconfirmed(
        &self,
        before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Stored<Vec<AccountId>> {
        let rows = self.db.query(NEVER_BEGAN, params![before, now, limit]).await?;
        rows.iter().map(|row| row.id(0)).collect()
    }

    async fn leave_unconfirmed(
        &self,
        account: AccountId,
        before: Timestamp,
        now: Timestamp,
    ) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(NO_MEMBER_YET, params![before, now, account]);
        hide(&mut batch, account, JobKind::Forget, now);
        batch.tell(move |_| Some(Event::AccountChanged(account)));
        self.claimed_step(batch).await
    }

    async fn forget_account(&self, job: &Job, account: AccountId) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(END, params![job.id, job.attempts]);
        count::forget_account(&mut batch, self.db.dialect(), account);
        batch.add(NO_ACCOUNT, params![account]);
        batch.tell(move |_| Some(Event::AccountChanged(account)));
        self.claimed_step(batch).await
    }

    async fn leave_on(&self, job: &Job, at: Timestamp) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(END, params![job.id, job.attempts]);
        let next = batch.id();
        batch.add(ENQUEUE, params![next, job.kind.word(), job.subject, at]);
        self.claimed_step(batch).await
    }
}
