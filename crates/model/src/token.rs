//! Access tokens, authorization codes and browser sessions: what is stored of them. Secrets are
//! not: tokens carry a MAC, of codes and sessions there are hashes.

use crate::{AccountId, AppId, SessionId, Timestamp, TokenId};

/// What a token may do: one bit a scope. Names, groups and parsing are in `scope`.
/// Source: <https://docs.joinmastodon.org/api/oauth-scopes/>.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Scopes(pub u64);

impl Scopes {
    /// Whether all of `other` is contained.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// Both together.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A stored access token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// For which app.
    pub app: AppId,
    /// For whom; `None` for an app's own token (client credentials).
    pub account: Option<AccountId>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was issued.
    pub created: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// The day on which it was last used.
    pub used: Option<Timestamp>,
}

/// An authorization code (RFC 6749 section 4.1), stored by its hash, used once, ten minutes long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthCode {
    /// SHA-256 of the code.
    pub hash: Vec<u8>,
    /// For which app.
    pub app: AppId,
    /// Who consented.
    pub account: AccountId,
    /// To what.
    pub scopes: Scopes,
    /// Where it was sent.
    pub redirect_uri: String,
    /// PKCE S256 challenge (RFC 7636), if the app sent one.
    pub challenge: Option<String>,
    /// When it stops working.
    pub expires: Timestamp,
    /// When it was redeemed, rightly or not; it works no more.
    pub taken: Option<Timestamp>,
    /// The token that it gave.
    pub token: Option<TokenId>,
}

/// From where somebody has logged in, so that a log-in from elsewhere is known as one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// A keyed hash of the account, the network and the kind of browser.
    pub place: String,
    /// Whether a mail tells the member of it.
    pub is_told: bool,
}

/// A browser session. Its secret is in the browser's cookie; here is only the secret's hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// SHA-256 of its secret.
    pub secret_hash: Vec<u8>,
    /// What kind of browser (see [`crate::browser`]).
    pub browser: String,
    /// When it began.
    pub created: Timestamp,
    /// When it was used, to the hour.
    pub used: Timestamp,
    /// When it ends if it is not used again.
    pub expires: Timestamp,
}
