//! Turns a text into the HTML that Mastodon clients expect, everything escaped.
//! Source: <https://docs.joinmastodon.org/spec/activitypub/#sanitization>.
//!
//! Addresses of people and tags come from the caller: they depend on `server.domain`, which may
//! change, and are therefore never stored.

use super::{Handle, Kind, Span, Text, Token};
use std::fmt;

/// HTML that holds nothing but what this room allows. Only this room makes it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SafeHtml(String);

impl SafeHtml {
    /// For the other files of this room, which vouch for it.
    pub(super) fn vouched(html: String) -> Self {
        Self(html)
    }
    /// The markup.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Gives the markup away.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for SafeHtml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where mentions and hashtags lead. What is returned need not be escaped.
pub trait Links {
    /// Address of a mentioned account, if it exists; else the mention stays words.
    fn account(&self, handle: &Handle) -> Option<String>;
    /// How a mentioned account spells its own name; as it was typed where that is not known.
    fn spelling(&self, _handle: &Handle) -> Option<String> {
        None
    }
    /// Address of a hashtag (normalised name).
    fn tag(&self, name: &str) -> String;
}

/// Characters of a link that are shown; the rest is there for those who copy it.
const SHOWN_CHARACTERS: usize = 30;

impl Text<'_> {
    /// A post, or a biography: paragraphs with links, mentions and hashtags.
    pub fn to_html(&self, links: &dyn Links) -> SafeHtml {
        if self.is_empty() {
            return SafeHtml::default();
        }
        let mut page = Page::new(self, "nofollow noopener noreferrer");
        page.html.push_str("<p>");
        page.body(self, links, true);
        page.html.push_str("</p>");
        SafeHtml(page.html)
    }

    /// The value of a profile's row: one line, whose link may be verified as the member's own
    /// (`rel="me"`). Source: <https://docs.joinmastodon.org/user/profile/#verification>.
    pub fn to_field_html(&self, links: &dyn Links) -> SafeHtml {
        let mut page = Page::new(self, "nofollow noopener noreferrer me");
        page.body(self, links, false);
        SafeHtml(page.html)
    }
}

/// Words without any markup, such as a shown name.
pub fn escaped(text: &str) -> SafeHtml {
    let mut html = String::with_capacity(text.len() + 16);
    escape(text, &mut html);
    SafeHtml(html)
}

struct Page {
    html: String,
    rel: &'static str,
    /// Two people of one name are called: their domains are shown.
    shows_domains: bool,
}

impl Page {
    fn new(text: &Text<'_>, rel: &'static str) -> Self {
        let is_mention = |span: &&Span| matches!(span.kind, Kind::Mention { .. });
        let shows_domains = text.spans.iter().filter(is_mention).count() > 1 && {
            let mentions = text.mentions();
            mentions.iter().enumerate().any(|(at, one)| {
                mentions.iter().skip(at + 1).any(|o| one.username.eq_ignore_ascii_case(&o.username))
            })
        };
        let html = String::with_capacity(text.source().len() * 2 + 64 + 192 * text.spans.len());
        Self { html, rel, shows_domains }
    }

    fn body(&mut self, text: &Text<'_>, links: &dyn Links, paragraphs: bool) {
        for token in text.tokens() {
            match token {
                Token::Plain(words) if paragraphs => push_paragraphs(words, &mut self.html),
                Token::Plain(words) => escape(words, &mut self.html),
                Token::Link(link) => self.link(link),
                Token::Mention(name, domain) => self.mention(name, domain, links),
                Token::Tag(display) => self.tag(display, links),
                Token::Emoji(name) => {
                    self.html.push(':');
                    self.html.push_str(name);
                    self.html.push(':');
                }
            }
        }
    }

    fn link(&mut self, link: &str) {
        let html = &mut self.html;
        html.push_str("<a href=\"");
        escape(link, html);
        html.push_str("\" target=\"_blank\" rel=\"");
        html.push_str(self.rel);
        html.push_str("\" translate=\"no\"><span class=\"invisible\">");
        let (prefix, rest) = split_prefix(link);
        escape(prefix, html);
        let cut = rest.char_indices().nth(SHOWN_CHARACTERS).map_or(rest.len(), |(at, _)| at);
        let (shown, hidden) = rest.split_at(cut);
        let class = if hidden.is_empty() { "" } else { "ellipsis" };
        html.push_str("</span><span class=\"");
        html.push_str(class);
        html.push_str("\">");
        escape(shown, html);
        html.push_str("</span><span class=\"invisible\">");
        escape(hidden, html);
        html.push_str("</span></a>");
    }

    fn mention(&mut self, name: &str, domain: Option<&str>, links: &dyn Links) {
        let handle = super::handle(name, domain);
        let address = links.account(&handle);
        let spelling = address.as_ref().and_then(|_| links.spelling(&handle));
        let html = &mut self.html;
        match &address {
            Some(address) => {
                html.push_str("<span class=\"h-card\" translate=\"no\"><a href=\"");
                escape(address, html);
                html.push_str("\" class=\"u-url mention\">@<span>");
            }
            None => html.push('@'),
        }
        escape(spelling.as_deref().unwrap_or(name), html);
        if let Some(domain) = domain.filter(|_| self.shows_domains || address.is_none()) {
            html.push('@');
            escape(domain, html);
        }
        if address.is_some() {
            html.push_str("</span></a></span>");
        }
    }

    fn tag(&mut self, display: &str, links: &dyn Links) {
        self.html.push_str("<a href=\"");
        escape(&links.tag(&super::normalise_tag(display)), &mut self.html);
        self.html.push_str("\" class=\"mention hashtag\" rel=\"tag\">#<span>");
        escape(display, &mut self.html);
        self.html.push_str("</span></a>");
    }
}

/// What of an address nobody needs to see: the scheme, and `www.`.
fn split_prefix(link: &str) -> (&str, &str) {
    let scheme = link.find("://").map_or(0, |at| at + 3);
    let rest = link.get(scheme..).unwrap_or_default();
    let www = if rest.starts_with("www.") { 4 } else { 0 };
    link.split_at(scheme + www)
}

/// Words with their line ends: one breaks the line, more begin a paragraph.
fn push_paragraphs(words: &str, html: &mut String) {
    let mut rest = words;
    while let Some(at) = rest.find('\n') {
        let (before, after) = rest.split_at(at);
        escape(before, html);
        rest = after.trim_start_matches('\n');
        html.push_str(if after.len() - rest.len() > 1 { "</p><p>" } else { "<br />" });
    }
    escape(rest, html);
}

/// Appends text so that it cannot end an element or an attribute in double or single quotes.
pub fn escape(text: &str, html: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| matches!(b, b'&' | b'<' | b'>' | b'"' | b'\'')) {
        let (before, after) = rest.split_at(at);
        html.push_str(before);
        html.push_str(match after.as_bytes().first() {
            Some(b'&') => "&amp;",
            Some(b'<') => "&lt;",
            Some(b'>') => "&gt;",
            Some(b'"') => "&quot;",
            _ => "&#39;",
        });
        rest = after.get(1..).unwrap_or_default();
    }
    html.push_str(rest);
}
