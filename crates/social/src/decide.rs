//! Deciding about members, as those do who run an instance: suspend, lift it, change a role, give a
//! new password. Every decision is recorded with its reason, and takes effect at once: the hub
//! hears of it before whoever decided is answered.

use crate::{Social, VerbError, limits::REASON_CHARACTERS_MAX, members};
use model::{
    AccountId, DecisionId, StoreError,
    decision::{Decision, Verdict},
};

/// Who decides, and why.
#[derive(Clone, Debug, Default)]
pub struct Cause {
    /// The member who decides; `None` for whoever commands the machine.
    pub actor: Option<AccountId>,
    /// Their words; may be empty.
    pub reason: String,
}

pub(crate) const LAST_OWNER: &str =
    "this is the only owner: make somebody else an owner first, then try again";

impl Social {
    pub(crate) fn decision(
        &self,
        target: AccountId,
        verdict: Verdict,
        cause: Cause,
    ) -> Result<Decision, VerbError> {
        if cause.reason.chars().count() > REASON_CHARACTERS_MAX {
            let text = format!("the reason is longer than {REASON_CHARACTERS_MAX} characters");
            return Err(VerbError::Invalid(text));
        }
        let id = DecisionId::new(1).ok_or(VerbError::NotFound)?;
        let (actor, reason) = (cause.actor, cause.reason);
        Ok(Decision { id, target, actor, verdict, reason, at: self.now() })
    }

    /// Suspends a member, lifts that, or changes a role. `false`: it was so already.
    ///
    /// # Errors
    /// `Forbidden` where nobody would own the instance, `Invalid` for a reason that is too long.
    pub async fn decide(
        &self,
        target: AccountId,
        verdict: Verdict,
        cause: Cause,
    ) -> Result<bool, VerbError> {
        let decision = self.decision(target, verdict, cause)?;
        match self.store.decide(&decision).await {
            Ok(done) => Ok(done),
            Err(StoreError::Conflict("last_owner")) => Err(VerbError::Forbidden(LAST_OWNER)),
            Err(other) => Err(other.into()),
        }
    }

    /// Gives a member a new password and ends everything that was opened with the old one. Their
    /// address counts as confirmed then. Where this place sends mail, one tells of it.
    ///
    /// # Errors
    /// `Invalid` for a password that would be refused at sign-up, `NotFound` for no member.
    pub async fn give_password(
        &self,
        target: AccountId,
        password: &str,
        cause: Cause,
    ) -> Result<(), VerbError> {
        if let Some((_, _, why)) = members::check_password(password) {
            return Err(VerbError::Invalid(format!("the password {why}")));
        }
        let decision = self.decision(target, Verdict::Password, cause)?;
        let hash = self.hash_password(password).await?;
        let found = self.store.decide_password(&decision, &hash, self.has_mail()).await?;
        self.mail_changed.notify_one();
        if found { Ok(()) } else { Err(VerbError::NotFound) }
    }
}
