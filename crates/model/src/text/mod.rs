//! What members write, taken apart once: links, mentions, hashtags, emoji and the words between.
//! Counting and rendering work on the parts, so that what counts as a link is also shown as one.
//!
//! A local text is stored as it was typed (cleaned of control characters) and rendered when it is
//! shown: addresses of mentions and tags are the caller's, depend on `server.domain`, and are never
//! stored. Source: <https://docs.joinmastodon.org/user/posting/>.

mod count;
mod html;
mod line;
mod plain;
mod sanitise;
mod scan;
#[cfg(test)]
mod tests;
mod words;

pub use crate::handle::{Handle, is_local_username};
pub use count::graphemes;
pub use html::{Links, SafeHtml, escape, escaped};
pub use line::{line, paragraphs};
pub use plain::plain;
pub use sanitise::sanitise;
pub use scan::normalise_tag;
pub use words::words;

use crate::limits::{BYTES_PER_CHARACTER, MENTIONS_PER_TEXT, TAGS_PER_TEXT};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Why a text is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// More characters than allowed, or so many bytes for them that no honest text needs them.
    #[error("the text is longer than {max} characters")]
    TooLong {
        /// How many there may be.
        max: usize,
    },
    /// More people than one post may call.
    #[error("the text mentions more than {max} people")]
    TooManyMentions {
        /// How many there may be.
        max: usize,
    },
    /// More hashtags than one post may carry.
    #[error("the text has more than {max} hashtags")]
    TooManyTags {
        /// How many there may be.
        max: usize,
    },
}

/// A text that has been taken apart: its cleaned source, and what was found in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text<'a> {
    source: Cow<'a, str>,
    spans: SmallVec<[Span; 8]>,
}

/// A stretch of the source that is more than words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Span {
    start: usize,
    end: usize,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Link,
    /// Bytes of the name, without its `@`.
    Mention {
        name: usize,
    },
    /// Bytes of the number sign, ASCII or full width.
    Tag {
        sign: usize,
    },
    Emoji,
}

/// A piece of a text, in order; the pieces together are the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Token<'a> {
    /// Words.
    Plain(&'a str),
    /// An http or https address.
    Link(&'a str),
    /// Somebody is called: name, and domain if it is not this server's, as typed.
    Mention(&'a str, Option<&'a str>),
    /// A hashtag, without its sign, as typed.
    Tag(&'a str),
    /// A custom emoji's shortcode, without its colons. Whether it exists, the caller knows.
    Emoji(&'a str),
}

/// Takes a text apart. Never fails, and costs time linear in the text: what is no part of a known
/// form is words. Whether it may be posted is [`Text::fits`].
pub fn parse(source: &str) -> Text<'_> {
    let source = paragraphs(source);
    let spans = scan::scan(&source);
    Text { source, spans }
}

impl Text<'_> {
    /// The cleaned source: what is stored, and given back when its author edits it.
    pub fn source(&self) -> &str {
        &self.source
    }
    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }
    /// Characters as Mastodon counts them: graphemes, links 23, remote mentions without domain.
    pub fn length(&self) -> usize {
        count::count(&self.source, &self.spans)
    }
    /// Whether it may be posted by somebody who has this many characters left.
    ///
    /// # Errors
    /// When it is too long, or calls more people or carries more hashtags than a post may.
    pub fn fits(&self, characters: usize) -> Result<(), TextError> {
        let bytes_max = characters.saturating_mul(BYTES_PER_CHARACTER);
        if self.source.len() > bytes_max || self.length() > characters {
            return Err(TextError::TooLong { max: characters });
        }
        if self.distinct(MENTIONS_PER_TEXT, |k| matches!(k, Kind::Mention { .. })) {
            return Err(TextError::TooManyMentions { max: MENTIONS_PER_TEXT });
        }
        if self.distinct(TAGS_PER_TEXT, |k| matches!(k, Kind::Tag { .. })) {
            return Err(TextError::TooManyTags { max: TAGS_PER_TEXT });
        }
        Ok(())
    }
    /// Its pieces, in order.
    pub fn tokens(&self) -> impl Iterator<Item = Token<'_>> {
        let mut at = 0;
        let mut spans = self.spans.iter().peekable();
        std::iter::from_fn(move || {
            let next = spans.peek().map_or(self.source.len(), |span| span.start);
            if at < next {
                let words = self.source.get(at..next).unwrap_or_default();
                at = next;
                return Some(Token::Plain(words));
            }
            let span = spans.next()?;
            at = span.end;
            Some(self.token(span))
        })
    }
    /// Who is mentioned, each once, in order, at most as many as a post may call.
    pub fn mentions(&self) -> Vec<Handle> {
        let mut found: Vec<Handle> = Vec::new();
        for span in &self.spans {
            let Token::Mention(username, domain) = self.token(span) else { continue };
            let is_same = |h: &Handle| {
                h.username.eq_ignore_ascii_case(username)
                    && h.domain.as_deref() == domain.map(str::to_lowercase).as_deref()
            };
            if found.len() < MENTIONS_PER_TEXT && !found.iter().any(is_same) {
                found.push(handle(username, domain));
            }
        }
        found
    }
    /// Hashtags in normal form, each once, in order, at most as many as a post may carry.
    pub fn tags(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for span in &self.spans {
            let Token::Tag(display) = self.token(span) else { continue };
            let name = normalise_tag(display);
            if found.len() < TAGS_PER_TEXT && !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }
    /// Web addresses, in order, repeats included.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        self.tokens().filter_map(|token| match token {
            Token::Link(link) => Some(link),
            _ => None,
        })
    }
    /// Shortcodes of custom emoji, in order, repeats included.
    pub fn emoji(&self) -> impl Iterator<Item = &str> {
        self.tokens().filter_map(|token| match token {
            Token::Emoji(name) => Some(name),
            _ => None,
        })
    }

    /// Whether the text has more than `max` different spans of a kind, without case.
    fn distinct(&self, max: usize, is_kind: impl Fn(&Kind) -> bool) -> bool {
        let of_kind = || self.spans.iter().filter(|span| is_kind(&span.kind));
        of_kind().count() > max
            && of_kind()
                .filter_map(|span| self.source.get(span.start..span.end))
                .map(str::to_lowercase)
                .collect::<std::collections::HashSet<_>>()
                .len()
                > max
    }
    fn token(&self, span: &Span) -> Token<'_> {
        let piece = |from: usize, to: usize| self.source.get(from..to).unwrap_or_default();
        match span.kind {
            Kind::Link => Token::Link(piece(span.start, span.end)),
            Kind::Mention { name } => {
                let name_end = span.start + 1 + name;
                let domain = (name_end < span.end).then(|| piece(name_end + 1, span.end));
                Token::Mention(piece(span.start + 1, name_end), domain)
            }
            Kind::Tag { sign } => Token::Tag(piece(span.start + sign, span.end)),
            Kind::Emoji => Token::Emoji(piece(span.start + 1, span.end - 1)),
        }
    }
}

fn handle(username: &str, domain: Option<&str>) -> Handle {
    Handle { username: username.to_owned(), domain: domain.map(str::to_lowercase) }
}
