//! Accounts and members written.

use crate::{
    Batch, CommitError, Row, SqlStore, Value,
    account::{fields_text, preferences_text},
    account_find::renew_words,
    app::ending_access,
    mail, params,
};
use model::{
    Account, AccountId, Event, StoreError, Timestamp,
    account::{ProfileChange, Standing},
    job::JobKind,
    mail::MailKind,
    marker::MarkerTimeline,
    member::{NewMember, Preferences},
    ports::Stored,
};

const INSERT_ACCOUNT: &str = "INSERT INTO account (id, username, username_lower, domain, uri, \
    display_name, note, fields, avatar, header, locked, bot, discoverable, indexable, \
    hide_collections, created_ms, public_key_pem) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
const INSERT_MEMBER: &str = "INSERT INTO member (account_id, email, email_lower, password_hash, \
    role, confirmed_ms, locale, reason, created_by_app, preferences, private_key_pem, created_ms) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
/// Whoever asked to follow a local account that is locked no more need not wait.
const ADMIT_WAITING: &str = "INSERT INTO job \
    (id, kind, subject_id, run_ms, attempts, told_until, error) \
    SELECT ?1, ?2, id, 0, 0, 0, NULL FROM account WHERE id = ?3 AND domain IS NULL \
    AND EXISTS (SELECT 1 FROM follow_request WHERE target_id = ?3)";

impl SqlStore {
    pub(crate) async fn insert_member(&self, new: NewMember) -> Stored<AccountId> {
        let mut batch = Batch::new();
        let id = batch.id();
        let account = batch.add(
            INSERT_ACCOUNT,
            params![
                id,
                new.username.clone(),
                new.username.to_lowercase(),
                Value::Null,
                Value::Null,
                new.display_name.clone(),
                "",
                "[]",
                Value::Null,
                Value::Null,
                false,
                false,
                true,
                true,
                false,
                new.created,
                new.public_key_pem
            ],
        );
        let member = batch.add(
            INSERT_MEMBER,
            params![
                id,
                new.email.clone(),
                new.email.to_lowercase(),
                new.password_hash,
                new.role.word(),
                new.confirmed.then_some(new.created),
                new.locale,
                new.reason,
                new.created_by_app,
                preferences_text(&Preferences::default()),
                new.private_key_pem,
                new.created
            ],
        );
        renew_words(&mut batch, &Value::Id(id), &new.display_name);
        if !new.confirmed {
            mail::enqueue(&mut batch, MailKind::Confirm, id, &new.email, new.created);
        }
        match self.db.commit(batch).await {
            Ok(done) => done.id(id),
            Err(CommitError::Key(at)) if at == account => {
                Err(StoreError::Conflict("account_handle"))
            }
            Err(CommitError::Key(at)) if at == member => Err(StoreError::Conflict("member_email")),
            Err(other) => Err(other.into_store("member")),
        }
    }

    pub(crate) async fn take_in_remote(&self, account: &Account) -> Stored<AccountId> {
        let (Some(domain), Some(uri)) = (&account.domain, &account.uri) else {
            return Err(StoreError::Inconsistent("a remote account without domain".into()));
        };
        let sql = "SELECT id FROM account WHERE uri = ?1";
        if let Some(row) = self.db.first(sql, params![uri]).await? {
            let id = row.id(0)?;
            let change = ProfileChange {
                display_name: Some(account.display_name.clone()),
                note: Some(account.note.clone()),
                fields: Some(account.fields.clone()),
                locked: Some(account.locked),
                bot: Some(account.bot),
                ..ProfileChange::default()
            };
            self.update_profile(id, change).await?;
            return Ok(id);
        }
        let mut batch = Batch::new();
        let id = batch.id();
        batch.add(
            INSERT_ACCOUNT,
            params![
                id,
                account.username.clone(),
                account.username.to_lowercase(),
                domain.to_lowercase(),
                uri,
                account.display_name.clone(),
                account.note.clone(),
                fields_text(&account.fields),
                account.avatar.clone(),
                account.header.clone(),
                account.locked,
                account.bot,
                account.discoverable,
                account.indexable,
                account.hide_collections,
                account.created,
                Value::Null
            ],
        );
        renew_words(&mut batch, &Value::Id(id), &account.display_name);
        let done = self.db.commit(batch).await.map_err(|e| e.into_store("account"))?;
        done.id(id)
    }

