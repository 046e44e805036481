//! Cleans what people type before anything else looks at it: line ends, control characters, and,
//! in names, marks that would turn the text around them.
//!
//! NUL and the other control characters are dropped, not refused: they come from pasting, nobody
//! sees them, and PostgreSQL stores no NUL.

use std::borrow::Cow;

/// A text of several lines: `\n` ends a line, tabs stay, other control characters go, and so does
/// white space around the whole.
pub fn paragraphs(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(is_edge);
    if !text.bytes().any(|b| b < b' ' && b != b'\n' || b == 0x7f || b == 0xc2) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\r' => {
                characters.next_if_eq(&'\n');
                clean.push('\n');
            }
            '\n' | '\t' => clean.push(c),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    // What stood at the edge may have been hidden behind a control character.
    let trimmed = clean.trim_matches(is_edge);
    let keeps_all = trimmed.len() == clean.len();
    Cow::Owned(if keeps_all { clean } else { trimmed.to_owned() })
}

/// A text of one line, such as a shown name, a content warning or a poll's choice: white space of
/// every kind becomes a blank, runs of it become one, and marks that override the direction of the
/// text go, since a name stands amid the words of others.
pub fn line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() {
            if !clean.is_empty() && !clean.ends_with(' ') {
                clean.push(' ');
            }
        } else if !c.is_control() && !turns_text(c) {
            clean.push(c);
        }
    }
    clean.truncate(clean.trim_end().len());
    clean
}

fn is_edge(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Embeddings, overrides and isolates (UAX 9, section 2). The plain marks U+200E and U+200F stay:
/// they are needed to write names of mixed direction, and end with themselves.
const fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
