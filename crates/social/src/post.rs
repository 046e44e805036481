//! Posting and what one does with a post: reword, delete, reblog, mark, vote.

use crate::{Social, StatusView, VerbError, view::StatusEntry};
use model::{
    AccountId, AppId, ConversationId, MediaId, StatusId, Visibility,
    event::Mark,
    limits::{
        MEDIA_PER_STATUS, POLL_OPTION_CHARACTERS, POLL_OPTIONS_MAX, POLL_SECONDS_MAX,
        POLL_SECONDS_MIN,
    },
    media::{MediaState, MediaWords},
    member::Preferences,
    notification::NotificationKind,
    poll::NewPoll,
    sight::{may_reblog, may_reply},
    status::{Marks, NewStatus, ReblogOf, ReplyTo, StatusEdit},
    text::{self, Text},
};
use smallvec::SmallVec;
use std::sync::Arc;

/// A poll as asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PollDraft {
    /// Choices.
    pub options: Vec<String>,
    /// How long it runs, seconds.
    pub expires_in_s: i64,
    /// Several choices allowed.
    pub multiple: bool,
    /// Numbers hidden until the end.
    pub hide_totals: bool,
}

/// A post as asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Draft {
    /// Text.
    pub text: String,
    /// Content warning.
    pub spoiler: String,
    /// Hide media; `None` for the author's usual.
    pub sensitive: Option<bool>,
    /// `None` for the author's usual.
    pub visibility: Option<Visibility>,
    /// ISO 639; guessed when absent.
    pub language: Option<String>,
    /// What it answers.
    pub in_reply_to: Option<StatusId>,
    /// Media uploaded before.
    pub media: Vec<MediaId>,
    /// What an edit says anew of some of them.
    pub described: Vec<MediaWords>,
    /// Its poll.
    pub poll: Option<PollDraft>,
    /// The client's key against posting twice.
    pub idempotency_key: Option<String>,
    /// The app used.
    pub app: Option<AppId>,
}

impl Draft {
    /// As it is meant: a warning without a text is the text, and still veils what is attached.
    pub(crate) fn settled(mut self) -> Self {
        if self.text.trim().is_empty() && !self.spoiler.trim().is_empty() {
            self.text = std::mem::take(&mut self.spoiler);
            self.sensitive = Some(true);
        }
        self.language = self.language.as_deref().and_then(model::language::meant);
        self
    }
}

/// What a draft's text says, once the names in it are known.
struct Worded {
    mentions: SmallVec<[AccountId; 4]>,
    local: Vec<AccountId>,
    tags: Vec<String>,
    language: Option<String>,
}

/// An attachment that another post carries is the author's mistake, not a race.
pub(crate) fn attached(error: model::StoreError) -> VerbError {
    match error {
        model::StoreError::Conflict("media") => {
            VerbError::Invalid("Media is attached to another post".into())
        }
        other => other.into(),
    }
}

