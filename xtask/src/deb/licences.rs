//! Whose work is in the program, and under which terms: the licence and notice files of every crate
//! that is linked into it, gathered from where cargo unpacked them. Their terms ask for that.
//!
//! Leaves to others: which licences are accepted at all (`policy`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::ground;

/// How names of files with terms begin, in capitals.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];
/// Bytes of such a file; what is longer is no text of terms.
const FILE_BYTES_MAX: u64 = 256 * 1024;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
    source: Option<String>,
}

/// The text that goes along with the program.
///
/// # Errors
/// When cargo cannot say what is in it.
pub fn of_the_program() -> Result<String> {
    let mut tree = Command::new("cargo");
    tree.args(["tree", "--locked", "--package", "server", "--edges", "normal,build"]);
    tree.args(["--prefix", "none", "--format", "{p}"]).current_dir(ground::root());
    let tree = ground::output(&mut tree)?;
    let linked: Vec<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?.strip_prefix('v')?))
        })
        .collect();
    let mut ask = Command::new("cargo");
    ask.args(["metadata", "--locked", "--format-version", "1"]).current_dir(ground::root());
    let metadata: Metadata =
        serde_json::from_str(&ground::output(&mut ask)?).context("cargo metadata")?;
    let mut text = String::from(
        "What others made and Fulmar holds, with the terms that each comes under. Where a crate \
         offers a choice of licences, any of them may be chosen.\n",
    );
    let mut terms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut count = 0;
    for package in metadata.packages {
        let Package { name, version, license, repository, manifest_path, source } = package;
        if source.is_none() || !linked.contains(&(name.as_str(), version.as_str())) {
            continue;
        }
        count += 1;
        let license = license.as_deref().unwrap_or("see its files");
        let repository = repository.as_deref().unwrap_or_default();
        text.push_str(&format!("\n{name} {version}: {license} {repository}"));
        for file in files(manifest_path.parent().context("a folder")?)? {
            terms.entry(file).or_default().push(format!("{name} {version}"));
        }
    }
    ensure!(count > 50, "only {count} crates were found: that cannot be all");
    text.push('\n');
    for (file, whose) in terms {
        text.push_str(&format!("\n==== {}\n\n{}\n", whose.join(", "), file.trim()));
    }
    Ok(text)
}

/// The texts of terms in a crate's folder.
fn files(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        let metadata = entry.metadata()?;
        let is_terms = NAMES.iter().any(|begin| name.starts_with(begin));
        if is_terms && metadata.is_file() && metadata.len() <= FILE_BYTES_MAX {
            found.push(String::from_utf8_lossy(&fs::read(entry.path())?).into_owned());
        }
    }
    Ok(found)
}
