//! Members: people with an account here. What they log in with, their role and preferences.

use crate::{AccountId, AppId, Timestamp, Visibility};

/// What a member may do beyond posting.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Role {
    /// No powers over others.
    #[default]
    Member,
    /// Acts on reports.
    Moderator,
    /// Runs the instance.
    Owner,
}

impl Role {
    /// The word used in the store, on the command line and in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        }
    }
    /// What the role may do, as the bits by which Mastodon tells apps: an owner is an
    /// administrator (1), a moderator manages reports (16), nobody else has powers.
    /// Source: <https://docs.joinmastodon.org/entities/Role/#permission-flags>.
    pub const fn permissions(self) -> u32 {
        match self {
            Self::Member => 0,
            Self::Moderator => 0x10,
            Self::Owner => 0x1,
        }
    }
    /// The role of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Member, Self::Moderator, Self::Owner].into_iter().find(|r| r.word() == word)
    }
}

/// Defaults for composing and reading. Source: <https://docs.joinmastodon.org/entities/Preferences/>.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preferences {
    /// Visibility of new posts.
    pub visibility: Visibility,
    /// Whether new posts are marked sensitive.
    pub sensitive: bool,
    /// Language of new posts, if set (ISO 639).
    pub language: Option<String>,
    /// `default`, `show_all` or `hide_all`.
    pub expand_media: String,
    /// Whether content warnings open by themselves.
    pub expand_spoilers: bool,
    /// Whether animated images play by themselves.
    pub autoplay_gifs: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            visibility: Visibility::Public,
            sensitive: false,
            language: None,
            expand_media: "default".to_owned(),
            expand_spoilers: false,
            autoplay_gifs: false,
        }
    }
}

/// A person with an account here.
#[derive(Clone, Debug)]
pub struct Member {
    /// Their public account.
    pub account: AccountId,
    /// Address, as given; unique without case.
    pub email: String,
    /// Argon2id, PHC string format.
    pub password_hash: String,
    /// Powers.
    pub role: Role,
    /// Since when the address is confirmed; `None` blocks use where confirmation is required.
    pub confirmed: Option<Timestamp>,
    /// Interface language.
    pub locale: String,
    /// Why they want to join, where asked.
    pub reason: Option<String>,
    /// The app they signed up through.
    pub created_by_app: Option<AppId>,
    /// Composing and reading defaults.
    pub preferences: Preferences,
    /// When they joined.
    pub created: Timestamp,
}

/// A member to be made, with the account that is made in the same deed.
#[derive(Clone, Debug)]
pub struct NewMember {
    /// Username, already checked against the rules for local names.
    pub username: String,
    /// Shown name; may be empty.
    pub display_name: String,
    /// Address.
    pub email: String,
    /// Argon2id, PHC string format.
    pub password_hash: String,
    /// Powers.
    pub role: Role,
    /// Whether the address counts as confirmed from the start. Where not, a mail with a link to
    /// confirm it is enqueued in the same deed.
    pub confirmed: bool,
    /// Interface language.
    pub locale: String,
    /// Why they want to join.
    pub reason: Option<String>,
    /// The app used.
    pub created_by_app: Option<AppId>,
    /// Key pair of the actor, PEM (PKCS#8 private key), for federation.
    pub private_key_pem: Option<String>,
    /// Its public half, PEM (SubjectPublicKeyInfo).
    pub public_key_pem: Option<String>,
    /// When.
    pub created: Timestamp,
}
