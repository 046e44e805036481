//! Who asks: passwords, tokens, codes, sessions. Secrets pass through here and are never stored or
//! logged; what is stored of a password is Argon2id (RFC 9106), of a code its SHA-256.

use crate::{
    Social, VerbError,
    limits::{CODE_MEMORY_HOURS, CODE_MINUTES, HASH_WAIT_MS},
    throttle::{Charge, Key},
};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use aws_lc_rs::{constant_time, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{
    AccountId, AppId, TokenId,
    member::Member,
    token::{AuthCode, Scopes, Token},
    work::Made,
};
use std::{sync::Arc, time::Duration};

/// A hash of nothing in particular: verified when there is no such member, so that an unknown
/// address takes as long as a wrong password.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
    BvxLzoiSQnwQzo9JHrjkpP7i0nXSYFlUuMcvqk1sGGs";

/// What a member is told who has the right password and has not confirmed the address.
const UNCONFIRMED: &str = "Your address is not confirmed yet: follow the link in the mail that \
    was sent to it, or ask for another one at /auth/confirmation/new.";

/// A token in force, and whether its account can be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveToken {
    /// As stored.
    pub token: Token,
    /// Its member has yet to confirm the address.
    pub unconfirmed: bool,
}

impl std::ops::Deref for LiveToken {
    type Target = Token;
    fn deref(&self) -> &Token {
        &self.token
    }
}

/// A browser that somebody logged in with before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device {
    /// Who did.
    pub account: AccountId,
    /// An unpredictable number that it got then.
    pub number: u64,
}

/// A try to log in.
#[derive(Clone, Copy)]
pub struct LogIn<'a> {
    /// E-mail address or username.
    pub name: &'a str,
    /// In the clear.
    pub password: &'a str,
    /// The number of the address that it comes from (IPv6: of its network).
    pub address: u64,
    /// The browser, if it proved to be a known one.
    pub device: Option<Device>,
}

impl Social {
    /// Runs a hash in the bounded pool; `Busy` when it does not get its turn.
    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, VerbError> {
        let turn = std::sync::Arc::clone(&self.hashing).acquire_owned();
        let wait = Duration::from_millis(HASH_WAIT_MS);
        let permit = match tokio::time::timeout(wait, turn).await {
            Ok(Ok(permit)) => permit,
            _ => return Err(VerbError::Busy),
        };
        // The permit goes along: a caller who leaves does not make room for more than are allowed.
        let clock = Arc::clone(&self.clock);
        let held = move || {
            let _permit = permit;
            Made::by(&*clock, work)
        };
        let made = tokio::task::spawn_blocking(held).await.map_err(|_| VerbError::Busy)?;
        Ok(made.taken())
    }

    /// The hash of a new password.
    pub async fn hash_password(&self, password: &str) -> Result<String, VerbError> {
        let mut salt = [0_u8; 16];
        self.random.fill(&mut salt);
        let password = password.to_owned();
        let hashed = self
            .hashing(move || {
                let made = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
                made.map(|hash| hash.to_string())
            })
            .await?;
        hashed.map_err(|_| VerbError::Invalid("this password cannot be used".into()))
    }

    /// The member with this address (or username) and password. Wrong names and wrong passwords
    /// look alike and take as long. `TooMany` before anything is hashed where it was tried wrongly
    /// too often, for this name or from this address; a browser that this member logged in with
    /// before is counted by itself, so that strangers' failures lock nobody out.
    pub async fn log_in(&self, attempt: &LogIn<'_>) -> Result<Option<Member>, VerbError> {
        let (name, password) = (attempt.name, attempt.password);
        let member = if name.contains('@') {
            self.store.member_by_email(name).await?
        } else {
            match self.store.account_by_handle(name, None).await? {
                Some(account) => self.store.member(account.id).await?,
                None => None,
            }
        };
        let charges = self.charge(attempt, member.as_ref().map(|m| m.account))?;
        let hash = member.as_ref().map_or(NOBODY.to_owned(), |m| m.password_hash.clone());
        let password = password.to_owned();
        let tried = self
            .hashing(move || {
                PasswordHash::new(&hash).is_ok_and(|hash| {
                    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
                })
            })
            .await;
        // What was right is given back, and what was not looked at.
        if !matches!(tried, Ok(false)) {
            charges.into_iter().for_each(|charge| self.throttle.refund(charge));
        }
        let fits = tried?;
        let Some(member) = member.filter(|_| fits) else { return Ok(None) };
        let account = self.accounts(&[member.account]).await?.pop();
        let account = account.filter(|a| a.account.standing.suspended.is_none());
        if account.is_some() && self.awaits_confirmation(&member) {
            return Err(VerbError::Forbidden(UNCONFIRMED));
        }
        Ok(account.map(|_| member))
    }

