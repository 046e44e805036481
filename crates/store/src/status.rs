//! Statuses read: rows to nouns, counters, marks, and the port that joins the other files.

use crate::{Row, SqlStore, params};
use async_trait::async_trait;
use model::{
    AccountId, ConversationId, EdgeId, MediaId, Page, PollId, Status, StatusCounts, StatusId,
    StoreError, Timestamp, Visibility,
    event::Mark,
    media::{Media, MediaKind, MediaState, Size},
    poll::Poll,
    ports::{SightFacts, StatusStore, Stored, TimelineQuery},
    relation::Edge,
    status::{Marks, NewStatus, ReblogOf, ReplyTo, StatusEdit, StatusVersion},
    thread::ThreadPost,
};
use std::collections::HashMap;

/// The columns that [`status_of`] reads, in its order.
macro_rules! status_columns {
    () => {
        "id, account_id, uri, created_ms, edited_ms, visibility, sensitive, spoiler, text, \
         language, reply_to_id, reply_to_account, conversation_id, reblog_of_id, \
         reblog_of_account, app_id, media_ids, mention_ids, tags, poll_id"
    };
}
pub(crate) use status_columns;

fn visibility_of(row: &Row, column: usize) -> Stored<Visibility> {
    Visibility::from_code(row.int(column)?)
        .ok_or_else(|| StoreError::Inconsistent("status.visibility".into()))
}

pub(crate) fn status_of(row: &Row) -> Stored<Status> {
    let visibility = visibility_of(row, 5)?;
    let answered = row.opt_id(10)?;
    let in_reply_to = row.opt_id(11)?.map(|account| ReplyTo { status: answered, account });
    let reblog_of = match (row.opt_id(13)?, row.opt_id(14)?) {
        (Some(status), Some(account)) => Some(ReblogOf { status, account }),
        _ => None,
    };
    Ok(Status {
        id: row.id(0)?,
        account: row.id(1)?,
        uri: row.opt_text(2)?.map(str::to_owned),
        created: Timestamp::from_ms(row.int(3)?),
        edited: row.opt_int(4)?.map(Timestamp::from_ms),
        visibility,
        sensitive: row.bool(6)?,
        spoiler: row.text(7)?.to_owned(),
        text: row.text(8)?.to_owned(),
        language: row.opt_text(9)?.map(str::to_owned),
        in_reply_to,
        conversation: row.id(12)?,
        reblog_of,
        app: row.opt_id(15)?,
        media: row.ids(16)?,
        mentions: row.ids(17)?,
        tags: row.text(18)?.split_ascii_whitespace().map(str::to_owned).collect(),
        poll: row.opt_id(19)?,
    })
}

/// What pictures were said to show, by the picture's id.
fn described_of(text: &str) -> Stored<HashMap<MediaId, String>> {
    let damaged = || StoreError::Inconsistent("status_edit.described".into());
    let found: HashMap<String, String> = serde_json::from_str(text).map_err(|_| damaged())?;
    let by_id = |(id, text): (String, String)| Ok((id.parse().map_err(|_| damaged())?, text));
    found.into_iter().map(by_id).collect()
}

pub(crate) fn media_of(row: &Row) -> Stored<Media> {
    let number = |i: usize| -> Stored<u32> {
        u32::try_from(row.int(i)?).map_err(|_| StoreError::Inconsistent("media size".into()))
    };
    let focus = match (row.opt_int(10)?, row.opt_int(11)?) {
        (Some(x), Some(y)) => i32::try_from(x).ok().zip(i32::try_from(y).ok()),
        _ => None,
    };
    Ok(Media {
        id: row.id(0)?,
        account: row.id(1)?,
        status: row.opt_id(2)?,
        kind: MediaKind::from_word(row.text(3)?)
            .ok_or_else(|| StoreError::Inconsistent("media.kind".into()))?,
        state: match row.int(4)? {
            0 => MediaState::Processing,
            1 => MediaState::Ready,
            _ => MediaState::Failed,
        },
        file: row.text(5)?.to_owned(),
        thumbnail: row.text(6)?.to_owned(),
        remote_url: row.opt_text(7)?.map(str::to_owned),
        description: row.text(8)?.to_owned(),
        blurhash: row.opt_text(9)?.map(str::to_owned),
        focus,
        size: Size { width: number(12)?, height: number(13)? },
        thumbnail_size: Size { width: number(14)?, height: number(15)? },
        created: Timestamp::from_ms(row.int(16)?),
    })
}

impl SqlStore {
    pub(crate) async fn status(&self, id: StatusId) -> Stored<Option<Status>> {
        let sql = concat!("SELECT ", status_columns!(), " FROM status WHERE id = ?1");
        self.db.first(sql, params![id]).await?.as_ref().map(status_of).transpose()
    }
}

