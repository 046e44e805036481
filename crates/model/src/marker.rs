//! Reading positions, shared between a member's apps.
//! Source: <https://docs.joinmastodon.org/entities/Marker/>.

use crate::Timestamp;

/// What a position is in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MarkerTimeline {
    /// The home timeline.
    Home,
    /// The notifications.
    Notifications,
}

impl MarkerTimeline {
    /// Mastodon's word, also as stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Notifications => "notifications",
        }
    }
    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Home, Self::Notifications].into_iter().find(|t| t.word() == word)
    }
}

/// A position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Marker {
    /// In what.
    pub timeline: MarkerTimeline,
    /// The last entry seen.
    pub last_read_id: i64,
    /// How often it was set: a write with an older version is refused with 409.
    pub version: i64,
    /// When it was last set.
    pub updated: Timestamp,
}
