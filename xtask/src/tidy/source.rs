//! Rules on one source file: how it opens, how long it and its functions are, how it is named, and
//! that nothing in it is left unfinished.

use super::Files;
use super::lexer::code_only;

/// Lines of a file, at most. Aim at half of it.
const FILE_LINES_MAX: usize = 800;
/// Lines of a function from its `fn` to its closing brace, at most.
const FUNCTION_LINES_MAX: usize = 70;
/// Characters of a line, at most; lines that hold a link are let off.
const LINE_CHARS_MAX: usize = 100;
/// File names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 4] = ["util", "common", "helper", "manager"];

/// Words of unfinished work; halves, so that this file holds none of them itself.
const UNFINISHED: [(&str, &str); 8] = [
    ("to", "do"),
    ("fix", "me"),
    ("x", "xx"),
    ("for ", "now"),
    ("place", "holder"),
    ("st", "ub"),
    ("dum", "my"),
    ("unimpl", "emented"),
];

/// All findings in all source files.
pub fn findings(files: &Files) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files.ending(".rs") {
        found.extend(one_file(name, text));
    }
    let prose = ["md", "py", "sql", "html", "css", "js", "toml"];
    for (name, text) in &files.all {
        let known = prose.iter().any(|end| name.ends_with(&format!(".{end}")));
        // The licence texts and the policy file quote others.
        if known && name != "deny.toml" {
            found.extend(unfinished(name, text));
        }
    }
    found
}

fn one_file(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(format!("{name}:1: open with `//!`: what it is for, what it leaves to others"));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        found.push(format!("{name}: {lines} lines, at most {FILE_LINES_MAX}: cut it at a seam"));
    }
    for (at, line) in text.lines().enumerate() {
        let width = line.chars().count();
        if width > LINE_CHARS_MAX && !line.contains("://") {
            found.push(format!("{name}:{}: {width} characters, at most {LINE_CHARS_MAX}", at + 1));
        }
    }
    let stem = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".rs");
    if EMPTY_NAMES.iter().any(|empty| stem == *empty || stem == format!("{empty}s")) {
        found.push(format!("{name}: `{stem}` says nothing: name the file for its noun"));
    }
    let code = code_only(text);
    for function in functions(&code).into_iter().filter(|f| f.lines > FUNCTION_LINES_MAX) {
        let Function { name: function, line, lines } = function;
        found.push(format!(
            "{name}:{line}: fn {function} has {lines} lines, at most {FUNCTION_LINES_MAX}"
        ));
    }
    for (at, line) in code.lines().enumerate() {
        if line.contains("#[ignore") {
            found.push(format!("{name}:{}: no test is ignored: mend it or remove it", at + 1));
        }
    }
    found.extend(unfinished(name, text));
    found
}

/// One function and its size.
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Every function with a body, nested ones too, in source without strings and comments.
fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code.get(..at).unwrap_or_default();
        let starts_word = before
            .chars()
            .next_back()
            .is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == '\''));
        let after = code.get(at + 3..).unwrap_or_default();
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !starts_word || name.is_empty() {
            continue;
        }
        if let Some(length) = body_end(after) {
            let whole = after.get(..length).unwrap_or_default();
            found.push(Function {
                name,
                line: before.matches('\n').count() + 1,
                lines: whole.matches('\n').count() + 1,
            });
        }
    }
    found
}

/// Where the body that follows a signature ends; none where there is only a signature.
fn body_end(after: &str) -> Option<usize> {
    let (mut round, mut braces) = (0_i32, 0_i32);
    for (at, c) in after.char_indices() {
        match c {
            '(' | '[' => round += 1,
            ')' | ']' => round -= 1,
            ';' if round == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 && round == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn unfinished(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        for (first, second) in UNFINISHED {
            let word = format!("{first}{second}");
            if holds_word(&lower, &word) {
                found.push(format!("{name}:{}: finish it: the line says `{word}`", at + 1));
            }
        }
    }
    found
}

fn holds_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).unwrap_or_default();
        let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        // The attribute of HTML forms, its style, and the lint of the same name are meant.
        let attribute = after.starts_with('=') || before == Some(':');
        let lint = after.starts_with(" = \"warn\"");
        !before.is_some_and(part) && !after.starts_with(part) && !attribute && !lint
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, text: &str, expected: &[&str]) {
        let found = one_file(name, text);
        let short: Vec<_> =
            found.iter().map(|f| f.split(": ").nth(1).unwrap_or_default()).collect();
        assert_eq!(short.len(), expected.len(), "{found:?}");
        for (finding, wanted) in short.iter().zip(expected) {
            assert!(finding.contains(wanted), "{finding} should contain {wanted}");
        }
    }

    #[test]
    fn a_plain_file_has_no_findings() {
        check("a/status.rs", "//! Statuses.\nfn f() {}\n", &[]);
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        check("a/b.rs", "fn f() {}\n", &["open with"]);
        check("a/b.rs", &format!("//! B.\n//{}\n", "x".repeat(100)), &["102 characters"]);
        check("a/utils.rs", "//! B.\n", &["`utils` says nothing"]);
        check("a/b.rs", &"//! B.\n".repeat(801), &["801 lines"]);
        check("a/b.rs", concat!("//! B.\n// to", "do: more\n"), &["finish it"]);
        check("a/b.rs", concat!("//! B.\n#[ign", "ore]\n"), &["no test is ignored"]);
    }

    #[test]
    fn a_long_function_is_found_and_named() {
        let body = "    let a = '{';\n".repeat(70);
        let text = format!("//! B.\nimpl A {{\nfn long(x: [u8; 2]) -> u8 {{\n{body}}}\n}}\n");
        check("a/b.rs", &text, &["fn long has 72 lines"]);
    }

    #[test]
    fn a_signature_alone_is_no_function() {
        let text = format!("//! T.\ntrait T {{\nfn a(&self);\n{}}}\n", "fn b();\n".repeat(80));
        check("a/b.rs", &text, &[]);
    }

    #[test]
    fn an_html_attribute_is_no_unfinished_work() {
        assert!(!holds_word("<input hold=\"Name\">", "hold"));
        assert!(holds_word("on hold here", "hold"));
    }
}
