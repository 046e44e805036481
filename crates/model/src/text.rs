//! What members write, taken apart once: links, mentions, hashtags and the plain text between.
//! Counting and rendering work on the parts, so that what counts as a link is also shown as one.
//!
//! Rules of form follow Mastodon's documentation (links count 23 characters, a remote mention
//! counts without its domain). Addresses of mentions and tags are the caller's: they depend on
//! `server.domain` and are never stored.

use crate::limits::LINK_CHARACTERS;
use linkify::{LinkFinder, LinkKind};
use std::fmt::Write as _;
use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// Mentions taken from one text. Past it, further names stay plain text.
pub const MENTIONS_MAX: usize = 50;
/// Hashtags taken from one text. Past it, further ones stay plain text.
pub const TAGS_MAX: usize = 50;
/// Bytes of a hashtag's name. A longer one stays plain text.
const TAG_BYTES_MAX: usize = 200;

/// HTML that was made here from escaped text, or went through a sanitiser.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SafeHtml(String);

impl SafeHtml {
    /// The markup.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that was mentioned.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Handle {
    /// As typed.
    pub username: String,
    /// Lower case; `None` for this server.
    pub domain: Option<String>,
}

impl Handle {
    /// From `name`, `@name`, `name@domain` or `@name@domain`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('@').unwrap_or(text);
        let (username, domain) = match text.split_once('@') {
            Some((username, domain)) => (username, Some(domain)),
            None => (text, None),
        };
        let good_name = !username.is_empty()
            && username.len() <= 255
            && username.bytes().all(|b| is_name_byte(b) || b == b'.' || b == b'-');
        let good_domain = domain.is_none_or(|d| {
            !d.is_empty() && d.len() <= 255 && !d.contains(['/', ' ', '@', '?', '#'])
        });
        (good_name && good_domain)
            .then(|| Self { username: username.to_owned(), domain: domain.map(str::to_lowercase) })
    }
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a text may be the username of a local account: letters, digits and underscores.
pub fn is_local_username(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= crate::limits::USERNAME_CHARACTERS
        && text.bytes().all(is_name_byte)
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part<'a> {
    Plain(&'a str),
    Link(&'a str),
    Mention(&'a str, Handle),
    Tag(&'a str),
}

/// A text and its parts.
pub struct Text<'a> {
    parts: Vec<Part<'a>>,
}

/// Where mentions and hashtags lead.
pub trait Links {
    /// Address of a mentioned account, if it exists.
    fn account(&self, handle: &Handle) -> Option<String>;
    /// Address of a hashtag (normalised name).
    fn tag(&self, name: &str) -> String;
}

/// Takes a text apart. Never fails: what is no part of a known form is plain.
pub fn parse(source: &str) -> Text<'_> {
    let mut parts = Vec::new();
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    for span in finder.spans(source) {
        let text = span.as_str();
        let is_web = text.starts_with("https://") || text.starts_with("http://");
        if span.kind().is_some() && is_web {
            parts.push(Part::Link(text));
        } else {
            split_words(text, &mut parts);
        }
    }
    Text { parts }
}

/// Finds mentions and hashtags: they begin where no word or path goes on before them.
fn split_words<'a>(text: &'a str, parts: &mut Vec<Part<'a>>) {
    let (mut plain, mut at) = (0, 0);
    let mut before: Option<char> = None;
    while let Some(rest) = text.get(at..) {
        let Some(c) = rest.chars().next() else { break };
        let starts = before.is_none_or(|b| !b.is_alphanumeric() && !matches!(b, '_' | '/' | '@'));
        let found = match c {
            '@' if starts => mention(rest),
            '#' if starts => hashtag(rest),
            _ => None,
        };
        let Some((len, part)) = found else {
            before = Some(c);
            at += c.len_utf8();
            continue;
        };
        if plain < at {
            parts.push(Part::Plain(&text[plain..at]));
        }
        parts.push(part);
        at += len;
        plain = at;
        before = Some('x');
    }
    if plain < text.len() {
        parts.push(Part::Plain(&text[plain..]));
    }
}

fn mention(rest: &str) -> Option<(usize, Part<'_>)> {
    let name_len = rest[1..].bytes().take_while(|b| is_name_byte(*b)).count();
    if name_len == 0 {
        return None;
    }
    let mut end = 1 + name_len;
    if let Some(tail) = rest[end..].strip_prefix('@') {
        let is_host = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        let host_len = tail.bytes().take_while(|b| is_host(b)).count();
        // A full stop after a name ends the sentence, not the domain.
        let host = tail[..host_len].trim_end_matches(['.', '-']);
        if host.contains('.') {
            end += 1 + host.len();
        }
    }
    let text = &rest[..end];
    Some((end, Part::Mention(text, Handle::parse(text)?)))
}

fn hashtag(rest: &str) -> Option<(usize, Part<'_>)> {
    let is_tag = |c: char| c.is_alphanumeric() || c == '_' || is_mark(c);
    let name = &rest[1..];
    let len: usize = name.chars().take_while(|c| is_tag(*c)).map(char::len_utf8).sum();
    let name = &name[..len];
    let has_letter = name.chars().any(|c| c.is_alphabetic());
    (has_letter && len <= TAG_BYTES_MAX).then(|| (1 + len, Part::Tag(&rest[..=len])))
}

/// Combining marks belong to the letter before them (Hindi, Thai, Arabic vowels).
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// A hashtag's one name: NFKC, lower case, without `#`.
pub fn normalise_tag(tag: &str) -> String {
    tag.trim_start_matches('#').nfkc().flat_map(char::to_lowercase).collect()
}

impl Text<'_> {
    /// Length as Mastodon counts it, in graphemes.
    pub fn length(&self) -> usize {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Plain(text) | Part::Tag(text) => text.graphemes(true).count(),
                Part::Link(_) => LINK_CHARACTERS,
                Part::Mention(_, handle) => 1 + handle.username.len(),
            })
            .sum()
    }

    /// Who is mentioned, each once, in order, at most [`MENTIONS_MAX`].
    pub fn mentions(&self) -> Vec<Handle> {
        let mut found: Vec<Handle> = Vec::new();
        for part in &self.parts {
            if let Part::Mention(_, handle) = part
                && found.len() < MENTIONS_MAX
                && !found.contains(handle)
            {
                found.push(handle.clone());
            }
        }
        found
    }

    /// Normalised hashtags, each once, in order, at most [`TAGS_MAX`].
    pub fn tags(&self) -> Vec<String> {
        let mut found = Vec::new();
        for part in &self.parts {
            if let Part::Tag(tag) = part
                && found.len() < TAGS_MAX
            {
                let name = normalise_tag(tag);
                if !found.contains(&name) {
                    found.push(name);
                }
            }
        }
        found
    }

    /// As HTML in the shape that Mastodon's clients know.
    pub fn to_html(&self, links: &dyn Links) -> SafeHtml {
        let mut html = String::from("<p>");
        for part in &self.parts {
            match part {
                Part::Plain(text) => paragraphs(text, &mut html),
                Part::Link(url) => link(url, &mut html),
                Part::Mention(text, handle) => match links.account(handle) {
                    Some(url) => {
                        html.push_str("<span class=\"h-card\" translate=\"no\"><a href=\"");
                        escape(&url, &mut html);
                        html.push_str("\" class=\"u-url mention\">@<span>");
                        escape(&handle.username, &mut html);
                        html.push_str("</span></a></span>");
                    }
                    None => escape(text, &mut html),
                },
                Part::Tag(text) => {
                    html.push_str("<a href=\"");
                    escape(&links.tag(&normalise_tag(text)), &mut html);
                    html.push_str("\" class=\"mention hashtag\" rel=\"tag\">#<span>");
                    escape(&text[1..], &mut html);
                    html.push_str("</span></a>");
                }
            }
        }
        html.push_str("</p>");
        SafeHtml(if html == "<p></p>" { String::new() } else { html })
    }
}

