//! The map (`ARCHITECTURE.md`) and the land: every crate is on it, and nothing on it is gone.

use std::collections::BTreeSet;
use std::path::Path;

use super::Files;

const MAP: &str = "ARCHITECTURE.md";

/// Crates without a paragraph, and paths on the map or in the recipes that do not exist.
pub fn findings(root: &Path, files: &Files) -> Vec<String> {
    let Some((_, map)) = files.all.iter().find(|(name, _)| name == MAP) else {
        return vec![format!("{MAP}: is missing")];
    };
    let mut found = Vec::new();
    let land = crates(files);
    let drawn: BTreeSet<String> = map.lines().filter_map(heading).collect();
    for name in land.difference(&drawn) {
        found.push(format!("{MAP}: `{name}` has no heading: say what it is and what it lacks"));
    }
    for name in drawn.difference(&land) {
        found.push(format!("{MAP}: `{name}` has a heading but is gone"));
    }
    for (name, text) in files.ending(".md") {
        for (line, path) in paths(text) {
            if !root.join(path).exists() {
                found.push(format!("{name}:{line}: `{path}` is gone"));
            }
        }
    }
    found
}

/// Folders that hold a Cargo.toml of the workspace.
fn crates(files: &Files) -> BTreeSet<String> {
    let named =
        files.ending("/Cargo.toml").filter_map(|(name, _)| name.strip_suffix("/Cargo.toml"));
    named.map(str::to_owned).collect()
}

/// The crate of a heading like "### `crates/model`".
fn heading(line: &str) -> Option<String> {
    let rest = line.strip_prefix("### `")?;
    rest.split('`').next().map(str::to_owned)
}

/// Paths of the repository in backticks, each with its line.
fn paths(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        // A recipe writes `crates/api/src/NOUN.rs` where the reader fills in the noun.
        let quoted = line.split('`').skip(1).step_by(2);
        let ours = quoted.filter(|word| {
            ["crates/", "xtask/", "docs/", "tests/", "fuzz/"]
                .iter()
                .any(|top| word.starts_with(top))
                && !word.contains([' ', '*', '{', '<', ':'])
                && !word.contains("NOUN")
                && !word.contains("NAME")
        });
        found.extend(ours.map(|word| (at + 1, word)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_paths_are_read() {
        assert_eq!(heading("### `crates/model`: nouns"), Some("crates/model".to_owned()));
        assert_eq!(heading("## Rooms"), None);
        let text = "see `crates/model/src/lib.rs`, `cargo x`\nand `crates/api/src/NOUN.rs`";
        assert_eq!(paths(text), vec![(1, "crates/model/src/lib.rs")]);
    }
}
