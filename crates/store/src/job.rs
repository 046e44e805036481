//! The queue of jobs. A claim is one conditional UPDATE: it moves `run_ms` forward by the lease and
//! raises `attempts`, which every later step of the claim has to find unchanged. Two nodes that
//! claim at once wait for each other's row and then find it not due, on both engines.

use crate::{Batch, CommitError, IdSlot, Row, SqlStore, params, status_write::NOTIFY};
use async_trait::async_trait;
use model::{
    AccountId, Event, PollId, StoreError, Timestamp,
    job::{Job, JobKind},
    limits::{
        APP_IDLE_DAYS, APP_TOKEN_IDLE_DAYS, ARRIVAL_DAYS, FAILED_JOB_DAYS, IDEMPOTENCY_HOURS,
        REVOKED_TOKEN_DAYS,
    },
    notification::{Notification, NotificationKind},
    poll::Poll,
    ports::{JobStore, Stored},
};

pub(crate) const ENQUEUE: &str = "INSERT INTO job \
    (id, kind, subject_id, run_ms, attempts, told_until, error) \
    VALUES (?1, ?2, ?3, ?4, 0, 0, NULL)";
/// Takes a job away, unless a later claim was made or it is gone.
pub(crate) const END: &str = "DELETE FROM job WHERE id = ?1 AND attempts = ?2";
const CLAIM: &str = "UPDATE job SET run_ms = ?2, attempts = attempts + 1 \
    WHERE run_ms <= ?1 AND kind <> 'mail' AND id IN \
    (SELECT id FROM job WHERE run_ms <= ?1 AND kind <> 'mail' ORDER BY run_ms, id LIMIT ?3) \
    RETURNING id, kind, subject_id, attempts, told_until";
pub(crate) const POSTPONE: &str =
    "UPDATE job SET run_ms = ?3, error = ?4 WHERE id = ?1 AND attempts = ?2";
const COME_SO_FAR: &str = "UPDATE job SET told_until = ?3 WHERE id = ?1 AND attempts = ?2";
const EXPIRED_KEYS: &str = "DELETE FROM idempotency WHERE (account_id, key) IN \
    (SELECT account_id, key FROM idempotency WHERE created_ms <= ?1 LIMIT ?2)";
const EXPIRED_SESSIONS: &str = "DELETE FROM session WHERE id IN \
    (SELECT id FROM session WHERE expires_ms <= ?1 LIMIT ?2)";
const EXPIRED_LINKS: &str = "DELETE FROM mail_link WHERE hash IN \
    (SELECT hash FROM mail_link WHERE expires_ms <= ?1 LIMIT ?2)";
const EXPIRED_ARRIVALS: &str = "DELETE FROM sign_in WHERE (account_id, place) IN \
    (SELECT account_id, place FROM sign_in WHERE at_ms <= ?1 LIMIT ?2)";
const FAILED_JOBS: &str = "DELETE FROM job WHERE run_ms IS NULL AND id IN \
    (SELECT id FROM job WHERE run_ms IS NULL AND id < ?1 ORDER BY id LIMIT ?2)";
const REVOKED_TOKENS: &str = "DELETE FROM token WHERE id IN \
    (SELECT id FROM token WHERE revoked_ms <= ?1 LIMIT ?2)";
/// Of apps themselves: without a member, given out or last used that long ago.
pub(crate) const IDLE_APP_TOKENS: &str = "SELECT id FROM token \
    WHERE account_id IS NULL AND created_ms <= ?1 AND (used_ms IS NULL OR used_ms <= ?1) \
    ORDER BY created_ms LIMIT ?2";
const REMOVE_APP_TOKEN: &str = "DELETE FROM token WHERE id = ?1 AND account_id IS NULL \
    AND (used_ms IS NULL OR used_ms <= ?2)";
/// Through which nobody ever logged in, and which hold nothing by which somebody may.
pub(crate) const IDLE_APPS: &str = "SELECT a.id FROM app a \
    WHERE a.entered = 0 AND a.created_ms <= ?1 \
    AND NOT EXISTS (SELECT 1 FROM token t WHERE t.app_id = a.id) \
    AND NOT EXISTS (SELECT 1 FROM auth_code c WHERE c.app_id = a.id) \
    ORDER BY a.created_ms LIMIT ?2";
pub(crate) const REMOVE_APP: &str = "DELETE FROM app WHERE id = ?1 AND entered = 0 \
    AND NOT EXISTS (SELECT 1 FROM token WHERE app_id = ?1) \
    AND NOT EXISTS (SELECT 1 FROM auth_code WHERE app_id = ?1)";
const VOTERS: &str = "SELECT DISTINCT v.account_id FROM poll_vote v \
    JOIN account a ON a.id = v.account_id \
    WHERE v.poll_id = ?1 AND v.account_id > ?2 AND a.domain IS NULL \
    ORDER BY v.account_id LIMIT ?3";

const DAY_MS: i64 = 24 * 3_600_000;

fn job_of(row: &Row) -> Stored<Job> {
    Ok(Job {
        id: row.id(0)?,
        kind: JobKind::from_word(row.text(1)?)
            .ok_or_else(|| StoreError::Inconsistent("job.kind".into()))?,
        subject: row.int(2)?,
        attempts: row.int(3)?,
        cursor: row.int(4)?,
    })
}

