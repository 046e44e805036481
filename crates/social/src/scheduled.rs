//! Scheduling a post: it is checked as if it were posted now, kept as a draft, and published by a
//! job when its hour has come, with the rules and preferences of that hour.

use crate::{
    Social, StatusView, VerbError,
    post::{Draft, PollDraft, attached},
};
use model::{
    AccountId, Page, ScheduledId, StoreError, Timestamp, Visibility,
    job::Job,
    limits::{SCHEDULED_AHEAD_S, SCHEDULED_DAILY, SCHEDULED_TOTAL},
    media::Media,
    scheduled::{NewScheduled, Scheduled},
};
use serde_json::{Value, json};

/// A scheduled post, ready to be shown.
#[derive(Clone, Debug)]
pub struct ScheduledView {
    /// Its id.
    pub id: ScheduledId,
    /// When it is to be posted.
    pub at: Timestamp,
    /// What is to be posted.
    pub draft: Draft,
    /// Its media.
    pub media: Vec<Media>,
}

/// What became of a draft.
#[derive(Clone, Debug)]
pub enum Posted {
    /// A post.
    Now(StatusView),
    /// A scheduled post.
    Later(ScheduledView),
}

fn written(draft: &Draft) -> String {
    let poll = draft.poll.as_ref().map(|poll| {
        json!({ "options": poll.options, "expires_in_s": poll.expires_in_s,
            "multiple": poll.multiple, "hide_totals": poll.hide_totals })
    });
    json!({
        "text": draft.text,
        "spoiler": draft.spoiler,
        "sensitive": draft.sensitive,
        "visibility": draft.visibility.map(Visibility::word),
        "language": draft.language,
        "in_reply_to": draft.in_reply_to.map(model::StatusId::get),
        "app": draft.app.map(model::AppId::get),
        "idempotency_key": draft.idempotency_key,
        "poll": poll,
    })
    .to_string()
}

/// The draft as it was written; `None` where that cannot be read.
fn read(scheduled: &Scheduled) -> Option<Draft> {
    let kept: Value = serde_json::from_str(&scheduled.draft).ok()?;
    let text = |name: &str| kept.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| kept.get(name).and_then(Value::as_i64);
    let poll = match kept.get("poll") {
        None | Some(Value::Null) => None,
        Some(poll) => {
            let options = poll.get("options")?.as_array()?.iter();
            let options: Option<Vec<String>> =
                options.map(|o| o.as_str().map(str::to_owned)).collect();
            Some(PollDraft {
                options: options?,
                expires_in_s: poll.get("expires_in_s")?.as_i64()?,
                multiple: poll.get("multiple")?.as_bool()?,
                hide_totals: poll.get("hide_totals")?.as_bool()?,
            })
        }
    };
    Some(Draft {
        text: text("text")?,
        spoiler: text("spoiler")?,
        sensitive: kept.get("sensitive").and_then(Value::as_bool),
        visibility: text("visibility").as_deref().and_then(Visibility::from_word),
        language: text("language"),
        in_reply_to: number("in_reply_to").and_then(model::StatusId::new),
        media: scheduled.media.clone(),
        described: vec![],
        poll,
        idempotency_key: text("idempotency_key"),
        app: number("app").and_then(model::AppId::new),
    })
}

/// Limits as Mastodon words them.
fn refused(error: StoreError) -> VerbError {
    let why = match error {
        StoreError::Conflict("scheduled_total") => {
            format!("You have exceeded the limit of {SCHEDULED_TOTAL} scheduled posts")
        }
        StoreError::Conflict("scheduled_daily") => {
            format!("You have exceeded the limit of {SCHEDULED_DAILY} scheduled posts for today")
        }
        other => return attached(other),
    };
    VerbError::Invalid(why)
}

impl Social {
    fn check_ahead(&self, at: Timestamp) -> Result<(), VerbError> {
        if at.since_ms(self.now()) < SCHEDULED_AHEAD_S * 1_000 {
            let why = "Scheduled at The scheduled date must be in the future";
            return Err(VerbError::Invalid(why.into()));
        }
        Ok(())
    }

    async fn scheduled_view(&self, scheduled: &Scheduled) -> Result<ScheduledView, VerbError> {
        let unreadable = || StoreError::Inconsistent("scheduled.draft".into());
        let draft = read(scheduled).ok_or_else(unreadable)?;
        let found = self.store.media(&scheduled.media).await?;
        let media = scheduled.media.iter();
        let media = media.filter_map(|id| found.iter().find(|m| m.id == *id).cloned()).collect();
        Ok(ScheduledView { id: scheduled.id, at: scheduled.at, draft, media })
    }

    /// Posts, or schedules what is to be posted at another time; a time that has passed is now.
    ///
    /// # Errors
    /// As of posting, and as of scheduling.
    pub async fn post_at(
        &self,
        author: AccountId,
        draft: Draft,
        at: Option<Timestamp>,
    ) -> Result<Posted, VerbError> {
        Ok(match at.filter(|at| *at > self.now()) {
            Some(at) => Posted::Later(self.schedule(author, draft, at).await?),
            None => Posted::Now(self.post(author, draft).await?),
        })
    }

