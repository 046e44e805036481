//! Doing what waits for its hour. A job is claimed, done and ended; its effect and its end are one
//! deed, so that it happens once however often a node is killed over it, and whichever node it is.

use crate::{
    Social, VerbError,
    limits::{
        EXPIRED_AT_ONCE, JOB_ERROR_CHARACTERS_MAX, JOB_LEASE_MS, JOBS_AT_ONCE, UNCONFIRMED_AT_ONCE,
        VOTERS_AT_ONCE,
    },
    media::Darkroom,
};
use model::{
    PollId, Timestamp,
    job::{Job, JobKind},
    notification::NotificationKind,
};

impl Social {
    /// Does the jobs whose hour has come, a few of them. Returns when to come again: the time of
    /// the next job, which may have passed already; `None` where nothing waits. Files that a job
    /// removes are in `room`.
    ///
    /// # Errors
    /// When the store cannot be asked. What was claimed is claimed again later.
    pub async fn run_due_jobs(&self, room: &Darkroom) -> Result<Option<Timestamp>, VerbError> {
        for job in self.store.claim_jobs(self.now(), JOB_LEASE_MS, JOBS_AT_ONCE).await? {
            let done = match job.kind {
                JobKind::PollEnd => self.end_poll(&job).await,
                JobKind::Publish => self.publish(&job).await,
                JobKind::Leave | JobKind::Forget => self.clear_away(room, &job).await,
                JobKind::Admit => self.admit_all(&job).await,
                // Claimed apart, by `run_due_mail`.
                JobKind::Mail => continue,
            };
            match done {
                Ok(true) => {}
                Ok(false) => tracing::info!(job = job.id.get(), "a job went to a later claim"),
                Err(error) => self.put_off(&job, &error).await?,
            }
        }
        Ok(self.store.next_job().await?)
    }

    /// Waits until a job may have become due earlier than was known.
    pub async fn jobs_changed(&self) {
        self.jobs_changed.notified().await;
    }

    /// Removes what has expired, a bounded part of it, accounts included whose address was never
    /// confirmed; how much went. `true`: there may be more.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn remove_expired(&self) -> Result<(usize, bool), VerbError> {
        let gone = self.store.remove_expired(self.now(), EXPIRED_AT_ONCE).await?;
        let accounts = self.dismiss_unconfirmed().await?;
        let is_full = |number: usize, most: u32| usize::try_from(most).is_ok_and(|m| number >= m);
        let more = is_full(gone, EXPIRED_AT_ONCE) || is_full(accounts, UNCONFIRMED_AT_ONCE);
        Ok((gone + accounts, more))
    }

    /// After a failure: another try later where that may help, else none.
    async fn put_off(&self, job: &Job, error: &VerbError) -> Result<(), VerbError> {
        let may_help = matches!(error, VerbError::Store(_) | VerbError::Busy);
        let wait = job.retry_after_ms().filter(|_| may_help);
        let why: String = error.to_string().chars().take(JOB_ERROR_CHARACTERS_MAX).collect();
        let (id, kind) = (job.id.get(), job.kind.word());
        match wait {
            Some(wait_ms) => tracing::warn!(job = id, kind, why, wait_ms, "a job is put off"),
            None => tracing::error!(job = id, kind, why, "a job is given up"),
        }
        let until = wait.map(|wait| self.now().plus_ms(wait));
        self.store.postpone_job(job, until, &why).await?;
        Ok(())
    }

    /// Tells author and voters that a poll has ended: the author first, then the voters by their
    /// ids, so that a claim which takes over knows who was told.
    async fn end_poll(&self, job: &Job) -> Result<bool, VerbError> {
        let found = match PollId::new(job.subject) {
            Some(id) => self.store.polls(&[id]).await?.pop(),
            None => None,
        };
        // Deleted with its post, or replaced by an edit, which enqueued a job of its own.
        let Some(poll) = found else { return Ok(self.store.end_job(job).await?) };
        let now = self.now();
        if let Some(expires) = poll.expires.filter(|at| *at > now) {
            return Ok(self.store.postpone_job(job, Some(expires), "").await?);
        }
        let mut cursor = job.cursor;
        loop {
            let voters = self.store.voters(poll.id, cursor, VOTERS_AT_ONCE).await?;
            let is_last = voters.len() < usize::try_from(VOTERS_AT_ONCE).unwrap_or(usize::MAX);
            let told_until = voters.last().copied().filter(|_| !is_last);
            let told = self.told(poll.account, NotificationKind::Poll, &voters, None).await?;
            let mut told: Vec<_> = told.into_iter().map(|(account, _)| account).collect();
            if cursor == 0 && self.is_local(poll.account).await? {
                told.insert(0, poll.account);
            }
            if !self.store.tell_poll_end(job, &poll, &told, told_until, now).await? {
                return Ok(false);
            }
            match told_until {
                Some(last) => cursor = last.get(),
                None => return Ok(true),
            }
        }
    }

    async fn is_local(&self, account: model::AccountId) -> Result<bool, VerbError> {
        Ok(self.store.accounts(&[account]).await?.iter().any(model::Account::is_local))
    }
}
