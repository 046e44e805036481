//! Links between documents of the repository lead somewhere: the file exists, the heading too.
//! Links to other sites are not followed: tests reach nothing beyond loopback.

use std::path::Path;

use super::Files;

/// Links that lead nowhere.
pub fn findings(root: &Path, files: &Files) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files.ending(".md") {
        let folder = Path::new(name).parent().unwrap_or_else(|| Path::new(""));
        for (line, target) in links(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() { root.join(name) } else { root.join(folder).join(path) };
            if !file.exists() {
                found.push(format!("{name}:{line}: the link to {target} is dead"));
            } else if !anchor.is_empty() && !has_heading(&file, anchor) {
                found.push(format!("{name}:{line}: {target} has no such heading"));
            }
        }
    }
    found
}

/// Targets of `[text](target)` outside code blocks, each with its line.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut code = false;
    for (at, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        for part in line.split("](").skip(1) {
            if let Some((target, _)) = part.split_once(')') {
                found.push((at + 1, target.split(' ').next().unwrap_or(target)));
            }
        }
    }
    found
}

fn has_heading(file: &Path, anchor: &str) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor)
}

/// The anchor that forges give to a heading.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_outside_code() {
        let text = "see [a](x.md) and [b](y.md#z \"t\")\n```\n[c](gone.md)\n```\n";
        assert_eq!(links(text), vec![(1, "x.md"), (1, "y.md#z")]);
        assert_eq!(slug("## The way of a request"), "the-way-of-a-request");
    }
}