impl SqlStore {
    /// Claims by one of the statements that do.
    pub(crate) async fn claim(
        &self,
        sql: &'static str,
        now: Timestamp,
        lease_ms: i64,
        limit: u32,
    ) -> Stored<Vec<Job>> {
        let mut batch = Batch::new();
        let place = batch.add(sql, params![now, now.plus_ms(lease_ms), limit]);
        let done = self.db.commit(batch).await.map_err(|e| e.into_store("job"))?;
        let mut jobs: Vec<Job> = done.rows(place).iter().map(job_of).collect::<Stored<_>>()?;
        jobs.sort_unstable_by_key(|job| job.id);
        Ok(jobs)
    }

    /// Commits a step of a claim. `false`: the claim is over, and nothing changed.
    pub(crate) async fn claimed_step(&self, batch: Batch) -> Stored<bool> {
        match self.db.commit(batch).await {
            Ok(_) => Ok(true),
            Err(CommitError::Unmet(_)) => Ok(false),
            Err(other) => Err(other.into_store("job")),
        }
    }
}

#[async_trait]
impl JobStore for SqlStore {
    async fn claim_jobs(&self, now: Timestamp, lease_ms: i64, limit: u32) -> Stored<Vec<Job>> {
        self.claim(CLAIM, now, lease_ms, limit).await
    }

    async fn next_job(&self) -> Stored<Option<Timestamp>> {
        let sql = "SELECT run_ms FROM job WHERE run_ms IS NOT NULL AND kind <> 'mail' \
                   ORDER BY run_ms LIMIT 1";
        let row = self.db.first(sql, params![]).await?;
        row.map(|row| row.int(0).map(Timestamp::from_ms)).transpose()
    }

    async fn postpone_job(&self, job: &Job, until: Option<Timestamp>, why: &str) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(POSTPONE, params![job.id, job.attempts, until, why]);
        self.claimed_step(batch).await
    }

    async fn end_job(&self, job: &Job) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(END, params![job.id, job.attempts]);
        self.claimed_step(batch).await
    }

    async fn voters(&self, poll: PollId, after: i64, limit: u32) -> Stored<Vec<AccountId>> {
        let rows = self.db.query(VOTERS, params![poll, after, limit]).await?;
        rows.iter().map(|row| row.id(0)).collect()
    }

    async fn tell_poll_end(
        &self,
        job: &Job,
        poll: &Poll,
        to: &[AccountId],
        told_until: Option<AccountId>,
        at: Timestamp,
    ) -> Stored<bool> {
        let mut batch = Batch::new();
        match told_until {
            Some(last) => batch.must(COME_SO_FAR, params![job.id, job.attempts, last]),
            None => batch.must(END, params![job.id, job.attempts]),
        };
        let (status, from) = (poll.status, poll.account);
        let told: Vec<(IdSlot, AccountId)> = to.iter().map(|a| (batch.id(), *a)).collect();
        let kind = NotificationKind::Poll;
        for (slot, account) in &told {
            batch.add(NOTIFY, params![*slot, *account, kind.word(), from, status, at]);
        }
        batch.tell(move |done| {
            let note = |(slot, account): (IdSlot, AccountId)| {
                let id = done.id(slot).ok()?;
                let status = Some(status);
                Some(Notification { id, account, kind, from, status, created: at })
            };
            let notifications = told.into_iter().filter_map(note).collect();
            Some(Event::PollEnded { status, notifications })
        });
        self.claimed_step(batch).await
    }

    async fn remove_expired(&self, now: Timestamp, limit: u32) -> Stored<usize> {
        let keys_until = now.plus_ms(-IDEMPOTENCY_HOURS * 3_600_000);
        let revoked_until = now.plus_ms(-REVOKED_TOKEN_DAYS * DAY_MS);
        let arrivals_until = now.plus_ms(-ARRIVAL_DAYS * DAY_MS);
        // A job's id says when it was enqueued.
        let jobs_below = now.plus_ms(-FAILED_JOB_DAYS * DAY_MS).floor_id();
        let mut batch = Batch::new();
        for (sql, until) in [
            (EXPIRED_KEYS, keys_until.ms()),
            (EXPIRED_SESSIONS, now.ms()),
            (EXPIRED_LINKS, now.ms()),
            (EXPIRED_ARRIVALS, arrivals_until.ms()),
            (FAILED_JOBS, jobs_below),
            (REVOKED_TOKENS, revoked_until.ms()),
        ] {
            batch.add(sql, params![until, limit]);
        }
        let gone = self.cleaned(batch).await?;
        Ok(gone + self.remove_idle(now, limit).await?)
    }
}

impl SqlStore {
    /// Removes what serves nobody. It is looked for beforehand, beside the writer: there may be
    /// many that are not to go yet. What has come meanwhile keeps them.
    async fn remove_idle(&self, now: Timestamp, limit: u32) -> Stored<usize> {
        let mut batch = Batch::new();
        let tokens_until = now.plus_ms(-APP_TOKEN_IDLE_DAYS * DAY_MS);
        for row in self.db.query(IDLE_APP_TOKENS, params![tokens_until, limit]).await? {
            batch.add(REMOVE_APP_TOKEN, params![row.int(0)?, tokens_until]);
        }
        let apps_until = now.plus_ms(-APP_IDLE_DAYS * DAY_MS);
        for row in self.db.query(IDLE_APPS, params![apps_until, limit]).await? {
            batch.add(REMOVE_APP, params![row.int(0)?]);
        }
        self.cleaned(batch).await
    }

    /// Commits a deed that removes rows; how many went.
    async fn cleaned(&self, batch: Batch) -> Stored<usize> {
        let statements = batch.statements.len();
        if statements == 0 {
            return Ok(0);
        }
        let done = self.db.commit(batch).await.map_err(|e| e.into_store("expired"))?;
        Ok((0..statements).map(|place| done.changed(place)).sum())
    }
}
