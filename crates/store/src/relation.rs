//! Follows, blocks and mutes, and the port that joins this file, `list` and `notification`.

use crate::{Batch, CommitError, IdSlot, Row, SqlStore, Value, count, db::Dialect, params};
use async_trait::async_trait;
use model::{
    AccountId, ConversationId, Event, ListId, NotificationId, Page, Timestamp,
    event::Restriction,
    list::List,
    notification::{Notification, NotificationKind},
    ports::{NoticeFacts, RelationStore, Stored},
    relation::{Edge, FollowOptions, MuteOptions, Relationship},
};

fn options_of(row: &Row, first: usize) -> Stored<FollowOptions> {
    Ok(FollowOptions {
        reblogs: row.bool(first)?,
        notify: row.bool(first + 1)?,
        languages: row.text(first + 2)?.split_ascii_whitespace().map(str::to_owned).collect(),
    })
}

const INSERT_FOLLOW: &str = "INSERT INTO follow \
    (account_id, target_id, id, reblogs, notify, languages) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const NOTIFY: &str = "INSERT INTO notification \
    (id, account_id, kind, from_id, status_id, created_ms) VALUES (?1, ?2, ?3, ?4, NULL, ?5)";
/// Everything about the viewer and one other in a single row, whatever exists of it.
const RELATIONSHIP: &str = "SELECT a.id, f.reblogs, f.notify, f.languages, \
    EXISTS (SELECT 1 FROM follow x WHERE x.account_id = a.id AND x.target_id = ?1), \
    q.reblogs, \
    EXISTS (SELECT 1 FROM follow_request x WHERE x.account_id = a.id AND x.target_id = ?1), \
    EXISTS (SELECT 1 FROM block x WHERE x.account_id = ?1 AND x.target_id = a.id), \
    EXISTS (SELECT 1 FROM block x WHERE x.account_id = a.id AND x.target_id = ?1), \
    m.notifications, m.expires_ms, n.note, q.reblogs, q.notify, q.languages \
    FROM account a \
    LEFT JOIN follow f ON f.account_id = ?1 AND f.target_id = a.id \
    LEFT JOIN follow_request q ON q.account_id = ?1 AND q.target_id = a.id \
    LEFT JOIN mute m ON m.account_id = ?1 AND m.target_id = a.id \
    LEFT JOIN account_note n ON n.account_id = ?1 AND n.target_id = a.id \
    WHERE a.id IN ({ids})";

fn relationship_of(row: &Row) -> Stored<Relationship> {
    let following = match row.opt_int(1)? {
        Some(_) => Some(options_of(row, 1)?),
        None => None,
    };
    let requested = match row.opt_int(5)? {
        Some(_) => Some(options_of(row, 12)?),
        None => None,
    };
    let muting = row.opt_int(9)?.map(|notifications| MuteOptions {
        notifications: notifications != 0,
        expires: row.opt_int(10).ok().flatten().map(Timestamp::from_ms),
    });
    Ok(Relationship {
        account: row.id(0)?,
        following,
        followed_by: row.bool(4)?,
        requested,
        requested_by: row.bool(6)?,
        blocking: row.bool(7)?,
        blocked_by: row.bool(8)?,
        muting,
        note: row.opt_text(11)?.unwrap_or("").to_owned(),
    })
}

fn noted(
    done: &crate::Done,
    slot: IdSlot,
    account: AccountId,
    kind: NotificationKind,
    from: AccountId,
    created: Timestamp,
) -> Option<Notification> {
    let id = done.id(slot).ok()?;
    Some(Notification { id, account, kind, from, status: None, created })
}

/// Adds what makes a new follow: the edge, both counters, the notification.
pub(crate) fn add_follow(
    batch: &mut Batch,
    dialect: Dialect,
    account: AccountId,
    target: AccountId,
    options: &FollowOptions,
    at: Timestamp,
) -> (usize, IdSlot) {
    let edge = batch.id();
    let insert = batch.add(
        INSERT_FOLLOW,
        params![
            account,
            target,
            edge,
            options.reblogs,
            options.notify,
            options.languages.join(" ")
        ],
    );
    count::follow(batch, dialect, account, target);
    // Who followed after all (the account was unlocked meanwhile) asks no more.
    batch.add(
        "DELETE FROM follow_request WHERE account_id = ?1 AND target_id = ?2",
        params![account, target],
    );
    let note = batch.id();
    batch.add(NOTIFY, params![note, target, "follow", account, at]);
    (insert, note)
}