    /// Charges a try to whoever makes it.
    fn charge(
        &self,
        attempt: &LogIn<'_>,
        account: Option<AccountId>,
    ) -> Result<Vec<Charge>, VerbError> {
        let now = self.now();
        let device = attempt.device.filter(|device| Some(device.account) == account);
        if let Some(device) = device {
            return Ok(vec![self.throttle.charge(Key::Device(device.number), now)?]);
        }
        let by_name = match account {
            Some(account) => Key::Account(account, attempt.name.contains('@')),
            None => Key::Nobody(attempt.name),
        };
        let address = self.throttle.charge(Key::Address(attempt.address), now)?;
        match self.throttle.charge(by_name, now) {
            Ok(name) => Ok(vec![address, name]),
            Err(refused) => {
                // Nothing was tried, so the address owes nothing for it.
                self.throttle.refund(address);
                Err(refused)
            }
        }
    }

    /// A live token, if it was asked for before and nothing happened to it since.
    pub fn known_token(&self, id: TokenId) -> Option<Arc<LiveToken>> {
        let token = self.hub.tokens.get(&id)?;
        let today = self.now().day();
        if token.used < Some(today) {
            self.used_today(id, today);
        }
        Some(token)
    }

    /// A token's state, from memory where it was asked before. `None`: revoked, unknown, or its
    /// member suspended.
    pub async fn live_token(&self, id: TokenId) -> Result<Option<Arc<LiveToken>>, VerbError> {
        if let Some(token) = self.known_token(id) {
            return Ok(Some(token));
        }
        let today = self.now().day();
        let ticket = self.hub.tokens.ticket();
        let Some(token) = self.store.token(id).await?.filter(|t| t.revoked.is_none()) else {
            return Ok(None);
        };
        let mut unconfirmed = false;
        if let Some(account) = token.account {
            let alive = self.accounts(&[account]).await?.pop();
            if alive.is_none_or(|a| a.account.standing.suspended.is_some()) {
                return Ok(None);
            }
            unconfirmed = !self.is_confirmed(account).await?;
        }
        let token = Arc::new(LiveToken { token, unconfirmed });
        self.hub.tokens.put(&ticket, id, Arc::clone(&token));
        if token.used < Some(today) {
            self.used_today(id, today);
        }
        Ok(Some(token))
    }

    /// A fresh authorization code for what somebody consented to.
    pub async fn issue_code(
        &self,
        app: AppId,
        account: AccountId,
        scopes: Scopes,
        redirect_uri: &str,
        challenge: Option<String>,
    ) -> Result<String, VerbError> {
        let code = self.secret();
        let expires = self.now().plus_ms(CODE_MINUTES * 60_000);
        let redirect_uri = redirect_uri.to_owned();
        let hash = sha256(code.as_bytes());
        let forget = self.now().plus_ms(-CODE_MEMORY_HOURS * 3_600_000);
        let (taken, token) = (None, None);
        let stored =
            AuthCode { hash, app, account, scopes, redirect_uri, challenge, expires, taken, token };
        self.store.create_code(&stored, forget).await?;
        Ok(code)
    }

    /// A token for a code, once. `None`: the code, the redirect or the PKCE verifier is wrong. A
    /// code that comes a second time has leaked, so the token that it gave ends (RFC 6749 section
    /// 4.1.2); one that is presented wrongly is spent.
    pub async fn redeem_code(
        &self,
        app: AppId,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
    ) -> Result<Option<(TokenId, AccountId, Scopes)>, VerbError> {
        let now = self.now();
        let hash = sha256(code.as_bytes());
        let Some(stored) = self.store.code(&hash).await? else { return Ok(None) };
        let proven = match (&stored.challenge, verifier) {
            (None, _) => true,
            (Some(challenge), Some(verifier)) => {
                let made = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
                is_same_secret(made.as_bytes(), challenge.as_bytes())
            }
            (Some(_), None) => false,
        };
        let fits = stored.app == app && stored.redirect_uri == redirect_uri && proven;
        if stored.taken.is_none() && fits {
            if let Some(id) = self.store.redeem_code(&stored, now).await? {
                return Ok(Some((id, stored.account, stored.scopes)));
            }
        } else if stored.taken.is_none() && self.store.burn_code(&hash, now).await? {
            return Ok(None);
        }
        // Redeemed before, perhaps only just now by somebody faster.
        if let Some(given) = self.store.code(&hash).await?.and_then(|code| code.token) {
            self.store.revoke_token(given, now).await?;
        }
        Ok(None)
    }

    /// 64 unpredictable bits.
    pub fn unpredictable(&self) -> u64 {
        let mut bytes = [0_u8; 8];
        self.random.fill(&mut bytes);
        u64::from_ne_bytes(bytes)
    }

    /// 256 unpredictable bits as text.
    pub fn secret(&self) -> String {
        let mut bytes = [0_u8; 32];
        self.random.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// SHA-256, for what is compared and never shown.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

/// Whether two secrets, or their hashes, are the same; takes as long wherever they differ.
pub fn is_same_secret(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nobody_is_one_that_takes_its_time() {
        let hash = PasswordHash::new(NOBODY).expect("a hash");
        assert!(Argon2::default().verify_password(b"", &hash).is_err());
        let made = Argon2::default().hash_password_with_salt(b"x", &[0; 16]).expect("made");
        assert_eq!(hash.params, made.params, "as costly as a member's");
    }
}