impl Social {
    /// Refuses what nobody may post; the text of what one may.
    pub(crate) fn check_draft<'a>(&self, draft: &'a Draft) -> Result<Text<'a>, VerbError> {
        let refuse = |text: String| Err(VerbError::Invalid(text));
        let most = self.settings.status_characters;
        let spoiler = text::parse(&draft.spoiler);
        let left = most.checked_sub(spoiler.length()).filter(|_| spoiler.fits(most).is_ok());
        let parsed = text::parse(&draft.text);
        match left.map(|left| parsed.fits(left)) {
            Some(Ok(())) => {}
            None | Some(Err(text::TextError::TooLong { .. })) => {
                return refuse(format!("Text character limit of {most} exceeded"));
            }
            Some(Err(other)) => return refuse(other.to_string()),
        }
        if draft.text.trim().is_empty() && draft.media.is_empty() && draft.poll.is_none() {
            return refuse("Text can't be blank".into());
        }
        if draft.media.len() > MEDIA_PER_STATUS {
            return refuse("Cannot attach more than 4 files".into());
        }
        draft.poll.as_ref().map_or(Ok(()), check_poll)?;
        Ok(parsed)
    }

    /// What a text says, its names looked up.
    async fn word(
        &self,
        author: AccountId,
        draft: &Draft,
        parsed: &Text<'_>,
    ) -> Result<Worded, VerbError> {
        let (mut mentions, mut local) = (SmallVec::new(), Vec::new());
        for handle in parsed.mentions() {
            let handle = match &self.settings.domain {
                Some(home) => handle.clone().seen_from(home),
                None => handle.clone(),
            };
            let domain = handle.domain.as_deref();
            let found = self.store.account_by_handle(&handle.username, domain).await?;
            let Some(account) = found.filter(|a| a.standing.suspended.is_none()) else { continue };
            if mentions.contains(&account.id) {
                continue;
            }
            mentions.push(account.id);
            if account.is_local() && account.id != author {
                local.push(account.id);
            }
        }
        let language = match &draft.language {
            Some(language) => Some(language.clone()),
            // What its author always writes in goes before what a guess says.
            None => {
                let usual = self.preferences(author).await?.language.clone();
                usual.or_else(|| model::language::guess(&draft.text).map(str::to_owned))
            }
        };
        Ok(Worded { mentions, local, tags: parsed.tags(), language })
    }

    /// Attachments are the author's own and have been processed. Whether another post carries one
    /// already is for the store to say, in the deed.
    pub(crate) async fn check_media(
        &self,
        author: AccountId,
        ids: &[MediaId],
    ) -> Result<(), VerbError> {
        if ids.is_empty() {
            return Ok(());
        }
        let found = self.store.media(ids).await?;
        for id in ids {
            let Some(media) = found.iter().find(|m| m.id == *id && m.account == author) else {
                return Err(VerbError::Invalid(format!("Media {id} is not yours or not there")));
            };
            if media.state != MediaState::Ready {
                let why = "Cannot attach files that have not finished processing";
                return Err(VerbError::Invalid(why.into()));
            }
        }
        Ok(())
    }

    /// What a reply answers, if its author may.
    async fn answered(
        &self,
        author: AccountId,
        id: StatusId,
    ) -> Result<(ReplyTo, ConversationId), VerbError> {
        // Whoever answers a reblog answers what it repeats.
        let to = self.status(Some(author), id).await?.original();
        if !may_reply(&to.sight(Some(author))) {
            return Err(VerbError::NotFound);
        }
        let status = &to.entry.status;
        // Whoever goes on after answering somebody still answers them.
        let went_on = status.in_reply_to.filter(|_| status.account == author);
        let account = went_on.map_or(status.account, |to| to.account);
        Ok((ReplyTo { status: Some(status.id), account }, status.conversation))
    }

    /// What is to be stored for a draft, once the rules have passed it.
    pub(crate) async fn composed(
        &self,
        author: AccountId,
        draft: Draft,
    ) -> Result<NewStatus, VerbError> {
        let draft = draft.settled();
        let parsed = self.check_draft(&draft)?;
        self.check_media(author, &draft.media).await?;
        let now = self.now();
        let worded = self.word(author, &draft, &parsed).await?;
        drop(parsed);
        let in_reply_to = match draft.in_reply_to {
            None => None,
            Some(id) => Some(self.answered(author, id).await?),
        };
        let usual = match (draft.visibility, draft.sensitive) {
            (Some(_), Some(_)) => Arc::default(),
            _ => self.preferences(author).await?,
        };
        let mut new = NewStatus {
            account: author,
            uri: None,
            created: now,
            visibility: draft.visibility.unwrap_or(usual.visibility),
            sensitive: draft.sensitive.unwrap_or(usual.sensitive) || !draft.spoiler.is_empty(),
            spoiler: draft.spoiler,
            text: draft.text,
            language: worded.language,
            in_reply_to,
            reblog_of: None,
            app: draft.app,
            media: draft.media.into(),
            mentions: worded.mentions,
            tags: worded.tags,
            poll: draft.poll.map(|poll| new_poll(poll, now)),
            idempotency_key: draft.idempotency_key,
            notify: Vec::new(),
        };
        new.notify = self.told_of_post(&new, &worded.local).await?;
        Ok(new)
    }

    /// Posts.
    pub async fn post(&self, author: AccountId, draft: Draft) -> Result<StatusView, VerbError> {
        let new = self.composed(author, draft).await?;
        let has_poll = new.poll.is_some();
        if let Some(app) = new.app {
            // Remembered, so that the post is whole when the hub hears of it.
            self.app(app).await?;
        }
        let (status, is_new) = self.store.create_status(new).await.map_err(attached)?;
        if has_poll {
            self.jobs_changed.notify_one();
        }
        if !is_new || status.in_reply_to.is_some() {
            return self.status(Some(author), status.id).await;
        }
        // Nobody can have marked it yet, and its author sees it: the store need not be asked.
        let mut view = self.gather(&[status.id]).await?.pop().ok_or(VerbError::NotFound)?;
        view.marks = Some(Marks::default());
        view.is_own = true;
        Ok(view)
    }

    /// What a member composes with unless they say otherwise.
    async fn preferences(&self, account: AccountId) -> Result<Arc<Preferences>, VerbError> {
        if let Some(known) = self.hub.preferences.get(&account) {
            return Ok(known);
        }
        let ticket = self.hub.preferences.ticket();
        let member = self.store.member(account).await?;
        let found = Arc::new(member.map(|m| m.preferences).unwrap_or_default());
        self.hub.preferences.put(&ticket, account, Arc::clone(&found));
        Ok(found)
    }

    /// Rewords one's own post.
    pub async fn reword(
        &self,
        author: AccountId,
        id: StatusId,
        draft: Draft,
    ) -> Result<StatusView, VerbError> {
        let old = self.own(author, id).await?;
        if old.reblog.is_some() {
            return Err(VerbError::Invalid("A boost has no words to edit".into()));
        }
        let draft = draft.settled();
        let parsed = self.check_draft(&draft)?;
        self.check_media(author, &draft.media).await?;
        let now = self.now();
        let worded = self.word(author, &draft, &parsed).await?;
        drop(parsed);
        let status = &old.entry.status;
        let mut edit = StatusEdit {
            id,
            edited: now,
            sensitive: draft.sensitive.unwrap_or(false) || !draft.spoiler.is_empty(),
            spoiler: draft.spoiler,
            text: draft.text,
            language: draft.language.or_else(|| status.language.clone()).or(worded.language),
            described: crate::media::said_anew(draft.described, &draft.media)?,
            media: draft.media.into(),
            mentions: worded.mentions,
            tags: worded.tags,
            poll: draft.poll.map(|poll| new_poll(poll, now)),
            same_wording: false,
            notify: Vec::new(),
        };
        edit.same_wording = is_same_wording(&old.entry, &edit);
        if edit.same_wording && edit.poll.is_none() {
            return Ok(old);
        }
        if !edit.same_wording {
            edit.notify = self.told_of_edit(status, &edit, &worded.local).await?;
        }
        self.store.edit_status(edit).await.map_err(attached)?.ok_or(VerbError::NotFound)?;
        self.status(Some(author), id).await
    }

    /// One's own post.
    pub async fn own(&self, author: AccountId, id: StatusId) -> Result<StatusView, VerbError> {
        let view = self.status(Some(author), id).await?;
        if view.entry.status.account == author { Ok(view) } else { Err(VerbError::NotFound) }
    }

    /// Deletes one's own post; returns it as it was.
    pub async fn delete(&self, author: AccountId, id: StatusId) -> Result<StatusView, VerbError> {
        let view = self.own(author, id).await?;
        self.store.delete_status(author, id, self.now()).await?.ok_or(VerbError::NotFound)?;
        Ok(view)
    }

    /// Reblogs; a second time gives the first reblog back.
    pub async fn reblog(
        &self,
        account: AccountId,
        id: StatusId,
        visibility: Option<Visibility>,
    ) -> Result<StatusView, VerbError> {
        if visibility == Some(Visibility::Direct) {
            return Err(VerbError::Invalid("A boost cannot be direct".into()));
        }
        let seen = self.status(Some(account), id).await?;
        // A reblog of a reblog is a reblog of the original.
        let seen = seen.original();
        let of = &seen.entry.status;
        if !may_reblog(&seen.sight(Some(account))) {
            return Err(VerbError::Forbidden("This action is not allowed"));
        }
        let told = if of.account == account { vec![] } else { vec![of.account] };
        let told = if seen.author.account.is_local() { told } else { vec![] };
        let thread = Some(of.conversation);
        let told = self.told(account, NotificationKind::Reblog, &told, thread).await?;
        let new = NewStatus {
            account,
            uri: None,
            created: self.now(),
            // What is for followers stays theirs, whatever the app asks for.
            visibility: match of.visibility {
                Visibility::Followers => Visibility::Followers,
                usual => visibility.unwrap_or(usual),
            },
            sensitive: false,
            spoiler: String::new(),
            text: String::new(),
            language: None,
            in_reply_to: None,
            reblog_of: Some(ReblogOf { status: of.id, account: of.account }),
            app: None,
            media: SmallVec::new(),
            mentions: SmallVec::new(),
            tags: vec![],
            poll: None,
            idempotency_key: None,
            notify: told,
        };
        let (status, _) = self.store.create_status(new).await?;
        self.status(Some(account), status.id).await
    }

    /// Takes one's reblog back; returns the original.
    pub async fn unreblog(
        &self,
        account: AccountId,
        id: StatusId,
    ) -> Result<StatusView, VerbError> {
        let seen = self.status(Some(account), id).await?;
        let of = seen.reblog.map_or(id, |inner| inner.entry.status.id);
        if let Some(reblog) = self.store.reblog_by(account, of).await? {
            self.store.delete_status(account, reblog, self.now()).await?;
        }
        self.status(Some(account), of).await
    }

    /// Sets or takes away a mark; marking twice is no error.
    pub async fn mark(
        &self,
        account: AccountId,
        id: StatusId,
        mark: Mark,
        on: bool,
    ) -> Result<StatusView, VerbError> {
        let seen = self.status(Some(account), id).await?;
        let seen = seen.original();
        let (id, author) = (seen.entry.status.id, seen.entry.status.account);
        if mark == Mark::Pin && on {
            if author != account {
                return Err(VerbError::Invalid("Someone else's post cannot be pinned".into()));
            }
            if seen.entry.status.visibility == Visibility::Direct {
                return Err(VerbError::Invalid("A direct post cannot be pinned".into()));
            }
            if self.store.pinned(account).await?.len() >= model::limits::PINNED_STATUSES {
                return Err(VerbError::Invalid("You have already pinned the maximum".into()));
            }
        }
        let local = seen.author.account.is_local() && author != account;
        let told = if mark == Mark::Favourite && on && local {
            let thread = Some(seen.entry.status.conversation);
            let told = self.told(account, NotificationKind::Favourite, &[author], thread).await?;
            told.first().map(|(author, _)| *author)
        } else {
            None
        };
        self.store.mark(account, id, mark, on, told, self.now()).await?;
        self.status(Some(account), id).await
    }

    /// Votes.
    pub async fn vote(
        &self,
        account: AccountId,
        poll: model::PollId,
        choices: &[u32],
    ) -> Result<StatusView, VerbError> {
        let found = self.store.polls(&[poll]).await?.pop().ok_or(VerbError::NotFound)?;
        let seen = self.status(Some(account), found.status).await?;
        let refuse = |text: &str| Err(VerbError::Invalid(text.to_owned()));
        if found.is_over(self.now()) {
            return refuse("The poll has already ended");
        }
        if found.account == account {
            return refuse("You cannot vote in your own poll");
        }
        let mut choices = choices.to_vec();
        choices.sort_unstable();
        choices.dedup();
        let known = |c: &u32| usize::try_from(*c).is_ok_and(|c| c < found.options.len());
        if choices.is_empty() || !choices.iter().all(known) {
            return refuse("The chosen vote option does not exist");
        }
        if choices.len() > 1 && !found.multiple {
            // Mastodon's sentence, which apps look for.
            return refuse("You have already voted on this poll");
        }
        match self.store.vote(account, &found, &choices, self.now()).await {
            Ok(()) => self.status(Some(account), seen.entry.status.id).await,
            Err(model::StoreError::Conflict(_)) => refuse("You have already voted on this poll"),
            Err(other) => Err(other.into()),
        }
    }
}

