//! Blanks out comments, strings and characters of Rust source, so that braces and words that are
//! left are code. Keeps every line where it was. No parser: only what the sizes need.

/// The source with everything that is not code replaced by spaces, line breaks kept.
pub fn code_only(source: &str) -> String {
    let mut lexer = Lexer { rest: source, code: String::with_capacity(source.len()) };
    while !lexer.rest.is_empty() {
        lexer.next();
    }
    lexer.code
}

struct Lexer<'a> {
    rest: &'a str,
    code: String,
}

impl Lexer<'_> {
    fn next(&mut self) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(block_comment(rest));
        } else if let Some(length) = raw_string(rest).filter(|_| !self.inside_word()) {
            self.blank(length);
        } else if rest.starts_with('"') {
            self.blank(quoted(rest, '"'));
        } else if rest.starts_with('\'') && is_character(rest) {
            self.blank(quoted(rest, '\''));
        } else if let Some(first) = rest.chars().next() {
            self.code.push(first);
            self.rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }

    fn blank(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.code.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }

    /// Whether the last code character belongs to a name, so that an `r` here starts no string.
    fn inside_word(&self) -> bool {
        self.code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
    }
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a raw string, of bytes or of C too, when one starts here.
fn raw_string(text: &str) -> Option<usize> {
    let after = ["br", "cr", "r"].iter().find_map(|start| text.strip_prefix(start))?;
    let prefix = text.len() - after.len();
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(prefix + hashes + 1 + length)
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// Whether a quote opens a character and no lifetime.
fn is_character(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    matches!((chars.next(), chars.next()), (Some('\\'), _) | (Some(_), Some('\'')))
}

#[cfg(test)]
mod tests {
    use super::code_only;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        let squeezed: Vec<_> = code_only(source).split_whitespace().map(str::to_owned).collect();
        assert_eq!(squeezed.join(" "), expected, "{source}");
    }

    #[test]
    fn only_code_is_left() {
        check("a // b { \nc", "a c");
        check("a /* b /* { */ } */ c", "a c");
        check("let s = \"{ \\\" {\"; x", "let s = ; x");
        check("let s = r#\"{ \" {\"#; x", "let s = ; x");
        check("let c = '{'; let l: &'a str; '\\'' x", "let c = ; let l: &'a str; x");
        check("for\"x\"", "for");
    }

    #[test]
    fn lines_stay_where_they_are() {
        assert_eq!(code_only("\"a\nb\"\nc").lines().count(), 3);
    }
}
