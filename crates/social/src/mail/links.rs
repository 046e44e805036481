//! What people ask for by mail, and what the links in it do. Whoever asks by typing an address gets
//! the same answer, as fast, whether or not somebody has it: the request is stored, and whose the
//! address is is asked only when the mail would be sent.

use crate::{
    Social, VerbError,
    access::sha256,
    limits::MAILS_WAITING_MAX,
    members::{check_email, check_password},
    throttle::Key,
};
use model::{
    AccountId, AppId, StoreError,
    mail::{Link, LinkPurpose, MailKind, NewMail},
};

/// What came of choosing a password by a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chosen {
    /// It is the new one; everything that was logged in is not any more.
    Done,
    /// This password cannot be had; the link still works. What is wrong with it.
    Refused(&'static str),
    /// The link does not work (any more).
    Gone,
}

impl Social {
    /// Mails a link to choose a new password, if somebody here has this address. `address` is where
    /// the request comes from, as in `LogIn`.
    ///
    /// # Errors
    /// `NotFound` where this place sends no mail, `Invalid` for what is no address, `TooMany` by
    /// the address typed and by where it was typed, `Busy` when too much waits to be sent.
    pub async fn ask_for_reset(&self, email: &str, address: u64) -> Result<(), VerbError> {
        self.ask(MailKind::Reset, email, address).await
    }

    /// Mails the link to confirm an address again, if somebody signed up with it and has not.
    /// Errors as above.
    pub async fn ask_for_confirmation(&self, email: &str, address: u64) -> Result<(), VerbError> {
        self.ask(MailKind::Confirm, email, address).await
    }

    async fn ask(&self, kind: MailKind, email: &str, address: u64) -> Result<(), VerbError> {
        if !self.has_mail() {
            return Err(VerbError::NotFound);
        }
        let email = email.trim();
        if check_email(email).is_some() {
            return Err(VerbError::Invalid("This is no e-mail address.".to_owned()));
        }
        self.charge_letter(&[Key::LetterTo(email)], address)?;
        self.enqueue(kind, None, email).await
    }

    /// Charges a letter to where it was asked for and to whom it goes; nothing where one of them is
    /// used up.
    fn charge_letter(&self, to: &[Key<'_>], address: u64) -> Result<(), VerbError> {
        let mut charged = Vec::with_capacity(to.len() + 1);
        for key in [Key::LetterFrom(address)].iter().chain(to) {
            match self.throttle.charge(*key, self.now()) {
                Ok(charge) => charged.push(charge),
                Err(refused) => {
                    charged.into_iter().for_each(|charge| self.throttle.refund(charge));
                    return Err(refused);
                }
            }
        }
        Ok(())
    }

    async fn enqueue(
        &self,
        kind: MailKind,
        account: Option<AccountId>,
        email: &str,
    ) -> Result<(), VerbError> {
        let mail = NewMail { kind, account, address: email.to_owned(), created: self.now() };
        if !self.store.enqueue_mail(&mail, MAILS_WAITING_MAX).await? {
            tracing::warn!(waiting = MAILS_WAITING_MAX, "no more mail is taken in");
            return Err(VerbError::Busy);
        }
        self.mail_changed.notify_one();
        Ok(())
    }

    /// Sends the link to confirm an address again, to another one where one is given. For the app
    /// that signed the member up, while they have not confirmed.
    /// Source: <https://docs.joinmastodon.org/methods/emails/>.
    ///
    /// # Errors
    /// `Forbidden` for others and afterwards, `Invalid` for an address that cannot be had, and as
    /// in [`Self::ask_for_reset`].
    pub async fn resend_confirmation(
        &self,
        account: AccountId,
        app: AppId,
        email: Option<&str>,
        address: u64,
    ) -> Result<(), VerbError> {
        let member = self.store.member(account).await?.ok_or(VerbError::NotFound)?;
        if member.created_by_app != Some(app) {
            let why = "This method is only available to the application the user originally \
                       signed-up with";
            return Err(VerbError::Forbidden(why));
        }
        let is_confirmed =
            "This method is only available while the e-mail is awaiting confirmation";
        if !self.awaits_confirmation(&member) {
            return Err(VerbError::Forbidden(is_confirmed));
        }
        let email = email.unwrap_or(&member.email);
        if let Some((_, _, why)) = check_email(email) {
            return Err(VerbError::Invalid(format!("Email {why}")));
        }
        // By account too: who goes through addresses writes to strangers.
        self.charge_letter(&[Key::LettersOf(account), Key::LetterTo(email)], address)?;
        if email == member.email {
            return self.enqueue(MailKind::Confirm, Some(account), email).await;
        }
        match self.store.change_unconfirmed_address(account, email, self.now()).await {
            Ok(true) => {}
            Ok(false) => return Err(VerbError::Forbidden(is_confirmed)),
            Err(StoreError::Conflict("member_email")) => {
                return Err(VerbError::Invalid("Email has already been taken".to_owned()));
            }
            Err(other) => return Err(other.into()),
        }
        self.mail_changed.notify_one();
        Ok(())
    }

    /// Whether a member may use the account, as far as the address goes.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn is_confirmed(&self, account: AccountId) -> Result<bool, VerbError> {
        if !self.confirms_addresses() {
            return Ok(true);
        }
        let member = self.store.member(account).await?.ok_or(VerbError::NotFound)?;
        Ok(!self.awaits_confirmation(&member))
    }

    /// Whether a link works. Looking uses nothing up: programs that look through mail follow links.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn is_link(&self, purpose: LinkPurpose, secret: &str) -> Result<bool, VerbError> {
        Ok(self.link(purpose, secret).await?.is_some())
    }

    async fn link(&self, purpose: LinkPurpose, secret: &str) -> Result<Option<Link>, VerbError> {
        Ok(self.store.link(&sha256(secret.as_bytes()), purpose, self.now()).await?)
    }

    /// Confirms the address that the link was sent to. `false`: it does not work (any more).
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn confirm_address(&self, secret: &str) -> Result<bool, VerbError> {
        let Some(link) = self.link(LinkPurpose::Confirm, secret).await? else { return Ok(false) };
        Ok(self.store.confirm_by_link(&link, self.now()).await?)
    }

    /// Gives the account of a link a new password, ends everything that was logged in, and tells
    /// its member by mail.
    ///
    /// # Errors
    /// `Busy` when the hash does not get its turn, or the store's.
    pub async fn choose_password(&self, secret: &str, password: &str) -> Result<Chosen, VerbError> {
        // The link first: a hash is costly, and strangers get none.
        let Some(link) = self.link(LinkPurpose::Reset, secret).await? else {
            return Ok(Chosen::Gone);
        };
        if let Some((_, _, why)) = check_password(password) {
            return Ok(Chosen::Refused(why));
        }
        let hash = self.hash_password(password).await?;
        if !self.store.reset_by_link(&link, &hash, self.now()).await? {
            return Ok(Chosen::Gone);
        }
        self.mail_changed.notify_one();
        Ok(Chosen::Done)
    }
}
