//! Apps, tokens, codes and sessions.

use crate::{Batch, CommitError, Row, SqlStore, mail, params};
use async_trait::async_trait;
use model::{
    AccountId, AppId, Event, SessionId, StoreError, Timestamp, TokenId,
    app::App,
    limits::ARRIVALS_KEPT,
    mail::MailKind,
    ports::{AppStore, Stored},
    token::{Arrival, AuthCode, Scopes, Session, Token},
};

const APP: &str = "SELECT id, client_id, client_secret_hash, name, website, redirect_uris, \
    scopes, created_ms FROM app WHERE ";
const TOKEN: &str =
    "SELECT id, app_id, account_id, scopes, created_ms, revoked_ms, used_ms FROM token WHERE ";
const CREATE_TOKEN: &str = "INSERT INTO token \
     (id, app_id, account_id, scopes, created_ms, revoked_ms) VALUES (?1, ?2, ?3, ?4, ?5, NULL)";
/// Remembers that a member has logged in through an app; most often that is known.
const ENTERED: &str = "UPDATE app SET entered = 1 WHERE id = ?1 AND entered = 0";
const SESSION: &str = "SELECT id, account_id, secret_hash, browser, created_ms, used_ms, \
    expires_ms FROM session WHERE ";
const END_SESSION: &str = "DELETE FROM session WHERE id = ?1 AND account_id = ?2";
/// All but one; ids begin at 1, so that 0 spares none.
const END_SESSIONS: &str = "DELETE FROM session WHERE account_id = ?1 AND id <> ?2";
const END_TOKENS: &str =
    "UPDATE token SET revoked_ms = ?2 WHERE account_id = ?1 AND revoked_ms IS NULL";
const END_CODES: &str = "DELETE FROM auth_code WHERE account_id = ?1";
const END_OLDEST: &str = "DELETE FROM session WHERE account_id = ?1 AND id NOT IN \
    (SELECT id FROM session WHERE account_id = ?1 ORDER BY id DESC LIMIT ?2)";

/// Changes a member's row once a day at most.
const SEEN: &str = "UPDATE member SET seen_ms = ?2 WHERE account_id = ?1 \
    AND (seen_ms IS NULL OR seen_ms < ?2)";
const SEEN_BY_TOKEN: &str = "UPDATE member SET seen_ms = ?2 WHERE account_id = \
    (SELECT account_id FROM token WHERE id = ?1) AND (seen_ms IS NULL OR seen_ms < ?2)";
const SEEN_BY_SESSION: &str = "UPDATE member SET seen_ms = ?2 WHERE account_id = \
    (SELECT account_id FROM session WHERE id = ?1) AND (seen_ms IS NULL OR seen_ms < ?2)";
const ARRIVE: &str = "INSERT INTO sign_in (account_id, place, at_ms) VALUES (?1, ?2, ?3) \
    ON CONFLICT (account_id, place) DO UPDATE SET at_ms = excluded.at_ms";
const FORGET_ARRIVALS: &str = "DELETE FROM sign_in WHERE account_id = ?1 AND place NOT IN \
    (SELECT place FROM sign_in WHERE account_id = ?1 ORDER BY at_ms DESC, place LIMIT ?2)";

fn scopes_of(raw: i64) -> Scopes {
    model::scope::stored(u64::from_ne_bytes(raw.to_ne_bytes()))
}

fn scopes_raw(scopes: Scopes) -> i64 {
    i64::from_ne_bytes(scopes.0.to_ne_bytes())
}

fn app_of(row: &Row) -> Stored<App> {
    Ok(App {
        id: row.id(0)?,
        client_id: row.text(1)?.to_owned(),
        client_secret_hash: row.bytes(2)?.to_vec(),
        name: row.text(3)?.to_owned(),
        website: row.opt_text(4)?.map(str::to_owned),
        redirect_uris: row.text(5)?.split('\n').map(str::to_owned).collect(),
        scopes: scopes_of(row.int(6)?),
        created: Timestamp::from_ms(row.int(7)?),
    })
}

fn token_of(row: &Row) -> Stored<Token> {
    Ok(Token {
        id: row.id(0)?,
        app: row.id(1)?,
        account: row.opt_id(2)?,
        scopes: scopes_of(row.int(3)?),
        created: Timestamp::from_ms(row.int(4)?),
        revoked: row.opt_int(5)?.map(Timestamp::from_ms),
        used: row.opt_int(6)?.map(Timestamp::from_ms),
    })
}

fn code_of(row: &Row) -> Stored<AuthCode> {
    Ok(AuthCode {
        hash: row.bytes(0)?.to_vec(),
        app: row.id(1)?,
        account: row.id(2)?,
        scopes: scopes_of(row.int(3)?),
        redirect_uri: row.text(4)?.to_owned(),
        challenge: row.opt_text(5)?.map(str::to_owned),
        expires: Timestamp::from_ms(row.int(6)?),
        taken: row.opt_int(7)?.map(Timestamp::from_ms),
        token: row.opt_id(8)?,
    })
}

