//! Statuses written: a post, an edit, a deletion, a mark; each one batch, its counters included.

use crate::{
    Batch, CommitError, Done, IdSlot, SqlStore, Value, count,
    db::Dialect,
    job,
    limits::ORPHANED_MAX,
    params,
    row::join_ids,
    search,
    status::{status_columns, status_of},
};
use model::{
    AccountId, Event, PollId, Status, StatusCounts, StatusId, StoreError, Timestamp,
    event::Mark,
    job::{Job, JobKind},
    media::Media,
    notification::{Notification, NotificationKind},
    poll::{NewPoll, Poll},
    ports::{StatusStore as _, Stored},
    status::{NewStatus, StatusEdit},
};
use std::{collections::BTreeMap, sync::Arc};

const INSERT: &str = "INSERT INTO status (id, account_id, uri, created_ms, edited_ms, visibility, \
    sensitive, spoiler, text, language, reply_to_id, reply_to_account, conversation_id, \
    reblog_of_id, reblog_of_account, app_id, media_ids, mention_ids, tags, poll_id) \
    VALUES (?1, ?2, ?3, ?4, NULL, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
    ?18, ?19)";
const CLAIM_KEY: &str =
    "INSERT INTO idempotency (account_id, key, status_id, created_ms) VALUES (?1, ?2, ?3, ?4)";
pub(crate) const NOTIFY: &str = "INSERT INTO notification \
    (id, account_id, kind, from_id, status_id, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const INSERT_TAG: &str = "INSERT INTO tag (id, name) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
const TAG_STATUS: &str = "INSERT INTO status_tag (tag_id, status_id) \
    SELECT id, ?2 FROM tag WHERE name = ?1 ON CONFLICT (tag_id, status_id) DO NOTHING";
const MENTION: &str = "INSERT INTO mention (account_id, status_id) VALUES (?1, ?2) \
    ON CONFLICT (account_id, status_id) DO NOTHING";
const ATTACH: &str = "UPDATE media SET status_id = ?1, scheduled_id = NULL \
    WHERE id = ?2 AND account_id = ?3 AND (status_id IS NULL OR status_id = ?1) \
    AND (scheduled_id IS NULL OR scheduled_id = ?4) AND state <> 2";
const INSERT_POLL: &str = "INSERT INTO poll \
    (id, status_id, account_id, expires_ms, multiple, hide_totals, options) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

impl SqlStore {
    /// `by` is the job that publishes a scheduled post: it and that post end in the same deed.
    pub(crate) async fn insert_status(
        &self,
        new: NewStatus,
        by: Option<&Job>,
    ) -> Stored<(Status, bool)> {
        let mut batch = Batch::new();
        let id = batch.id();
        let ended: Vec<usize> = by.map_or(vec![], |by| end_scheduled(&mut batch, &new, by, id));
        let claim = new
            .idempotency_key
            .as_ref()
            .map(|key| batch.add(CLAIM_KEY, params![new.account, key, id, new.created]));
        let poll = new.poll.as_ref().map(|_| batch.id());
        let insert = batch.add(INSERT, row_values(&new, id, poll));
        let Hung { attached: hung, counted } =
            hang(&mut batch, self.db.dialect(), &new, id, poll, by);
        let noted: Vec<(IdSlot, AccountId, NotificationKind)> =
            new.notify.iter().map(|(account, kind)| (batch.id(), *account, *kind)).collect();
        let about = new.reblog_of.map_or(Value::Id(id), |of| Value::from(of.status));
        for (slot, account, kind) in &noted {
            let values =
                params![*slot, *account, kind.word(), new.account, about.clone(), new.created];
            batch.add(NOTIFY, values);
        }
        let told = new.clone();
        batch.tell(move |done| {
            let status = posted(&told, done, id, poll).ok()?;
            let notifications = noted
                .into_iter()
                .filter_map(|(slot, account, kind)| {
                    Some(Notification {
                        id: done.id(slot).ok()?,
                        account,
                        kind,
                        from: told.account,
                        status: Some(told.reblog_of.map_or(status.id, |of| of.status)),
                        created: told.created,
                    })
                })
                .collect();
            let posts = counted.and_then(|at| done.rows(at).first()?.int(0).ok());
            Some(Event::Posted { status: Arc::new(status), notifications, posts })
        });
        match self.db.commit(batch).await {
            Ok(done) => Ok((posted(&new, &done, id, poll)?, true)),
            Err(CommitError::Key(at)) if Some(at) == claim => {
                self.claimed(&new).await.map(|s| (s, false))
            }
            Err(CommitError::Key(at)) if at == insert => {
                self.reblogged(&new).await.map(|s| (s, false))
            }
            Err(CommitError::Unmet(at)) if ended.contains(&at) => Err(StoreError::Conflict("job")),
            Err(CommitError::Unmet(at)) if hung.contains(&at) => Err(StoreError::Conflict("media")),
            Err(other) => Err(other.into_store("status")),
        }
    }

