//! Licences, bans and sources of outside crates, checked against `deny.toml` without cargo-deny.
//!
//! Building cargo-deny takes longer than the whole check, so its file format is read here and the
//! three rules that matter are held: every crate's licence expression can be satisfied by the
//! allowed licences, no banned crate is shipped, and everything comes from the one registry.
//! Advisories need a database from the network and are left to `cargo deny check advisories`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::ground;

#[derive(Deserialize)]
struct Policy {
    licenses: Licences,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
    #[serde(default)]
    wrappers: BTreeSet<String>,
}

/// Checks every crate that is built for this platform, tests included.
///
/// # Errors
/// With one line per crate that breaks the policy.
pub fn run() -> Result<()> {
    let text = std::fs::read_to_string(ground::root().join("deny.toml")).context("deny.toml")?;
    let policy: Policy = toml::from_str(&text).context("deny.toml")?;
    let mut wrong = Vec::new();
    let crates = tree("{p}|{l}|{r}", "normal,build,dev")?;
    for (name, licence) in &crates {
        if !allowed(licence, &policy.licenses.allow) {
            wrong.push(format!("{name}: licence `{licence}` is not on the list in deny.toml"));
        }
    }
    for ban in &policy.bans.deny {
        for parent in parents(&ban.name)? {
            if !ban.wrappers.contains(&parent) {
                wrong.push(format!("{} through {parent}: banned: {}", ban.name, ban.reason));
            }
        }
    }
    wrong.extend(sources()?);
    if !wrong.is_empty() {
        bail!("outside crates break the policy:\n  {}", wrong.join("\n  "));
    }
    println!(
        "licences: {} crates, every one allowed; advisories: not reachable here",
        crates.len()
    );
    Ok(())
}

/// Every crate of the graph with its licence expression.
fn tree(format: &str, edges: &str) -> Result<BTreeMap<String, String>> {
    let mut command = Command::new("cargo");
    command.args([
        "tree",
        "--workspace",
        "--locked",
        "--prefix",
        "none",
        "-e",
        edges,
        "-f",
        format,
    ]);
    let text = ground::output(command.current_dir(ground::root()))?;
    let mut crates = BTreeMap::new();
    // The trees of the rooms are set apart by empty lines.
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut parts = line.trim_end_matches(" (*)").split('|');
        let name = parts.next().unwrap_or_default();
        let name = name.split(" (").next().unwrap_or(name).to_owned();
        crates.insert(name, parts.next().unwrap_or_default().to_owned());
    }
    Ok(crates)
}

/// The crates that bring a banned crate into what ships; none where it is not in the graph.
fn parents(name: &str) -> Result<BTreeSet<String>> {
    let mut command = Command::new("cargo");
    command.args(["tree", "--workspace", "--locked", "--prefix", "none", "--depth", "1"]);
    command.args(["-e", "normal,build", "-i", name, "-f", "{p}"]).current_dir(ground::root());
    let output = command.output().context("cargo tree")?;
    // Where the crate is not in the graph at all, cargo says so with an error.
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.split(' ').next());
    Ok(names.filter(|found| !found.is_empty() && *found != name).map(str::to_owned).collect())
}

/// Crates in Cargo.lock that come from elsewhere than the one registry.
fn sources() -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        source: Option<String>,
    }
    let text = std::fs::read_to_string(ground::root().join("Cargo.lock")).context("Cargo.lock")?;
    let lock: Lock = toml::from_str(&text).context("Cargo.lock")?;
    let outside = lock.package.into_iter().filter_map(|package| {
        let source = package.source?;
        let known = source == "registry+https://github.com/rust-lang/crates.io-index";
        (!known).then(|| format!("{}: comes from {source}", package.name))
    });
    Ok(outside.collect())
}

/// Whether an SPDX expression can be met with the allowed licences alone.
fn allowed(expression: &str, allow: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = any_of(&mut rest, allow);
    !words.is_empty() && rest.is_empty() && met
}

fn any_of(words: &mut &[&str], allow: &BTreeSet<String>) -> bool {
    let mut met = all_of(words, allow);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        met |= all_of(words, allow);
    }
    met
}

fn all_of(words: &mut &[&str], allow: &BTreeSet<String>) -> bool {
    let mut met = one(words, allow);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        met &= one(words, allow);
    }
    met
}

fn one(words: &mut &[&str], allow: &BTreeSet<String>) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let met = any_of(words, allow);
            if let [")", rest @ ..] = *words {
                *words = rest;
                return met;
            }
            false
        }
        [licence, "WITH", exception, rest @ ..] => {
            let whole = format!("{licence} WITH {exception}");
            *words = rest;
            allow.contains(&whole)
        }
        [licence, rest @ ..] => {
            let met = allow.contains(*licence);
            *words = rest;
            met
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, expected: bool) {
        let allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC"];
        let allow = allow.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(allowed(expression, &allow), expected, "{expression}");
    }

    #[test]
    fn a_choice_is_met_by_one_and_a_conjunction_by_all() {
        check("MIT", true);
        check("MIT OR GPL-3.0", true);
        check("MIT/GPL-3.0", true);
        check("GPL-3.0", false);
        check("MIT AND GPL-3.0", false);
        check("(MIT OR GPL-3.0) AND ISC", true);
        check("(MIT OR GPL-3.0) AND AGPL-3.0-only", false);
        check("Apache-2.0 WITH LLVM-exception OR MIT", true);
        check("GPL-2.0 WITH Classpath-exception", false);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        check("", false);
        check("(MIT", false);
        check("MIT MIT", false);
    }
}
