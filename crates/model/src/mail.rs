//! Mail that this place sends: why, to whom, and the links in it. What a letter says is written in
//! `social`, how it travels is the business of whoever implements [`crate::ports::Mailer`].

use crate::{AccountId, MailId, Timestamp};

/// Why a mail is sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MailKind {
    /// Somebody signed up with this address: a link asks whether it is theirs.
    Confirm,
    /// Somebody asked for a new password by this address: a link lets its member choose one.
    Reset,
    /// The password was changed.
    PasswordChanged,
    /// Somebody logged in from where the member did not before.
    SignIn,
}

impl MailKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Confirm, Self::Reset, Self::PasswordChanged, Self::SignIn];
    /// As stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Reset => "reset",
            Self::PasswordChanged => "password_changed",
            Self::SignIn => "sign_in",
        }
    }
    /// From the stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
    /// What its link does; `None` where it has none.
    pub const fn purpose(self) -> Option<LinkPurpose> {
        match self {
            Self::Confirm => Some(LinkPurpose::Confirm),
            Self::Reset => Some(LinkPurpose::Reset),
            Self::PasswordChanged | Self::SignIn => None,
        }
    }
}

/// What a link from a mail does. A link of one purpose never serves another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LinkPurpose {
    /// Confirms the address.
    Confirm,
    /// Lets its member choose a new password.
    Reset,
}

impl LinkPurpose {
    /// As stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Reset => "reset",
        }
    }
}

/// A mail to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMail {
    /// Why.
    pub kind: MailKind,
    /// About whose account; `None` where somebody typed an address, and whose it is will be asked
    /// when it is sent, so that asking takes as long for an address that nobody has.
    pub account: Option<AccountId>,
    /// To which address.
    pub address: String,
    /// When the cause was.
    pub created: Timestamp,
}

/// A mail that waits to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mail {
    /// Its id: the same in every attempt, so that a mail that comes twice is known as one.
    pub id: MailId,
    /// Why.
    pub kind: MailKind,
    /// About whose account, where that is known already.
    pub account: Option<AccountId>,
    /// To which address.
    pub address: String,
    /// When the cause was.
    pub created: Timestamp,
    /// What else it tells: of a log-in the kind of browser. Empty for the others.
    pub about: String,
}

/// A link in a mail: 256 unpredictable bits, stored by their SHA-256, used once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// SHA-256 of what the link carries.
    pub hash: Vec<u8>,
    /// What it does.
    pub purpose: LinkPurpose,
    /// For which account.
    pub account: AccountId,
    /// The address that it was sent to; it proves that one and no other.
    pub address: String,
    /// When it was drawn.
    pub created: Timestamp,
    /// When it stops working.
    pub expires: Timestamp,
}

/// A mail as it is read: plain text, to one address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// Of the mail.
    pub id: MailId,
    /// The address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Lines, ended by `\n`.
    pub body: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back() {
        for kind in MailKind::ALL {
            assert_eq!(MailKind::from_word(kind.word()), Some(kind));
        }
        assert_eq!(MailKind::from_word("newsletter"), None);
    }
}