fn session_of(row: &Row) -> Stored<Session> {
    Ok(Session {
        id: row.id(0)?,
        account: row.id(1)?,
        secret_hash: row.bytes(2)?.to_vec(),
        browser: row.text(3)?.to_owned(),
        created: Timestamp::from_ms(row.int(4)?),
        used: Timestamp::from_ms(row.int(5)?),
        expires: Timestamp::from_ms(row.int(6)?),
    })
}

/// Adds to a deed that whatever was opened with an account's password ends, but for this session.
pub(crate) fn ending_access(
    batch: &mut Batch,
    account: AccountId,
    keep: Option<SessionId>,
    at: Timestamp,
) {
    batch.add(END_SESSIONS, params![account, keep.map_or(0, SessionId::get)]);
    batch.add(END_CODES, params![account]);
    batch.add(END_TOKENS, params![account, at]);
}

/// Adds to a session's beginning from where it was begun.
fn arrive(batch: &mut Batch, session: &Session, arrival: &Arrival) {
    let account = session.account;
    batch.add(ARRIVE, params![account, arrival.place.as_str(), session.created]);
    batch.add(FORGET_ARRIVALS, params![account, ARRIVALS_KEPT]);
    if arrival.is_told {
        let at = session.created;
        mail::enqueue_telling(batch, MailKind::SignIn, account, at, &session.browser);
    }
}

