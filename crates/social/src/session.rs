//! Browser sessions, and how everything ends that somebody opened with a password. A session's
//! secret is known to the browser alone; it ends when nobody uses it, at the latest after
//! [`SESSION_DAYS`], at once where its owner says so, and with the password or the account.

use crate::{
    Social, VerbError,
    access::{LiveToken, LogIn, sha256},
    limits::{
        SESSION_DAYS, SESSION_IDLE_DAYS, SESSION_TOUCH_MINUTES, SESSIONS_PER_ACCOUNT, TOKENS_SHOWN,
        TOKENS_USED_AT_ONCE, TOKENS_USED_WAITING,
    },
    members,
    throttle::Key,
};
use model::{
    AccountId, SessionId, Timestamp, TokenId, browser,
    limits::ARRIVAL_DAYS,
    token::{Arrival, Session, Token},
};

/// What a session's cookie stands for: 256 unpredictable bits.
pub type Secret = [u8; 32];

/// A live token and the name of its app, for whoever it belongs to.
#[derive(Clone, Debug)]
pub struct Authorised {
    /// The token.
    pub token: Token,
    /// What its app calls itself.
    pub app: String,
}

/// Where somebody logs in, as far as it matters.
#[derive(Clone, Debug)]
pub struct Entrance<'a> {
    /// What the browser says of itself.
    pub user_agent: &'a str,
    /// A keyed hash of the account, the network and the kind of browser.
    pub place: String,
    /// Whether this member has logged in with this browser before, as it can prove.
    pub is_known: bool,
    /// The session that it had.
    pub replaces: Option<SessionId>,
}

const DAY_MS: i64 = 86_400_000;

/// When a session ends that is used now and never again.
fn ends(created: Timestamp, used: Timestamp) -> Timestamp {
    created.plus_ms(SESSION_DAYS * DAY_MS).min(used.plus_ms(SESSION_IDLE_DAYS * DAY_MS))
}

