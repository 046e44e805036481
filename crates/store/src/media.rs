//! Attachments: uploads that are processed, described, carried by a status, or cleaned away.

use crate::{Batch, CommitError, Row, SqlStore, params, status::media_of};
use async_trait::async_trait;
use model::{
    AccountId, MediaId, Status, Timestamp,
    media::{Finished, Media, MediaKind, MediaWords, NewMedia},
    ports::{MediaStore, Stored},
};

/// The columns that `media_of` reads, in its order.
macro_rules! media_columns {
    () => {
        "id, account_id, status_id, kind, state, file, thumbnail, remote_url, description, \
         blurhash, focus_x, focus_y, width, height, thumbnail_width, thumbnail_height, created_ms"
    };
}
pub(crate) use media_columns;

const INSERT: &str = "INSERT INTO media (id, account_id, kind, state, file, thumbnail, \
    description, focus_x, focus_y, width, height, thumbnail_width, thumbnail_height, created_ms) \
    VALUES (?1, ?2, ?3, 0, '', '', ?4, ?5, ?6, 0, 0, 0, 0, ?7)";
const FINISH: &str = "UPDATE media SET state = 1, kind = ?2, file = ?3, thumbnail = ?4, \
    blurhash = ?5, width = ?6, height = ?7, thumbnail_width = ?8, thumbnail_height = ?9 \
    WHERE id = ?1 AND state = 0";
const FAIL: &str = "UPDATE media SET state = 2 WHERE id = ?1 AND state = 0";
const DESCRIBE: &str = "UPDATE media SET description = ?3 \
    WHERE id = ?1 AND account_id = ?2 AND status_id IS NULL";
const FOCUS: &str = "UPDATE media SET focus_x = ?3, focus_y = ?4 \
    WHERE id = ?1 AND account_id = ?2 AND status_id IS NULL";
const DESCRIBE_POSTED: &str = "UPDATE media SET description = ?4 \
    WHERE id = ?1 AND account_id = ?2 AND status_id = ?3";
const FOCUS_POSTED: &str = "UPDATE media SET focus_x = ?4, focus_y = ?5 \
    WHERE id = ?1 AND account_id = ?2 AND status_id = ?3";
const GIVE_UP: &str = "UPDATE media SET state = 2, created_ms = 0 \
    WHERE id = ?1 AND status_id IS NULL AND scheduled_id IS NULL";
const DELETE: &str =
    "DELETE FROM media WHERE id = ?1 AND status_id IS NULL AND scheduled_id IS NULL";

/// Says anew what a post's pictures show.
pub(crate) fn describe(batch: &mut Batch, status: &Status, all: &[MediaWords]) {
    for words in all {
        if let Some(text) = &words.description {
            let values = params![words.media, status.account, status.id, text.clone()];
            batch.add(DESCRIBE_POSTED, values);
        }
        if let Some((x, y)) = words.focus {
            let (x, y) = (i64::from(x), i64::from(y));
            batch.add(FOCUS_POSTED, params![words.media, status.account, status.id, x, y]);
        }
    }
}

impl SqlStore {
    /// Commits statements that must each find their row. `false`: one did not, and nothing changed.
    async fn found(&self, batch: Batch) -> Stored<bool> {
        match self.db.commit(batch).await {
            Ok(_) => Ok(true),
            Err(CommitError::Unmet(_)) => Ok(false),
            Err(other) => Err(other.into_store("media")),
        }
    }
}

#[async_trait]
impl MediaStore for SqlStore {
    async fn create_media(&self, new: &NewMedia) -> Stored<MediaId> {
        let mut batch = Batch::new();
        let id = batch.id();
        let (x, y) = new.focus.map_or((None, None), |(x, y)| (Some(x.into()), Some(y.into())));
        let (x, y): (Option<i64>, Option<i64>) = (x, y);
        let word = MediaKind::Image.word();
        let text = new.description.clone();
        batch.add(INSERT, params![id, new.account, word, text, x, y, new.created]);
        self.db.commit(batch).await.map_err(|e| e.into_store("media"))?.id(id)
    }

    async fn finish_media(&self, id: MediaId, done: Option<&Finished>) -> Stored<bool> {
        let mut batch = Batch::new();
        match done {
            Some(done) => batch.must(
                FINISH,
                params![
                    id,
                    done.kind.word(),
                    done.file.clone(),
                    done.thumbnail.clone(),
                    done.blurhash.clone(),
                    i64::from(done.size.width),
                    i64::from(done.size.height),
                    i64::from(done.thumbnail_size.width),
                    i64::from(done.thumbnail_size.height),
                ],
            ),
            None => batch.must(FAIL, params![id]),
        };
        self.found(batch).await
    }

    async fn describe_media(
        &self,
        account: AccountId,
        id: MediaId,
        description: Option<&str>,
        focus: Option<(i32, i32)>,
    ) -> Stored<bool> {
        let mut batch = Batch::new();
        if let Some(text) = description {
            batch.must(DESCRIBE, params![id, account, text.to_owned()]);
        }
        if let Some((x, y)) = focus {
            batch.must(FOCUS, params![id, account, i64::from(x), i64::from(y)]);
        }
        self.found(batch).await
    }

    async fn orphaned_media(&self, before: Timestamp, limit: u32) -> Stored<Vec<Media>> {
        let sql = concat!(
            "SELECT ",
            media_columns!(),
            " FROM media WHERE status_id IS NULL AND scheduled_id IS NULL AND created_ms < ?1 \
             ORDER BY created_ms, id LIMIT ?2"
        );
        self.db.query(sql, params![before, i64::from(limit)]).await?.iter().map(media_of).collect()
    }

    async fn give_up_media(&self, id: MediaId) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(GIVE_UP, params![id]);
        self.found(batch).await
    }

    async fn media_files(
        &self,
        after: Option<MediaId>,
        limit: u32,
    ) -> Stored<Vec<(MediaId, [String; 2])>> {
        let after = after.map_or(0, MediaId::get);
        let sql = "SELECT id, file, thumbnail FROM media WHERE id > ?1 ORDER BY id LIMIT ?2";
        let rows = self.db.query(sql, params![after, limit]).await?;
        let files =
            |row: &Row| Ok((row.id(0)?, [row.text(1)?.to_owned(), row.text(2)?.to_owned()]));
        rows.iter().map(files).collect()
    }

    async fn profile_files(
        &self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Stored<Vec<(AccountId, Vec<String>)>> {
        let after = after.map_or(0, AccountId::get);
        let sql = "SELECT id, avatar, header FROM account WHERE id > ?1 ORDER BY id LIMIT ?2";
        let rows = self.db.query(sql, params![after, limit]).await?;
        let files = |row: &Row| {
            let both = [row.opt_text(1)?, row.opt_text(2)?];
            Ok((row.id(0)?, both.into_iter().flatten().map(str::to_owned).collect()))
        };
        rows.iter().map(files).collect()
    }

    async fn delete_media(&self, id: MediaId) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(DELETE, params![id]);
        self.found(batch).await
    }
}
