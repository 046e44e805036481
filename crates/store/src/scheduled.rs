//! Scheduled posts: each has a job that publishes it, made, moved and removed in the same deed.

use crate::{Batch, CommitError, Row, SqlStore, job, params, row::join_ids};
use async_trait::async_trait;
use model::{
    AccountId, Page, ScheduledId, Status, StoreError, Timestamp,
    job::{Job, JobKind},
    limits::{SCHEDULED_DAILY, SCHEDULED_TOTAL},
    ports::{ScheduledStore, Stored},
    scheduled::{NewScheduled, Scheduled},
    status::NewStatus,
};

const DAY_MS: i64 = 24 * 3_600_000;
/// Takes the member's row, so that who schedules at once is counted one after another.
const ONE_AT_A_TIME: &str = "UPDATE member SET locale = locale WHERE account_id = ?1";
const CLAIM_KEY: &str =
    "INSERT INTO idempotency (account_id, key, status_id, created_ms) VALUES (?1, ?2, ?3, ?4)";
/// Changes nothing, and finds its row only while there is room.
const ROOM_IN_ALL: &str = "UPDATE member SET locale = locale WHERE account_id = ?1 AND \
    (SELECT COUNT(*) FROM scheduled WHERE account_id = ?1) < ?2";
const ROOM_ON_DAY: &str = "UPDATE member SET locale = locale WHERE account_id = ?1 AND \
    (SELECT COUNT(*) FROM scheduled WHERE account_id = ?1 AND at_ms >= ?2 AND at_ms < ?3 \
     AND id <> ?5) < ?4";
const INSERT: &str = "INSERT INTO scheduled (id, account_id, at_ms, draft, media_ids) \
    VALUES (?1, ?2, ?3, ?4, ?5)";
const HOLD: &str = "UPDATE media SET scheduled_id = ?1 \
    WHERE id = ?2 AND account_id = ?3 AND status_id IS NULL AND scheduled_id IS NULL \
    AND state <> 2";
/// They count as uploaded now, so that their author has a day to post them otherwise.
const LET_GO: &str = "UPDATE media SET scheduled_id = NULL, created_ms = ?3 \
    WHERE id = ?1 AND scheduled_id = ?2";
const MOVE: &str = "UPDATE scheduled SET at_ms = ?3 WHERE id = ?1 AND account_id = ?2";
const DELETE: &str = "DELETE FROM scheduled WHERE id = ?1 AND account_id = ?2";
const DROP_JOB: &str = "DELETE FROM job WHERE subject_id = ?1 AND kind = 'publish'";
const COLUMNS: &str = "SELECT id, account_id, at_ms, draft, media_ids FROM scheduled WHERE ";

fn scheduled_of_row(row: &Row) -> Stored<Scheduled> {
    Ok(Scheduled {
        id: row.id(0)?,
        account: row.id(1)?,
        at: Timestamp::from_ms(row.int(2)?),
        draft: row.text(3)?.to_owned(),
        media: row.ids(4)?,
    })
}

/// The day of UTC on which it falls: its first moment, and the next one's.
fn day_of(at: Timestamp) -> (i64, i64) {
    let first = at.ms().div_euclid(DAY_MS).saturating_mul(DAY_MS);
    (first, first.saturating_add(DAY_MS))
}

/// A demand for room on the day of `at`, `but` not counted.
fn room_on_day(batch: &mut Batch, account: AccountId, at: Timestamp, but: i64) -> usize {
    let (from, until) = day_of(at);
    let most = i64::try_from(SCHEDULED_DAILY).unwrap_or(i64::MAX);
    batch.must(ROOM_ON_DAY, params![account, from, until, most, but])
}

impl SqlStore {
    /// What a key was first used for, where that still waits.
    async fn scheduled_by_key(&self, new: &NewScheduled) -> Stored<Scheduled> {
        let sql = "SELECT status_id FROM idempotency WHERE account_id = ?1 AND key = ?2";
        let row = self.db.first(sql, params![new.account, new.idempotency_key.clone()]).await?;
        let id: Option<ScheduledId> = row.map(|row| row.id(0)).transpose()?;
        let found = match id {
            Some(id) => self.scheduled(id).await?,
            None => None,
        };
        found.ok_or(StoreError::Conflict("idempotency"))
    }
}