    /// Schedules a post.
    ///
    /// # Errors
    /// `Invalid` where the hour is too near, a limit is met, or the post could not be posted now.
    pub async fn schedule(
        &self,
        author: AccountId,
        draft: Draft,
        at: Timestamp,
    ) -> Result<ScheduledView, VerbError> {
        self.check_ahead(at)?;
        let draft = draft.settled();
        self.check_draft(&draft)?;
        self.check_media(author, &draft.media).await?;
        if let Some(id) = draft.in_reply_to {
            self.status(Some(author), id).await?;
        }
        let new = NewScheduled {
            account: author,
            at,
            draft: written(&draft),
            media: draft.media.clone(),
            idempotency_key: draft.idempotency_key,
            created: self.now(),
        };
        let kept = self.store.schedule(&new).await.map_err(refused)?;
        self.jobs_changed.notify_one();
        self.scheduled_view(&kept).await
    }

    /// One's own scheduled post.
    ///
    /// # Errors
    /// `NotFound`, also for another's.
    pub async fn own_scheduled(
        &self,
        account: AccountId,
        id: ScheduledId,
    ) -> Result<ScheduledView, VerbError> {
        let found = self.store.scheduled(id).await?.filter(|s| s.account == account);
        self.scheduled_view(&found.ok_or(VerbError::NotFound)?).await
    }

    /// One's own scheduled posts, newest first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn scheduled(
        &self,
        account: AccountId,
        page: Page,
    ) -> Result<Vec<ScheduledView>, VerbError> {
        let mut views = Vec::new();
        for scheduled in self.store.scheduled_of(account, page).await? {
            views.push(self.scheduled_view(&scheduled).await?);
        }
        Ok(views)
    }

    /// Moves one's own scheduled post to another time.
    ///
    /// # Errors
    /// `NotFound`, also for another's; `Invalid` where the hour is too near or the day is full.
    pub async fn reschedule(
        &self,
        account: AccountId,
        id: ScheduledId,
        at: Timestamp,
    ) -> Result<ScheduledView, VerbError> {
        self.own_scheduled(account, id).await?;
        self.check_ahead(at)?;
        if !self.store.reschedule(account, id, at).await.map_err(refused)? {
            return Err(VerbError::NotFound);
        }
        self.jobs_changed.notify_one();
        self.own_scheduled(account, id).await
    }

    /// Takes one's own scheduled post back.
    ///
    /// # Errors
    /// `NotFound`, also for another's.
    pub async fn unschedule(&self, account: AccountId, id: ScheduledId) -> Result<(), VerbError> {
        let gone = self.store.unschedule(account, id, self.now()).await?;
        if gone { Ok(()) } else { Err(VerbError::NotFound) }
    }

    /// Publishes a scheduled post. What refuses it now (its author was suspended, what it answers
    /// is gone) gives the job up; the post stays among the scheduled ones, where its author finds
    /// it.
    pub(crate) async fn publish(&self, job: &Job) -> Result<bool, VerbError> {
        let found = match ScheduledId::new(job.subject) {
            Some(id) => self.store.scheduled(id).await?,
            None => None,
        };
        let Some(scheduled) = found else { return Ok(self.store.end_job(job).await?) };
        if scheduled.at > self.now() {
            return Ok(self.store.postpone_job(job, Some(scheduled.at), "").await?);
        }
        let author = scheduled.account;
        let accounts = self.store.accounts(&[author]).await?;
        if accounts.iter().all(|a| a.standing.suspended.is_some()) {
            return Err(VerbError::Forbidden("The author is suspended or gone"));
        }
        let draft = self.scheduled_view(&scheduled).await?.draft;
        let new = self.composed(author, Draft { idempotency_key: None, ..draft }).await?;
        let has_poll = new.poll.is_some();
        let published = self.store.publish_scheduled(job, new).await.map_err(attached)?;
        if has_poll {
            self.jobs_changed.notify_one();
        }
        Ok(published.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_read_as_it_was_written() {
        let full = Draft {
            text: "tea?\n\"yes\"".into(),
            spoiler: "hot".into(),
            sensitive: Some(true),
            visibility: Some(Visibility::Followers),
            language: Some("de".into()),
            in_reply_to: model::StatusId::new(i64::MAX),
            media: vec![model::MediaId::new(7).expect("an id")],
            described: vec![],
            poll: Some(PollDraft {
                options: vec!["a".into(), "b".into()],
                expires_in_s: 300,
                multiple: true,
                hide_totals: false,
            }),
            idempotency_key: Some("k".into()),
            app: model::AppId::new(3),
        };
        for draft in [full, Draft::default()] {
            let kept = Scheduled {
                id: ScheduledId::new(1).expect("an id"),
                account: AccountId::new(1).expect("an id"),
                at: Timestamp::from_ms(0),
                draft: written(&draft),
                media: draft.media.clone(),
            };
            assert_eq!(read(&kept), Some(draft));
        }
    }
}