    /// The post that an idempotency key was first used for.
    async fn claimed(&self, new: &NewStatus) -> Stored<Status> {
        let sql = "SELECT status_id FROM idempotency WHERE account_id = ?1 AND key = ?2";
        let row = self.db.first(sql, params![new.account, new.idempotency_key.clone()]).await?;
        let id: Option<StatusId> = row.map(|r| r.id(0)).transpose()?;
        match id {
            Some(id) => self.status(id).await?.ok_or(StoreError::Conflict("idempotency")),
            None => Err(StoreError::Conflict("idempotency")),
        }
    }

    /// The reblog that is already there.
    async fn reblogged(&self, new: &NewStatus) -> Stored<Status> {
        let of = new.reblog_of.ok_or(StoreError::Conflict("status"))?;
        let sql = concat!(
            "SELECT ",
            status_columns!(),
            " FROM status WHERE account_id = ?1 AND reblog_of_id = ?2"
        );
        let row = self.db.first(sql, params![new.account, of.status]).await?;
        row.as_ref().map(status_of).transpose()?.ok_or(StoreError::Conflict("status"))
    }

    pub(crate) async fn reword_status(&self, edit: StatusEdit) -> Stored<Option<Status>> {
        let Some(old) = self.status(edit.id).await? else { return Ok(None) };
        let asked = match old.poll {
            Some(poll) => self.read_polls(&[poll]).await?.pop(),
            None => None,
        };
        let mut batch = Batch::new();
        if !edit.same_wording {
            let pictures = self.media(&old.media).await?;
            keep_version(&mut batch, &old, asked.as_ref(), &pictures);
        }
        let poll = repoll(&mut batch, &old, asked.as_ref(), edit.poll.as_ref());
        let edited = if edit.same_wording { old.edited } else { Some(edit.edited) };
        let update = batch.must(
            "UPDATE status SET edited_ms = ?2, sensitive = ?3, spoiler = ?4, text = ?5, \
             language = ?6, media_ids = ?7, mention_ids = ?8, tags = ?9, poll_id = ?10 \
             WHERE id = ?1",
            params![
                edit.id,
                edited,
                edit.sensitive,
                edit.spoiler.clone(),
                edit.text.clone(),
                edit.language.clone(),
                join_ids(&edit.media),
                join_ids(&edit.mentions),
                edit.tags.join(" "),
                poll.value()
            ],
        );
        batch.add("DELETE FROM status_tag WHERE status_id = ?1", params![edit.id]);
        batch.add("DELETE FROM mention WHERE status_id = ?1", params![edit.id]);
        let target = Value::from(edit.id);
        hang_names(&mut batch, &target, &edit.mentions, &edit.tags);
        let hung = hang_media(&mut batch, &target, old.account, &edit.media, None);
        crate::media::describe(&mut batch, &old, &edit.described);
        let words = format!("{} {}", edit.spoiler, edit.text);
        search::renew(&mut batch, self.db.dialect(), edit.id, words);
        let noted = note_edit(&mut batch, &old, &edit);
        let told = (old.clone(), edit.clone());
        batch.tell(move |done| {
            let (old, edit) = told;
            let (from, about, created) = (old.account, edit.id, edit.edited);
            let status = Arc::new(reworded(old, edit, edited, done, poll).ok()?);
            let notification = |(slot, account, kind)| {
                let id = done.id(slot).ok()?;
                Some(Notification { id, account, kind, from, status: Some(about), created })
            };
            let notifications = noted.into_iter().filter_map(notification).collect();
            Some(Event::Edited { status, notifications })
        });
        match self.db.commit(batch).await {
            Ok(done) => reworded(old, edit, edited, &done, poll).map(Some),
            Err(CommitError::Unmet(at)) if at == update => Ok(None),
            Err(CommitError::Unmet(at)) if hung.contains(&at) => Err(StoreError::Conflict("media")),
            Err(other) => Err(other.into_store("status")),
        }
    }

