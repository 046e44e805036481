//! Finds links, mentions, hashtags and shortcodes, from left to right; none overlaps another.
//! What may stand before and after each is Mastodon's rule, so that a post means the same there.
//!
//! Sources: <https://docs.joinmastodon.org/user/posting/#hashtags> (letters, numbers and
//! underscores, not numbers alone) and the addresses of RFC 3986 as `linkify` finds them.

use super::{Kind, Span};
use crate::{
    handle::{is_name_byte, name_len},
    limits::{
        DOMAIN_BYTES, LINK_BYTES, REMOTE_USERNAME_BYTES, SHORTCODE_BYTES, TAG_CHARACTERS,
        USERNAME_CHARACTERS,
    },
};
use linkify::{LinkFinder, LinkKind};
use smallvec::SmallVec;
use std::borrow::Cow;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A number sign as East Asian keyboards type it.
const FULL_WIDTH_SIGN: char = '＃';
/// Characters that may join the words of a hashtag, beside the underscore: middle dot, katakana
/// middle dot, and the zero-width non-joiner that Persian spelling needs.
const JOINERS: [char; 3] = ['\u{b7}', '\u{30fb}', '\u{200c}'];

/// All spans of the text, in order.
pub(super) fn scan(source: &str) -> SmallVec<[Span; 8]> {
    let mut spans = SmallVec::new();
    let mut done = 0;
    // Most posts have no link; looking for one costs more than the rest together.
    if source.contains("://") {
        for (start, end) in links(source) {
            scan_words(source, done, start, &mut spans);
            spans.push(Span { start, end, kind: Kind::Link });
            done = end;
        }
    }
    scan_words(source, done, source.len(), &mut spans);
    spans
}

/// Whether a character ends an address in East Asian text, where no space follows it.
fn ends_host(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{303f}' | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff1f}')
}

