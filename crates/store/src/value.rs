//! Values bound to statements: the three column types of the schema, and ids not yet issued.

use crate::batch::IdSlot;
use model::Timestamp;

/// A bound value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// NULL.
    Null,
    /// BIGINT.
    Int(i64),
    /// TEXT.
    Text(String),
    /// BLOB or BYTEA.
    Bytes(Vec<u8>),
    /// An id that the writer issues as the batch commits.
    Id(IdSlot),
}

macro_rules! from_int {
    ($($t:ty => |$v:ident| $e:expr),* $(,)?) => {$(
        impl From<$t> for Value { fn from($v: $t) -> Self { Self::Int($e) } }
    )*};
}
from_int! {
    i64 => |v| v,
    u32 => |v| i64::from(v),
    i32 => |v| i64::from(v),
    bool => |v| i64::from(v),
    Timestamp => |v| v.ms(),
    model::AccountId => |v| v.get(),
    model::StatusId => |v| v.get(),
    model::ConversationId => |v| v.get(),
    model::MediaId => |v| v.get(),
    model::PollId => |v| v.get(),
    model::NotificationId => |v| v.get(),
    model::ListId => |v| v.get(),
    model::AppId => |v| v.get(),
    model::TokenId => |v| v.get(),
    model::SessionId => |v| v.get(),
    model::ScheduledId => |v| v.get(),
    model::ReportId => |v| v.get(),
    model::JobId => |v| v.get(),
    model::MailId => |v| v.get(),
    model::EdgeId => |v| v.get(),
    model::TagId => |v| v.get(),
}
impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Self::Text(v.to_owned())
    }
}
impl From<String> for Value {
    fn from(v: String) -> Self {
        Self::Text(v)
    }
}
impl From<&String> for Value {
    fn from(v: &String) -> Self {
        Self::Text(v.clone())
    }
}
impl From<&[u8]> for Value {
    fn from(v: &[u8]) -> Self {
        Self::Bytes(v.to_vec())
    }
}
impl From<IdSlot> for Value {
    fn from(v: IdSlot) -> Self {
        Self::Id(v)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}

/// A list of values to bind, in the order of `?1`, `?2`, ...
#[macro_export]
macro_rules! params {
    ($($v:expr),* $(,)?) => { vec![$($crate::Value::from($v)),*] };
}