    pub(crate) async fn remove_status(
        &self,
        author: AccountId,
        id: StatusId,
        at: Timestamp,
    ) -> Stored<Option<Status>> {
        let Some(old) = self.status(id).await?.filter(|s| s.account == author) else {
            return Ok(None);
        };
        let mut batch = Batch::new();
        let gone = batch.must("DELETE FROM status WHERE id = ?1", params![id]);
        search::forget(&mut batch, self.db.dialect(), id);
        let dialect = self.db.dialect();
        let reblogs = count::remove_reblogs(&mut batch, dialect, id);
        count::forget(&mut batch, dialect, id);
        for sql in UNHANG {
            batch.add(sql, params![id]);
        }
        batch.add(RELEASE, params![id, at]);
        count::unpost(&mut batch, dialect, author);
        let orphaned = batch.add(ORPHAN, params![id, ORPHANED_MAX]);
        if let Some(parent) = old.in_reply_to.and_then(|to| to.status) {
            let by = StatusCounts { replies: -1, ..StatusCounts::default() };
            count::unstatus(&mut batch, dialect, parent, by);
        }
        if let Some(of) = old.reblog_of {
            let by = StatusCounts { reblogs: -1, ..StatusCounts::default() };
            count::unstatus(&mut batch, dialect, of.status, by);
            batch.add(
                "DELETE FROM notification \
                 WHERE status_id = ?1 AND from_id = ?2 AND kind = 'reblog'",
                params![of.status, author],
            );
        }
        let told = old.clone();
        batch.tell(move |done| {
            let rebloggers = done.rows(reblogs).iter().filter_map(|row| row.id(0).ok()).collect();
            let answers = done.rows(orphaned).iter().filter_map(|row| row.id(0).ok()).collect();
            Some(Event::Deleted { status: Arc::new(told), rebloggers, answers })
        });
        match self.db.commit(batch).await {
            Ok(_) => Ok(Some(old)),
            Err(CommitError::Unmet(at)) if at == gone => Ok(None),
            Err(other) => Err(other.into_store("status")),
        }
    }

    pub(crate) async fn set_mark(
        &self,
        account: AccountId,
        status: StatusId,
        mark: Mark,
        on: bool,
        notify: Option<AccountId>,
        at: Timestamp,
    ) -> Stored<bool> {
        let mut batch = Batch::new();
        let change = if on {
            let slot = batch.id();
            match mark {
                Mark::Mute => batch.must(MUTE_THREAD, params![account, status]),
                Mark::Favourite => batch.must(FAVOURITE, params![account, status, slot]),
                Mark::Bookmark => batch.must(BOOKMARK, params![account, status, slot]),
                Mark::Pin => batch.must(PIN, params![account, status, slot]),
            }
        } else {
            let sql = match mark {
                Mark::Mute => UNMUTE_THREAD,
                Mark::Favourite => "DELETE FROM favourite WHERE account_id = ?1 AND status_id = ?2",
                Mark::Bookmark => "DELETE FROM bookmark WHERE account_id = ?1 AND status_id = ?2",
                Mark::Pin => "DELETE FROM pin WHERE account_id = ?1 AND status_id = ?2",
            };
            batch.must(sql, params![account, status])
        };
        let mut note = None;
        if mark == Mark::Favourite {
            let favourites = if on { 1 } else { -1 };
            let by = StatusCounts { favourites, ..StatusCounts::default() };
            count::status(&mut batch, self.db.dialect(), status, by);
            if !on {
                batch.add(
                    "DELETE FROM notification \
                     WHERE status_id = ?1 AND from_id = ?2 AND kind = 'favourite'",
                    params![status, account],
                );
            } else if let Some(author) = notify {
                let slot = batch.id();
                batch.add(NOTIFY, params![slot, author, "favourite", account, status, at]);
                note = Some((slot, author));
            }
        }
        batch.tell(move |done| {
            let notification = note.and_then(|(slot, author)| {
                Some(Notification {
                    id: done.id(slot).ok()?,
                    account: author,
                    kind: NotificationKind::Favourite,
                    from: account,
                    status: Some(status),
                    created: at,
                })
            });
            Some(Event::Marked { account, status, mark, on, notification })
        });
        match self.db.commit(batch).await {
            Ok(_) => Ok(true),
            Err(CommitError::Unmet(at) | CommitError::Key(at)) if at == change => Ok(false),
            Err(other) => Err(other.into_store("mark")),
        }
    }
}

