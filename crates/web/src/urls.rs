//! Where things are on this site. Links within it are relative to its root, so that a page is right
//! whatever name it was reached by; what is meant for others (canonical links, previews) is whole.

use model::{
    Account, Status,
    text::{Handle, Links},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use social::{AccountView, Called};

/// What may stand in a path segment as it is (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A text as one segment of a path, or as a value of a query.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A local profile's page, or where a remote one lives.
pub(crate) fn account(account: &Account) -> String {
    match &account.uri {
        Some(uri) => uri.clone(),
        None => format!("/@{}", account.username),
    }
}

/// A post's page.
pub(crate) fn status(author: &Account, status: &Status) -> String {
    match &status.uri {
        Some(uri) => uri.clone(),
        None => format!("/@{}/{}", author.username, status.id),
    }
}

/// A hashtag's page.
pub(crate) fn tag(name: &str) -> String {
    format!("/tags/{}", segment(name))
}

/// An uploaded file.
pub(crate) fn media(key: &str) -> String {
    format!("/media/{key}")
}

/// Where the mentions and hashtags of a post lead.
#[derive(Default)]
pub(crate) struct Known<'a> {
    /// Whom it mentions.
    pub mentions: &'a [AccountView],
    /// The domain of this place: who writes it out means somebody here.
    pub home: &'a str,
}

impl Known<'_> {
    fn find(&self, handle: &Handle) -> Option<&AccountView> {
        let handle = handle.clone().seen_from(self.home);
        let is = |a: &&AccountView| {
            a.account.username.eq_ignore_ascii_case(&handle.username)
                && a.account.domain == handle.domain
        };
        self.mentions.iter().find(is)
    }
}

impl Links for Known<'_> {
    fn account(&self, handle: &Handle) -> Option<String> {
        self.find(handle).map(|a| account(&a.account))
    }
    fn spelling(&self, handle: &Handle) -> Option<String> {
        self.find(handle).map(|a| a.account.username.clone())
    }
    fn tag(&self, name: &str) -> String {
        tag(name)
    }
}

/// Where the names and hashtags of a profile lead.
pub(crate) struct Named<'a>(pub &'a Called);

impl Links for Named<'_> {
    fn account(&self, handle: &Handle) -> Option<String> {
        self.0.find(handle).map(account)
    }
    fn spelling(&self, handle: &Handle) -> Option<String> {
        self.0.find(handle).map(|account| account.username.clone())
    }
    fn tag(&self, name: &str) -> String {
        tag(name)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_tag_cannot_leave_its_place_in_the_path() {
        for (name, path) in [
            ("cats", "/tags/cats"),
            ("a/../b?c#d", "/tags/a%2F..%2Fb%3Fc%23d"),
            ("é", "/tags/%C3%A9"),
        ] {
            assert_eq!(super::tag(name), path);
        }
    }
}
