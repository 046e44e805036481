//! `cargo xtask tidy`, also a test: the rules of the house that no linter knows.
//!
//! Every rule gives a list of findings (`file:line: what is wrong and what to do`), so that one run
//! shows all of them. What formatting and types can hold is left to rustfmt and clippy.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::ground;

mod edges;
mod lexer;
mod links;
mod map;
mod source;

/// Folders that hold nothing written here.
const NOT_OURS: [&str; 7] =
    ["target", ".git", "node_modules", ".venv", "fulmar-data", "corpus", "artifacts"];

/// Directory levels that are walked. The tree is about six deep.
const DEPTH_MAX: usize = 12;

/// Runs every rule on this repository.
///
/// # Errors
/// With all findings, one a line.
pub fn run() -> Result<()> {
    let root = ground::root();
    let files = Files::read(&root)?;
    let mut findings = source::findings(&files);
    findings.extend(map::findings(&root, &files));
    findings.extend(edges::findings(&root)?);
    findings.extend(links::findings(&root, &files));
    if !findings.is_empty() {
        bail!("{} findings:\n  {}", findings.len(), findings.join("\n  "));
    }
    println!("tidy: {} files, nothing to say", files.all.len());
    Ok(())
}

/// The text files of the repository, by path relative to its root.
pub struct Files {
    /// Path with forward slashes, and text.
    pub all: Vec<(String, String)>,
}

impl Files {
    fn read(root: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        walk(root, DEPTH_MAX, &mut paths)?;
        paths.sort();
        let mut all = Vec::new();
        for path in paths {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let name = path.strip_prefix(root).unwrap_or(&path);
            all.push((name.to_string_lossy().replace('\\', "/"), text));
        }
        Ok(Self { all })
    }

    /// The files whose name ends so.
    pub fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.all
            .iter()
            .filter(move |(name, _)| name.ends_with(end))
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if depth == 0 {
        return Ok(());
    }
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if NOT_OURS.iter().any(|other| name == *other) {
            continue;
        }
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(&path, depth - 1, found)?;
        } else if wanted(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn wanted(path: &Path) -> bool {
    let known = ["rs", "md", "toml", "py", "sql", "html", "css", "js", "service", "sh"];
    path.extension().is_some_and(|end| known.iter().any(|other| end == *other))
        || path.ends_with(".ci/run")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        super::run().expect("tidy");
    }
}