// A mark on a status that is gone changes no row: the SELECT finds nothing.
const FAVOURITE: &str = "INSERT INTO favourite (account_id, status_id, id) \
    SELECT ?1, id, ?3 FROM status WHERE id = ?2";
const BOOKMARK: &str = "INSERT INTO bookmark (account_id, status_id, id) \
    SELECT ?1, id, ?3 FROM status WHERE id = ?2";
const PIN: &str = "INSERT INTO pin (account_id, status_id, id) \
    SELECT ?1, id, ?3 FROM status WHERE id = ?2 AND account_id = ?1";
const MUTE_THREAD: &str = "INSERT INTO thread_mute (account_id, conversation_id) \
    SELECT ?1, conversation_id FROM status WHERE id = ?2";
const UNMUTE_THREAD: &str = "DELETE FROM thread_mute WHERE account_id = ?1 AND conversation_id = \
    (SELECT conversation_id FROM status WHERE id = ?2)";
/// Answers to a deleted status name it no more. Past so many the rest goes on naming it.
pub(crate) const ORPHAN: &str = "UPDATE status SET reply_to_id = NULL WHERE id IN \
    (SELECT id FROM status WHERE reply_to_id = ?1 LIMIT ?2) RETURNING id";
/// What hangs on a deleted status.
pub(crate) const UNHANG: [&str; 9] = [
    "DELETE FROM status_edit WHERE status_id = ?1",
    "DELETE FROM status_tag WHERE status_id = ?1",
    "DELETE FROM mention WHERE status_id = ?1",
    "DELETE FROM favourite WHERE status_id = ?1",
    "DELETE FROM bookmark WHERE status_id = ?1",
    "DELETE FROM pin WHERE status_id = ?1",
    "DELETE FROM notification WHERE status_id = ?1",
    "DELETE FROM poll_vote WHERE poll_id IN (SELECT id FROM poll WHERE status_id = ?1)",
    "DELETE FROM poll WHERE status_id = ?1",
];
/// Media stay, unattached, so that a redraft can use them again. However old the post was, they
/// count as uploaded now: the clean-up leaves them their day.
pub(crate) const RELEASE: &str =
    "UPDATE media SET status_id = NULL, created_ms = ?2 WHERE status_id = ?1";

fn row_values(new: &NewStatus, id: IdSlot, poll: Option<IdSlot>) -> Vec<Value> {
    let conversation = match new.in_reply_to {
        Some((_, conversation)) => Value::from(conversation),
        None => Value::Id(id),
    };
    params![
        id,
        new.account,
        new.uri.clone(),
        new.created,
        new.visibility.code(),
        new.sensitive,
        new.spoiler.clone(),
        new.text.clone(),
        new.language.clone(),
        new.in_reply_to.and_then(|(to, _)| to.status),
        new.in_reply_to.map(|(to, _)| to.account),
        conversation,
        new.reblog_of.map(|of| of.status),
        new.reblog_of.map(|of| of.account),
        new.app,
        join_ids(&new.media),
        join_ids(&new.mentions),
        new.tags.join(" "),
        poll
    ]
}

/// Places of the statements that hang something on a new status.
struct Hung {
    /// Those that attach media.
    attached: Vec<usize>,
    /// The one that returns the number of the author's posts, where one does.
    counted: Option<usize>,
}

