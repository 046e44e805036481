//! Counts characters as Mastodon does: Unicode graphemes, where every link counts 23 and a remote
//! mention counts without its domain. Source: <https://docs.joinmastodon.org/user/posting/#text>.

use super::{Kind, Span};
use crate::limits::LINK_CHARACTERS;
use unicode_segmentation::UnicodeSegmentation;

/// Graphemes of a text (UAX 29, extended clusters).
pub fn graphemes(text: &str) -> usize {
    // Between these characters a cluster always ends, so each is its own: nine tenths of all posts
    // are counted without the tables. A carriage return would join with its newline.
    if text.is_ascii() && !text.bytes().any(|b| b < b' ' && b != b'\n' || b == 0x7f) {
        return text.len();
    }
    if text.chars().all(stands_alone) {
        return text.chars().count();
    }
    text.graphemes(true).count()
}

/// Whether no neighbour of the same sort can join this character to a cluster.
const fn stands_alone(c: char) -> bool {
    matches!(c,
        '\n' | ' '..='~' | '\u{a0}'..='\u{a8}' | '\u{aa}'..='\u{ac}' | '\u{af}'..='\u{2ff}'
        | '\u{370}'..='\u{482}' | '\u{48a}'..='\u{52f}' | '\u{3041}'..='\u{3096}'
        | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fff}'
        | '\u{2018}'..='\u{2027}' | '\u{3001}' | '\u{3002}')
}

/// The counted length of a text with these spans.
pub(super) fn count(source: &str, spans: &[Span]) -> usize {
    if spans.is_empty() {
        return graphemes(source);
    }
    let mut counted = String::with_capacity(source.len());
    let mut done = 0;
    let piece = |from: usize, to: usize| source.get(from..to).unwrap_or_default();
    for span in spans {
        match span.kind {
            Kind::Link => {
                counted.push_str(piece(done, span.start));
                counted.extend(std::iter::repeat_n('x', LINK_CHARACTERS));
            }
            Kind::Mention { name } => counted.push_str(piece(done, span.start + 1 + name)),
            Kind::Tag { .. } | Kind::Emoji => continue,
        }
        done = span.end;
    }
    counted.push_str(piece(done, source.len()));
    graphemes(&counted)
}