/// Plain text with its line ends: one is a break, two or more begin a paragraph.
fn paragraphs(text: &str, html: &mut String) {
    let mut lines = text.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l)).peekable();
    let mut empty = 0;
    let mut first = true;
    while let Some(line) = lines.next() {
        if !first {
            if line.is_empty() && lines.peek().is_some() {
                empty += 1;
                continue;
            }
            html.push_str(if empty > 0 { "</p><p>" } else { "<br />" });
            empty = 0;
        }
        escape(line, html);
        first = false;
    }
}

fn link(url: &str, html: &mut String) {
    let scheme = if url.starts_with("https://") { "https://" } else { "http://" };
    let rest = &url[scheme.len()..];
    let (host, rest) = match rest.strip_prefix("www.") {
        Some(after) => (format!("{scheme}www."), after),
        None => (scheme.to_owned(), rest),
    };
    let cut = rest.char_indices().nth(30).map_or(rest.len(), |(i, _)| i);
    html.push_str("<a href=\"");
    escape(url, html);
    html.push_str("\" target=\"_blank\" rel=\"nofollow noopener noreferrer\" translate=\"no\">");
    let _ = write!(html, "<span class=\"invisible\">{host}</span><span class=\"");
    html.push_str(if cut < rest.len() { "ellipsis\">" } else { "\">" });
    escape(&rest[..cut], html);
    html.push_str("</span><span class=\"invisible\">");
    escape(&rest[cut..], html);
    html.push_str("</span></a>");
}

/// Escapes for text and for quoted attributes alike.
pub fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            // Not allowed in HTML at all.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => {}
            c => html.push(c),
        }
    }
}

