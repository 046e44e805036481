//! Accounts and members read, and the port that joins this file and `account_change`.

use crate::{Row, SqlStore, params};
use async_trait::async_trait;
use model::{
    Account, AccountCounts, AccountId, Page, StoreError, Timestamp, Visibility,
    account::{ProfileChange, ProfileField, Standing},
    marker::{Marker, MarkerTimeline},
    member::{Member, NewMember, Preferences, Role},
    ports::{AccountQuery, AccountStore, Stored},
};
use serde_json::{Value as Json, json};

macro_rules! account_columns {
    () => {
        "id, username, domain, uri, display_name, note, fields, avatar, header, locked, bot, \
         discoverable, indexable, hide_collections, created_ms, suspended_ms, silenced_ms"
    };
}
macro_rules! member_columns {
    () => {
        "account_id, email, password_hash, role, confirmed_ms, locale, reason, created_by_app, \
         preferences, created_ms"
    };
}

pub(crate) fn account_of(row: &Row) -> Stored<Account> {
    Ok(Account {
        id: row.id(0)?,
        username: row.text(1)?.to_owned(),
        domain: row.opt_text(2)?.map(str::to_owned),
        uri: row.opt_text(3)?.map(str::to_owned),
        display_name: row.text(4)?.to_owned(),
        note: row.text(5)?.to_owned(),
        fields: fields_of(row.text(6)?)?,
        avatar: row.opt_text(7)?.map(str::to_owned),
        header: row.opt_text(8)?.map(str::to_owned),
        locked: row.bool(9)?,
        bot: row.bool(10)?,
        discoverable: row.bool(11)?,
        indexable: row.bool(12)?,
        hide_collections: row.bool(13)?,
        created: Timestamp::from_ms(row.int(14)?),
        standing: Standing {
            suspended: row.opt_int(15)?.map(Timestamp::from_ms),
            silenced: row.opt_int(16)?.map(Timestamp::from_ms),
        },
    })
}

fn fields_of(text: &str) -> Stored<Vec<ProfileField>> {
    let wrong = || StoreError::Inconsistent("account.fields".into());
    let rows: Vec<(String, String, Option<i64>)> =
        serde_json::from_str(text).map_err(|_| wrong())?;
    Ok(rows
        .into_iter()
        .map(|(name, value, at)| ProfileField { name, value, verified: at.map(Timestamp::from_ms) })
        .collect())
}

pub(crate) fn fields_text(fields: &[ProfileField]) -> String {
    let rows: Vec<Json> =
        fields.iter().map(|f| json!([f.name, f.value, f.verified.map(Timestamp::ms)])).collect();
    Json::Array(rows).to_string()
}

pub(crate) fn preferences_text(p: &Preferences) -> String {
    json!({
        "visibility": p.visibility.word(),
        "sensitive": p.sensitive,
        "language": p.language,
        "expand_media": p.expand_media,
        "expand_spoilers": p.expand_spoilers,
        "autoplay_gifs": p.autoplay_gifs,
    })
    .to_string()
}

/// Unknown or missing keys take their defaults: a preference is no reason to lock somebody out.
fn preferences_of(text: &str) -> Preferences {
    let json: Json = serde_json::from_str(text).unwrap_or_default();
    let word = |key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
    let flag = |key: &str| json.get(key).and_then(Json::as_bool).unwrap_or(false);
    let usual = Preferences::default();
    Preferences {
        visibility: word("visibility")
            .and_then(|w| Visibility::from_word(&w))
            .unwrap_or(usual.visibility),
        sensitive: flag("sensitive"),
        language: word("language"),
        expand_media: word("expand_media").unwrap_or(usual.expand_media),
        expand_spoilers: flag("expand_spoilers"),
        autoplay_gifs: flag("autoplay_gifs"),
    }
}

fn member_of(row: &Row) -> Stored<Member> {
    Ok(Member {
        account: row.id(0)?,
        email: row.text(1)?.to_owned(),
        password_hash: row.text(2)?.to_owned(),
        role: Role::from_word(row.text(3)?)
            .ok_or_else(|| StoreError::Inconsistent("member.role".into()))?,
        confirmed: row.opt_int(4)?.map(Timestamp::from_ms),
        locale: row.text(5)?.to_owned(),
        reason: row.opt_text(6)?.map(str::to_owned),
        created_by_app: row.opt_id(7)?,
        preferences: preferences_of(row.text(8)?),
        created: Timestamp::from_ms(row.int(9)?),
    })
}

fn marker_of(row: &Row) -> Stored<Marker> {
    Ok(Marker {
        timeline: MarkerTimeline::from_word(row.text(0)?)
            .ok_or_else(|| StoreError::Inconsistent("marker.timeline".into()))?,
        last_read_id: row.int(1)?,
        version: row.int(2)?,
        updated: Timestamp::from_ms(row.int(3)?),
    })
}