/// Whether an edit leaves all that readers read as it is. People's names may have changed hands
/// meanwhile; that is no new wording.
fn is_same_wording(old: &StatusEntry, edit: &StatusEdit) -> bool {
    let status = &old.status;
    let same_poll = match (&old.poll, &edit.poll) {
        (None, None) => true,
        (Some(old), Some(new)) => old.asks_the_same(new),
        _ => false,
    };
    same_poll
        && status.text == edit.text
        && status.spoiler == edit.spoiler
        && status.sensitive == edit.sensitive
        && status.language == edit.language
        && status.media == edit.media
        && !edit.described.iter().any(|words| {
            old.media.iter().any(|media| media.id == words.media && words.changes(media))
        })
}

fn check_poll(poll: &PollDraft) -> Result<(), VerbError> {
    let refuse = |text: &str| Err(VerbError::Invalid(text.to_owned()));
    if poll.options.len() < 2 {
        return refuse("Polls need at least two options");
    }
    if poll.options.len() > POLL_OPTIONS_MAX {
        return refuse("Polls can't have more than 4 options");
    }
    let too_long = |o: &String| o.chars().count() > POLL_OPTION_CHARACTERS;
    if poll.options.iter().any(too_long) {
        return refuse("Poll options can't be longer than 50 characters");
    }
    if poll.options.iter().any(|o| o.trim().is_empty()) {
        return refuse("Poll options can't be blank");
    }
    let distinct = |o: &String| poll.options.iter().filter(|p| *p == o).count() == 1;
    if !poll.options.iter().all(distinct) {
        return refuse("Poll options must differ");
    }
    if !(POLL_SECONDS_MIN..=POLL_SECONDS_MAX).contains(&poll.expires_in_s) {
        return refuse("The duration is too short or too long");
    }
    Ok(())
}

fn new_poll(draft: PollDraft, now: model::Timestamp) -> NewPoll {
    NewPoll {
        options: draft.options,
        expires: Some(now.plus_ms(draft.expires_in_s * 1_000)),
        multiple: draft.multiple,
        hide_totals: draft.hide_totals,
    }
}
