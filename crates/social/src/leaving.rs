//! Members leave, by their own wish or by decision. Nobody meets them from then on; a job removes
//! what they left, in parts small enough that everybody else is served in between, and as often as
//! it takes: each part finds what is still there, so that a kill costs nothing.

use crate::{
    Social, VerbError,
    decide::{Cause, LAST_OWNER},
    limits::{LEAVE_ROWS_AT_ONCE, LEAVE_TURN_MS, LEFT_AT_ONCE, UNCONFIRMED_AT_ONCE},
    media::Darkroom,
};
use model::{
    AccountId, Page, StatusId, StoreError, Visibility,
    decision::Verdict,
    event::Mark,
    job::{Job, JobKind},
    limits::UNCONFIRMED_HOURS,
    ports::{Store, TimelineQuery},
};
use std::sync::Arc;
use tokio::task::JoinSet;

impl Social {
    /// Deletes an account: it is hidden everywhere at once, everything that opens it has ended, and
    /// what it left goes by a job. Its name stays taken. `false`: there is no such member.
    ///
    /// # Errors
    /// `Forbidden` where nobody would own the instance, `Invalid` for a reason that is too long.
    pub async fn delete_account(&self, target: AccountId, cause: Cause) -> Result<bool, VerbError> {
        let decision = self.decision(target, Verdict::Delete, cause)?;
        let done = match self.store.leave(&decision).await {
            Err(StoreError::Conflict("last_owner")) => {
                return Err(VerbError::Forbidden(LAST_OWNER));
            }
            other => other?,
        };
        if done {
            self.jobs_changed.notify_one();
        }
        Ok(done)
    }

    /// Takes away who signed up days ago, never confirmed the address, and has done nothing, a few
    /// of them; how many. Nothing where this place wants no confirmation: they may be here.
    pub(crate) async fn dismiss_unconfirmed(&self) -> Result<usize, VerbError> {
        if !self.confirms_addresses() {
            return Ok(0);
        }
        let now = self.now();
        let before = now.plus_ms(-UNCONFIRMED_HOURS * 3_600_000);
        let mut gone = 0;
        for account in self.store.unconfirmed(before, now, UNCONFIRMED_AT_ONCE).await? {
            gone += usize::from(self.store.leave_unconfirmed(account, before, now).await?);
        }
        if gone > 0 {
            tracing::info!(gone, "accounts went whose address was never confirmed");
            self.jobs_changed.notify_one();
        }
        Ok(gone)
    }

    /// Removes what somebody left, for one turn. `false`: a later claim goes on with it.
    pub(crate) async fn clear_away(&self, room: &Darkroom, job: &Job) -> Result<bool, VerbError> {
        let Some(account) = AccountId::new(job.subject) else {
            return Ok(self.store.end_job(job).await?);
        };
        let turn_ends = self.now().plus_ms(LEAVE_TURN_MS);
        while self.clear_part(room, account).await? {
            if self.now() >= turn_ends {
                let done = self.store.leave_on(job, self.now()).await?;
                self.jobs_changed.notify_one();
                return Ok(done);
            }
        }
        let left = self.store.accounts(&[account]).await?.pop();
        if let Some(account) = left.filter(|left| left.standing.suspended.is_some()) {
            room.discard_files([account.avatar, account.header].into_iter().flatten()).await;
        }
        Ok(match job.kind {
            JobKind::Forget => self.store.forget_account(job, account).await?,
            _ => self.store.left_for_good(job, account).await?,
        })
    }

    /// A part of what is left. `false`: there was nothing.
    async fn clear_part(&self, room: &Darkroom, account: AccountId) -> Result<bool, VerbError> {
        if self.clear_posts(account).await? || self.clear_edges(account).await? {
            return Ok(true);
        }
        if self.store.clear_left(account, LEAVE_ROWS_AT_ONCE).await? > 0 {
            return Ok(true);
        }
        let media = self.store.left_media(account, LEFT_AT_ONCE).await?;
        let mut gone = 0;
        for media in &media {
            gone += usize::from(self.discard(room, media).await?);
        }
        progress(media.len(), gone)
    }

    async fn clear_posts(&self, account: AccountId) -> Result<bool, VerbError> {
        let all = TimelineQuery::Account {
            account,
            visibility_max: Visibility::Direct,
            exclude_replies: false,
            exclude_reblogs: false,
            only_media: false,
            tagged: None,
        };
        let posts = self.store.timeline(&all, Page::newest(LEFT_AT_ONCE)).await?;
        // Side by side, so that they share the disk's next sync.
        let now = self.now();
        let delete = |store: Arc<dyn Store>, id: StatusId| async move {
            store.delete_status(account, id, now).await.map(|gone| gone.is_some())
        };
        let mut deeds = JoinSet::new();
        for id in &posts {
            deeds.spawn(delete(Arc::clone(&self.store), *id));
        }
        let mut gone = 0;
        while let Some(done) = deeds.join_next().await {
            gone += usize::from(done.map_err(|_| VerbError::Busy)??);
        }
        progress(posts.len(), gone)
    }

    /// Follows both ways, and favourites: what others' counters count.
    async fn clear_edges(&self, account: AccountId) -> Result<bool, VerbError> {
        let page = Page::newest(LEFT_AT_ONCE);
        let (followers, following) = (
            self.store.followers(account, page).await?,
            self.store.following(account, page).await?,
        );
        let favourites = self.store.marked(account, Mark::Favourite, page).await?;
        for edge in &followers {
            self.store.unfollow(edge.account, account).await?;
        }
        for edge in &following {
            self.store.unfollow(account, edge.account).await?;
        }
        let mut unmarked = 0;
        for (_, status) in &favourites {
            let (mark, now) = (Mark::Favourite, self.now());
            let done = self.store.mark(account, *status, mark, false, None, now).await?;
            unmarked += usize::from(done);
        }
        let edges = followers.len() + following.len();
        progress(edges + favourites.len(), edges + unmarked)
    }
}

/// Whether there was something; a part of which nothing could be removed would come for ever.
fn progress(found: usize, gone: usize) -> Result<bool, VerbError> {
    if found > 0 && gone == 0 {
        let what = "what a member left cannot be removed".to_owned();
        return Err(VerbError::Store(StoreError::Inconsistent(what)));
    }
    Ok(found > 0)
}