#[async_trait]
impl ScheduledStore for SqlStore {
    async fn schedule(&self, new: &NewScheduled) -> Stored<Scheduled> {
        let mut batch = Batch::new();
        let id = batch.id();
        batch.add(ONE_AT_A_TIME, params![new.account]);
        let claim = new
            .idempotency_key
            .as_ref()
            .map(|key| batch.add(CLAIM_KEY, params![new.account, key, id, new.created]));
        let most = i64::try_from(SCHEDULED_TOTAL).unwrap_or(i64::MAX);
        let in_all = batch.must(ROOM_IN_ALL, params![new.account, most]);
        let on_day = room_on_day(&mut batch, new.account, new.at, 0);
        let media = join_ids(&new.media);
        batch.add(INSERT, params![id, new.account, new.at, new.draft.clone(), media]);
        let hold = |m: &model::MediaId| batch.must(HOLD, params![id, *m, new.account]);
        let held: Vec<usize> = new.media.iter().map(hold).collect();
        let job = batch.id();
        batch.add(job::ENQUEUE, params![job, JobKind::Publish.word(), id, new.at]);
        match self.db.commit(batch).await {
            Ok(done) => Ok(Scheduled {
                id: done.id(id)?,
                account: new.account,
                at: new.at,
                draft: new.draft.clone(),
                media: new.media.clone(),
            }),
            Err(CommitError::Key(at)) if Some(at) == claim => self.scheduled_by_key(new).await,
            Err(CommitError::Unmet(at)) if at == in_all => {
                Err(StoreError::Conflict("scheduled_total"))
            }
            Err(CommitError::Unmet(at)) if at == on_day => {
                Err(StoreError::Conflict("scheduled_daily"))
            }
            Err(CommitError::Unmet(at)) if held.contains(&at) => Err(StoreError::Conflict("media")),
            Err(other) => Err(other.into_store("scheduled")),
        }
    }

    async fn scheduled(&self, id: ScheduledId) -> Stored<Option<Scheduled>> {
        let sql = format!("{COLUMNS} id = ?1");
        self.db.first(&sql, params![id]).await?.as_ref().map(scheduled_of_row).transpose()
    }

    async fn scheduled_of(&self, account: AccountId, page: Page) -> Stored<Vec<Scheduled>> {
        let page = self.db.settled(page);
        let order = if page.ascending() { "ASC" } else { "DESC" };
        let sql = format!(
            "{COLUMNS} account_id = ?1 AND id < ?2 AND id > ?3 ORDER BY id {order} LIMIT ?4"
        );
        let values = params![account, page.below(), page.above(), page.limit];
        let rows = self.db.query(&sql, values).await?;
        let mut found: Vec<Scheduled> = rows.iter().map(scheduled_of_row).collect::<Stored<_>>()?;
        if page.ascending() {
            found.reverse();
        }
        Ok(found)
    }

    async fn reschedule(&self, account: AccountId, id: ScheduledId, at: Timestamp) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.add(ONE_AT_A_TIME, params![account]);
        let on_day = room_on_day(&mut batch, account, at, id.get());
        let moved = batch.must(MOVE, params![id, account, at]);
        // A claim of the old job, if there is one, ends with it.
        batch.add(DROP_JOB, params![id]);
        let job = batch.id();
        batch.add(job::ENQUEUE, params![job, JobKind::Publish.word(), id, at]);
        match self.db.commit(batch).await {
            Ok(_) => Ok(true),
            Err(CommitError::Unmet(at)) if at == on_day => {
                Err(StoreError::Conflict("scheduled_daily"))
            }
            Err(CommitError::Unmet(at)) if at == moved => Ok(false),
            Err(other) => Err(other.into_store("scheduled")),
        }
    }

    async fn unschedule(&self, account: AccountId, id: ScheduledId, at: Timestamp) -> Stored<bool> {
        let Some(old) = self.scheduled(id).await?.filter(|s| s.account == account) else {
            return Ok(false);
        };
        let mut batch = Batch::new();
        batch.must(DELETE, params![id, account]);
        batch.add(DROP_JOB, params![id]);
        for media in &old.media {
            batch.add(LET_GO, params![*media, id, at]);
        }
        match self.db.commit(batch).await {
            Ok(_) => Ok(true),
            Err(CommitError::Unmet(_)) => Ok(false),
            Err(other) => Err(other.into_store("scheduled")),
        }
    }

    async fn publish_scheduled(&self, job: &Job, new: NewStatus) -> Stored<Option<Status>> {
        match self.insert_status(new, Some(job)).await {
            Ok((status, _)) => Ok(Some(status)),
            Err(StoreError::Conflict("job")) => Ok(None),
            Err(other) => Err(other),
        }
    }
}
