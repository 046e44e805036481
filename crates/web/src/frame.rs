//! What stands around every page: the head with what others are told of it (canonical address,
//! Open Graph, description), the bar at the top, the foot. And how a page becomes an answer.

use crate::{Site, files, limits::DESCRIPTION_CHARACTERS, refusal::Refused};
use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use httpkit::{SharedPage, security::Csp};

/// What a page is, to whoever links to it. Source: <https://ogp.me>.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Anything.
    Website,
    /// Somebody's profile.
    Profile,
    /// A post.
    Article,
}

impl Kind {
    /// Open Graph's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Website => "website",
            Self::Profile => "profile",
            Self::Article => "article",
        }
    }
}

/// The frame of one page.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What this place is called.
    pub site: String,
    /// What the page is called.
    pub title: String,
    /// Its one address, whole; empty where it has none worth keeping.
    pub canonical: String,
    /// In a sentence; may be empty.
    pub description: String,
    /// What it is.
    pub kind: Kind,
    /// A picture for previews, whole address.
    pub image: Option<String>,
    /// Whether search engines may list it.
    pub listed: bool,
}

impl Frame {
    /// Of a page of this site at this path.
    pub(crate) fn new(site: &Site, title: impl Into<String>, path: &str) -> Self {
        Self {
            site: site.title.clone(),
            title: title.into(),
            canonical: format!("{}{path}", site.base_url),
            description: site.description.clone(),
            kind: Kind::Website,
            image: None,
            listed: true,
        }
    }

    /// Of a page that is nobody's to find: forms, refusals.
    pub(crate) fn unlisted(site: &Site, title: impl Into<String>) -> Self {
        let frame = Self::new(site, title, "");
        Self { canonical: String::new(), description: String::new(), listed: false, ..frame }
    }

    /// Where the stylesheet is.
    #[must_use]
    pub fn style(&self) -> &'static str {
        files::style_path()
    }
}

/// A text in one line, short enough for a title or a preview.
pub(crate) fn shortened(text: &str, characters: usize) -> String {
    let mut line = String::with_capacity(characters * 2);
    let words = text.split_whitespace();
    for (at, word) in words.enumerate() {
        if at > 0 {
            line.push(' ');
        }
        line.push_str(word);
        if line.chars().count() > characters {
            let cut = line.char_indices().nth(characters.saturating_sub(1));
            line.truncate(cut.map_or(line.len(), |(at, _)| at));
            line.push('…');
            break;
        }
    }
    line
}

/// As [`shortened`], as long as a description may be.
pub(crate) fn described(text: &str) -> String {
    shortened(text, DESCRIPTION_CHARACTERS)
}

/// The part of a shared page's key that says which posts of a listing it shows.
pub(crate) fn place(page: model::Page) -> String {
    page.max_id.map_or_else(String::new, |id| format!("?max_id={id}"))
}

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// A page that visitors share.
pub(crate) fn shared(page: &impl Template) -> Result<SharedPage, Refused> {
    let mut more = HeaderMap::new();
    more.insert(header::CONTENT_SECURITY_POLICY, Csp::page().header());
    Ok(SharedPage::new(HTML, more, page.render()?.into()))
}

/// A page for one reader, kept by nobody. Its address may carry the secret of a mailed link or what
/// an app asked for, which browsers then name to nobody else. (With `no-referrer` they would say
/// `Origin: null` of its forms, which tells nothing.)
pub(crate) fn own(
    page: &impl Template,
    status: StatusCode,
    csp: &Csp,
) -> Result<Response, Refused> {
    let mut response = Response::new(page.render()?.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HTML);
    headers.insert(header::CONTENT_SECURITY_POLICY, csp.header());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_become_one_short_line() {
        for (text, expected) in [
            ("", ""),
            ("one\n\n two", "one two"),
            ("abcdefghij", "abcdefghij"),
            ("abcdefghijk", "abcdefghi…"),
            ("ééééé ééééé ééééé", "ééééé ééé…"),
        ] {
            assert_eq!(shortened(text, 10), expected);
        }
    }
}
