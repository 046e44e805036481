//! Accounts: who somebody is in public, local or remote. Credentials are in `member`.

use crate::{AccountId, Timestamp, member::Preferences};

/// One row of the profile's table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProfileField {
    /// Label, as typed.
    pub name: String,
    /// Value: source text of a local account, sanitised HTML of a remote one.
    pub value: String,
    /// When the link was found to point back, if ever.
    pub verified: Option<Timestamp>,
}

/// What moderators have decided about an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// Suspended since: nobody sees it, its tokens are dead.
    pub suspended: Option<Timestamp>,
    /// Limited since: only followers see it in timelines and searches.
    pub silenced: Option<Timestamp>,
}

/// A public profile. Source: <https://docs.joinmastodon.org/entities/Account/>.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// As chosen, case kept; unique without case within its domain.
    pub username: String,
    /// `None` for local accounts.
    pub domain: Option<String>,
    /// ActivityPub id of a remote account; local ones are rendered from `server.domain`.
    pub uri: Option<String>,
    /// Shown name; empty means the username.
    pub display_name: String,
    /// Biography: source text of a local account, sanitised HTML of a remote one.
    pub note: String,
    /// Up to four (local).
    pub fields: Vec<ProfileField>,
    /// Object key of the avatar below `media/`, if one was uploaded.
    pub avatar: Option<String>,
    /// Object key of the header picture.
    pub header: Option<String>,
    /// Whether follows need approval.
    pub locked: bool,
    /// Whether it says of itself that it is automated.
    pub bot: bool,
    /// May be shown in directories and suggestions.
    pub discoverable: bool,
    /// Public posts may be found by search by others.
    pub indexable: bool,
    /// Follower and following lists are private.
    pub hide_collections: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Decisions of moderators.
    pub standing: Standing,
}

impl Account {
    /// Whether this server hosts it.
    pub fn is_local(&self) -> bool {
        self.domain.is_none()
    }
    /// `name` for local accounts, `name@domain` for remote ones (Mastodon's `acct`).
    pub fn acct(&self) -> String {
        match &self.domain {
            None => self.username.clone(),
            Some(domain) => format!("{}@{domain}", self.username),
        }
    }
}

/// Numbers shown on a profile; they may lag the truth by a second, one's own never do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AccountCounts {
    /// Statuses, reblogs included.
    pub statuses: i64,
    /// Followers.
    pub followers: i64,
    /// Followed accounts.
    pub following: i64,
    /// When it last posted.
    pub last_status: Option<Timestamp>,
    /// Posts whose ids are not below this may not be in `statuses` yet: whoever hears of one adds
    /// it.
    pub posts_below: i64,
}

/// Changes to a profile; `None` leaves a part as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProfileChange {
    /// New shown name.
    pub display_name: Option<String>,
    /// New biography, source text.
    pub note: Option<String>,
    /// New table.
    pub fields: Option<Vec<ProfileField>>,
    /// New avatar key; `Some(None)` removes it.
    pub avatar: Option<Option<String>>,
    /// New header key; `Some(None)` removes it.
    pub header: Option<Option<String>>,
    /// New approval rule.
    pub locked: Option<bool>,
    /// New self-declaration.
    pub bot: Option<bool>,
    /// New listing consent.
    pub discoverable: Option<bool>,
    /// New search consent.
    pub indexable: Option<bool>,
    /// New collection privacy.
    pub hide_collections: Option<bool>,
    /// New preferences, which only a member has.
    pub preferences: Option<Preferences>,
}