/// Adds the end of a follow, its counters moved only if there was one.
pub(crate) fn add_unfollow(
    batch: &mut Batch,
    dialect: Dialect,
    account: AccountId,
    target: AccountId,
) {
    count::unfollow(batch, dialect, account, target);
    batch.add(
        "DELETE FROM follow_request WHERE account_id = ?1 AND target_id = ?2",
        params![account, target],
    );
    // Only whom one follows is on one's lists, and what is no more is no news.
    batch.add(
        "DELETE FROM list_member WHERE target_id = ?2 \
         AND list_id IN (SELECT id FROM list WHERE account_id = ?1)",
        params![account, target],
    );
    batch.add(
        "DELETE FROM notification \
         WHERE account_id = ?2 AND from_id = ?1 AND kind IN ('follow', 'follow_request')",
        params![account, target],
    );
}

impl SqlStore {
    /// A page of a listing of accounts by an edge, whichever way it is paged.
    pub(crate) async fn edge_page(&self, sql: &str, of: i64, page: Page) -> Stored<Vec<Edge>> {
        let page = self.db.settled(page);
        let order = if page.ascending() { "ASC" } else { "DESC" };
        let sql = format!("{sql} AND id < ?2 AND id > ?3 ORDER BY id {order} LIMIT ?4");
        let values = params![of, page.below(), page.above(), page.limit];
        let rows = self.db.query(&sql, values).await?;
        let mut edges: Vec<Edge> = rows
            .iter()
            .map(|r| Ok(Edge { id: r.id(0)?, account: r.id(1)? }))
            .collect::<Stored<_>>()?;
        if page.ascending() {
            edges.reverse();
        }
        Ok(edges)
    }

    async fn told(&self, batch: Batch) -> Stored<()> {
        self.db.commit(batch).await.map_err(|e| e.into_store("relation"))?;
        Ok(())
    }
}

#[async_trait]
impl RelationStore for SqlStore {
    async fn relationships(
        &self,
        viewer: AccountId,
        others: &[AccountId],
    ) -> Stored<Vec<Relationship>> {
        let rows = self.db.query_ids(RELATIONSHIP, params![viewer], others).await?;
        let found: Vec<Relationship> = rows.iter().map(relationship_of).collect::<Stored<_>>()?;
        // In the order asked; accounts that do not exist are left out.
        Ok(others
            .iter()
            .filter_map(|id| found.iter().find(|r| r.account == *id).cloned())
            .collect())
    }

