//! Becoming a member, and changing what one shows of oneself.

use crate::{
    Social, VerbError,
    limits::{ACTIVE_KEPT_MS, EMAIL_BYTES_MAX, PASSWORD_BYTES_MAX, PASSWORD_CHARACTERS_MIN},
    media::{Darkroom, ProfilePictures},
};
use model::{
    AccountId, AppId, StoreError, Timestamp,
    account::ProfileChange,
    limits::{DISPLAY_NAME_CHARACTERS, NOTE_CHARACTERS, PROFILE_FIELD_CHARACTERS, PROFILE_FIELDS},
    member::{NewMember, Role},
    text,
};

/// What somebody fills in to join.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// Wanted name.
    pub username: String,
    /// Address.
    pub email: String,
    /// Password, in the clear.
    pub password: String,
    /// Whether they agreed to the rules.
    pub agreement: bool,
    /// Interface language.
    pub locale: Option<String>,
    /// Why they want to join.
    pub reason: Option<String>,
}

/// What is wrong with a sign-up: field, Mastodon's code, sentence.
pub type Refusal = (&'static str, &'static str, &'static str);

/// What is wrong with a new password, if anything.
pub fn check_password(password: &str) -> Option<Refusal> {
    if password.is_empty() {
        Some(("password", "ERR_BLANK", "can't be blank"))
    } else if password.chars().count() < PASSWORD_CHARACTERS_MIN {
        Some(("password", "ERR_TOO_SHORT", "is too short (minimum is 8 characters)"))
    } else if password.len() > PASSWORD_BYTES_MAX {
        Some(("password", "ERR_TOO_LONG", "is too long"))
    } else {
        None
    }
}

/// What is wrong with an e-mail address, if anything. No quoted forms (RFC 5321, section 4.1.2) and
/// nothing that separates addresses: it is written into headers and commands.
pub fn check_email(email: &str) -> Option<Refusal> {
    if email.is_empty() {
        return Some(("email", "ERR_BLANK", "can't be blank"));
    }
    let (local, domain) = email.split_once('@').unwrap_or(("", ""));
    let separates = |c: char| {
        c.is_whitespace() || c.is_control() || "\"(),:;<>[\\]".contains(c) || is_invisible(c)
    };
    let is_wrong = local.is_empty()
        || domain.is_empty()
        || domain.contains('@')
        || email.len() > EMAIL_BYTES_MAX
        || email.chars().any(separates);
    is_wrong.then_some(("email", "ERR_INVALID", "is not a valid e-mail address"))
}

/// Characters that turn or hide others, so that an address would not read as what it is.
fn is_invisible(c: char) -> bool {
    let ranges = ['\u{200b}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2060}'..='\u{2069}'];
    c == '\u{feff}' || ranges.iter().any(|range| range.contains(&c))
}

/// Checks a sign-up without asking the store.
pub fn check_sign_up(form: &SignUp) -> Vec<Refusal> {
    let mut wrong = Vec::new();
    if form.username.is_empty() {
        wrong.push(("username", "ERR_BLANK", "can't be blank"));
    } else if form.username.len() > model::limits::USERNAME_CHARACTERS {
        wrong.push(("username", "ERR_TOO_LONG", "is too long (maximum is 30 characters)"));
    } else if !text::is_local_username(&form.username) {
        let sentence = "must contain only letters, numbers and underscores";
        wrong.push(("username", "ERR_INVALID", sentence));
    }
    wrong.extend(check_email(&form.email));
    wrong.extend(check_password(&form.password));
    if !form.agreement {
        wrong.push(("agreement", "ERR_ACCEPTED", "must be accepted"));
    }
    wrong
}

/// How many members were seen lately, by the days on which their apps and browsers were used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Active {
    /// In the last 30 days.
    pub month: i64,
    /// In the last 180 days.
    pub half_year: i64,
    /// When they were counted.
    counted: Timestamp,
}

