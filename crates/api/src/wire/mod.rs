//! Wire types: the JSON that Mastodon's apps read. Rendered from views; nothing here decides.

pub mod account;
pub mod other;
pub mod scheduled;
pub mod status;

use model::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt::Display;

/// Something as the text that it shows itself as: ids are strings in the API.
pub(crate) struct Shown<T>(pub T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// A list that is always empty here.
#[derive(Serialize)]
pub(crate) struct Nothing([(); 0]);

impl Nothing {
    pub(crate) const LISTED: Self = Self([]);
}

/// An object as bytes. Renderers are structs whose keys are text, so that nothing can fail.
pub(crate) fn bytes(object: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(object).unwrap_or_default()
}

/// An object to which something is added before it is sent.
pub(crate) fn value(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// A time as the API writes it: `2026-01-02T03:04:05.678Z`.
pub fn time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.ms()).unwrap_or_default();
    format!("{at:.3}")
}

/// Adds a member to an object that a renderer has just made; anything else stays as it is.
pub fn put(json: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = json {
        members.insert(name.to_owned(), value);
    }
}

/// Addresses of what this instance serves.
pub struct Urls<'a> {
    /// `https://example.org`.
    pub base: &'a str,
}

impl Urls<'_> {
    /// A local profile's page, or where a remote one lives.
    pub fn account(&self, account: &model::Account) -> String {
        match &account.uri {
            Some(uri) => uri.clone(),
            None => format!("{}/@{}", self.base, account.username),
        }
    }
    /// A post's page.
    pub fn status(&self, author: &model::Account, status: &model::Status) -> String {
        match &status.uri {
            Some(uri) => uri.clone(),
            None => format!("{}/@{}/{}", self.base, author.username, status.id),
        }
    }
    /// A hashtag's page.
    pub fn tag(&self, name: &str) -> String {
        format!("{}/tags/{name}", self.base)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_have_milliseconds_and_z() {
        let at = model::Timestamp::from_ms(1_700_000_000_000);
        assert_eq!(super::time(at), "2023-11-14T22:13:20.000Z");
    }
}
