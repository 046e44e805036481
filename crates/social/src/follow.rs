//! Following, blocking, muting: who stands how to whom.

use crate::{Social, VerbError, limits::ADMITTED_AT_ONCE};
use model::{
    AccountId, Page,
    job::Job,
    limits::FOLLOWS_PER_ACCOUNT,
    relation::{FollowOptions, MuteOptions, Relationship},
};

/// What somebody wants of whom they follow; what is left out stays as it is, or is as usual for a
/// new follow.
#[derive(Clone, Debug, Default)]
pub struct FollowWish {
    /// Reblogs enter the home timeline.
    pub reblogs: Option<bool>,
    /// New posts notify.
    pub notify: Option<bool>,
    /// Only these languages (ISO 639).
    pub languages: Option<Vec<String>>,
}

impl FollowWish {
    fn on(self, had: FollowOptions) -> FollowOptions {
        FollowOptions {
            reblogs: self.reblogs.unwrap_or(had.reblogs),
            notify: self.notify.unwrap_or(had.notify),
            languages: self.languages.unwrap_or(had.languages),
        }
    }
}

impl Social {
    /// How the viewer stands to one account.
    pub async fn relationship(
        &self,
        viewer: AccountId,
        other: AccountId,
    ) -> Result<Relationship, VerbError> {
        self.relationships(viewer, &[other]).await?.pop().ok_or(VerbError::NotFound)
    }

    /// How the viewer stands to these, in the order asked.
    pub async fn relationships(
        &self,
        viewer: AccountId,
        others: &[AccountId],
    ) -> Result<Vec<Relationship>, VerbError> {
        let now = self.now();
        let found = self.store.relationships(viewer, others).await?;
        Ok(found.into_iter().map(|relationship| relationship.at(now)).collect())
    }

    /// Follows, or asks to where the account is locked, or changes how one follows.
    pub async fn follow(
        &self,
        account: AccountId,
        target: AccountId,
        wish: FollowWish,
    ) -> Result<Relationship, VerbError> {
        let other = self.account(target).await?;
        if account == target {
            return Err(VerbError::Forbidden("You cannot follow yourself"));
        }
        let standing = self.relationship(account, target).await?;
        if standing.blocking || standing.blocked_by {
            return Err(VerbError::Forbidden("This action is not allowed"));
        }
        if standing.following.is_none() {
            let most = i64::try_from(FOLLOWS_PER_ACCOUNT).unwrap_or(i64::MAX);
            let own = self.account(account).await?;
            if own.counts.following >= most {
                return Err(VerbError::Invalid("You follow as many people as is allowed".into()));
            }
        }
        let had = standing.following.clone().or(standing.requested);
        let options = wish.on(had.unwrap_or_default());
        let now = self.now();
        if other.account.locked && standing.following.is_none() {
            self.store.request_follow(account, target, &options, now).await?;
        } else {
            self.store.follow(account, target, &options, now).await?;
        }
        self.relationship(account, target).await
    }

    /// Ends one's follow or request.
    pub async fn unfollow(
        &self,
        account: AccountId,
        target: AccountId,
    ) -> Result<Relationship, VerbError> {
        let standing = self.relationship(account, target).await?;
        if standing.following.is_some() || standing.requested.is_some() {
            self.store.unfollow(account, target).await?;
        }
        self.relationship(account, target).await
    }

    /// Ends somebody's follow of oneself.
    pub async fn remove_follower(
        &self,
        account: AccountId,
        follower: AccountId,
    ) -> Result<Relationship, VerbError> {
        if self.relationship(account, follower).await?.followed_by {
            self.store.unfollow(follower, account).await?;
        }
        self.relationship(account, follower).await
    }

    /// Answers somebody's request.
    pub async fn answer_request(
        &self,
        account: AccountId,
        asker: AccountId,
        accept: bool,
    ) -> Result<Relationship, VerbError> {
        if !self.store.answer_request(asker, account, accept, self.now()).await? {
            return Err(VerbError::NotFound);
        }
        self.relationship(account, asker).await
    }

    /// Lets those follow who asked while the account was locked; which it is no more.
    pub(crate) async fn admit_all(&self, job: &Job) -> Result<bool, VerbError> {
        let account = AccountId::new(job.subject);
        let found = self.store.accounts(account.as_slice()).await?.pop();
        let Some(account) = found.filter(|a| a.is_local() && !a.locked) else {
            return Ok(self.store.end_job(job).await?);
        };
        let asking = self.store.requests_for(account.id, Page::newest(ADMITTED_AT_ONCE)).await?;
        let more = asking.len() >= usize::try_from(ADMITTED_AT_ONCE).unwrap_or(usize::MAX);
        for edge in asking {
            // `false`: they took the request back, or it was answered meanwhile.
            self.store.answer_request(edge.account, account.id, true, self.now()).await?;
        }
        if more {
            // A fresh job: to have much to do is no failure, and uses up none that are allowed.
            return Ok(self.store.leave_on(job, self.now()).await?);
        }
        Ok(self.store.end_job(job).await?)
    }

    /// Blocks or unblocks.
    pub async fn block(
        &self,
        account: AccountId,
        target: AccountId,
        on: bool,
    ) -> Result<Relationship, VerbError> {
        if account == target {
            return Err(VerbError::Forbidden("You cannot block yourself"));
        }
        self.relationship(account, target).await?;
        if on {
            self.store.block(account, target, self.now()).await?;
        } else {
            self.store.unblock(account, target).await?;
        }
        self.relationship(account, target).await
    }

    /// Mutes (with options) or unmutes.
    pub async fn mute(
        &self,
        account: AccountId,
        target: AccountId,
        options: Option<MuteOptions>,
    ) -> Result<Relationship, VerbError> {
        if account == target {
            return Err(VerbError::Forbidden("You cannot mute yourself"));
        }
        self.relationship(account, target).await?;
        match options {
            Some(options) => self.store.mute(account, target, options, self.now()).await?,
            None => self.store.unmute(account, target).await?,
        }
        self.relationship(account, target).await
    }
}
