//! Identifiers: 64-bit, positive, time-sortable, issued by the store as a deed commits; strings in
//! every API. Each noun has its own type, so that a status is never looked up by an account's id.
//!
//! Layout: Unix milliseconds in the upper 48 bits, node and sequence in the lower 16. Mastodon's
//! ids have the same shape, so clients that sort or compare them as text of equal length are safe.

use std::{fmt, num::NonZeroI64, str::FromStr};

/// Bits below the millisecond in every issued id.
pub const SEQUENCE_BITS: u32 = 16;

/// Why a string is no id: not decimal, not positive, or past 63 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id")]
pub struct NotAnId;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(NonZeroI64);

        impl $name {
            /// From a stored number; `None` unless it is positive.
            pub const fn new(raw: i64) -> Option<Self> {
                match NonZeroI64::new(raw) {
                    Some(n) if raw > 0 => Some(Self(n)),
                    _ => None,
                }
            }
            /// The number, as stored.
            pub const fn get(self) -> i64 { self.0.get() }
            /// When it was issued, read back from its upper bits.
            pub const fn issued(self) -> crate::Timestamp {
                crate::Timestamp::from_ms(self.0.get() >> SEQUENCE_BITS)
            }
        }
        impl From<$name> for i64 { fn from(id: $name) -> i64 { id.get() } }
        impl TryFrom<i64> for $name {
            type Error = NotAnId;
            fn try_from(raw: i64) -> Result<Self, NotAnId> { Self::new(raw).ok_or(NotAnId) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                // `+1` and leading zeros would give one noun two addresses.
                if !text.bytes().all(|b| b.is_ascii_digit()) || text.starts_with('0') {
                    return Err(NotAnId);
                }
                text.parse::<i64>().ok().and_then(Self::new).ok_or(NotAnId)
            }
        }
    )*};
}

id! {
    /// An account, local or remote.
    AccountId,
    /// A status (post), or a reblog of one.
    StatusId,
    /// The root status of a thread; a thread keeps it when the root is deleted.
    ConversationId,
    /// A media attachment.
    MediaId,
    /// A poll.
    PollId,
    /// A notification.
    NotificationId,
    /// A list of accounts.
    ListId,
    /// A hashtag.
    TagId,
    /// A registered client application.
    AppId,
    /// An OAuth access token.
    TokenId,
    /// A browser session.
    SessionId,
    /// A report to the moderators.
    ReportId,
    /// A scheduled status.
    ScheduledId,
    /// A decision about a member.
    DecisionId,
    /// A job in the queue.
    JobId,
    /// A mail that waits to be sent.
    MailId,
    /// A relation (follow, block, mute, favourite, bookmark): what its listing is paged by.
    EdgeId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        for bad in ["", "0", "-1", "+1", "01", " 1", "1 ", "1.0", "9223372036854775808", "x", "１"]
        {
            assert_eq!(bad.parse::<StatusId>(), Err(NotAnId), "{bad:?}");
        }
        assert_eq!("9223372036854775807".parse::<StatusId>().map(StatusId::get), Ok(i64::MAX));
    }
}
