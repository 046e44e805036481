//! Who is told of what: gathers what the rule needs to know of everybody at once, and asks it.

use crate::{Social, VerbError, limits::NOTIFIED_MAX};
use model::{
    AccountId, ConversationId,
    entrance::{Notice, notifies, tells_followers},
    notification::NotificationKind,
    status::{NewStatus, StatusEdit},
};
use std::sync::Arc;

/// Somebody to be told, and why.
pub(crate) type Told = (AccountId, NotificationKind);

fn most() -> u32 {
    u32::try_from(NOTIFIED_MAX).unwrap_or(u32::MAX)
}

impl Social {
    /// Who of these local accounts is told of what somebody does, in a thread or outside of any;
    /// at most [`NOTIFIED_MAX`].
    pub(crate) async fn told(
        &self,
        from: AccountId,
        kind: NotificationKind,
        candidates: &[AccountId],
        conversation: Option<ConversationId>,
    ) -> Result<Vec<Told>, VerbError> {
        let candidates = candidates.get(..NOTIFIED_MAX).unwrap_or(candidates);
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let author = self.accounts(&[from]).await?.pop().ok_or(VerbError::NotFound)?;
        let standing = author.account.standing;
        let now = self.now();
        let facts = self.store.notice_facts(from, candidates, conversation, now).await?;
        let is_told = |account: &AccountId| {
            let known = facts.iter().find(|(id, _)| id == account);
            let known = known.map(|(_, facts)| *facts).unwrap_or_default();
            notifies(&Notice {
                kind,
                from_self: *account == from,
                blocked: known.blocked,
                muted: known.muted,
                thread_muted: known.thread_muted,
                silenced: standing.silenced.is_some(),
                suspended: standing.suspended.is_some(),
                follows: known.follows,
            })
        };
        Ok(candidates.iter().copied().filter(is_told).map(|account| (account, kind)).collect())
    }

    /// Followers who asked to be told of somebody's posts, from memory where they were asked for
    /// before.
    async fn watchers(&self, author: AccountId) -> Result<Arc<Vec<AccountId>>, VerbError> {
        if let Some(known) = self.hub.watchers.get(&author) {
            return Ok(known);
        }
        let ticket = self.hub.watchers.ticket();
        let found = Arc::new(self.store.notified_followers(author, most()).await?);
        self.hub.watchers.put(&ticket, author, Arc::clone(&found));
        Ok(found)
    }

    /// Who is told of a new post: those it mentions, and followers who asked for it.
    pub(crate) async fn told_of_post(
        &self,
        new: &NewStatus,
        local: &[AccountId],
    ) -> Result<Vec<Told>, VerbError> {
        let (author, thread) = (new.account, new.in_reply_to.map(|(_, thread)| thread));
        let mut told = self.told(author, NotificationKind::Mention, local, thread).await?;
        let answers_other = new.in_reply_to.is_some_and(|(to, _)| to.account != author);
        if tells_followers(new.visibility, new.reblog_of.is_some(), answers_other) {
            let watchers = self.watchers(author).await?;
            let mut followers: Vec<AccountId> =
                watchers.iter().copied().filter(|follower| !local.contains(follower)).collect();
            followers.truncate(NOTIFIED_MAX.saturating_sub(told.len()));
            told.extend(self.told(author, NotificationKind::Status, &followers, thread).await?);
        }
        Ok(told)
    }

    /// Who is told of an edit: those it newly mentions, and those who reblogged the post.
    pub(crate) async fn told_of_edit(
        &self,
        old: &model::Status,
        edit: &StatusEdit,
        local: &[AccountId],
    ) -> Result<Vec<Told>, VerbError> {
        let (author, thread) = (old.account, Some(old.conversation));
        let is_new = |account: &AccountId| !old.mentions.contains(account);
        let newly: Vec<AccountId> = local.iter().copied().filter(is_new).collect();
        let mut told = self.told(author, NotificationKind::Mention, &newly, thread).await?;
        let mut rebloggers = self.store.local_rebloggers(edit.id, most()).await?;
        rebloggers.retain(|account| !newly.contains(account));
        rebloggers.truncate(NOTIFIED_MAX.saturating_sub(told.len()));
        told.extend(self.told(author, NotificationKind::Update, &rebloggers, thread).await?);
        Ok(told)
    }
}
