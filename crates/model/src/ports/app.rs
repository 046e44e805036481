//! Apps, tokens, codes and sessions, as the store keeps them.

use super::Stored;
use crate::{
    AccountId, AppId, SessionId, Timestamp, TokenId,
    app::App,
    token::{AuthCode, Scopes, Session, Token},
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
    /// By id, revoked ones included.
    async fn token(&self, id: TokenId) -> Stored<Option<Token>>;
    /// Live tokens of an account, newest first.
    async fn tokens_of(&self, account: AccountId) -> Stored<Vec<Token>>;
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
    /// Begins a session; the `id` field is ignored.
    async fn create_session(&self, session: &Session) -> Stored<SessionId>;
    /// By id, if it has not ended.
    async fn session(&self, id: SessionId) -> Stored<Option<Session>>;
    /// Of an account, newest first.
    async fn sessions_of(&self, account: AccountId) -> Stored<Vec<Session>>;
    /// Ends a session. Tells `SessionEnded`.
    async fn end_session(&self, id: SessionId) -> Stored<bool>;
}
