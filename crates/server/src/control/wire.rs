//! What is said on the control socket. Not a public interface: both ends are this program, though
//! perhaps of two versions, so that an unknown word is refused and never guessed at.

use crate::{backup::Taken, shielding::Status};
use serde::{Deserialize, Serialize};

/// What a command wants.
#[derive(Serialize, Deserialize, Debug)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Makes a member. Without a password one is drawn and told.
    AccountCreate { name: String, email: String, role: String, password: Option<String> },
    /// Members below this id, newest first.
    AccountList { before: Option<i64> },
    /// One member, with what was decided about them.
    AccountShow { name: String },
    /// Suspends.
    AccountSuspend { name: String, reason: String },
    /// Lifts a suspension.
    AccountUnsuspend { name: String, reason: String },
    /// Changes a role.
    AccountRole { name: String, role: String },
    /// Gives a new password and ends what was opened with the old one.
    AccountResetPassword { name: String, password: Option<String> },
    /// Deletes a member, for good.
    AccountDelete { name: String, reason: String },
    /// Issues a token.
    TokenCreate { name: String, scopes: String },
    /// A member's live tokens.
    TokenList { name: String },
    /// Ends a token, named by its number or by itself.
    TokenRevoke { token: String },
    /// How the shield stands, and so many of its latest decisions.
    ShieldStatus { decisions: u16 },
    /// Saves everything in a file of this absolute path; over one that is there only if forced.
    Backup { path: String, force: bool },
    /// Denied addresses after this one.
    ShieldList { after: Option<String> },
    /// Forgives an address, or all.
    ShieldClear { address: Option<String> },
    /// Denies an address for a while.
    ShieldDeny { address: String, seconds: u32 },
}

impl Request {
    /// Whether it can be the first thing that ever happens in a data folder.
    pub(crate) fn may_begin(&self) -> bool {
        matches!(self, Self::AccountCreate { .. })
    }
}

/// What came of it.
#[derive(Serialize, Deserialize, Debug)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// A member was made; the password where it was drawn.
    Created { member: Member, password: Option<String> },
    /// Members; whether there may be more.
    Members { members: Vec<Member>, more: bool },
    /// One member.
    Shown { member: Member, decisions: Vec<Decided> },
    /// It is so now; whether it was so before.
    Decided { member: Member, already: bool },
    /// A new password was given; told where it was drawn.
    Password { member: Member, password: Option<String> },
    /// The member of this name is no more.
    Deleted { username: String },
    /// A fresh token.
    Token { token: String },
    /// Live tokens.
    Tokens { tokens: Vec<TokenShown> },
    /// A token was ended; or it was not alive.
    Revoked { already: bool },
    /// How the shield stands.
    Shield { status: Box<Status> },
    /// Nothing was done, for this reason.
    Refused { why: String },
    /// A backup was taken.
    Backup { taken: Taken },
    /// How the deny set is; addresses in it; whether there are more.
    ShieldDenials { kernel: String, entries: Vec<DeniedShown>, more: bool },
    /// An address was forgiven, and whether it was denied; or all were.
    ShieldCleared { was_denied: Option<bool> },
    /// An address is denied.
    ShieldDenied { address: String },
    /// It is being worked on: bytes done, and of how many, where that can be said.
    Working {
        #[serde(default)]
        done: u64,
        #[serde(default)]
        total: u64,
    },
}

/// A member as a command shows one.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Member {
    pub id: String,
    pub username: String,
    pub display_name: String,
    pub email: String,
    pub role: String,
    pub suspended: Option<String>,
    pub created: String,
    pub posts: i64,
    pub followers: i64,
    pub following: i64,
    pub last_post: Option<String>,
}

/// A decision about a member.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Decided {
    pub at: String,
    pub verdict: String,
    pub reason: String,
    /// Who; the command line where absent.
    pub by: Option<String>,
}

/// A live token, without what would let anybody use it.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct TokenShown {
    pub id: String,
    pub app: String,
    pub scopes: String,
    pub created: String,
}

/// A denied address.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct DeniedShown {
    /// An IPv6 one with its /64.
    pub address: String,
    pub since: String,
    pub until: String,
    pub why: String,
    pub dropped_packets: u64,
    pub dropped_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_word_is_refused() {
        for (line, good) in [
            (r#"{"do":"account-show","name":"ann"}"#, true),
            (r#"{"do":"account-list","before":null}"#, true),
            (r#"{"do":"account-show","name":"ann","loudly":true}"#, false),
            (r#"{"do":"account-praise","name":"ann"}"#, false),
            (r#"{"name":"ann"}"#, false),
            ("account-show ann", false),
        ] {
            assert_eq!(serde_json::from_str::<Request>(line).is_ok(), good, "{line}");
        }
    }
}