#[async_trait]
impl AppStore for SqlStore {
    async fn create_app(&self, app: &App) -> Stored<AppId> {
        let mut batch = Batch::new();
        let id = batch.id();
        batch.add(
            "INSERT INTO app (id, client_id, client_secret_hash, name, website, redirect_uris, \
             scopes, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                id,
                app.client_id.clone(),
                app.client_secret_hash.as_slice(),
                app.name.clone(),
                app.website.clone(),
                app.redirect_uris.join("\n"),
                scopes_raw(app.scopes),
                app.created
            ],
        );
        self.db.commit(batch).await.map_err(|e| e.into_store("app"))?.id(id)
    }

    async fn app(&self, id: AppId) -> Stored<Option<App>> {
        let sql = format!("{APP} id = ?1");
        self.db.first(&sql, params![id]).await?.as_ref().map(app_of).transpose()
    }

    async fn app_by_client(&self, client_id: &str) -> Stored<Option<App>> {
        let sql = format!("{APP} client_id = ?1");
        self.db.first(&sql, params![client_id]).await?.as_ref().map(app_of).transpose()
    }

    async fn create_token(
        &self,
        app: AppId,
        account: Option<AccountId>,
        scopes: Scopes,
        at: Timestamp,
    ) -> Stored<TokenId> {
        let mut batch = Batch::new();
        let id = batch.id();
        batch.add(CREATE_TOKEN, params![id, app, account, scopes_raw(scopes), at]);
        if account.is_some() {
            batch.add(ENTERED, params![app]);
        }
        self.db.commit(batch).await.map_err(|e| e.into_store("token"))?.id(id)
    }

    async fn token(&self, id: TokenId) -> Stored<Option<Token>> {
        let sql = format!("{TOKEN} id = ?1");
        self.db.first(&sql, params![id]).await?.as_ref().map(token_of).transpose()
    }

    async fn tokens_of(&self, account: AccountId, limit: u32) -> Stored<Vec<Token>> {
        let sql =
            format!("{TOKEN} account_id = ?1 AND revoked_ms IS NULL ORDER BY id DESC LIMIT ?2");
        self.db.query(&sql, params![account, limit]).await?.iter().map(token_of).collect()
    }

    async fn revoke_token(&self, id: TokenId, at: Timestamp) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(
            "UPDATE token SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL",
            params![id, at],
        );
        batch.tell(move |_| Some(Event::TokenRevoked(id)));
        self.ended(batch).await
    }

    async fn create_code(&self, code: &AuthCode, forget: Timestamp) -> Stored<()> {
        let mut batch = Batch::new();
        // The old ones go in passing: the table stays as small as what is remembered.
        batch.add("DELETE FROM auth_code WHERE expires_ms <= ?1", params![forget]);
        batch.add(
            "INSERT INTO auth_code \
             (hash, app_id, account_id, scopes, redirect_uri, challenge, expires_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                code.hash.as_slice(),
                code.app,
                code.account,
                scopes_raw(code.scopes),
                code.redirect_uri.clone(),
                code.challenge.clone(),
                code.expires
            ],
        );
        self.db.commit(batch).await.map_err(|e| e.into_store("code"))?;
        Ok(())
    }

    async fn code(&self, hash: &[u8]) -> Stored<Option<AuthCode>> {
        let sql = "SELECT hash, app_id, account_id, scopes, redirect_uri, challenge, expires_ms, \
                   taken_ms, token_id FROM auth_code WHERE hash = ?1";
        self.db.first(sql, params![hash]).await?.as_ref().map(code_of).transpose()
    }

    async fn redeem_code(&self, code: &AuthCode, at: Timestamp) -> Stored<Option<TokenId>> {
        let mut batch = Batch::new();
        let id = batch.id();
        batch.must(
            "UPDATE auth_code SET taken_ms = ?2, token_id = ?3 \
             WHERE hash = ?1 AND taken_ms IS NULL AND expires_ms > ?2",
            params![code.hash.as_slice(), at, id],
        );
        let scopes = scopes_raw(code.scopes);
        batch.add(CREATE_TOKEN, params![id, code.app, code.account, scopes, at]);
        batch.add(ENTERED, params![code.app]);
        match self.db.commit(batch).await {
            Ok(done) => done.id(id).map(Some),
            Err(CommitError::Unmet(_)) => Ok(None),
            Err(other) => Err(other.into_store("code")),
        }
    }

    async fn burn_code(&self, hash: &[u8], at: Timestamp) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(
            "UPDATE auth_code SET taken_ms = ?2 WHERE hash = ?1 AND taken_ms IS NULL",
            params![hash, at],
        );
        self.ended(batch).await
    }

    async fn note_tokens_used(&self, ids: &[TokenId], day: Timestamp) -> Stored<()> {
        let mut batch = Batch::new();
        for id in ids {
            batch.add("UPDATE token SET used_ms = ?2 WHERE id = ?1", params![*id, day]);
            batch.add(SEEN_BY_TOKEN, params![*id, day]);
        }
        self.db.commit(batch).await.map_err(|e| e.into_store("token"))?;
        Ok(())
    }

    async fn create_session(
        &self,
        session: &Session,
        replaces: Option<SessionId>,
        keep: u32,
        arrival: Option<&Arrival>,
    ) -> Stored<SessionId> {
        let mut batch = Batch::new();
        let id = batch.id();
        if let Some(old) = replaces {
            batch.add("DELETE FROM session WHERE id = ?1", params![old]);
        }
        batch.add(
            "INSERT INTO session \
             (id, account_id, secret_hash, browser, created_ms, used_ms, expires_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                id,
                session.account,
                session.secret_hash.as_slice(),
                session.browser.clone(),
                session.created,
                session.used,
                session.expires
            ],
        );
        batch.add(SEEN, params![session.account, session.used.day()]);
        batch.add(END_OLDEST, params![session.account, keep]);
        if let Some(arrival) = arrival {
            arrive(&mut batch, session, arrival);
        }
        self.db.commit(batch).await.map_err(|e| e.into_store("session"))?.id(id)
    }

    async fn has_arrived(&self, account: AccountId, place: &str, since: Timestamp) -> Stored<bool> {
        let sql = "SELECT 1 FROM sign_in WHERE account_id = ?1 AND place = ?2 AND at_ms >= ?3";
        Ok(self.db.first(sql, params![account, place, since]).await?.is_some())
    }

    async fn session_by_secret(&self, hash: &[u8]) -> Stored<Option<Session>> {
        let sql = format!("{SESSION} secret_hash = ?1");
        self.db.first(&sql, params![hash]).await?.as_ref().map(session_of).transpose()
    }

    async fn touch_session(
        &self,
        id: SessionId,
        used: Timestamp,
        expires: Timestamp,
    ) -> Stored<()> {
        let mut batch = Batch::new();
        batch.add(
            "UPDATE session SET used_ms = ?2, expires_ms = ?3 WHERE id = ?1",
            params![id, used, expires],
        );
        batch.add(SEEN_BY_SESSION, params![id, used.day()]);
        self.db.commit(batch).await.map_err(|e| e.into_store("session"))?;
        Ok(())
    }

    async fn sessions_of(&self, account: AccountId) -> Stored<Vec<Session>> {
        let sql = format!("{SESSION} account_id = ?1 ORDER BY id DESC");
        self.db.query(&sql, params![account]).await?.iter().map(session_of).collect()
    }

    async fn end_session(&self, account: AccountId, id: SessionId) -> Stored<bool> {
        let mut batch = Batch::new();
        batch.must(END_SESSION, params![id, account]);
        batch.tell(move |_| Some(Event::SessionEnded(id)));
        self.ended(batch).await
    }

    async fn end_access(
        &self,
        account: AccountId,
        keep: Option<SessionId>,
        at: Timestamp,
    ) -> Stored<()> {
        let mut batch = Batch::new();
        ending_access(&mut batch, account, keep, at);
        batch.tell(move |_| Some(Event::AccountChanged(account)));
        self.db.commit(batch).await.map_err(|e| e.into_store("token"))?;
        Ok(())
    }
}

impl SqlStore {
    /// Commits a deed whose guard fails when there was nothing to end.
    async fn ended(&self, batch: Batch) -> Stored<bool> {
        match self.db.commit(batch).await {
            Ok(_) => Ok(true),
            Err(CommitError::Unmet(_)) => Ok(false),
            Err(CommitError::Key(_)) => Err(StoreError::Conflict("token")),
            Err(CommitError::Store(error)) => Err(error),
        }
    }
}