/// Adds what hangs on a new status.
fn hang(
    batch: &mut Batch,
    dialect: Dialect,
    new: &NewStatus,
    id: IdSlot,
    poll: Option<IdSlot>,
    by: Option<&Job>,
) -> Hung {
    let target = Value::Id(id);
    hang_names(batch, &target, &new.mentions, &new.tags);
    let attached = hang_media(batch, &target, new.account, &new.media, by.map(|by| by.subject));
    if let (Some(slot), Some(poll)) = (poll, &new.poll) {
        batch.add(INSERT_POLL, poll_values(slot, &target, new.account, poll));
        await_end(batch, Value::Id(slot), poll);
    }
    let counted = count::post(batch, dialect, new.account, new.created);
    if let Some(parent) = new.in_reply_to.and_then(|(to, _)| to.status) {
        let by = StatusCounts { replies: 1, ..StatusCounts::default() };
        count::status(batch, dialect, parent, by);
    }
    if let Some(of) = new.reblog_of {
        let by = StatusCounts { reblogs: 1, ..StatusCounts::default() };
        count::status(batch, dialect, of.status, by);
    }
    Hung { attached, counted }
}

/// Has the poll's end told when it comes. The job finds out whether the poll is still there.
fn await_end(batch: &mut Batch, poll: Value, new: &NewPoll) {
    if let Some(expires) = new.expires {
        let job = batch.id();
        batch.add(job::ENQUEUE, params![job, JobKind::PollEnd.word(), poll, expires]);
    }
}

/// Takes away the scheduled post and the job that publishes it. The places of what refuses: the
/// claim is over, or the post was taken back.
fn end_scheduled(batch: &mut Batch, new: &NewStatus, by: &Job, id: IdSlot) -> Vec<usize> {
    // The key that scheduled it finds the post from now on.
    batch.add(
        "UPDATE idempotency SET status_id = ?3 WHERE account_id = ?1 AND status_id = ?2",
        params![new.account, by.subject, id],
    );
    vec![
        batch.must(job::END, params![by.id, by.attempts]),
        batch.must(
            "DELETE FROM scheduled WHERE id = ?1 AND account_id = ?2",
            params![by.subject, new.account],
        ),
    ]
}

fn hang_names(batch: &mut Batch, target: &Value, mentions: &[AccountId], tags: &[String]) {
    for account in mentions {
        batch.add(MENTION, vec![Value::from(*account), target.clone()]);
    }
    for tag in tags {
        let slot = batch.id();
        batch.add(INSERT_TAG, params![slot, tag]);
        batch.add(TAG_STATUS, vec![Value::from(tag), target.clone()]);
    }
}

/// Attaches media that no other post holds; `scheduled` is the post that held them until now.
fn hang_media(
    batch: &mut Batch,
    target: &Value,
    author: AccountId,
    media: &[model::MediaId],
    scheduled: Option<i64>,
) -> Vec<usize> {
    let attach = |id: &model::MediaId| {
        let held = Value::from(scheduled);
        batch.must(ATTACH, vec![target.clone(), Value::from(*id), Value::from(author), held])
    };
    media.iter().map(attach).collect()
}

fn poll_values(
    slot: IdSlot,
    status: &Value,
    account: AccountId,
    poll: &model::poll::NewPoll,
) -> Vec<Value> {
    let options = serde_json::to_string(&poll.options).unwrap_or_else(|_| "[]".to_owned());
    vec![
        Value::Id(slot),
        status.clone(),
        Value::from(account),
        Value::from(poll.expires),
        Value::from(poll.multiple),
        Value::from(poll.hide_totals),
        Value::from(options),
    ]
}

fn posted(new: &NewStatus, done: &Done, id: IdSlot, poll: Option<IdSlot>) -> Stored<Status> {
    let conversation = match new.in_reply_to {
        Some((_, conversation)) => conversation,
        None => done.id(id)?,
    };
    Ok(Status {
        id: done.id(id)?,
        account: new.account,
        uri: new.uri.clone(),
        created: new.created,
        edited: None,
        visibility: new.visibility,
        sensitive: new.sensitive,
        spoiler: new.spoiler.clone(),
        text: new.text.clone(),
        language: new.language.clone(),
        in_reply_to: new.in_reply_to.map(|(to, _)| to),
        conversation,
        reblog_of: new.reblog_of,
        app: new.app,
        media: new.media.clone(),
        mentions: new.mentions.clone(),
        tags: new.tags.clone(),
        poll: poll.map(|slot| done.id(slot)).transpose()?,
    })
}

