//! Sending mail: claimed job by job, written, handed to whoever takes letters to the world. A job
//! ends after its letter was taken, so that none is lost; a node killed in between sends it again,
//! under the same id. What a link carries is drawn as its letter is written and stored as a hash
//! only: nothing that waits could be used by who reads the database.

mod letters;
mod links;

pub use links::Chosen;

use crate::{
    Social, VerbError,
    access::sha256,
    limits::{
        CONFIRM_LINK_HOURS, JOB_ERROR_CHARACTERS_MAX, LINKS_KEPT, MAIL_LEASE_MS, RESET_LINK_HOURS,
    },
};
use model::{
    MailId, Timestamp,
    job::Job,
    mail::{Link, LinkPurpose, Mail, MailKind},
    member::Member,
    ports::{MailError, Mailer},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// How this place sends mail.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// Where links lead: `https://example.org`, without a slash at the end.
    pub base_url: String,
    /// What this place is called.
    pub title: String,
    /// Its name in addresses.
    pub domain: String,
    /// Whether who signs up has to confirm their address before the account can be used.
    pub confirm: bool,
}

/// What became of mails since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailFigures {
    /// Letters that were taken.
    pub sent: u64,
    /// Tries that failed and are made again.
    pub put_off: u64,
    /// Mails that were given up.
    pub given_up: u64,
}

/// Where letters are written and handed over.
pub(crate) struct MailRoom {
    settings: MailSettings,
    mailer: Arc<dyn Mailer>,
    sent: AtomicU64,
    put_off: AtomicU64,
    given_up: AtomicU64,
}

/// What came of a claim.
enum Outcome {
    /// The letter was taken, or there is no use for it any more.
    Ended,
    /// To be tried again, or given up.
    Failed(MailError),
    /// A later claim has it.
    Lost,
}

impl Social {
    /// The same, with mail.
    #[must_use]
    pub fn with_mail(self, settings: MailSettings, mailer: Arc<dyn Mailer>) -> Self {
        let [sent, put_off, given_up] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { mail: Some(MailRoom { settings, mailer, sent, put_off, given_up }), ..self }
    }

    /// What became of mails since the start; none where this place sends none.
    pub fn mail_figures(&self) -> Option<MailFigures> {
        let room = self.mail.as_ref()?;
        let [sent, put_off, given_up] =
            [&room.sent, &room.put_off, &room.given_up].map(|count| count.load(Relaxed));
        Some(MailFigures { sent, put_off, given_up })
    }

    fn count_mail(&self, count: impl Fn(&MailRoom) -> &AtomicU64) {
        if let Some(room) = &self.mail {
            count(room).fetch_add(1, Relaxed);
        }
    }

    /// Whether this place sends mail, so that who forgot a password can be helped.
    pub fn has_mail(&self) -> bool {
        self.mail.is_some()
    }

    /// Whether who signs up has to confirm an address first.
    pub fn confirms_addresses(&self) -> bool {
        self.mail.as_ref().is_some_and(|room| room.settings.confirm)
    }

    /// Whether a member has to confirm the address before the account can be used.
    pub fn awaits_confirmation(&self, member: &Member) -> bool {
        self.confirms_addresses() && member.confirmed.is_none()
    }

    /// Sends a mail whose hour has come, if there is one. Returns when to come again, as
    /// `run_due_jobs` does. May be called several times at once.
    ///
    /// # Errors
    /// When the store cannot be asked. What was claimed is claimed again later.
    pub async fn run_due_mail(&self) -> Result<Option<Timestamp>, VerbError> {
        for job in self.store.claim_mail(self.now(), MAIL_LEASE_MS, 1).await? {
            self.send_mail(&job).await?;
        }
        Ok(self.store.next_mail().await?)
    }

    /// Waits until a mail may have become due earlier than was known.
    pub async fn mail_changed(&self) {
        self.mail_changed.notified().await;
    }