#[async_trait]
impl AccountStore for SqlStore {
    async fn accounts(&self, ids: &[AccountId]) -> Stored<Vec<Account>> {
        let sql = concat!("SELECT ", account_columns!(), " FROM account WHERE id IN ({ids})");
        self.db.query_ids(sql, vec![], ids).await?.iter().map(account_of).collect()
    }

    async fn account_by_handle(
        &self,
        username: &str,
        domain: Option<&str>,
    ) -> Stored<Option<Account>> {
        let sql = concat!(
            "SELECT ",
            account_columns!(),
            " FROM account WHERE username_lower = ?1 AND COALESCE(domain, '') = ?2"
        );
        let values = params![username.to_lowercase(), domain.unwrap_or("").to_lowercase()];
        self.db.first(sql, values).await?.as_ref().map(account_of).transpose()
    }

    async fn local_accounts_by_name(&self, usernames: &[String]) -> Stored<Vec<Account>> {
        let mut found = Vec::new();
        for name in usernames {
            found.extend(self.account_by_handle(name, None).await?);
        }
        Ok(found)
    }

    async fn account_counts(&self, ids: &[AccountId]) -> Stored<Vec<(AccountId, AccountCounts)>> {
        self.read_account_counts(ids).await
    }

    async fn find_accounts(&self, query: &AccountQuery) -> Stored<Vec<AccountId>> {
        self.found_accounts(query).await
    }

    async fn create_member(&self, new: NewMember) -> Stored<AccountId> {
        self.insert_member(new).await
    }

    async fn upsert_remote_account(&self, account: &Account) -> Stored<AccountId> {
        self.take_in_remote(account).await
    }

    async fn member(&self, account: AccountId) -> Stored<Option<Member>> {
        let sql = concat!("SELECT ", member_columns!(), " FROM member WHERE account_id = ?1");
        self.db.first(sql, params![account]).await?.as_ref().map(member_of).transpose()
    }

    async fn member_by_email(&self, email: &str) -> Stored<Option<Member>> {
        let sql = concat!("SELECT ", member_columns!(), " FROM member WHERE email_lower = ?1");
        self.db.first(sql, params![email.to_lowercase()]).await?.as_ref().map(member_of).transpose()
    }

    async fn members(&self, page: Page) -> Stored<Vec<Member>> {
        let sql = concat!(
            "SELECT ",
            member_columns!(),
            " FROM member WHERE account_id < ?1 AND account_id > ?2 \
             ORDER BY account_id DESC LIMIT ?3"
        );
        let page = self.db.settled(page);
        let values = params![page.below(), page.above(), page.limit];
        self.db.query(sql, values).await?.iter().map(member_of).collect()
    }

    async fn owner(&self) -> Stored<Option<AccountId>> {
        // Owners are few and join first, so the walk along the key is short.
        let sql = "SELECT account_id FROM member WHERE role = ?1 ORDER BY account_id LIMIT 1";
        let row = self.db.first(sql, params![Role::Owner.word()]).await?;
        row.as_ref().map(|row| row.id(0)).transpose()
    }

    async fn active_members(&self, since: Timestamp) -> Stored<i64> {
        let sql = "SELECT COUNT(*) FROM member WHERE seen_ms >= ?1";
        let row = self.db.first(sql, params![since]).await?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    async fn totals(&self) -> Stored<(i64, i64)> {
        self.read_totals().await
    }

    async fn change_profile(&self, account: AccountId, change: ProfileChange) -> Stored<()> {
        self.update_profile(account, change).await
    }

    async fn set_password(
        &self,
        account: AccountId,
        hash: &str,
        at: Timestamp,
        notice: bool,
    ) -> Stored<()> {
        self.update_password(account, hash, at, notice).await
    }

    async fn set_role(&self, account: AccountId, role: Role) -> Stored<()> {
        self.update_member(
            "UPDATE member SET role = ?2 WHERE account_id = ?1",
            params![account, role.word()],
        )
        .await
    }

    async fn confirm_member(&self, account: AccountId, at: Timestamp) -> Stored<()> {
        self.update_member(
            "UPDATE member SET confirmed_ms = ?2 WHERE account_id = ?1",
            params![account, at],
        )
        .await
    }

    async fn set_standing(&self, account: AccountId, standing: Standing) -> Stored<()> {
        self.update_standing(account, standing).await
    }

    async fn markers(&self, account: AccountId) -> Stored<Vec<Marker>> {
        let sql = "SELECT timeline, last_read_id, version, updated_ms FROM marker \
                   WHERE account_id = ?1";
        self.db.query(sql, params![account]).await?.iter().map(marker_of).collect()
    }

    async fn set_marker(
        &self,
        account: AccountId,
        timeline: MarkerTimeline,
        last_read_id: i64,
        at: Timestamp,
    ) -> Stored<Marker> {
        let row = self.write_marker(account, timeline, last_read_id, at).await?;
        marker_of(&row)
    }
}