/// Which poll a post has after an edit.
#[derive(Clone, Copy)]
enum Repolled {
    None,
    Kept(PollId),
    New(IdSlot),
}

impl Repolled {
    fn value(self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Kept(poll) => Value::from(poll),
            Self::New(slot) => Value::Id(slot),
        }
    }
}

/// Keeps the wording that is about to go.
fn keep_version(batch: &mut Batch, old: &Status, asked: Option<&Poll>, pictures: &[Media]) {
    let described: BTreeMap<String, &str> =
        pictures.iter().map(|m| (m.id.to_string(), m.description.as_str())).collect();
    let described = serde_json::to_string(&described).unwrap_or_else(|_| "{}".to_owned());
    let options = asked.map_or(&[][..], |poll| &poll.options);
    let titles: Vec<&str> = options.iter().map(|o| o.title.as_str()).collect();
    let titles = serde_json::to_string(&titles).unwrap_or_else(|_| "[]".to_owned());
    batch.add(
        "INSERT INTO status_edit \
         (status_id, at_ms, text, spoiler, sensitive, media_ids, poll_options, described) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            old.id,
            old.edited.unwrap_or(old.created),
            old.text.clone(),
            old.spoiler.clone(),
            old.sensitive,
            join_ids(&old.media),
            titles,
            described
        ],
    );
}

/// Puts the wanted poll in the place of the old one: votes stand while the question does.
fn repoll(
    batch: &mut Batch,
    old: &Status,
    asked: Option<&Poll>,
    wanted: Option<&NewPoll>,
) -> Repolled {
    if let (Some(asked), Some(wanted)) = (asked, wanted)
        && asked.asks_the_same(wanted)
    {
        batch.add(
            "UPDATE poll SET expires_ms = ?2, hide_totals = ?3 WHERE id = ?1",
            params![asked.id, wanted.expires, wanted.hide_totals],
        );
        let kind = JobKind::PollEnd.word();
        batch.add("DELETE FROM job WHERE subject_id = ?1 AND kind = ?2", params![asked.id, kind]);
        await_end(batch, Value::from(asked.id), wanted);
        return Repolled::Kept(asked.id);
    }
    if let Some(gone) = old.poll {
        batch.add("DELETE FROM poll_vote WHERE poll_id = ?1", params![gone]);
        batch.add("DELETE FROM poll WHERE id = ?1", params![gone]);
    }
    let Some(wanted) = wanted else { return Repolled::None };
    let slot = batch.id();
    batch.add(INSERT_POLL, poll_values(slot, &Value::from(old.id), old.account, wanted));
    await_end(batch, Value::Id(slot), wanted);
    Repolled::New(slot)
}

/// Tells of an edit; what was told of the one before it is out of date.
fn note_edit(
    batch: &mut Batch,
    old: &Status,
    edit: &StatusEdit,
) -> Vec<(IdSlot, AccountId, NotificationKind)> {
    if !edit.same_wording {
        batch.add(
            "DELETE FROM notification WHERE status_id = ?1 AND kind = 'update'",
            params![old.id],
        );
    }
    let mut noted = Vec::with_capacity(edit.notify.len());
    for (account, kind) in &edit.notify {
        let slot = batch.id();
        let values = params![slot, *account, kind.word(), old.account, old.id, edit.edited];
        batch.add(NOTIFY, values);
        noted.push((slot, *account, *kind));
    }
    noted
}

fn reworded(
    old: Status,
    edit: StatusEdit,
    edited: Option<Timestamp>,
    done: &Done,
    poll: Repolled,
) -> Stored<Status> {
    Ok(Status {
        edited,
        sensitive: edit.sensitive,
        spoiler: edit.spoiler,
        text: edit.text,
        language: edit.language,
        media: edit.media,
        mentions: edit.mentions,
        tags: edit.tags,
        poll: match poll {
            Repolled::None => None,
            Repolled::Kept(id) => Some(id),
            Repolled::New(slot) => Some(done.id(slot)?),
        },
        ..old
    })
}