/// Remote HTML cut down to the elements that Mastodon's clients know.
pub fn sanitise(html: &str) -> SafeHtml {
    let clean = ammonia::Builder::new()
        .tags(
            [
                "p",
                "br",
                "span",
                "a",
                "del",
                "s",
                "pre",
                "blockquote",
                "code",
                "b",
                "strong",
                "u",
                "i",
                "em",
                "ul",
                "ol",
                "li",
            ]
            .into(),
        )
        .add_allowed_classes("a", &["u-url", "mention", "hashtag"])
        .add_allowed_classes("span", &["h-card", "invisible", "ellipsis"])
        .url_schemes(["http", "https"].into())
        .link_rel(Some("nofollow noopener noreferrer"))
        .clean(html)
        .to_string();
    SafeHtml(clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Here;
    impl Links for Here {
        fn account(&self, h: &Handle) -> Option<String> {
            (h.username != "nobody").then(|| match &h.domain {
                None => format!("https://h/@{}", h.username),
                Some(d) => format!("https://{d}/@{}", h.username),
            })
        }
        fn tag(&self, name: &str) -> String {
            format!("https://h/tags/{name}")
        }
    }

    fn handles(source: &str) -> Vec<String> {
        let acct = |h: &Handle| match &h.domain {
            None => h.username.clone(),
            Some(d) => format!("{}@{d}", h.username),
        };
        parse(source).mentions().iter().map(acct).collect()
    }

    #[test]
    fn mentions() {
        for (source, expected) in [
            ("@ann hi", vec!["ann"]),
            ("hi @ann, @bob@Example.org.", vec!["ann", "bob@example.org"]),
            ("(@ann) @ann", vec!["ann"]),
            ("mail ann@example.org", vec![]),
            ("a/@ann", vec![]),
            ("@", vec![]),
            ("@@ann", vec![]),
            ("https://h/@ann", vec![]),
        ] {
            assert_eq!(handles(source), expected, "{source}");
        }
        let many: String = (0..500).map(|n| format!("@u{n} ")).collect();
        assert_eq!(handles(&many).len(), MENTIONS_MAX);
    }

    #[test]
    fn hashtags() {
        for (source, expected) in [
            ("#Rust and #rust", vec!["rust"]),
            ("#1 #2nd #日本語 #हिन्दी", vec!["2nd", "日本語", "हिन्दी"]),
            ("no#tag #", vec![]),
            ("#ａｂ", vec!["ab"]),
            ("https://h/#frag", vec![]),
        ] {
            assert_eq!(parse(source).tags(), expected, "{source}");
        }
    }

    #[test]
    fn lengths() {
        for (source, expected) in [
            ("", 0),
            ("👩‍👩‍👧‍👦", 1),
            ("https://example.org/a/very/long/path/that/goes/on/and/on", 23),
            ("@bob@example.org", 4),
            ("a\nb", 3),
        ] {
            assert_eq!(parse(source).length(), expected, "{source}");
        }
    }

    #[test]
    fn html() {
        for (source, expected) in [
            ("", ""),
            ("a < b & c", "<p>a &lt; b &amp; c</p>"),
            ("a\nb\n\nc", "<p>a<br />b</p><p>c</p>"),
            ("@nobody", "<p>@nobody</p>"),
            (
                "@ann",
                "<p><span class=\"h-card\" translate=\"no\"><a href=\"https://h/@ann\" \
                 class=\"u-url mention\">@<span>ann</span></a></span></p>",
            ),
            ("javascript:alert(1)", "<p>javascript:alert(1)</p>"),
        ] {
            assert_eq!(parse(source).to_html(&Here).as_str(), expected, "{source}");
        }
        let html = parse("see https://www.example.org/\"onload=x").to_html(&Here);
        assert!(!html.as_str().contains("\"onload"), "{}", html.as_str());
    }

    #[test]
    fn remote_markup_is_cut_down() {
        let html = sanitise(
            "<p onclick=x>a<script>b</script><img src=x><svg><a href=\"javascript:x\">c</a></p>",
        );
        for bad in ["script", "onclick", "img", "svg", "javascript"] {
            assert!(!html.as_str().contains(bad), "{}", html.as_str());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_whole_and_stays_harmless(source in any::<String>()) {
            let text = parse(&source);
            let joined: String = text.parts.iter().map(|p| match p {
                Part::Plain(t) | Part::Link(t) | Part::Mention(t, _) | Part::Tag(t) => *t,
            }).collect();
            prop_assert_eq!(&joined, &source);
            let html = text.to_html(&Here);
            let again = sanitise(html.as_str());
            prop_assert!(!html.as_str().contains("<script"));
            prop_assert_eq!(again.as_str().matches("<a ").count(), html.as_str().matches("<a ").count());
        }
    }
}