#[async_trait]
impl StatusStore for SqlStore {
    async fn statuses(&self, ids: &[StatusId]) -> Stored<Vec<Status>> {
        let sql = concat!("SELECT ", status_columns!(), " FROM status WHERE id IN ({ids})");
        self.db.query_ids(sql, vec![], ids).await?.iter().map(status_of).collect()
    }

    async fn status_counts(&self, ids: &[StatusId]) -> Stored<Vec<(StatusId, StatusCounts)>> {
        self.read_status_counts(ids).await
    }

    async fn marks(
        &self,
        viewer: AccountId,
        statuses: &[StatusId],
    ) -> Stored<Vec<(StatusId, Marks)>> {
        let mut found: HashMap<StatusId, Marks> = HashMap::new();
        for row in self.db.query_ids(MARKS, params![viewer], statuses).await? {
            let marks = found.entry(row.id(1)?).or_default();
            match row.int(0)? {
                0 => marks.favourited = true,
                1 => marks.bookmarked = true,
                2 => marks.pinned = true,
                3 => marks.reblogged = true,
                _ => marks.muted = true,
            }
        }
        Ok(found.into_iter().collect())
    }

    async fn sight_facts(
        &self,
        viewer: AccountId,
        authors: &[AccountId],
        at: Timestamp,
    ) -> Stored<Vec<(AccountId, SightFacts)>> {
        let mut found: HashMap<AccountId, SightFacts> = HashMap::new();
        for row in self.db.query_ids(SIGHT, params![viewer, at], authors).await? {
            let facts = found.entry(row.id(1)?).or_default();
            match row.int(0)? {
                0 => facts.follows = true,
                1 => (facts.follows, facts.hides_reblogs) = (true, true),
                2 => facts.blocked = true,
                3 => facts.muted = true,
                _ => (facts.muted, facts.notifications_muted) = (true, true),
            }
        }
        Ok(found.into_iter().collect())
    }

    async fn create_status(&self, new: NewStatus) -> Stored<(Status, bool)> {
        self.insert_status(new, None).await
    }

    async fn tags_by_prefix(&self, text: &str, limit: u32, offset: u32) -> Stored<Vec<String>> {
        // A range on the index stands in for LIKE, whose case rules differ by engine.
        let to = format!("{text}\u{10FFFF}");
        let sql = "SELECT name FROM tag WHERE name >= ?1 AND name < ?2 \
                   ORDER BY name LIMIT ?3 OFFSET ?4";
        let rows = self.db.query(sql, params![text, to, limit, offset]).await?;
        rows.iter().map(|r| Ok(r.text(0)?.to_owned())).collect()
    }

    async fn edit_status(&self, edit: StatusEdit) -> Stored<Option<Status>> {
        self.reword_status(edit).await
    }

    async fn delete_status(
        &self,
        author: AccountId,
        id: StatusId,
        at: Timestamp,
    ) -> Stored<Option<Status>> {
        self.remove_status(author, id, at).await
    }

    async fn history(&self, id: StatusId) -> Stored<Vec<StatusVersion>> {
        let sql = "SELECT at_ms, text, spoiler, sensitive, media_ids, poll_options, described \
                   FROM status_edit WHERE status_id = ?1 ORDER BY at_ms";
        let version = |r: &Row| {
            Ok(StatusVersion {
                at: Timestamp::from_ms(r.int(0)?),
                text: r.text(1)?.to_owned(),
                spoiler: r.text(2)?.to_owned(),
                sensitive: r.bool(3)?,
                media: r.ids(4)?,
                poll_options: serde_json::from_str(r.text(5)?)
                    .map_err(|_| StoreError::Inconsistent("status_edit.poll_options".into()))?,
                described: described_of(r.text(6)?)?,
            })
        };
        self.db.query(sql, params![id]).await?.iter().map(version).collect()
    }

    async fn thread(&self, conversation: ConversationId, limit: u32) -> Stored<Vec<ThreadPost>> {
        let sql = "SELECT id, reply_to_id, visibility, account_id, reply_to_account FROM status \
                   WHERE conversation_id = ?1 AND reblog_of_id IS NULL ORDER BY id LIMIT ?2";
        let post = |row: &Row| {
            let (id, answers) = (row.id(0)?, row.opt_id(1)?);
            let goes_on = row.opt_int(4)? == Some(row.int(3)?);
            Ok(ThreadPost { id, answers, goes_on, visibility: visibility_of(row, 2)? })
        };
        self.db.query(sql, params![conversation, limit]).await?.iter().map(post).collect()
    }

    async fn timeline(&self, query: &TimelineQuery, page: Page) -> Stored<Vec<StatusId>> {
        self.list_timeline(query, page).await
    }

    async fn mark(
        &self,
        account: AccountId,
        status: StatusId,
        mark: Mark,
        on: bool,
        notify: Option<AccountId>,
        at: Timestamp,
    ) -> Stored<bool> {
        self.set_mark(account, status, mark, on, notify, at).await
    }

