//! The words of a piece of HTML, for search, language and previews. The result is text: whoever
//! shows it escapes it. One pass, linear in the input, whatever the markup looks like.

use crate::limits::REMOTE_HTML_BYTES;

/// Longest entity that is looked for, `&` and `;` not counted.
const ENTITY_BYTES: usize = 10;

/// Words without markup; paragraphs and line breaks become line ends.
pub fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len().min(REMOTE_HTML_BYTES));
    let mut rest = cut(html);
    while let Some(at) = rest.find(['<', '&']) {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        rest =
            if after.starts_with('<') { tag(after, &mut text) } else { entity(after, &mut text) };
    }
    text.push_str(rest);
    super::paragraphs(&text).into_owned()
}

/// As much of the input as is read.
pub(super) fn cut(html: &str) -> &str {
    html.get(..html.floor_char_boundary(REMOTE_HTML_BYTES)).unwrap_or(html)
}

/// Skips a tag, and says where a line ends. Returns what follows.
fn tag<'a>(html: &'a str, text: &mut String) -> &'a str {
    let inside = html.get(1..).unwrap_or_default();
    if !inside.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
        text.push('<');
        return inside;
    }
    let name = inside.trim_start_matches('/');
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    let name = name.get(..end).unwrap_or_default();
    let breaks = ["br", "p", "li", "div", "blockquote", "pre", "h1", "h2", "h3", "ul", "ol"];
    if breaks.iter().any(|b| name.eq_ignore_ascii_case(b)) && !text.is_empty() {
        let ends_paragraph = name.eq_ignore_ascii_case("p") && inside.starts_with('/');
        text.push_str(if ends_paragraph { "\n\n" } else { "\n" });
        collapse_breaks(text);
    }
    inside.find('>').and_then(|at| inside.get(at + 1..)).unwrap_or_default()
}

/// At most one empty line.
fn collapse_breaks(text: &mut String) {
    let words = text.trim_end_matches('\n').len();
    text.truncate(text.len().min(words + 2));
}

/// Reads an entity; what is none stays as it is. Returns what follows.
fn entity<'a>(html: &'a str, text: &mut String) -> &'a str {
    let inside = html.get(1..).unwrap_or_default();
    let end = inside.bytes().take(ENTITY_BYTES + 1).position(|b| b == b';');
    let found = end.and_then(|at| Some((character(inside.get(..at)?)?, inside.get(at + 1..)?)));
    match found {
        Some((c, rest)) => {
            text.push(c);
            rest
        }
        None => {
            text.push('&');
            inside
        }
    }
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => {
            let number = name.strip_prefix('#')?;
            match number.strip_prefix(['x', 'X']) {
                Some(hex) => char::from_u32(u32::from_str_radix(hex, 16).ok()?),
                None => char::from_u32(number.parse().ok()?),
            }
        }
    }
}
