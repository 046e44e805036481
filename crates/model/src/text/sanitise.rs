//! Cleans HTML that came from elsewhere, down to what Mastodon shows: paragraphs, breaks, links,
//! emphasis, lists, quotes and code. Nothing that runs, loads or styles.
//! Source: <https://docs.joinmastodon.org/spec/activitypub/#sanitization>.

use super::{SafeHtml, html::escape, plain};
use crate::limits::{REMOTE_HTML_SEARCHED_BYTES, REMOTE_HTML_TAGS};
use ammonia::{Builder, UrlRelative};
use std::{borrow::Cow, collections::HashMap, collections::HashSet, sync::LazyLock};

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from([
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
            "ruby",
            "rt",
            "rp",
        ]))
        .clean_content_tags(HashSet::from(["script", "style"]))
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href", "class", "translate"])),
            ("span", HashSet::from(["class", "translate"])),
            ("ol", HashSet::from(["start", "reversed"])),
            ("li", HashSet::from(["value"])),
        ]))
        .url_schemes(HashSet::from([
            "http", "https", "dat", "dweb", "ipfs", "ipns", "ssb", "gopher", "xmpp", "magnet",
            "gemini",
        ]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer"))
        .set_tag_attribute_value("a", "target", "_blank")
        .attribute_filter(attribute)
        .strip_comments(true);
    builder
});

/// Remote HTML with only what is allowed; the words of everything else stay.
pub fn sanitise(html: &str) -> SafeHtml {
    let html = plain::cut(html);
    if is_dear(html) {
        let mut words = String::from("<p>");
        escape(&plain::plain(html), &mut words);
        words.push_str("</p>");
        return SafeHtml::vouched(words);
    }
    SafeHtml::vouched(CLEANER.clean(html).to_string())
}

/// Whether parsing or writing would cost more than a post is worth. Parsing repairs unclosed tags;
/// writing searches the rest of a text anew at each `&` and at each character that UTF-8 begins
/// with 0xC2, as the no-break space does (html5ever 0.40, `write_escaped`).
fn is_dear(html: &str) -> bool {
    let count = |is_meant: fn(&u8) -> bool| html.as_bytes().iter().filter(|b| is_meant(b)).count();
    count(|b| *b == b'<') > REMOTE_HTML_TAGS
        || count(|b| matches!(b, b'&' | 0xC2)).saturating_mul(html.len())
            > REMOTE_HTML_SEARCHED_BYTES
}

/// Keeps the values that mean something to clients: microformats and Mastodon's own classes.
fn attribute<'a>(_element: &str, name: &str, value: &'a str) -> Option<Cow<'a, str>> {
    match name {
        "class" => {
            let kept: Vec<&str> = value.split_whitespace().filter(|c| is_known(c)).collect();
            (!kept.is_empty()).then(|| Cow::Owned(kept.join(" ")))
        }
        "translate" => (value == "no").then_some(Cow::Borrowed(value)),
        "start" | "value" => value.parse::<i32>().ok().map(|n| Cow::Owned(n.to_string())),
        _ => Some(Cow::Borrowed(value)),
    }
}

fn is_known(class: &str) -> bool {
    matches!(class, "mention" | "hashtag" | "ellipsis" | "invisible" | "quote-inline")
        || ["h-", "p-", "u-", "dt-", "e-"].iter().any(|start| class.starts_with(start))
}