    async fn marked(
        &self,
        account: AccountId,
        mark: Mark,
        page: Page,
    ) -> Stored<Vec<(EdgeId, StatusId)>> {
        let page = self.db.settled(page);
        let order = if page.ascending() { "ASC" } else { "DESC" };
        let table = if mark == Mark::Bookmark { "bookmark" } else { "favourite" };
        let sql = format!(
            "SELECT id, status_id FROM {table} WHERE account_id = ?1 AND id < ?2 AND id > ?3 \
             ORDER BY id {order} LIMIT ?4"
        );
        let rows =
            self.db.query(&sql, params![account, page.below(), page.above(), page.limit]).await?;
        let mut marked: Vec<(EdgeId, StatusId)> =
            rows.iter().map(|r| Ok((r.id(0)?, r.id(1)?))).collect::<Stored<_>>()?;
        if page.ascending() {
            marked.reverse();
        }
        Ok(marked)
    }

    async fn favourited_by(&self, status: StatusId, page: Page) -> Stored<Vec<Edge>> {
        let sql = "SELECT id, account_id FROM favourite WHERE status_id = ?1";
        self.edge_page(sql, status.get(), page).await
    }

    async fn reblogged_by(&self, status: StatusId, page: Page) -> Stored<Vec<Edge>> {
        let sql = "SELECT id, account_id FROM status WHERE reblog_of_id = ?1 AND visibility < 2";
        self.edge_page(sql, status.get(), page).await
    }

    async fn local_rebloggers(&self, status: StatusId, limit: u32) -> Stored<Vec<AccountId>> {
        let sql = "SELECT s.account_id FROM status s JOIN account a ON a.id = s.account_id \
                   WHERE s.reblog_of_id = ?1 AND a.domain IS NULL ORDER BY s.id DESC LIMIT ?2";
        self.db.query(sql, params![status, limit]).await?.iter().map(|r| r.id(0)).collect()
    }

    async fn reblog_by(&self, account: AccountId, status: StatusId) -> Stored<Option<StatusId>> {
        let sql = "SELECT id FROM status WHERE account_id = ?1 AND reblog_of_id = ?2";
        self.db.first(sql, params![account, status]).await?.map(|r| r.id(0)).transpose()
    }

    async fn pinned(&self, account: AccountId) -> Stored<Vec<StatusId>> {
        let sql = "SELECT status_id FROM pin WHERE account_id = ?1 ORDER BY id DESC";
        self.db.query(sql, params![account]).await?.iter().map(|r| r.id(0)).collect()
    }

    async fn polls(&self, ids: &[PollId]) -> Stored<Vec<Poll>> {
        self.read_polls(ids).await
    }

    async fn votes_of(&self, viewer: AccountId, polls: &[PollId]) -> Stored<Vec<(PollId, u32)>> {
        self.read_votes(viewer, polls).await
    }

    async fn vote(
        &self,
        account: AccountId,
        poll: &Poll,
        choices: &[u32],
        _at: Timestamp,
    ) -> Stored<()> {
        self.cast_votes(account, poll, choices).await
    }

    async fn media(&self, ids: &[MediaId]) -> Stored<Vec<Media>> {
        // Most posts have none.
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let sql =
            concat!("SELECT ", crate::media::media_columns!(), " FROM media WHERE id IN ({ids})");
        self.db.query_ids(sql, vec![], ids).await?.iter().map(media_of).collect()
    }
}

/// What a viewer has done with these statuses, one question a mark.
/// Which mark, on which status.
const MARKS: &str = "\
    SELECT 0, status_id FROM favourite WHERE account_id = ?1 AND status_id IN ({ids}) \
    UNION ALL SELECT 1, status_id FROM bookmark WHERE account_id = ?1 AND status_id IN ({ids}) \
    UNION ALL SELECT 2, status_id FROM pin WHERE account_id = ?1 AND status_id IN ({ids}) \
    UNION ALL SELECT 3, reblog_of_id FROM status \
        WHERE account_id = ?1 AND reblog_of_id IN ({ids}) \
    UNION ALL SELECT 4, s.id FROM status s JOIN thread_mute m \
        ON m.account_id = ?1 AND m.conversation_id = s.conversation_id WHERE s.id IN ({ids})";

/// How a viewer stands to authors: a number for each kind of relation, and whose it is.
const SIGHT: &str = "\
    SELECT CASE WHEN reblogs = 0 THEN 1 ELSE 0 END, target_id FROM follow \
        WHERE account_id = ?1 AND target_id IN ({ids}) \
    UNION ALL SELECT 2, target_id FROM block WHERE account_id = ?1 AND target_id IN ({ids}) \
    UNION ALL SELECT 2, account_id FROM block WHERE target_id = ?1 AND account_id IN ({ids}) \
    UNION ALL SELECT CASE WHEN notifications = 0 THEN 3 ELSE 4 END, target_id FROM mute \
        WHERE account_id = ?1 AND target_id IN ({ids}) AND (expires_ms IS NULL OR expires_ms > ?2)";