    /// Does one job to its end, or puts it off.
    async fn send_mail(&self, job: &Job) -> Result<(), VerbError> {
        let (id, attempt) = (job.id.get(), job.attempts);
        let is_ours = match self.deliver(job).await? {
            Outcome::Lost => false,
            Outcome::Ended => self.store.end_mail(job).await?,
            Outcome::Failed(error) => {
                let wait = match &error {
                    MailError::Later(_) => job.retry_after_ms(),
                    MailError::Never(_) => None,
                };
                let why: String =
                    error.to_string().chars().take(JOB_ERROR_CHARACTERS_MAX).collect();
                if let Some(wait_ms) = wait {
                    tracing::warn!(job = id, attempt, why, wait_ms, "a mail is put off");
                    self.count_mail(|room| &room.put_off);
                    let until = Some(self.now().plus_ms(wait_ms));
                    self.store.postpone_job(job, until, &why).await?
                } else {
                    tracing::error!(job = id, attempt, why, "a mail is given up");
                    self.count_mail(|room| &room.given_up);
                    self.store.give_mail_up(job, &why).await?
                }
            }
        };
        if !is_ours {
            tracing::info!(job = id, "a mail went to a later claim");
        }
        Ok(())
    }

    /// Writes the letter of a claimed job and hands it over.
    async fn deliver(&self, job: &Job) -> Result<Outcome, VerbError> {
        let found = match MailId::new(job.subject) {
            Some(id) => self.store.mail(id).await?,
            None => None,
        };
        let Some(mail) = found else { return Ok(Outcome::Ended) };
        let Some(room) = &self.mail else {
            let why = "this place has no mail server configured any more";
            return Ok(Outcome::Failed(MailError::Never(why.to_owned())));
        };
        let Some((member, username)) = self.addressee(&mail).await? else {
            return Ok(Outcome::Ended);
        };
        let mut link = None;
        if let Some(purpose) = mail.kind.purpose() {
            let secret = self.secret();
            let fresh = self.fresh_link(purpose, &member, &secret);
            if !self.store.put_link(job, &fresh, LINKS_KEPT).await? {
                return Ok(Outcome::Lost);
            }
            link = Some(secret);
        }
        let letter = letters::write(&room.settings, &mail, &member.email, &username, link);
        Ok(match room.mailer.send(&letter).await {
            Ok(()) => {
                let (id, kind) = (mail.id.get(), mail.kind.word());
                tracing::info!(mail = id, kind, attempt = job.attempts, "a mail was sent");
                self.count_mail(|room| &room.sent);
                Outcome::Ended
            }
            Err(error) => Outcome::Failed(error),
        })
    }

    /// Whom a mail is for; `None` where it is of no use (any more). What is sent goes to the
    /// address as its member wrote it, never as a stranger typed it: two addresses can be the same
    /// without case and be different mailboxes.
    async fn addressee(&self, mail: &Mail) -> Result<Option<(Member, String)>, VerbError> {
        let member = match mail.account {
            Some(account) => self.store.member(account).await?,
            None => self.store.member_by_email(&mail.address).await?,
        };
        let is_wanted = |member: &Member| {
            let is_theirs = member.email.to_lowercase() == mail.address.to_lowercase();
            match mail.kind {
                MailKind::Confirm => is_theirs && self.awaits_confirmation(member),
                MailKind::Reset | MailKind::PasswordChanged | MailKind::SignIn => is_theirs,
            }
        };
        let Some(member) = member.filter(is_wanted) else { return Ok(None) };
        let account = self.store.accounts(&[member.account]).await?.pop();
        let account = account.filter(|account| account.standing.suspended.is_none());
        Ok(account.map(|account| (member, account.username)))
    }

    fn fresh_link(&self, purpose: LinkPurpose, member: &Member, secret: &str) -> Link {
        let hours = match purpose {
            LinkPurpose::Confirm => CONFIRM_LINK_HOURS,
            LinkPurpose::Reset => RESET_LINK_HOURS,
        };
        let created = self.now();
        Link {
            hash: sha256(secret.as_bytes()),
            purpose,
            account: member.account,
            address: member.email.clone(),
            created,
            expires: created.plus_ms(hours * 3_600_000),
        }
    }
}