    pub(crate) async fn update_profile(
        &self,
        account: AccountId,
        change: ProfileChange,
    ) -> Stored<()> {
        let unlocks = change.locked == Some(false);
        let mut batch = Batch::new();
        if let Some(name) = &change.display_name {
            renew_words(&mut batch, &Value::from(account), name);
        }
        let mut set = |sql: &'static str, value: Option<Value>| {
            if let Some(value) = value {
                batch.add(sql, vec![Value::from(account), value]);
            }
        };
        set(
            "UPDATE account SET display_name = ?2 WHERE id = ?1",
            change.display_name.map(Value::from),
        );
        set("UPDATE account SET note = ?2 WHERE id = ?1", change.note.map(Value::from));
        set(
            "UPDATE account SET fields = ?2 WHERE id = ?1",
            change.fields.map(|f| Value::from(fields_text(&f))),
        );
        set("UPDATE account SET avatar = ?2 WHERE id = ?1", change.avatar.map(Value::from));
        set("UPDATE account SET header = ?2 WHERE id = ?1", change.header.map(Value::from));
        set("UPDATE account SET locked = ?2 WHERE id = ?1", change.locked.map(Value::from));
        set("UPDATE account SET bot = ?2 WHERE id = ?1", change.bot.map(Value::from));
        set(
            "UPDATE account SET discoverable = ?2 WHERE id = ?1",
            change.discoverable.map(Value::from),
        );
        set("UPDATE account SET indexable = ?2 WHERE id = ?1", change.indexable.map(Value::from));
        set(
            "UPDATE account SET hide_collections = ?2 WHERE id = ?1",
            change.hide_collections.map(Value::from),
        );
        if let Some(preferences) = &change.preferences {
            batch.must(
                "UPDATE member SET preferences = ?2 WHERE account_id = ?1",
                params![account, preferences_text(preferences)],
            );
        }
        if unlocks {
            let job = batch.id();
            batch.add(ADMIT_WAITING, params![job, JobKind::Admit.word(), account]);
        }
        batch.tell(move |_| Some(Event::ProfileChanged(account)));
        self.db.commit(batch).await.map_err(|e| e.into_store("account"))?;
        Ok(())
    }

    pub(crate) async fn update_member(&self, sql: &'static str, values: Vec<Value>) -> Stored<()> {
        let mut batch = Batch::new();
        batch.must(sql, values);
        self.db.commit(batch).await.map_err(|e| e.into_store("member"))?;
        Ok(())
    }

    pub(crate) async fn update_password(
        &self,
        account: AccountId,
        hash: &str,
        at: Timestamp,
        notice: bool,
    ) -> Stored<()> {
        let mut batch = Batch::new();
        batch.must(
            "UPDATE member SET password_hash = ?2 WHERE account_id = ?1",
            params![account, hash],
        );
        ending_access(&mut batch, account, None, at);
        mail::end_links(&mut batch, account);
        if notice {
            mail::enqueue_to_member(&mut batch, MailKind::PasswordChanged, account, at);
        }
        // Whoever caches what this account's tokens may do looks again.
        batch.tell(move |_| Some(Event::AccountChanged(account)));
        self.db.commit(batch).await.map_err(|e| e.into_store("member"))?;
        Ok(())
    }

    pub(crate) async fn update_standing(
        &self,
        account: AccountId,
        standing: Standing,
    ) -> Stored<()> {
        let mut batch = Batch::new();
        batch.must(
            "UPDATE account SET suspended_ms = ?2, silenced_ms = ?3 WHERE id = ?1",
            params![account, standing.suspended, standing.silenced],
        );
        batch.tell(move |_| Some(Event::AccountChanged(account)));
        self.db.commit(batch).await.map_err(|e| e.into_store("account"))?;
        Ok(())
    }

    pub(crate) async fn write_marker(
        &self,
        account: AccountId,
        timeline: MarkerTimeline,
        last_read_id: i64,
        at: Timestamp,
    ) -> Stored<Row> {
        let mut batch = Batch::new();
        let place = batch.add(
            "INSERT INTO marker (account_id, timeline, last_read_id, version, updated_ms) \
             VALUES (?1, ?2, ?3, 1, ?4) ON CONFLICT (account_id, timeline) DO UPDATE SET \
             last_read_id = excluded.last_read_id, version = marker.version + 1, \
             updated_ms = excluded.updated_ms \
             RETURNING timeline, last_read_id, version, updated_ms",
            params![account, timeline.word(), last_read_id, at],
        );
        let done = self.db.commit(batch).await.map_err(|e| e.into_store("marker"))?;
        let row = done.rows(place).first().cloned();
        row.ok_or_else(|| StoreError::Inconsistent("marker without a row".into()))
    }
}