impl Social {
    /// How many members were seen lately, as it was within the last hour; one request counts for
    /// all that ask meanwhile.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn active(&self) -> Result<Active, VerbError> {
        let mut known = self.active.lock().await;
        let now = self.now();
        let is_fresh = |a: &Active| (0..ACTIVE_KEPT_MS).contains(&now.since_ms(a.counted));
        if let Some(active) = known.filter(is_fresh) {
            return Ok(active);
        }
        let seen = async |days: i64| {
            self.store.active_members(now.plus_ms(-days * 86_400_000).day()).await
        };
        let active = Active { month: seen(30).await?, half_year: seen(180).await?, counted: now };
        *known = Some(active);
        Ok(active)
    }

    /// Makes a member whose address the host vouches for, or says what is wrong with the form.
    pub async fn join(
        &self,
        form: &SignUp,
        role: Role,
    ) -> Result<Result<AccountId, Vec<Refusal>>, VerbError> {
        self.make_member(form, role, None, true).await
    }

    /// Makes a member of whoever signs up, or says what is wrong with the form. Where this place
    /// wants addresses confirmed, a link is mailed and the account waits for it.
    pub async fn sign_up(
        &self,
        form: &SignUp,
        app: Option<AppId>,
    ) -> Result<Result<AccountId, Vec<Refusal>>, VerbError> {
        let confirmed = !self.confirms_addresses();
        let made = self.make_member(form, Role::Member, app, confirmed).await;
        if !confirmed {
            self.mail_changed.notify_one();
        }
        made
    }

    async fn make_member(
        &self,
        form: &SignUp,
        role: Role,
        app: Option<AppId>,
        confirmed: bool,
    ) -> Result<Result<AccountId, Vec<Refusal>>, VerbError> {
        let wrong = check_sign_up(form);
        if !wrong.is_empty() {
            return Ok(Err(wrong));
        }
        let new = NewMember {
            username: form.username.clone(),
            display_name: String::new(),
            email: form.email.clone(),
            password_hash: self.hash_password(&form.password).await?,
            role,
            confirmed,
            locale: form.locale.clone().unwrap_or_else(|| "en".to_owned()),
            reason: form.reason.clone(),
            created_by_app: app,
            private_key_pem: None,
            public_key_pem: None,
            created: self.now(),
        };
        let taken = |field| Ok(Err(vec![(field, "ERR_TAKEN", "has already been taken")]));
        match self.store.create_member(new).await {
            Ok(id) => Ok(Ok(id)),
            Err(StoreError::Conflict("account_handle")) => taken("username"),
            Err(StoreError::Conflict("member_email")) => taken("email"),
            Err(other) => Err(other.into()),
        }
    }

    /// Changes one's profile: checked whole, then new pictures are kept, then it is written.
    /// Pictures that it no longer shows are removed, and so are new ones when it is not written.
    pub async fn change_profile(
        &self,
        room: &Darkroom,
        account: AccountId,
        change: ProfileChange,
        pictures: ProfilePictures,
    ) -> Result<(), VerbError> {
        check_profile(&change)?;
        let before = self.store.accounts(&[account]).await?.pop().ok_or(VerbError::NotFound)?;
        let (avatar, header) = self.profile_pictures(room, account, pictures).await?;
        let sent = [avatar.clone(), header.clone()];
        let change = ProfileChange {
            avatar: avatar.map(Some).or(change.avatar),
            header: header.map(Some).or(change.header),
            ..change
        };
        let replaced = [
            before.avatar.filter(|_| change.avatar.is_some()),
            before.header.filter(|_| change.header.is_some()),
        ];
        let unlocks = change.locked == Some(false);
        let done = self.store.change_profile(account, change).await;
        if unlocks {
            // Whoever waits to follow need not wait any more.
            self.jobs_changed.notify_one();
        }
        let useless = match &done {
            Ok(()) => replaced,
            // It may be stored yet: nothing goes that either outcome needs.
            Err(StoreError::Unsettled { .. }) => [None, None],
            Err(_) => sent,
        };
        room.discard_files(useless.into_iter().flatten()).await;
        Ok(done?)
    }
}

/// Refuses what no profile may say.
fn check_profile(change: &ProfileChange) -> Result<(), VerbError> {
    let too_long = |text: &str, most: usize| text.chars().count() > most;
    let refuse = |what: &str| Err(VerbError::Invalid(what.to_owned()));
    if change.display_name.as_ref().is_some_and(|n| too_long(n, DISPLAY_NAME_CHARACTERS)) {
        return refuse("Display name is too long (maximum is 30 characters)");
    }
    if change.note.as_ref().is_some_and(|n| too_long(n, NOTE_CHARACTERS)) {
        return refuse("Note is too long (maximum is 500 characters)");
    }
    let Some(fields) = &change.fields else { return Ok(()) };
    if fields.len() > PROFILE_FIELDS {
        return refuse("Fields are too many (maximum is 4)");
    }
    let long = |t: &str| too_long(t, PROFILE_FIELD_CHARACTERS);
    if fields.iter().any(|f| long(&f.name) || long(&f.value)) {
        return refuse("Fields are too long (maximum is 255 characters)");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_ups_are_checked_field_by_field() {
        let good = SignUp {
            username: "ann".into(),
            email: "ann@example.org".into(),
            password: "correct horse".into(),
            agreement: true,
            locale: None,
            reason: None,
        };
        assert!(check_sign_up(&good).is_empty());
        let long = "a".repeat(31);
        for (field, value, code) in [
            ("username", "", "ERR_BLANK"),
            ("username", "an n", "ERR_INVALID"),
            ("username", long.as_str(), "ERR_TOO_LONG"),
            ("email", "", "ERR_BLANK"),
            ("email", "ann", "ERR_INVALID"),
            ("email", "a@b@c", "ERR_INVALID"),
            ("email", "a b@c", "ERR_INVALID"),
            ("email", "a@c\r\nBcc: d@e", "ERR_INVALID"),
            ("email", "a,b@c", "ERR_INVALID"),
            ("email", "\"a\"@c", "ERR_INVALID"),
            ("email", "a<b@c>", "ERR_INVALID"),
            ("email", "a\u{202e}b@c", "ERR_INVALID"),
            ("password", "", "ERR_BLANK"),
            ("password", "short", "ERR_TOO_SHORT"),
        ] {
            let mut form = good.clone();
            match field {
                "username" => form.username = value.into(),
                "email" => form.email = value.into(),
                _ => form.password = value.into(),
            }
            let wrong = check_sign_up(&form);
            let got: Vec<_> = wrong.iter().map(|(f, c, _)| (*f, *c)).collect();
            assert_eq!(got, [(field, code)], "{value}");
        }
        let refused = check_sign_up(&SignUp { agreement: false, ..good });
        assert_eq!(refused[0].1, "ERR_ACCEPTED");
    }
}