impl Social {
    /// Begins a session for somebody who has just proven who they are. The browser gets a fresh
    /// secret each time; the session that it had before ends. A log-in from where the member did
    /// not log in lately is told to them by mail, where this place sends any.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn begin_session(
        &self,
        account: AccountId,
        from: Entrance<'_>,
    ) -> Result<Secret, VerbError> {
        let mut secret = [0_u8; 32];
        self.random.fill(&mut secret);
        let now = self.now();
        let session = Session {
            id: SessionId::new(1).ok_or(VerbError::NotFound)?,
            account,
            secret_hash: sha256(&secret),
            browser: browser::kind(from.user_agent),
            created: now,
            used: now,
            expires: ends(now, now),
        };
        let is_told = self.is_strange(account, &from).await?;
        let arrival = Arrival { place: from.place, is_told };
        let (replaces, kept) = (from.replaces, SESSIONS_PER_ACCOUNT);
        self.store.create_session(&session, replaces, kept, Some(&arrival)).await?;
        if is_told {
            self.mail_changed.notify_one();
        }
        Ok(secret)
    }

    /// Whether a member should be told of a log-in: by a browser that is not known, from where they
    /// have not logged in lately, unless they have only just joined.
    async fn is_strange(&self, account: AccountId, from: &Entrance<'_>) -> Result<bool, VerbError> {
        if !self.has_mail() || from.is_known {
            return Ok(false);
        }
        let now = self.now();
        let since = now.plus_ms(-ARRIVAL_DAYS * DAY_MS);
        let Some(member) = self.store.member(account).await? else { return Ok(false) };
        if now.since_ms(member.created) < DAY_MS
            || self.store.has_arrived(account, &from.place, since).await?
        {
            return Ok(false);
        }
        // Whoever has the password and goes through addresses shall not fill the mailbox.
        let is_free = self.throttle.charge(Key::LettersOf(account), now).is_ok();
        if !is_free {
            tracing::warn!(account = account.get(), "a log-in is told by no mail: too many were");
        }
        Ok(is_free)
    }

    /// The session that a secret opens, if it lives and its member may be here. Its use is written
    /// down now and then, which keeps it alive.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn session(&self, secret: &[u8]) -> Result<Option<Session>, VerbError> {
        let now = self.now();
        let found = self.store.session_by_secret(&sha256(secret)).await?;
        let Some(mut session) = found.filter(|session| session.expires > now) else {
            return Ok(None);
        };
        let account = self.accounts(&[session.account]).await?.pop();
        if account.is_none_or(|view| view.account.standing.suspended.is_some()) {
            return Ok(None);
        }
        if now.since_ms(session.used) > SESSION_TOUCH_MINUTES * 60_000 {
            (session.used, session.expires) = (now, ends(session.created, now));
            self.store.touch_session(session.id, session.used, session.expires).await?;
        }
        Ok(Some(session))
    }

    /// One's own sessions that live, newest first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn sessions(&self, account: AccountId) -> Result<Vec<Session>, VerbError> {
        let now = self.now();
        let mut sessions = self.store.sessions_of(account).await?;
        sessions.retain(|session| session.expires > now);
        Ok(sessions)
    }

    /// The apps that may act for a member, newest first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn authorised(&self, account: AccountId) -> Result<Vec<Authorised>, VerbError> {
        let mut shown: Vec<Authorised> = Vec::new();
        for token in self.store.tokens_of(account, TOKENS_SHOWN).await? {
            let known = shown.iter().find(|other| other.token.app == token.app);
            let app = match known {
                Some(other) => other.app.clone(),
                None => self.store.app(token.app).await?.map_or_else(String::new, |app| app.name),
            };
            shown.push(Authorised { token, app });
        }
        Ok(shown)
    }

    /// Ends one of one's own sessions. `false`: it had ended, or is somebody else's.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn end_session(&self, account: AccountId, id: SessionId) -> Result<bool, VerbError> {
        Ok(self.store.end_session(account, id).await?)
    }

    /// Ends one of one's own tokens, and the streams that it opened. `false`: it had ended, or is
    /// somebody else's.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn end_token(&self, account: AccountId, id: TokenId) -> Result<bool, VerbError> {
        match self.store.token(id).await? {
            Some(token) if token.account == Some(account) => {
                Ok(self.store.revoke_token(id, self.now()).await?)
            }
            _ => Ok(false),
        }
    }

    /// Ends everything by which somebody gets at an account: every session but this one, every code
    /// and every token, with the streams that they opened.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn end_access(
        &self,
        account: AccountId,
        keep: Option<SessionId>,
    ) -> Result<(), VerbError> {
        Ok(self.store.end_access(account, keep, self.now()).await?)
    }

    /// Whether somebody who is logged in knows the password too. Wrong tries count as at the door,
    /// so that whoever took a session over cannot guess. The attempt's name is not looked at.
    ///
    /// # Errors
    /// `TooMany` as in [`Social::log_in`], or when the store cannot be asked.
    pub async fn proves(&self, account: AccountId, attempt: &LogIn<'_>) -> Result<bool, VerbError> {
        let view = self.accounts(&[account]).await?.pop().ok_or(VerbError::NotFound)?;
        let attempt = LogIn { name: &view.account.username, ..*attempt };
        Ok(self.log_in(&attempt).await?.is_some_and(|member| member.account == account))
    }

    /// Replaces a password, and ends everything that was opened with the old one: sessions, codes
    /// and tokens. Where this place sends mail, one tells of it. Whether whoever asks may do this
    /// is the caller's question.
    ///
    /// # Errors
    /// `Invalid` for a password that would be refused at sign-up.
    pub async fn replace_password(
        &self,
        account: AccountId,
        password: &str,
    ) -> Result<(), VerbError> {
        if let Some((_, _, why)) = members::check_password(password) {
            return Err(VerbError::Invalid(format!("The password {why}")));
        }
        let hash = self.hash_password(password).await?;
        self.store.set_password(account, &hash, self.now(), self.has_mail()).await?;
        self.mail_changed.notify_one();
        Ok(())
    }

    /// Notes that a token was used today; it is written down later, with others.
    pub(crate) fn used_today(&self, id: TokenId, today: Timestamp) {
        self.hub.tokens.change(&id, |live| {
            let token = Token { used: Some(today), ..live.token.clone() };
            LiveToken { token, ..*live }
        });
        let mut waiting = self.tokens_used.lock();
        if waiting.len() < TOKENS_USED_WAITING {
            waiting.push(id);
        }
    }

    /// Writes down which tokens were used today, a bounded part of them. `true`: there are more.
    ///
    /// # Errors
    /// When the store cannot be asked; what was to be written is forgotten, a date at most.
    pub async fn note_tokens_used(&self) -> Result<bool, VerbError> {
        let (part, more) = {
            let mut waiting = self.tokens_used.lock();
            let rest = waiting.len().saturating_sub(TOKENS_USED_AT_ONCE);
            (waiting.split_off(rest), rest > 0)
        };
        if !part.is_empty() {
            self.store.note_tokens_used(&part, self.now().day()).await?;
        }
        Ok(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lives_by_being_used_and_not_for_ever() {
        let (idle, most) = (SESSION_IDLE_DAYS * DAY_MS, SESSION_DAYS * DAY_MS);
        let at = Timestamp::from_ms;
        for (used, expected) in [
            (0, idle),
            (DAY_MS, DAY_MS + idle),
            (most - idle, most),
            (most - 1, most),
            (most + DAY_MS, most),
        ] {
            assert_eq!(ends(at(0), at(used)), at(expected), "{used}");
        }
    }
}