    async fn follow(
        &self,
        account: AccountId,
        target: AccountId,
        options: &FollowOptions,
        at: Timestamp,
    ) -> Stored<()> {
        let mut batch = Batch::new();
        let (insert, note) =
            add_follow(&mut batch, self.db.dialect(), account, target, options, at);
        let told = options.clone();
        batch.tell(move |done| {
            let notification = noted(done, note, target, NotificationKind::Follow, account, at);
            Some(Event::Followed { account, target, options: told, is_new: true, notification })
        });
        match self.db.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Key(place)) if place == insert => {}
            Err(other) => return Err(other.into_store("follow")),
        }
        // It is there already: only how it follows may change.
        let mut batch = Batch::new();
        batch.add(
            "UPDATE follow SET reblogs = ?3, notify = ?4, languages = ?5 \
             WHERE account_id = ?1 AND target_id = ?2",
            params![account, target, options.reblogs, options.notify, options.languages.join(" ")],
        );
        let options = options.clone();
        batch.tell(move |_| {
            Some(Event::Followed { account, target, options, is_new: false, notification: None })
        });
        self.told(batch).await
    }

    async fn request_follow(
        &self,
        account: AccountId,
        target: AccountId,
        options: &FollowOptions,
        at: Timestamp,
    ) -> Stored<()> {
        let mut batch = Batch::new();
        let edge = batch.id();
        let note = batch.id();
        let insert = batch.add(
            "INSERT INTO follow_request (account_id, target_id, id, reblogs, notify, languages) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                account,
                target,
                edge,
                options.reblogs,
                options.notify,
                options.languages.join(" ")
            ],
        );
        batch.add(NOTIFY, params![note, target, "follow_request", account, at]);
        batch.tell(move |done| {
            noted(done, note, target, NotificationKind::FollowRequest, account, at)
                .map(Event::Notified)
        });
        match self.db.commit(batch).await {
            Err(CommitError::Key(place)) if place == insert => {}
            Err(other) => return Err(other.into_store("follow_request")),
            Ok(_) => return Ok(()),
        }
        // It waits already: only how it is to follow may change.
        let mut batch = Batch::new();
        batch.add(
            "UPDATE follow_request SET reblogs = ?3, notify = ?4, languages = ?5 \
             WHERE account_id = ?1 AND target_id = ?2",
            params![account, target, options.reblogs, options.notify, options.languages.join(" ")],
        );
        self.told(batch).await
    }

    async fn unfollow(&self, account: AccountId, target: AccountId) -> Stored<()> {
        let mut batch = Batch::new();
        add_unfollow(&mut batch, self.db.dialect(), account, target);
        batch.tell(move |_| Some(Event::Unfollowed { account, target }));
        self.told(batch).await
    }

    async fn answer_request(
        &self,
        account: AccountId,
        target: AccountId,
        accept: bool,
        at: Timestamp,
    ) -> Stored<bool> {
        let sql = "SELECT reblogs, notify, languages FROM follow_request \
                   WHERE account_id = ?1 AND target_id = ?2";
        let Some(row) = self.db.first(sql, params![account, target]).await? else {
            return Ok(false);
        };
        let mut batch = Batch::new();
        batch.must(
            "DELETE FROM follow_request WHERE account_id = ?1 AND target_id = ?2",
            params![account, target],
        );
        batch.add(
            "DELETE FROM notification \
             WHERE account_id = ?1 AND from_id = ?2 AND kind = 'follow_request'",
            params![target, account],
        );
        if accept {
            let options = options_of(&row, 0)?;
            let (_, note) =
                add_follow(&mut batch, self.db.dialect(), account, target, &options, at);
            batch.tell(move |done| {
                let notification = noted(done, note, target, NotificationKind::Follow, account, at);
                Some(Event::Followed { account, target, options, is_new: true, notification })
            });
        }
        match self.db.commit(batch).await {
            Ok(_) => Ok(true),
            Err(CommitError::Unmet(_)) => Ok(false),
            Err(other) => Err(other.into_store("follow_request")),
        }
    }

    async fn requests_for(&self, target: AccountId, page: Page) -> Stored<Vec<Edge>> {
        let sql = "SELECT id, account_id FROM follow_request WHERE target_id = ?1";
        self.edge_page(sql, target.get(), page).await
    }

    async fn followers(&self, target: AccountId, page: Page) -> Stored<Vec<Edge>> {
        let sql = "SELECT id, account_id FROM follow WHERE target_id = ?1";
        self.edge_page(sql, target.get(), page).await
    }

    async fn following(&self, account: AccountId, page: Page) -> Stored<Vec<Edge>> {
        let sql = "SELECT id, target_id FROM follow WHERE account_id = ?1";
        self.edge_page(sql, account.get(), page).await
    }

    async fn all_following(&self, account: AccountId) -> Stored<Vec<(AccountId, FollowOptions)>> {
        let sql = "SELECT target_id, reblogs, notify, languages FROM follow WHERE account_id = ?1";
        let rows = self.db.query(sql, params![account]).await?;
        rows.iter().map(|r| Ok((r.id(0)?, options_of(r, 1)?))).collect()
    }

    async fn all_restricted(
        &self,
        account: AccountId,
        at: Timestamp,
    ) -> Stored<Vec<(AccountId, Option<Timestamp>)>> {
        // Mutes come first: they say of what type the second column is.
        let sql = "SELECT target_id, expires_ms FROM mute WHERE account_id = ?1 \
                   AND (expires_ms IS NULL OR expires_ms > ?2) \
                   UNION SELECT target_id, NULL FROM block WHERE account_id = ?1 \
                   UNION SELECT account_id, NULL FROM block WHERE target_id = ?1";
        let rows = self.db.query(sql, params![account, at]).await?;
        rows.iter().map(|r| Ok((r.id(0)?, r.opt_int(1)?.map(Timestamp::from_ms)))).collect()
    }

    async fn notice_facts(
        &self,
        from: AccountId,
        told: &[AccountId],
        conversation: Option<ConversationId>,
        at: Timestamp,
    ) -> Stored<Vec<(AccountId, NoticeFacts)>> {
        self.read_notice_facts(from, told, conversation, at).await
    }

    async fn notified_followers(&self, account: AccountId, limit: u32) -> Stored<Vec<AccountId>> {
        let sql = "SELECT f.account_id FROM follow f JOIN account a ON a.id = f.account_id \
                   WHERE f.target_id = ?1 AND f.notify = 1 AND a.domain IS NULL LIMIT ?2";
        self.db.query(sql, params![account, limit]).await?.iter().map(|r| r.id(0)).collect()
    }

    async fn block(&self, account: AccountId, target: AccountId, _at: Timestamp) -> Stored<()> {
        let mut batch = Batch::new();
        let edge = batch.id();
        batch.add(
            "INSERT INTO block (account_id, target_id, id) VALUES (?1, ?2, ?3) \
             ON CONFLICT (account_id, target_id) DO NOTHING",
            params![account, target, edge],
        );
        add_unfollow(&mut batch, self.db.dialect(), account, target);
        add_unfollow(&mut batch, self.db.dialect(), target, account);
        for (told, from) in [(account, target), (target, account)] {
            batch.add(
                "DELETE FROM notification WHERE account_id = ?1 AND from_id = ?2",
                params![told, from],
            );
        }
        let kind = Restriction::Block;
        batch.tell(move |_| Some(Event::Restricted { account, target, kind, on: true }));
        self.told(batch).await
    }

    async fn unblock(&self, account: AccountId, target: AccountId) -> Stored<()> {
        let mut batch = Batch::new();
        batch.add(
            "DELETE FROM block WHERE account_id = ?1 AND target_id = ?2",
            params![account, target],
        );
        let kind = Restriction::Block;
        batch.tell(move |_| Some(Event::Restricted { account, target, kind, on: false }));
        self.told(batch).await
    }

    async fn blocks(&self, account: AccountId, page: Page) -> Stored<Vec<Edge>> {
        let sql = "SELECT id, target_id FROM block WHERE account_id = ?1";
        self.edge_page(sql, account.get(), page).await
    }

    async fn mute(
        &self,
        account: AccountId,
        target: AccountId,
        options: MuteOptions,
        at: Timestamp,
    ) -> Stored<()> {
        let mut batch = Batch::new();
        let edge = batch.id();
        // What has ended by itself is cleaned away when its owner mutes anew.
        batch.add(
            "DELETE FROM mute WHERE account_id = ?1 AND expires_ms <= ?2",
            params![account, at],
        );
        batch.add(
            "INSERT INTO mute (account_id, target_id, id, notifications, expires_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (account_id, target_id) DO UPDATE SET \
             notifications = excluded.notifications, expires_ms = excluded.expires_ms",
            params![account, target, edge, options.notifications, options.expires],
        );
        let kind = Restriction::Mute;
        batch.tell(move |_| Some(Event::Restricted { account, target, kind, on: true }));
        self.told(batch).await
    }

    async fn unmute(&self, account: AccountId, target: AccountId) -> Stored<()> {
        let mut batch = Batch::new();
        batch.add(
            "DELETE FROM mute WHERE account_id = ?1 AND target_id = ?2",
            params![account, target],
        );
        let kind = Restriction::Mute;
        batch.tell(move |_| Some(Event::Restricted { account, target, kind, on: false }));
        self.told(batch).await
    }

    async fn mutes(
        &self,
        account: AccountId,
        page: Page,
        at: Timestamp,
    ) -> Stored<Vec<(Edge, Option<Timestamp>)>> {
        let page = self.db.settled(page);
        let order = if page.ascending() { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT id, target_id, expires_ms FROM mute WHERE account_id = ?1 AND id < ?2 \
             AND id > ?3 AND (expires_ms IS NULL OR expires_ms > ?5) ORDER BY id {order} LIMIT ?4"
        );
        let values = params![account, page.below(), page.above(), page.limit, at];
        let mut found: Vec<(Edge, Option<Timestamp>)> = Vec::new();
        for row in self.db.query(&sql, values).await? {
            let edge = Edge { id: row.id(0)?, account: row.id(1)? };
            found.push((edge, row.opt_int(2)?.map(Timestamp::from_ms)));
        }
        if page.ascending() {
            found.reverse();
        }
        Ok(found)
    }

    async fn set_note(&self, account: AccountId, target: AccountId, note: &str) -> Stored<()> {
        let mut batch = Batch::new();
        let key: Vec<Value> = params![account, target];
        if note.is_empty() {
            batch.add("DELETE FROM account_note WHERE account_id = ?1 AND target_id = ?2", key);
        } else {
            batch.add(
                "INSERT INTO account_note (account_id, target_id, note) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (account_id, target_id) DO UPDATE SET note = excluded.note",
                params![account, target, note],
            );
        }
        self.told(batch).await
    }

    async fn lists(&self, account: AccountId) -> Stored<Vec<List>> {
        self.read_lists(account).await
    }
    async fn list(&self, id: ListId) -> Stored<Option<List>> {
        self.read_list(id).await
    }
    async fn create_list(&self, list: &List) -> Stored<ListId> {
        self.insert_list(list).await
    }
    async fn change_list(&self, list: &List) -> Stored<()> {
        self.update_list(list).await
    }
    async fn delete_list(&self, list: &List) -> Stored<()> {
        self.remove_list(list).await
    }
    async fn add_to_list(&self, list: &List, accounts: &[AccountId]) -> Stored<()> {
        self.put_on_list(list, accounts).await
    }
    async fn remove_from_list(&self, list: &List, accounts: &[AccountId]) -> Stored<()> {
        self.take_off_list(list, accounts).await
    }
    async fn on_exclusive_lists(&self, account: AccountId) -> Stored<Vec<AccountId>> {
        self.read_exclusive(account).await
    }
    async fn on_list(&self, list: ListId, accounts: &[AccountId]) -> Stored<Vec<AccountId>> {
        let sql = "SELECT target_id FROM list_member WHERE list_id = ?1 AND target_id IN ({ids})";
        let rows = self.db.query_ids(sql, params![list], accounts).await?;
        rows.iter().map(|r| r.id(0)).collect()
    }
    async fn list_members(&self, list: ListId, page: Page) -> Stored<Vec<Edge>> {
        self.read_list_members(list, page).await
    }
    async fn lists_with(&self, account: AccountId, target: AccountId) -> Stored<Vec<List>> {
        self.read_lists_with(account, target).await
    }
    async fn notifications(
        &self,
        account: AccountId,
        kinds: &[NotificationKind],
        from: Option<AccountId>,
        page: Page,
    ) -> Stored<Vec<Notification>> {
        self.read_notifications(account, kinds, from, page).await
    }
    async fn notification(
        &self,
        account: AccountId,
        id: NotificationId,
    ) -> Stored<Option<Notification>> {
        self.read_notification(account, id).await
    }
    async fn dismiss(&self, account: AccountId, id: Option<NotificationId>) -> Stored<()> {
        self.remove_notifications(account, id).await
    }
    async fn unread(&self, account: AccountId, after: i64, limit: u32) -> Stored<i64> {
        self.count_unread(account, after, limit).await
    }
}
