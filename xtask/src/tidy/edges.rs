//! Which room may use which, and that every outside crate says why it is here.
//!
//! The table is the direction of the house: nothing reaches back up. An edge that is not in it is
//! refused however useful; to change the table is a decision that belongs in `docs/decisions`.

use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

/// Each room and what it may use of ours. `testkit` may always be used by tests.
const ROOMS: [(&str, &[&str]); 12] = [
    ("model", &[]),
    ("shield", &[]),
    ("drill", &[]),
    // Opens both engines for others' tests; `store` itself meets it in its integration tests only.
    ("testkit", &["model", "store"]),
    ("store", &["model"]),
    ("social", &["model"]),
    ("httpkit", &["model"]),
    ("api", &["social", "model", "httpkit"]),
    ("watch", &["httpkit"]),
    ("web", &["social", "model", "httpkit", "watch"]),
    ("federation", &["social", "model", "httpkit"]),
    ("xtask", &[]),
];

/// The room that wires all others, and so may use them.
const WIRING: &str = "server";

/// Edges that the table does not have, and outside crates without a reason.
///
/// # Errors
/// When a Cargo.toml cannot be read.
pub fn findings(root: &Path) -> Result<Vec<String>> {
    let mut found = reasons(&read(&root.join("Cargo.toml"))?);
    let mut folders = vec![root.join("xtask")];
    for entry in std::fs::read_dir(root.join("crates")).context("crates")? {
        folders.push(entry?.path());
    }
    for folder in folders.iter().filter(|folder| folder.join("Cargo.toml").exists()) {
        let text = read(&folder.join("Cargo.toml"))?;
        let room = folder.file_name().unwrap_or_default().to_string_lossy();
        let table: Table = toml::from_str(&text).with_context(|| format!("{room}/Cargo.toml"))?;
        found.extend(room_edges(&room, &table, &text));
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn room_edges(room: &str, table: &Table, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let allowed = ROOMS.iter().find(|(name, _)| *name == room).map(|(_, may)| *may);
    if allowed.is_none() && room != WIRING {
        found.push(format!("crates/{room}: is not in the table of rooms (xtask, tidy, edges)"));
    }
    for part in ["dependencies", "build-dependencies", "dev-dependencies"] {
        for name in names(table, part) {
            if !is_room(name) {
                if !inherits(table, part, name) {
                    found.push(format!("{room}: `{name}` is declared in the root, then inherited"));
                }
                continue;
            }
            let tests = part == "dev-dependencies";
            let fine = (room == WIRING && (tests || name != "testkit"))
                || (tests && (name == "testkit" || has_reason(text, name)))
                || allowed.is_some_and(|may| may.contains(&name));
            if !fine {
                found.push(format!("{room} may not use {name} ({part}): nothing reaches back up"));
            }
        }
    }
    found
}

fn names<'a>(table: &'a Table, part: &str) -> Vec<&'a str> {
    let entries = table.get(part).and_then(Value::as_table);
    entries.map(|entries| entries.keys().map(String::as_str).collect()).unwrap_or_default()
}

fn is_room(name: &str) -> bool {
    name == WIRING || ROOMS.iter().any(|(room, _)| *room == name)
}

fn inherits(table: &Table, part: &str, name: &str) -> bool {
    let entry = table.get(part).and_then(|entries| entries.get(name));
    entry.and_then(|entry| entry.get("workspace")).and_then(Value::as_bool) == Some(true)
}

/// Whether the line that declares a dependency carries a comment.
fn has_reason(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let declares =
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '.', '=']));
        declares && line.contains(" # ")
    })
}

/// Outside crates of the root without a reason on their line.
fn reasons(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if inside && line.contains(" = ") && !line.starts_with('#') {
            let ours = line.contains("path = \"crates/");
            if !ours && !line.contains(" # ") {
                let name = line.split(' ').next().unwrap_or_default();
                found.push(format!("Cargo.toml:{}: `{name}` has no reason on its line", at + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(room: &str, text: &str, expected: &[&str]) {
        let table: Table = toml::from_str(text).expect("valid TOML");
        let found = room_edges(room, &table, text);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (finding, wanted) in found.iter().zip(expected) {
            assert!(finding.contains(wanted), "{finding} should contain {wanted}");
        }
    }

    #[test]
    fn an_edge_of_the_table_is_fine() {
        check("api", "[dependencies]\nmodel.workspace = true\nsocial.workspace = true\n", &[]);
        check("server", "[dependencies]\nshield.workspace = true\n", &[]);
        check("store", "[dev-dependencies]\ntestkit.workspace = true\n", &[]);
        check("api", "[dev-dependencies]\nstore.workspace = true # stories on SQLite\n", &[]);
    }

    #[test]
    fn an_edge_that_reaches_back_up_is_refused() {
        check("model", "[dependencies]\nstore.workspace = true\n", &["model may not use store"]);
        check("shield", "[dependencies]\nmodel.workspace = true\n", &["shield may not use model"]);
        check("server", "[dependencies]\ntestkit.workspace = true\n", &["may not use testkit"]);
        check("api", "[dev-dependencies]\nstore.workspace = true\n", &["api may not use store"]);
        check("attic", "[dependencies]\n", &["not in the table"]);
        check("api", "[dependencies]\nserde = \"1\"\n", &["declared in the root"]);
    }

    #[test]
    fn an_outside_crate_says_why() {
        let text = "[workspace.dependencies]\na = \"1\" # needed\nb = \"1\"\n[x]\nc = 1\n";
        assert_eq!(reasons(text), vec!["Cargo.toml:3: `b` has no reason on its line"]);
    }
}
