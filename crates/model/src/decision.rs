//! What those who run an instance decide about a member: kept with who, when and why, so that it
//! can be accounted for later. What a decision does is in its deed; this is its record.

use crate::{AccountId, DecisionId, Timestamp, member::Role};

/// What was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nobody sees the account, and nothing that was issued to it works.
    Suspend,
    /// As it was before.
    Unsuspend,
    /// Another role.
    Role(Role),
    /// A new password; every session and token has ended.
    Password,
    /// The account and what it left here are gone.
    Delete,
}

impl Verdict {
    /// The word that is stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Unsuspend => "unsuspend",
            Self::Role(Role::Member) => "role member",
            Self::Role(Role::Moderator) => "role moderator",
            Self::Role(Role::Owner) => "role owner",
            Self::Password => "password",
            Self::Delete => "delete",
        }
    }

    /// The verdict of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        let roles = [Role::Member, Role::Moderator, Role::Owner].map(Self::Role);
        let others = [Self::Suspend, Self::Unsuspend, Self::Password, Self::Delete];
        roles.into_iter().chain(others).find(|verdict| verdict.word() == word)
    }

    /// Whether an instance may be left without an owner by it.
    pub const fn takes_powers(self) -> bool {
        match self {
            Self::Suspend | Self::Delete | Self::Role(Role::Member | Role::Moderator) => true,
            Self::Unsuspend | Self::Password | Self::Role(Role::Owner) => false,
        }
    }
}

/// A decision about a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Its id; ignored when it is made.
    pub id: DecisionId,
    /// About whom.
    pub target: AccountId,
    /// Who decided; `None` for whoever commands the machine.
    pub actor: Option<AccountId>,
    /// What.
    pub verdict: Verdict,
    /// Why, in their words; may be empty.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_back_to_its_verdict() {
        let roles = [Role::Member, Role::Moderator, Role::Owner].map(Verdict::Role);
        let others = [Verdict::Suspend, Verdict::Unsuspend, Verdict::Password, Verdict::Delete];
        for verdict in roles.into_iter().chain(others) {
            assert_eq!(Verdict::from_word(verdict.word()), Some(verdict));
        }
        assert_eq!(Verdict::from_word("role"), None);
    }
}
