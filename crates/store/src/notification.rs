//! Notifications: inherent methods behind the port in `relation`. They are written by the deeds
//! that cause them.

use crate::{Batch, Row, SqlStore, Value, params};
use model::{
    AccountId, ConversationId, NotificationId, Page, StoreError, Timestamp,
    notification::{Notification, NotificationKind},
    ports::{NoticeFacts, Stored},
};
use std::collections::HashMap;

fn notification_of(row: &Row) -> Stored<Notification> {
    Ok(Notification {
        id: row.id(0)?,
        account: row.id(1)?,
        kind: NotificationKind::from_word(row.text(2)?)
            .ok_or_else(|| StoreError::Inconsistent("notification.kind".into()))?,
        from: row.id(3)?,
        status: row.opt_id(4)?,
        created: Timestamp::from_ms(row.int(5)?),
    })
}

const COLUMNS: &str = "SELECT id, account_id, kind, from_id, status_id, created_ms \
    FROM notification WHERE account_id = ?1";

/// How those who may be told stand to who causes it and to the thread: a number for each kind of
/// relation, and whose it is.
const NOTICE: &str = "\
    SELECT 0, account_id FROM follow WHERE target_id = ?1 AND account_id IN ({ids}) \
    UNION ALL SELECT 1, account_id FROM block WHERE target_id = ?1 AND account_id IN ({ids}) \
    UNION ALL SELECT 1, target_id FROM block WHERE account_id = ?1 AND target_id IN ({ids}) \
    UNION ALL SELECT 2, account_id FROM mute WHERE target_id = ?1 AND account_id IN ({ids}) \
        AND notifications <> 0 AND (expires_ms IS NULL OR expires_ms > ?2) \
    UNION ALL SELECT 3, account_id FROM thread_mute \
        WHERE conversation_id = ?3 AND account_id IN ({ids})";

impl SqlStore {
    pub(crate) async fn read_notice_facts(
        &self,
        from: AccountId,
        told: &[AccountId],
        conversation: Option<ConversationId>,
        at: Timestamp,
    ) -> Stored<Vec<(AccountId, NoticeFacts)>> {
        let mut found: HashMap<AccountId, NoticeFacts> = HashMap::new();
        for row in self.db.query_ids(NOTICE, params![from, at, conversation], told).await? {
            let facts = found.entry(row.id(1)?).or_default();
            match row.int(0)? {
                0 => facts.follows = true,
                1 => facts.blocked = true,
                2 => facts.muted = true,
                _ => facts.thread_muted = true,
            }
        }
        Ok(found.into_iter().collect())
    }

    pub(crate) async fn read_notifications(
        &self,
        account: AccountId,
        kinds: &[NotificationKind],
        from: Option<AccountId>,
        page: Page,
    ) -> Stored<Vec<Notification>> {
        let page = self.db.settled(page);
        let mut sql = format!("{COLUMNS} AND id < ?2 AND id > ?3");
        let mut values = params![account, page.below(), page.above(), page.limit];
        if !kinds.is_empty() {
            let first = values.len() + 1;
            let marks: Vec<String> =
                (first..first + kinds.len()).map(|n| format!("?{n}")).collect();
            sql.push_str(&format!(" AND kind IN ({})", marks.join(",")));
            values.extend(kinds.iter().map(|k| Value::from(k.word())));
        }
        if let Some(from) = from {
            values.push(Value::from(from));
            sql.push_str(&format!(" AND from_id = ?{}", values.len()));
        }
        let order = if page.ascending() { "ASC" } else { "DESC" };
        sql.push_str(&format!(" ORDER BY id {order} LIMIT ?4"));
        let rows = self.db.query(&sql, values).await?;
        let mut found: Vec<Notification> =
            rows.iter().map(notification_of).collect::<Stored<_>>()?;
        if page.ascending() {
            found.reverse();
        }
        Ok(found)
    }

    pub(crate) async fn read_notification(
        &self,
        account: AccountId,
        id: NotificationId,
    ) -> Stored<Option<Notification>> {
        let sql = format!("{COLUMNS} AND id = ?2");
        self.db.first(&sql, params![account, id]).await?.as_ref().map(notification_of).transpose()
    }

    pub(crate) async fn remove_notifications(
        &self,
        account: AccountId,
        id: Option<NotificationId>,
    ) -> Stored<()> {
        let mut batch = Batch::new();
        match id {
            Some(id) => batch.add(
                "DELETE FROM notification WHERE account_id = ?1 AND id = ?2",
                params![account, id],
            ),
            None => batch.add("DELETE FROM notification WHERE account_id = ?1", params![account]),
        };
        self.db.commit(batch).await.map_err(|e| e.into_store("notification"))?;
        Ok(())
    }

    pub(crate) async fn count_unread(
        &self,
        account: AccountId,
        after: i64,
        limit: u32,
    ) -> Stored<i64> {
        let sql = "SELECT COUNT(*) FROM (SELECT id FROM notification \
                   WHERE account_id = ?1 AND id > ?2 LIMIT ?3) AS newer";
        let row = self.db.first(sql, params![account, after, limit]).await?;
        row.map_or(Ok(0), |r| r.int(0))
    }
}
