//! Apps, tokens, codes and sessions, as the store keeps them.

use super::Stored;
use crate::{
    AccountId, AppId, SessionId, Timestamp, TokenId,
    app::App,
    token::{Arrival, AuthCode, Scopes, Session, Token},
};
use async_trait::async_trait;

/// Where apps and what they may do live.
#[async_trait]
pub trait AppStore {
    /// Registers an app; its `id` field is ignored and the assigned one returned.
    async fn create_app(&self, app: &App) -> Stored<AppId>;
    /// By id.
    async fn app(&self, id: AppId) -> Stored<Option<App>>;
    /// By public identifier.
    async fn app_by_client(&self, client_id: &str) -> Stored<Option<App>>;
    /// Issues a token.
    async fn create_token(
        &self,
        app: AppId,
        account: Option<AccountId>,
        scopes: Scopes,
        at: Timestamp,
    ) -> Stored<TokenId>;
    /// By id, for a day also if it was revoked.
    async fn token(&self, id: TokenId) -> Stored<Option<Token>>;
    /// Live tokens of an account, newest first, at most so many.
    async fn tokens_of(&self, account: AccountId, limit: u32) -> Stored<Vec<Token>>;
    /// Ends a token. Tells `TokenRevoked`. `false` if it was already dead or never was.
    async fn revoke_token(&self, id: TokenId, at: Timestamp) -> Stored<bool>;
    /// Keeps a code, and forgets those that expired before `forget`.
    async fn create_code(&self, code: &AuthCode, forget: Timestamp) -> Stored<()>;
    /// By the code's hash, redeemed and expired ones included while they are remembered.
    async fn code(&self, hash: &[u8]) -> Stored<Option<AuthCode>>;
    /// Marks a code as redeemed and issues its token, in one deed. `None`: it was redeemed already,
    /// or has expired.
    async fn redeem_code(&self, code: &AuthCode, at: Timestamp) -> Stored<Option<TokenId>>;
    /// Marks a code as redeemed without a token: somebody presented it wrongly. `false`: it was
    /// redeemed already.
    async fn burn_code(&self, hash: &[u8], at: Timestamp) -> Stored<bool>;
    /// Remembers that these tokens were used on that day, and that their members were seen.
    async fn note_tokens_used(&self, ids: &[TokenId], day: Timestamp) -> Stored<()>;
    /// Begins a session in the place of another; the `id` field is ignored. Of an account's
    /// sessions the newest `keep` stay, this one included. From where it was begun is remembered,
    /// and told by mail where that is wanted, in the same deed.
    async fn create_session(
        &self,
        session: &Session,
        replaces: Option<SessionId>,
        keep: u32,
        arrival: Option<&Arrival>,
    ) -> Stored<SessionId>;
    /// Whether this account has arrived from there since.
    async fn has_arrived(&self, account: AccountId, place: &str, since: Timestamp) -> Stored<bool>;
    /// By the hash of its secret, if it has not ended; an expired one may be found for a while.
    async fn session_by_secret(&self, hash: &[u8]) -> Stored<Option<Session>>;
    /// Remembers that a session was used, that its member was seen, and when it ends unless it is
    /// used again.
    async fn touch_session(&self, id: SessionId, used: Timestamp, expires: Timestamp)
    -> Stored<()>;
    /// Of an account, newest first.
    async fn sessions_of(&self, account: AccountId) -> Stored<Vec<Session>>;
    /// Ends a session of this account. Tells `SessionEnded`. `false`: there was none.
    async fn end_session(&self, account: AccountId, id: SessionId) -> Stored<bool>;
    /// Ends everything by which somebody gets at an account: sessions but for this one, codes and
    /// tokens. Tells `AccountChanged`.
    async fn end_access(
        &self,
        account: AccountId,
        keep: Option<SessionId>,
        at: Timestamp,
    ) -> Stored<()>;
}