/// The text with hosts that the finder can read, byte for byte as long: it takes letters of any
/// script for those of a host, but not of a host's last part (`https://пример.рф`).
fn with_plain_hosts(source: &str) -> Cow<'_, str> {
    if source.is_ascii() {
        return Cow::Borrowed(source);
    }
    let mut plain = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("://") {
        let (before, host) = rest.split_at(at + "://".len());
        plain.push_str(before);
        let goes_on = |c: char| c.is_alphanumeric() || is_combining_mark(c) || "-.@:".contains(c);
        let end = host.find(|c: char| !goes_on(c)).unwrap_or(host.len());
        let (host, after) = host.split_at(end);
        for c in host.chars() {
            match c.is_ascii() {
                true => plain.push(c),
                false => plain.extend(std::iter::repeat_n('a', c.len_utf8())),
            }
        }
        rest = after;
        if let Some(c) = after.chars().next().filter(|c| ends_host(*c)) {
            plain.extend(std::iter::repeat_n(' ', c.len_utf8()));
            rest = after.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// Byte ranges of http and https addresses.
fn links(source: &str) -> Vec<(usize, usize)> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    finder
        .links(&with_plain_hosts(source))
        .filter(|link| {
            let scheme = link.as_str().split(':').next().unwrap_or_default();
            scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
        })
        .filter(|link| link.end() - link.start() <= LINK_BYTES)
        .map(|link| (link.start(), link.end()))
        .collect()
}

/// Finds what is no link between two places of the source. What stands before `from` still counts
/// as the character before the first word.
fn scan_words(source: &str, from: usize, to: usize, spans: &mut SmallVec<[Span; 8]>) {
    let bytes = source.as_bytes();
    let mut at = from;
    while at < to {
        let found = match bytes.get(at) {
            Some(b'@') => mention(source, at, to),
            Some(b'#') => tag(source, at, to, 1),
            Some(b':') => emoji(source, at, to),
            // The first byte of the full-width sign, and of many other characters.
            Some(0xEF) if source.get(at..).is_some_and(|s| s.starts_with(FULL_WIDTH_SIGN)) => {
                tag(source, at, to, FULL_WIDTH_SIGN.len_utf8())
            }
            _ => None,
        };
        match found {
            Some(span) => {
                at = span.end;
                spans.push(span);
            }
            None => at += 1,
        }
    }
}

fn before(source: &str, at: usize) -> Option<char> {
    source.get(..at)?.chars().next_back()
}

/// `@name` or `@name@domain`, unless it continues a word, a path or a query.
fn mention(source: &str, at: usize, to: usize) -> Option<Span> {
    if before(source, at).is_some_and(|c| c == '/' || c == '=' || is_word(c)) {
        return None;
    }
    let rest = source.get(at + 1..to)?;
    let name = name_len(rest);
    if name == 0 || name > REMOTE_USERNAME_BYTES {
        return None;
    }
    let domain = match rest.get(name..)?.strip_prefix('@') {
        None => 0,
        Some(text) => domain_len(text),
    };
    if domain > DOMAIN_BYTES || (domain == 0 && name > USERNAME_CHARACTERS) {
        return None;
    }
    let end = at + 1 + name + if domain > 0 { 1 + domain } else { 0 };
    Some(Span { start: at, end, kind: Kind::Mention { name } })
}

/// Bytes of the longest domain at the start of the text.
fn domain_len(text: &str) -> usize {
    let run = text.find(|c: char| !is_word(c) && c != '.' && c != '-').unwrap_or(text.len());
    let domain = text.get(..run).unwrap_or_default();
    if domain.starts_with(['.', '-']) { 0 } else { domain.trim_end_matches(['.', '-']).len() }
}

/// `#name`, unless it continues a word or a path.
fn tag(source: &str, at: usize, to: usize, sign: usize) -> Option<Span> {
    if before(source, at).is_some_and(|c| matches!(c, '/' | ')' | '=') || is_word(c)) {
        return None;
    }
    let name = source.get(at + sign..to)?;
    let len = tag_len(name);
    (len > 0).then_some(Span { start: at, end: at + sign + len, kind: Kind::Tag { sign } })
}

/// Bytes of the hashtag at the start of the text, 0 if there is none. It begins and ends with a
/// word character, and holds a letter, or a joiner within.
fn tag_len(text: &str) -> usize {
    let run = text.find(|c: char| !is_word(c) && !JOINERS.contains(&c)).unwrap_or(text.len());
    let name = text.get(..run).unwrap_or_default();
    if name.starts_with(JOINERS) {
        return 0;
    }
    let name = name.trim_end_matches(JOINERS);
    let mut characters = 0;
    let mut counts = false;
    for (at, c) in name.char_indices() {
        characters += 1;
        let is_inside = at > 0 && at + c.len_utf8() < name.len();
        counts |= c.is_alphabetic() || (is_inside && (c == '_' || JOINERS.contains(&c)));
        if characters > TAG_CHARACTERS {
            return 0;
        }
    }
    if counts { name.len() } else { 0 }
}

/// `:name:`, standing free of words and other colons.
fn emoji(source: &str, at: usize, to: usize) -> Option<Span> {
    let stands_free = |c: char| !c.is_alphanumeric() && c != ':';
    if !before(source, at).is_none_or(stands_free) {
        return None;
    }
    let rest = source.get(at + 1..to)?;
    // A shortcode that would be too long is not looked at to its end.
    let name = rest.bytes().take(SHORTCODE_BYTES + 1).position(|b| !is_name_byte(b))?;
    if name < 2 || !rest.get(name..)?.starts_with(':') {
        return None;
    }
    let end = at + 1 + name + 1;
    let follows = source.get(end..)?.chars().next();
    follows.is_none_or(stands_free).then_some(Span { start: at, end, kind: Kind::Emoji })
}

/// Letters, marks, digits, and connectors such as the underscore.
fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    c.is_alphanumeric()
        || is_combining_mark(c)
        || matches!(c, '\u{203f}' | '\u{2040}' | '\u{2054}' | '\u{fe33}' | '\u{fe34}' | '＿')
        || ('\u{fe4d}'..='\u{fe4f}').contains(&c)
}

/// The form that hashtags are stored and compared by: NFKC, lower case, without what is no part of
/// a tag. The form typed stays in the text.
pub fn normalise_tag(display: &str) -> String {
    if display.is_ascii() {
        return display.to_ascii_lowercase();
    }
    let folded: String = display.nfkc().collect();
    // Lower case can take a text out of its normal form again (`İ` becomes two characters).
    folded.to_lowercase().nfkc().filter(|c| is_word(*c) || JOINERS.contains(c)).collect()
}
